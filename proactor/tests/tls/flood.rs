//! A flood of handshakes: what is open goes on, what is over the limit is refused, each is counted,
//! and the places come back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use proactor::codec::Raw;
use proactor::tls::Tls;
use proactor::{Limits, Listener, Network, Refusal, Server, Stats, TlsFailure};
use rustls::version::{TLS12, TLS13};

use super::echo::Echo;
use super::peers::{Authority, NAME, Peer};
use super::sim_peer::SimPeer;
use crate::harness::{backends, connect, echo, exchange, finish, pattern, wait_until};

/// Handshakes that may be under way.
const PLACES: usize = 20;
/// Connections of the flood beyond these.
const MORE: usize = 30;
/// Handshakes that are begun and abandoned.
const ABANDONED: usize = 200;
const EXCHANGES: usize = 50;

/// A client's hello.
fn hello(authority: &Authority) -> Vec<u8> {
    let mut hello = Vec::new();
    authority.peer().connection(NAME).write_tls(&mut hello).unwrap();
    hello
}

/// Clients whose sessions are open: one of each version of TLS, and a plain one.
struct Live {
    over_tls: Vec<Peer>,
    plain: TcpStream,
    rounds: usize,
}

impl Live {
    fn new(authority: &Authority, tls: SocketAddr, plain: SocketAddr) -> Live {
        let over_tls = [&TLS12, &TLS13].map(|version| authority.peer().only(version).connect(tls)).into();
        let mut live = Live { over_tls, plain: connect(plain), rounds: 0 };
        live.exchange();
        live
    }

    /// One packet each, there and back.
    #[track_caller]
    fn exchange(&mut self) {
        let packet = pattern(self.rounds, 1 + self.rounds * 97 % 5_000);
        self.over_tls.iter_mut().for_each(|peer| peer.exchange(&packet));
        exchange(&self.plain, &packet);
        self.rounds += 1;
    }
}

/// Sends a hello, waits until the server has answered or refused it, and leaves.
fn abandon(address: SocketAddr, hello: &[u8]) {
    let mut stream = connect(address);
    // A connection that is refused may be gone already.
    if stream.write_all(hello).is_ok() {
        let _ = stream.read(&mut [0; 64]);
    }
}

fn failed(stats: &Stats) -> u64 {
    stats.tls_failures().map(|(_, count)| count).sum()
}

#[test]
fn live_sessions_go_on_under_a_flood_of_handshakes() {
    let authority = Authority::new();
    let tls = Tls::new(authority.server().handshakes(PLACES).handshake_timeout(Duration::from_secs(600))).unwrap();
    let hello = hello(&authority);
    for backend in backends() {
        let server = Server::builder()
            .listen(Listener::new("127.0.0.1:0").tls(&tls))
            .listen("127.0.0.1:0")
            .shards(1)
            .backend(Some(backend))
            .serve(echo)
            .unwrap();
        let [over_tls, plain] = [0, 1].map(|number| server.local_addrs()[number].ip().unwrap());
        let stats = || server.handle().stats();
        let mut live = Live::new(&authority, over_tls, plain);
        wait_until("the live ones have no place", || stats().handshakes == 0);

        // Half a hello, or nothing, and then silence: every place is taken.
        let mut silent = Vec::new();
        for number in 0..PLACES {
            let mut stream = connect(over_tls);
            stream.write_all(&hello[..hello.len() / 2 * (number % 2)]).unwrap();
            silent.push(stream);
        }
        wait_until("every place is taken", || stats().handshakes == PLACES);
        for _ in 0..MORE {
            abandon(over_tls, &hello);
        }
        wait_until("more are refused", || stats().refused(Refusal::TlsHandshakes) == MORE as u64);
        (0..EXCHANGES).for_each(|_| live.exchange());
        assert_eq!((stats().handshakes, failed(&stats())), (PLACES, 0), "the places are still taken");
        drop(silent);
        wait_until("the places come back", || stats().handshakes == 0);
        assert_eq!(stats().tls_failed(TlsFailure::Ended), PLACES as u64);

        // Whole hellos, which the server answers with its certificate and a signature.
        let before = (failed(&stats()), stats().refused(Refusal::TlsHandshakes));
        let left = AtomicUsize::new(ABANDONED);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let next = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                    while next().is_ok() {
                        abandon(over_tls, &hello);
                    }
                });
            }
            let end = live.rounds + EXCHANGES;
            while live.rounds < end || left.load(Ordering::Relaxed) > 0 {
                live.exchange();
            }
        });
        wait_until("each is counted", || {
            let after = (failed(&stats()), stats().refused(Refusal::TlsHandshakes));
            after.0 - before.0 + after.1 - before.1 == ABANDONED as u64
        });
        wait_until("the places come back", || stats().handshakes == 0);

        // The next client is served, and nobody was lost.
        authority.peer().connect(over_tls).exchange(b"hello");
        live.exchange();
        drop(live);
        finish(server);
    }
}

/// All of a burst's hellos come at one time: more than a turn takes a step of.
#[test]
fn live_sessions_go_on_between_the_steps_of_a_burst() {
    const AT: &str = "10.0.0.1:7443";
    const BURST: usize = 100;
    let authority = Authority::new();
    let tls = Tls::new(authority.server().handshakes(BURST)).unwrap();
    let hello = hello(&authority);
    for seed in 0..4 {
        let server = Server::builder().listen(Listener::new(AT).tls(&tls)).limits(Limits::new());
        let sim = server.simulate(&Network::new(seed), Echo).unwrap();
        let mut live = SimPeer::new(sim.client(AT, Raw), authority.peer().connection(NAME));
        live.shake();
        let mut talk = |packet: &[u8]| {
            let sealed = live.seal(packet);
            live.client.send_bytes(sealed);
            live.expect(packet);
        };
        talk(b"first");
        for round in 0..3 {
            let refused = sim.handle().stats().refused(Refusal::TlsHandshakes);
            let flood: Vec<_> = (0..BURST + MORE).map(|_| sim.client(AT, Raw)).collect();
            flood.iter().for_each(|client| client.send_bytes(&hello));
            for length in [1, 1000, 40_000] {
                talk(&pattern(round, length));
                let stats = sim.handle().stats();
                assert!(stats.handshakes <= BURST, "seed {seed}: {} are under way", stats.handshakes);
            }
            // They have their answers, and leave it at that.
            sim.advance(Duration::from_secs(1));
            assert_eq!(sim.handle().stats().handshakes, BURST, "seed {seed}");
            assert_eq!(sim.handle().stats().refused(Refusal::TlsHandshakes), refused + MORE as u64);
            for length in 1..20 {
                talk(&pattern(round, length * 500));
            }
            flood.iter().for_each(|client| client.reset());
            sim.advance(Duration::from_secs(1));
            assert_eq!((sim.handle().stats().handshakes, sim.handle().stats().sessions), (0, 1), "seed {seed}");
        }
        assert_eq!(sim.handle().stats().tls_failed(TlsFailure::Ended), 3 * BURST as u64);
    }
}
