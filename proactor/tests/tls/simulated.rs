//! TLS on simulated networks: the same seed gives the same order, lengths and times, and time is
//! stepped, so that no test waits for a handshake that never ends.

use std::io::{Read, Write};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proactor::codec::{LengthPrefixed, Raw};
use proactor::tls::Tls;
use proactor::{
    CloseReason, ConnectError, Flow, Handler, Limits, Listener, Network, NoMessage, Origin, Refusal, Server, Session,
    SessionId, Simulation, Target, Time, TlsFailure,
};
use rustls::ClientConnection;

use super::peers::{Authority, NAME};

const SECOND: Duration = Duration::from_secs(1);
const AT: &str = "10.0.0.1:7443";

/// What the logic was told, and when.
#[derive(Clone)]
struct Told {
    network: Network,
    told: Arc<Mutex<Vec<(Time, String)>>>,
}

impl Told {
    fn add(&self, what: impl Into<String>) {
        self.told.lock().unwrap().push((self.network.now(), what.into()));
    }
}

/// Listens and connects: the sessions that it opens to itself are its clients. Each sends packets
/// of growing length, one after each answer, and closes in the way of its turn.
#[derive(Clone)]
struct Itself {
    target: Target,
    clients: u64,
    told: Told,
}

impl Handler for Itself {
    /// How many answers have come.
    type State = usize;
    type Message = NoMessage;
    fn started(&mut self, _: &proactor::ShardHandle, handle: &proactor::Handle) {
        for token in 0..self.clients {
            handle.connect(self.target.clone(), token).unwrap();
        }
    }
    fn connected(&mut self, session: &Session) -> usize {
        self.told.add(format!("connected {:?} {:?}", session.id(), session.origin()));
        if session.origin() != Origin::Accepted {
            session.send(b"first").unwrap();
        }
        0
    }
    fn received(&mut self, session: &Session, answers: &mut usize, packet: &[u8]) -> Flow {
        self.told.add(format!("received {:?} {}", session.id(), packet.len()));
        let Origin::Connected { token, .. } = session.origin() else {
            return session.send(packet).map_or(Flow::Close, |()| Flow::Continue);
        };
        *answers += 1;
        match (*answers, token % 4) {
            (5, 0) => return Flow::Close,
            (5, 1) => session.abort(),
            (5, 2) => session.shutdown(),
            (5, _) => return Flow::Pause,
            _ => session.send(&vec![*answers as u8; packet.len() * 7]).unwrap(),
        }
        Flow::Continue
    }
    fn closed(&mut self, id: SessionId, _: usize, reason: &CloseReason) {
        self.told.add(format!("closed {id:?} {reason:?}"));
    }
    fn connect_failed(&mut self, _: Option<&Session>, token: u64, error: &ConnectError) {
        self.told.add(format!("failed {token} {error}"));
    }
}

/// A run: what the logic was told, and when. The network's trace has the bytes, which differ.
fn run(authority: &Authority, tls: &Tls, seed: u64, shards: usize) -> Vec<(Time, String)> {
    let network = Network::new(seed);
    let target = AT.parse::<Target>().unwrap().tls_as(&authority.client(), NAME);
    let told = Told { network: network.clone(), told: Arc::default() };
    let logic = Itself { target, clients: 12, told: told.clone() };
    let server = Server::builder().listen(Listener::new(AT).tls(tls).codec(LengthPrefixed::u32()));
    let server = server.codec(LengthPrefixed::u32()).shards(shards).simulate(&network, logic).unwrap();
    server.advance(SECOND * 5);
    server.handle().drain(SECOND);
    server.advance(SECOND * 5);
    assert!(server.has_ended());
    let stats = server.handle().stats();
    assert_eq!((stats.connects_failed, stats.tls_failures().count()), (0, 0));
    assert_eq!(stats.connected, 12 * shards as u64);
    assert_eq!((server.live().sockets, server.live().buffers), (0, 0));
    drop(server);
    let told = told.told.lock().unwrap();
    told.clone()
}

#[test]
fn the_same_seed_gives_the_same_order_lengths_and_times() {
    let authority = Authority::new();
    let tls = authority.tls();
    let mut runs = Vec::new();
    for seed in 0..8 {
        let shards = 1 + seed as usize % 2;
        let (first, again) = (run(&authority, &tls, seed, shards), run(&authority, &tls, seed, shards));
        for (first, again) in first.iter().zip(&again) {
            assert_eq!(first, again, "seed {seed}");
        }
        assert_eq!(first.len(), again.len());
        assert!(first.iter().filter(|(_, told)| told.starts_with("received")).count() >= 12 * 8 * shards);
        runs.push(first);
    }
    runs.dedup();
    assert_eq!(runs.len(), 8, "other seeds give other runs");
}

