//! Datagram sessions on a simulated network.

use std::sync::mpsc;
use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{
    AsyncSession, CloseReason, CookieClient, DatagramDrop, Datagrams, Flow, Group, Handler, Limits, Listener, Network,
    NetworkConfig, NoMessage, Server, Session, SlowConsumer, Tasks, Timeouts,
};

use super::handlers::{Chat, Echo, Told};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_peer_is_idle_a_minute_after_its_last_datagram_whatever_it_is_sent() {
    for seed in 0..20 {
        let (told, tells) = mpsc::channel();
        let server = Server::builder().listen(Listener::datagrams("10.0.0.1:7001"));
        let sim = server.simulate(&Network::new(seed), Echo(told)).unwrap();
        let ann = sim.datagrams("10.0.0.1:7001");
        ann.send("hello");
        ann.expect("hello");
        sim.advance(MINUTE / 2);
        ann.send("still here");
        ann.expect("still here");
        let Ok(Told::Connected(id, _)) = tells.try_recv() else { panic!("it has a session") };
        sim.advance(MINUTE / 2);
        let _ = sim.handle().send(id, &b""[..]);
        sim.advance(MINUTE / 2 - Duration::from_millis(10));
        assert_eq!(sim.handle().sessions(), 1);
        // A timer's grain, and the time of the way.
        sim.advance(Duration::from_millis(20));
        assert_eq!(tells.try_recv(), Ok(Told::Closed(id, CloseReason::Idle)));
        assert_eq!(sim.handle().sessions(), 0);
        ann.send("back again");
        ann.expect("back again");
        assert!(matches!(tells.try_recv(), Ok(Told::Connected(other, _)) if other != id));
    }
}

#[test]
fn a_peer_keeps_its_shard_and_its_session_while_datagrams_are_lost_and_doubled() {
    for seed in 0..30 {
        let config = NetworkConfig::new().lost_datagrams(5).doubled_datagrams(5);
        let network = Network::with_config(seed, config);
        let (told, tells) = mpsc::channel();
        let server = Server::builder().listen(Listener::datagrams("10.0.0.1:7001")).shards(3);
        let sim = server.simulate(&network, Echo(told)).unwrap();
        let peers: Vec<_> = (1..=12_u8)
            .map(|last| sim.datagrams_from(format!("10.0.1.{last}:5000").as_str(), "10.0.0.1:7001"))
            .collect();
        let mut came = 0;
        for round in 0..20_u8 {
            for (index, peer) in peers.iter().enumerate() {
                peer.send([index as u8, round]);
            }
            sim.advance(Duration::from_millis(5));
            for (index, peer) in peers.iter().enumerate() {
                while let Some(datagram) = peer.try_next() {
                    assert_eq!(datagram, [index as u8, round], "its own, and nobody else's");
                    came += 1;
                }
            }
        }
        assert!((100..400).contains(&came), "{came}: some are lost, some are doubled");
        let sessions = tells.try_iter().count();
        assert_eq!((sessions, sim.handle().sessions()), (peers.len(), peers.len()));
    }
}

#[test]
fn the_exchange_of_cookies_ends_well_although_datagrams_are_lost_doubled_and_late() {
    for seed in 0..50 {
        let config = NetworkConfig::new().lost_datagrams(3).doubled_datagrams(3);
        let network = Network::with_config(seed, config);
        let (told, tells) = mpsc::channel();
        let public = Listener::datagrams("10.0.0.1:7001").datagram_settings(Datagrams::new().cookies(true));
        let sim = Server::builder().listen(public).shards(2).simulate(&network, Echo(told)).unwrap();
        let peers = [(); 4].map(|()| sim.datagrams("10.0.0.1:7001"));
        for (index, peer) in peers.iter().enumerate() {
            let mut client = CookieClient::new([index as u8; 8]);
            let mut tries = 0;
            while let Some(next) = client.to_send() {
                tries += 1;
                assert!(tries < 200, "it never opens");
                peer.send(next);
                sim.advance(Duration::from_millis(100));
                while let Some(datagram) = peer.try_next() {
                    assert!(client.received(&datagram));
                }
            }
        }
        assert_eq!(tells.try_iter().count(), peers.len(), "one session each");
        // A cookie that is too old begins nothing.
        let late = sim.datagrams("10.0.0.1:7001");
        let mut client = CookieClient::new([9; 8]);
        let cookie = loop {
            late.send(client.to_send().unwrap());
            sim.advance(Duration::from_millis(100));
            if let Some(datagram) = late.try_next() {
                client.received(&datagram);
                break client.to_send().unwrap();
            }
        };
        sim.advance(Duration::from_secs(30));
        (0..10).for_each(|_| late.send(cookie));
        sim.advance(Duration::from_secs(1));
        assert_eq!(tells.try_iter().filter(|told| matches!(told, Told::Connected(..))).count(), 0);
        assert!(sim.handle().stats().datagrams_dropped(DatagramDrop::NoCookie) > 0);
    }
}

/// Answers with what came and so many bytes more, when it may, and notes heartbeats.
#[derive(Clone)]
struct Beats;

