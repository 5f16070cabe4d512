//! A swarm of peers that do anything, on networks that lose, double and hold up: the server counts
//! all of it, ends, and with the same seed does the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::{
    CloseReason, CookieClient, Datagrams, Delivery, Flow, Group, Handler, Limits, Listener, Network, NetworkConfig,
    NoMessage, Server, Session, SessionId, SlowConsumer,
};

/// What the logic was told of each session: once of its beginning, its end and its release.
type Lives = Arc<Mutex<BTreeMap<SessionId, (u8, u8, u8)>>>;

#[derive(Clone)]
struct Anything {
    group: Group,
    lives: Lives,
}

impl Handler for Anything {
    type State = u32;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> u32 {
        self.lives.lock().unwrap().entry(session.id()).or_default().0 += 1;
        0
    }
    fn received(&mut self, session: &Session, count: &mut u32, packet: &[u8]) -> Flow {
        *count += 1;
        match packet.first().copied().unwrap_or(0) % 12 {
            0 => session.close(),
            1 => session.abort(),
            2 => session.shutdown(),
            3 => session.confirm_peer(),
            4 => drop(session.join(&self.group)),
            5 => session.leave(&self.group),
            6 => drop(self.group.broadcast(&packet.repeat(3))),
            7 => {
                let _ = session.after(Duration::from_millis(u64::from(*count % 50)), 1);
                return Flow::Pause;
            }
            8 => drop(session.send_latest(u64::from(*count % 3), packet)),
            9 => panic!("a panic in the logic"),
            _ => (0..3).for_each(|_| session.send(packet).unwrap_or_default()),
        }
        Flow::Continue
    }
    fn timer(&mut self, session: &Session, _: &mut u32, _: u64) {
        session.resume();
    }
    fn closed(&mut self, id: SessionId, _: u32, _: &CloseReason) {
        self.lives.lock().unwrap().entry(id).or_default().1 += 1;
    }
    fn released(&mut self, id: SessionId, _: Delivery) {
        self.lives.lock().unwrap().entry(id).or_default().2 += 1;
    }
}

/// A run: its trace, and how many sessions there were.
fn run(seed: u64) -> (u64, usize) {
    let config = NetworkConfig::new().lost_datagrams(6).doubled_datagrams(6).short_sends(2);
    let network = Network::with_config(seed, config);
    let lives = Lives::default();
    let settings =
        Datagrams::new().cookies(seed.is_multiple_of(3)).trust_peers(seed % 3 == 1).idle(Duration::from_secs(2));
    let policy = [SlowConsumer::PauseReading, SlowConsumer::DropOldest, SlowConsumer::Close][(seed / 3 % 3) as usize];
    let server = Server::builder()
        .listen(Listener::datagrams("10.0.0.1:7001").datagram_settings(settings.clone()))
        .listen(Listener::datagrams("[::1]:7001").datagram_settings(settings))
        .slow_consumer(policy)
        .limits(Limits::new().sessions(20).sessions_per_ip(4).outbox_bytes(64 * 1024).packet_rate(200))
        .shards(1 + (seed % 3) as usize);
    let logic = Anything { group: Group::new(), lives: Arc::clone(&lives) };
    let sim = server.simulate(&network, logic).unwrap();
    let mut peers: Vec<_> = (0..30_u8)
        .map(|index| match index % 5 {
            0 => sim.datagrams("[::1]:7001"),
            _ => sim.datagrams_from(format!("10.0.1.{}:0", index / 3).as_str(), "10.0.0.1:7001"),
        })
        .zip((0..30_u8).map(|index| CookieClient::new([index; 8])))
        .collect();
    for _ in 0..40 {
        for (peer, client) in &mut peers {
            while let Some(datagram) = peer.try_next() {
                client.received(&datagram);
            }
            match (network.random() % 4, client.to_send()) {
                (0, _) => {}
                (1, Some(next)) => peer.send(next),
                _ => peer.send(vec![network.random() as u8; (network.random() % 1600) as usize]),
            }
        }
        sim.advance(Duration::from_millis(network.random() % 200));
    }
    if seed.is_multiple_of(2) {
        sim.handle().drain(Duration::from_secs(5));
    } else {
        sim.handle().stop();
    }
    sim.advance(Duration::from_secs(20));
    assert!(sim.has_ended(), "seed {seed}: {:?}", sim.handle().stats());
    let live = sim.live();
    assert_eq!((live.sockets, live.operations, live.packets), (0, 0, 0), "seed {seed}");
    let stats = sim.handle().stats();
    assert_eq!(stats.accepted, stats.closed_in_all(), "seed {seed}: {stats:?}");
    assert_eq!((stats.sessions, stats.accepted), (0, lives.lock().unwrap().len() as u64), "seed {seed}: {stats:?}");
    for (id, told) in lives.lock().unwrap().iter() {
        assert_eq!(*told, (1, 1, 1), "seed {seed}: {id:?} was told of each once");
    }
    let sessions = lives.lock().unwrap().len();
    (network.trace(), sessions)
}

#[test]
fn a_swarm_of_peers_leaves_nothing_behind_and_the_same_seed_does_the_same() {
    let mut sessions = 0;
    for seed in 0..60 {
        let first = run(seed);
        sessions += first.1;
        if seed < 12 {
            assert_eq!(run(seed), first, "seed {seed}");
        }
    }
    assert!(sessions > 2_000, "{sessions} sessions");
}
