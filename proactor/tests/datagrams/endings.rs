//! How datagram sessions end: by silence, by the logic, in a drain, at a stop; what waits then.

use std::net::UdpSocket;
use std::sync::mpsc;
use std::time::Duration;

use proactor::{CloseReason, DatagramDrop, Datagrams, Flow, Handler, Listener, Network, NoMessage, Server, Session};

use super::handlers::{Echo, Told, ask, heard, last_of, peer};
use super::harness::{backends, builder, finish, next, on_each_backend, wait_until};

#[test]
fn a_session_that_the_logic_closes_is_forgotten_and_the_next_datagram_begins_another() {
    on_each_backend(|builder| {
        let (told, tells) = mpsc::channel();
        let server = builder.listen(Listener::datagrams("127.0.0.1:0")).start(Echo(told)).unwrap();
        let peer = peer(last_of(&server));
        for round in 0..20_u8 {
            ask(&peer, &[round]);
            let Told::Connected(id, _) = next(&tells) else { panic!("a session of its own") };
            // What is queued before leaves.
            peer.send(b"last words").unwrap();
            peer.send(b"quit").unwrap();
            assert_eq!(heard(&peer), b"last words");
            assert_eq!(next(&tells), Told::Closed(id, CloseReason::ByHandler));
        }
        wait_until("none is left", || server.handle().sessions() == 0);
        let stats = server.handle().stats();
        assert_eq!((stats.accepted, stats.closed(CloseReason::ByHandler), stats.cut), (20, 20, 0));
        finish(server);
    });
}

#[test]
fn a_silent_peer_is_idle_and_others_are_not() {
    on_each_backend(|builder| {
        let (told, tells) = mpsc::channel();
        let settings = Datagrams::new().idle(Duration::from_secs(1));
        let server = builder.listen(Listener::datagrams("127.0.0.1:0").datagram_settings(settings));
        let server = server.start(Echo(told)).unwrap();
        let (silent, talks) = (peer(last_of(&server)), peer(last_of(&server)));
        ask(&silent, b"hi");
        ask(&talks, b"hi");
        let (Told::Connected(id, _), Told::Connected(..)) = (next(&tells), next(&tells)) else {
            panic!("two sessions")
        };
        // What is sent to it does not count.
        let closed = loop {
            ask(&talks, b"still here");
            let _ = server.handle().send(id, &b""[..]);
            match tells.recv_timeout(Duration::from_millis(10)) {
                Ok(told) => break told,
                Err(_) => continue,
            }
        };
        assert_eq!(closed, Told::Closed(id, CloseReason::Idle));
        finish(server);
    });
}

/// Answers later, when it is told to.
#[derive(Clone)]
struct Later(mpsc::Sender<proactor::SessionId>);

impl Handler for Later {
    type State = Option<proactor::Busy>;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> Option<proactor::Busy> {
        self.0.send(session.id()).unwrap();
        None
    }
    fn received(&mut self, session: &Session, busy: &mut Option<proactor::Busy>, packet: &[u8]) -> Flow {
        match packet {
            b"begin" => *busy = Some(session.busy()),
            _ => {
                *busy = None;
                session.send(packet).unwrap();
            }
        }
        Flow::Continue
    }
}

#[test]
fn a_drain_waits_for_sessions_at_work_on_every_shard_and_takes_no_new_peers() {
    for backend in backends() {
        let (told, tells) = mpsc::channel();
        let server = builder(backend, 3).listen(Listener::datagrams("127.0.0.1:0")).start(Later(told)).unwrap();
        let address = last_of(&server);
        // So many that every shard has some that are at work.
        let peers: Vec<UdpSocket> = (0..90).map(|_| peer(address)).collect();
        for (index, peer) in peers.iter().enumerate() {
            peer.send(if index % 2 == 0 { b"begin" } else { b"asked" }).unwrap();
            next(&tells);
        }
        let handle = server.handle();
        handle.drain(Duration::from_secs(60));
        wait_until("the idle ones are closed", || handle.sessions() == 45);
        let late = peer(address);
        late.send(b"may I?").unwrap();
        // One after the other ends its work. No shard's end moves the peers of another.
        for peer in peers.iter().step_by(2) {
            peer.send(b"done").unwrap();
            assert_eq!(heard(peer), b"done");
        }
        server.wait().unwrap();
        let stats = handle.stats();
        assert_eq!((stats.drained, stats.drain_cut, stats.sessions), (90, 0, 0), "{stats:?}");
        assert_eq!(stats.refused(proactor::Refusal::Ending), 1);
        // The port is free again, while the handle is kept.
        UdpSocket::bind(address).unwrap();
    }
}