impl Handler for Beats {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.confirm_peer();
    }
    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        match packet {
            b"later" => session.after(Duration::from_secs(2), 7).unwrap(),
            b"newest" => (0..10_u8).for_each(|value| session.send_latest(1, &[value]).unwrap()),
            _ => session.send(packet).unwrap(),
        }
        Flow::Continue
    }
    fn timer(&mut self, session: &Session, _: &mut (), token: u64) {
        session.send(&[token as u8]).unwrap();
    }
    fn heartbeat(&mut self, session: &Session, _: &mut ()) {
        session.send(b"beat").unwrap();
    }
}

#[test]
fn timers_heartbeats_rates_and_the_newest_of_a_key_are_as_over_streams() {
    for seed in 0..10 {
        let server = Server::builder()
            .listen(Listener::datagrams("10.0.0.1:7001"))
            .limits(Limits::new().packet_rate(10))
            .timeouts(Timeouts::new().heartbeat(Duration::from_secs(20)));
        let sim = server.simulate(&Network::new(seed), Beats).unwrap();
        let ann = sim.datagrams("10.0.0.1:7001");
        ann.send("later");
        ann.expect_nothing(Duration::from_millis(1990));
        ann.expect([7]);
        ann.send("newest");
        ann.expect([9]);
        ann.expect_nothing(Duration::from_secs(19));
        ann.expect("beat");
        // Twenty at once are over the rate: those that wait are handed over in time.
        (0..20_u8).for_each(|number| ann.send([number]));
        let began = sim.handle().stats().datagrams_received;
        let came: Vec<_> = (0..20).map(|_| ann.next_packet()).collect();
        assert_eq!(came.len(), 20);
        assert!(sim.handle().stats().datagrams_received >= began + 20);
    }
}

/// Sends much to a peer that has proved itself, through a socket that takes some at a time.
#[derive(Clone)]
struct Much(Group);

impl Handler for Much {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.confirm_peer();
        session.join(&self.0).unwrap();
    }
    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        for number in 0..50_u8 {
            session.send(&[packet, &[number; 1000]].concat()).unwrap();
        }
        self.0.broadcast(b"to all").unwrap();
        if packet == b"and close" { Flow::Close } else { Flow::Continue }
    }
}

#[test]
fn what_a_full_socket_does_not_take_waits_and_leaves_in_order_before_a_close() {
    for seed in 0..30 {
        // Every send is cut short; nothing overtakes.
        let config = NetworkConfig::new().short_sends(1).latency(Duration::from_millis(1), Duration::from_millis(1));
        let network = Network::with_config(seed, config);
        let server =
            Server::builder().listen(Listener::datagrams("10.0.0.1:7001")).slow_consumer(SlowConsumer::DropOldest);
        let sim = server.simulate(&network, Much(Group::new())).unwrap();
        let ann = sim.datagrams("10.0.0.1:7001");
        for word in [&b"go"[..], b"and close"] {
            ann.send(word);
            let mut numbers: Vec<u8> = (0..51)
                .map(|_| ann.next_packet())
                .filter(|came| came != b"to all")
                .map(|came| came[word.len()])
                .collect();
            // Those of one moment arrive in any order.
            numbers.sort_unstable();
            assert_eq!(numbers, (0..50).collect::<Vec<u8>>());
        }
        ann.expect_nothing(Duration::from_secs(1));
        let stats = sim.handle().stats();
        assert_eq!((stats.sessions, stats.cut, stats.datagrams_sent), (0, 0, 102), "{stats:?}");
    }
}

#[test]
fn a_broadcast_is_framed_once_for_datagrams_and_for_streams_with_the_same_length() {
    for seed in 0..20 {
        let group = Group::new();
        let server = Server::builder()
            .codec(LengthPrefixed::u16().max_packet(1472))
            .listen("10.0.0.1:7000")
            .listen(Listener::datagrams("10.0.0.1:7001"));
        let sim = server.simulate(&Network::new(seed), Chat(group.clone())).unwrap();
        let stream = sim.client("10.0.0.1:7000", LengthPrefixed::u16());
        let ann = sim.datagrams("10.0.0.1:7001");
        ann.send("I am here");
        ann.expect("I am here");
        stream.expect("I am here");
        stream.send("hello");
        ann.expect("hello");
        stream.expect("hello");
    }
}

async fn ask_each_second(session: AsyncSession) {
    while let Some(packet) = session.next().await {
        session.sleep(Duration::from_secs(1)).await;
        if session.send(&packet).await.is_err() {
            return;
        }
    }
}

#[test]
fn a_drain_lets_tasks_answer_what_has_come_and_then_ends() {
    for seed in 0..20 {
        let server = Server::builder().listen(Listener::datagrams("10.0.0.1:7001")).shards(2);
        let sim = server.simulate(&Network::new(seed), Tasks::new(ask_each_second)).unwrap();
        let peers = [(); 6].map(|()| sim.datagrams("10.0.0.1:7001"));
        peers.iter().for_each(|peer| (0..3_u8).for_each(|number| peer.send([number])));
        sim.advance(Duration::from_millis(10));
        sim.handle().drain(MINUTE);
        for peer in &peers {
            let mut came = [(); 3].map(|()| peer.next_packet()[0]);
            came.sort_unstable();
            assert_eq!(came, [0, 1, 2]);
        }
        sim.advance(Duration::from_secs(1));
        assert!(sim.has_ended());
        let stats = sim.handle().stats();
        assert_eq!((stats.drained, stats.drain_cut, stats.cut), (6, 0, 0), "{stats:?}");
        assert_eq!((sim.live().sockets, sim.live().operations), (0, 0));
    }
}