#[derive(Clone, Default)]
struct Echo {
    sessions: Arc<Mutex<usize>>,
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {
        *self.sessions.lock().unwrap() += 1;
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

fn echo(tls: &Tls, limits: Limits) -> (Simulation<Echo>, Echo) {
    let logic = Echo::default();
    let server = Server::builder().listen(Listener::new(AT).tls(tls)).limits(limits);
    (server.simulate(&Network::new(1), logic.clone()).unwrap(), logic)
}

/// A client's hello.
fn hello(authority: &Authority) -> Vec<u8> {
    let mut hello = Vec::new();
    authority.peer().connection(NAME).write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn half_a_hello_then_silence_ends_at_its_time_and_not_before() {
    let authority = Authority::new();
    let tls = Tls::new(authority.server().handshake_timeout(SECOND * 3)).unwrap();
    let (sim, logic) = echo(&tls, Limits::new());
    let hello = hello(&authority);
    for sent in [0, 1, 5, hello.len() / 2, hello.len() - 1] {
        let client = sim.client(AT, Raw);
        client.send_bytes(&hello[..sent]);
        client.expect_nothing(SECOND * 2);
        client.expect_closed();
    }
    // Single bytes do not put it off.
    let client = sim.client(AT, Raw);
    for byte in hello.iter().take(20) {
        client.send_bytes([*byte]);
        sim.advance(SECOND / 10);
    }
    client.expect_nothing(SECOND / 2);
    client.expect_closed();
    sim.advance(SECOND);
    let stats = sim.handle().stats();
    assert_eq!((stats.tls_failed(TlsFailure::TimedOut), stats.closed(CloseReason::TlsFailed)), (6, 6));
    assert_eq!((*logic.sessions.lock().unwrap(), stats.sessions), (0, 0));
}

#[test]
fn handshakes_over_the_limit_are_refused_and_their_places_come_back() {
    let authority = Authority::new();
    let tls = Tls::new(authority.server().handshakes(2).handshake_timeout(SECOND)).unwrap();
    let (sim, _) = echo(&tls, Limits::new().refusal("too many"));
    for round in 1..=3 {
        let clients: Vec<_> = (0..4).map(|_| sim.client(AT, Raw)).collect();
        clients[2].expect_reset();
        clients[3].expect_reset();
        assert_eq!(sim.handle().stats().refused(Refusal::TlsHandshakes), 2 * round);
        // One leaves, one is timed out.
        clients[0].reset();
        sim.advance(SECOND * 2);
        clients[1].expect_closed();
        sim.advance(SECOND);
        assert_eq!(sim.handle().stats().sessions, 0);
    }
    let stats = sim.handle().stats();
    assert_eq!((stats.tls_failed(TlsFailure::Ended), stats.tls_failed(TlsFailure::TimedOut)), (3, 3));
}

/// How many sessions a list shows.
fn listed(sim: &Simulation<Echo>) -> usize {
    let mut list = pin!(sim.handle().list_sessions(|_| true).unwrap());
    sim.advance(SECOND / 100);
    match list.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(found) => found.len(),
        Poll::Pending => panic!("the list is not complete"),
    }
}

#[test]
fn a_client_that_goes_on_after_a_pause_is_served_and_no_list_shows_it_before() {
    let authority = Authority::new();
    let (sim, logic) = echo(&authority.tls(), Limits::new());
    let client = sim.client(AT, Raw);
    let mut peer = authority.peer().connection(NAME);
    let talk = |peer: &mut ClientConnection| {
        let mut wire = Vec::new();
        while peer.wants_write() {
            peer.write_tls(&mut wire).unwrap();
        }
        wire.chunks(100).for_each(|piece| client.send_bytes(piece));
        sim.advance(SECOND / 10);
    };
    let hears = |peer: &mut ClientConnection| {
        let came = client.next_packet();
        let mut came = &came[..];
        while !came.is_empty() {
            peer.read_tls(&mut came).unwrap();
            peer.process_new_packets().unwrap();
        }
    };
    sim.advance(SECOND * 5);
    assert_eq!((listed(&sim), *logic.sessions.lock().unwrap()), (0, 0));
    talk(&mut peer);
    while peer.is_handshaking() {
        hears(&mut peer);
    }
    sim.advance(SECOND * 4);
    assert_eq!((listed(&sim), *logic.sessions.lock().unwrap()), (0, 0), "the client has not finished");
    talk(&mut peer);
    assert_eq!((listed(&sim), *logic.sessions.lock().unwrap()), (1, 1));
    assert_eq!(sim.handle().stats().handshakes, 1, "its first packet has not come");
    peer.writer().write_all(b"hello").unwrap();
    talk(&mut peer);
    let mut answer = [0; 5];
    while peer.reader().read_exact(&mut answer).is_err() {
        hears(&mut peer);
    }
    assert_eq!((&answer, sim.handle().stats().handshakes), (b"hello", 0));
    sim.advance(SECOND * 60);
    assert_eq!(listed(&sim), 1, "the time for the handshake is over, and does not count");
}