#[test]
fn a_drain_is_over_as_soon_as_the_last_answer_is_sent() {
    let (told, tells) = mpsc::channel();
    let sim = Server::builder().listen(Listener::datagrams("10.0.0.1:7001")).simulate(&Network::new(1), Later(told));
    let sim = sim.unwrap();
    let ann = sim.datagrams("10.0.0.1:7001");
    ann.send("begin");
    sim.advance(Duration::from_secs(1));
    next(&tells);
    sim.handle().drain(Duration::from_secs(60));
    sim.advance(Duration::from_secs(1));
    assert!(!sim.has_ended(), "it is at work");
    ann.send("done");
    assert_eq!(ann.next_packet(), b"done");
    sim.advance(Duration::from_secs(1));
    assert!(sim.has_ended());
}

#[test]
fn a_stop_ends_all_at_once_and_a_port_in_use_is_an_error() {
    for backend in backends() {
        for shards in [1, 3] {
            let (told, _tells) = mpsc::channel();
            let server = builder(backend, shards).listen(Listener::datagrams("127.0.0.1:0"));
            let server = server.start(Echo(told.clone())).unwrap();
            let peers = [(); 10].map(|()| peer(last_of(&server)));
            peers.iter().for_each(|peer| ask(peer, b"hi"));
            // Although the sockets of a server share their port, a second server does not get it.
            let again = builder(backend, shards).listen(Listener::datagrams(last_of(&server)));
            let error = again.start(Echo(told)).unwrap_err().to_string();
            assert!(error.contains("in use"), "{error}");
            finish(server);
        }
    }
}

/// Pauses at the first packet, and goes on when another session says so.
#[derive(Clone)]
struct Pauses(mpsc::Sender<proactor::SessionId>);

impl Handler for Pauses {
    type State = bool;
    type Message = ();
    fn connected(&mut self, _: &Session) -> bool {
        false
    }
    fn received(&mut self, session: &Session, has_paused: &mut bool, packet: &[u8]) -> Flow {
        if !std::mem::replace(has_paused, true) {
            self.0.send(session.id()).unwrap();
            return Flow::Pause;
        }
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn message(&mut self, session: &Session, _: &mut bool, (): ()) {
        session.resume();
    }
}

#[test]
fn what_comes_for_a_held_session_waits_as_far_as_there_is_room() {
    on_each_backend(|builder| {
        let (told, paused) = mpsc::channel();
        let server = builder.listen(Listener::datagrams("127.0.0.1:0")).start(Pauses(told)).unwrap();
        let handle = server.handle();
        let peer = peer(last_of(&server));
        peer.send(b"pause").unwrap();
        let id = next(&paused);
        // 64 KiB are 65 of these.
        for number in 0..100_u8 {
            peer.send(&[number; 1000]).unwrap();
            // The system has less room.
            if number % 20 == 19 {
                wait_until("they have come", || handle.stats().datagrams_received == u64::from(number) + 2);
            }
        }
        wait_until("the others are counted", || handle.stats().datagrams_dropped(DatagramDrop::Held) == 35);
        handle.post(id, ()).unwrap();
        for number in 0..65_u8 {
            assert_eq!(heard(&peer), [number; 1000]);
        }
        ask(&peer, b"and on");
        finish(server);
    });
}
