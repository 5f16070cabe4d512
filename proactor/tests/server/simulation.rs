//! The server on a simulated network: no byte is wrong, and the same seed gives the same run.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::driver::{CloseMode, Completion, SocketId};
use overlapped::{Driver, Op, Outcome};
use proactor::{
    Backend, CloseReason, Flow, Handler, Live, Network, NoMessage, Server, Session, SessionId, Simulation, Time,
    Timeouts, Wait,
};

use crate::harness::driver;

/// Echoes, and records which sessions end, in which order, and why.
#[derive(Clone, Default)]
struct Echo {
    ended: Arc<Mutex<Vec<(SessionId, CloseReason)>>>,
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn closed(&mut self, id: SessionId, _: (), reason: &CloseReason) {
        self.ended.lock().unwrap().push((id, *reason));
    }
}

const CONNECTED: u64 = 0;
const SENT: u64 = 1;
const RECEIVED: u64 = 2;
const RESTED: u64 = 3;
const CLOSED: u64 = 4;

struct Client {
    socket: SocketId,
    bytes: Vec<u8>,
    sent: usize,
    received: usize,
    /// Whether it closes when all its bytes are back. The others wait until the server closes.
    leaves: bool,
    closed: bool,
}

/// Clients that send random bytes in random pieces with pauses, and check what comes back.
struct Clients {
    driver: Driver,
    clients: Vec<Client>,
}

impl Clients {
    fn connect<H: Handler>(network: &Network, server: &Simulation<H>, count: usize, most_bytes: usize) -> Clients {
        let mut driver = driver(network);
        let address = &server.local_addrs()[0];
        let mut clients = Vec::new();
        for index in 0..count {
            let socket = driver.socket(address).unwrap();
            driver.submit(Op::connect(socket, address), (index as u64) << 8 | CONNECTED).unwrap();
            let len = 1 + driver.random() as usize % most_bytes;
            let bytes = (0..len).map(|_| driver.random() as u8).collect();
            clients.push(Client { socket, bytes, sent: 0, received: 0, leaves: index % 2 == 0, closed: false });
        }
        Clients { driver, clients }
    }

    fn submit(&mut self, index: usize, kind: u64, op: Op) {
        self.driver.submit(op, (index as u64) << 8 | kind).unwrap();
    }

    fn send(&mut self, index: usize) {
        let most = 1 + self.driver.random() as usize % 10_000;
        let client = &self.clients[index];
        let end = client.bytes.len().min(client.sent + most);
        let piece = client.bytes[client.sent..end].to_vec();
        if !piece.is_empty() {
            self.submit(index, SENT, Op::send(client.socket, piece));
        }
    }

    fn receive(&mut self, index: usize) {
        let room = 1 + self.driver.random() as usize % 20_000;
        self.submit(index, RECEIVED, Op::recv(self.clients[index].socket, vec![0u8; room]));
    }

    fn turn(&mut self) {
        self.driver.turn(Wait::Poll).unwrap();
        while let Some(completion) = self.driver.next() {
            self.completed(completion);
        }
    }

    fn completed(&mut self, Completion { token, result, buf, .. }: Completion) {
        let (index, kind) = ((token >> 8) as usize, token & 0xff);
        match (kind, result.unwrap()) {
            (CONNECTED, _) => {
                self.send(index);
                self.receive(index);
            }
            (SENT, Outcome::Sent(bytes)) => {
                let client = &mut self.clients[index];
                client.sent += bytes as usize;
                if client.sent < client.bytes.len() && self.driver.random().is_multiple_of(4) {
                    let rest = Duration::from_micros(self.driver.random() % 20_000);
                    let at = self.driver.now() + rest;
                    self.submit(index, RESTED, Op::timer(at));
                } else {
                    self.send(index);
                }
            }
            (RESTED, _) => self.send(index),
            (RECEIVED, Outcome::Received(0)) => {
                assert!(!self.clients[index].leaves && self.clients[index].is_done(), "client {index}");
                self.submit(index, CLOSED, Op::close(self.clients[index].socket, CloseMode::Now));
            }
            (RECEIVED, Outcome::Received(bytes)) => {
                let client = &mut self.clients[index];
                let expected = &client.bytes[client.received..client.received + bytes];
                assert_eq!(buf.unwrap().take::<Vec<u8>>().unwrap(), expected, "client {index}");
                client.received += bytes;
                if client.leaves && client.is_done() {
                    let linger = Duration::from_secs(60);
                    self.submit(index, CLOSED, Op::close(self.clients[index].socket, CloseMode::Graceful { linger }));
                } else {
                    self.receive(index);
                }
            }
            (CLOSED, _) => self.clients[index].closed = true,
            (kind, outcome) => panic!("client {index}, {kind}: {outcome:?}"),
        }
    }

    fn are_done(&self) -> bool {
        self.clients.iter().all(|client| client.is_done() && client.closed == client.leaves)
    }

    fn are_closed(&self) -> bool {
        self.clients.iter().all(|client| client.closed)
    }
}

impl Client {
    fn is_done(&self) -> bool {
        self.received == self.bytes.len()
    }
}

/// What two runs of the same seed have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    trace: u64,
    took: Time,
    ended: Vec<(SessionId, CloseReason)>,
}

/// Connects 50 clients to a server, then drains it.
fn run(seed: u64, shards: usize) -> Run {
    let network = Network::new(seed);
    let echo = Echo::default();
    let mut server = Server::builder().listen("127.0.0.1:0").shards(shards).simulate(&network, echo.clone()).unwrap();
    assert_eq!((server.report().backend, server.shards()), (Backend::Sim, shards));
    let mut clients = Clients::connect(&network, &server, 50, 60_000);
    let done = server.run(|_| {
        clients.turn();
        clients.are_done()
    });
    assert!(done.unwrap(), "it came to rest before every byte was back");

    let handle = server.handle();
    handle.drain(Duration::from_secs(30));
    let drained = server.run(|server| {
        clients.turn();
        clients.are_closed() && server.has_ended()
    });
    assert!(drained.unwrap(), "it came to rest before all was closed");
    assert_eq!((server.live(), clients.driver.live()), (Live::default(), Live::default()));
    assert_eq!(handle.sessions(), 0);

    let ended = echo.ended.lock().unwrap().clone();
    let count = |reason| ended.iter().filter(|(_, why)| *why == reason).count();
    assert_eq!((count(CloseReason::ByPeer), count(CloseReason::Drained)), (25, 25));
    let names: BTreeSet<String> = ended.iter().map(|(id, _)| id.to_string()).collect();
    let of_shards: BTreeSet<&str> = names.iter().filter_map(|name| name.split('.').next()).collect();
    assert_eq!(of_shards.len(), shards, "every shard had sessions");
    Run { trace: network.trace(), took: network.now(), ended }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let first = run(1, 3);
    // Other runs in the process make no difference.
    let other = run(2, 3);
    assert_eq!(first, run(1, 3));
    assert_eq!(first, std::thread::spawn(|| run(1, 3)).join().unwrap());
    assert_ne!(first.trace, other.trace);
    assert_ne!(first.ended, other.ended, "sessions end in another order");
}

#[test]
fn every_byte_is_right_under_many_seeds() {
    for seed in 100..110 {
        run(seed, 2);
    }
}

#[test]
fn runs_beside_each_other_are_independent() {
    let alone: Vec<Run> = (20..24).map(|seed| run(seed, 2)).collect();
    let beside: Vec<_> = (20..24).map(|seed| std::thread::spawn(move || run(seed, 2))).collect();
    let beside: Vec<Run> = beside.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(alone, beside);
}

#[test]
fn a_peer_that_never_ends_its_stream_is_closed_after_its_linger_and_at_the_latest_at_the_end_of_the_drain() {
    for (linger, ends) in [(5, 5), (60, 30)] {
        an_idle_peer_that_ignores_the_end(Duration::from_secs(linger), Duration::from_secs(ends));
    }
}

/// Drains with 30 s. The sessions are closed after `ends`.
fn an_idle_peer_that_ignores_the_end(linger: Duration, ends: Duration) {
    const SECOND: Duration = Duration::from_secs(1);
    let network = Network::new(5);
    let echo = Echo::default();
    let builder = Server::builder().listen("127.0.0.1:0").shards(2).timeouts(Timeouts::new().linger(linger));
    let mut server = builder.simulate(&network, echo.clone()).unwrap();
    let mut clients = Clients::connect(&network, &server, 2, 1);
    for client in &mut clients.clients {
        client.leaves = false;
    }
    assert!(
        server
            .run(|_| {
                clients.turn();
                clients.are_done()
            })
            .unwrap()
    );
    let began = network.now();
    server.handle().drain(Duration::from_secs(30));
    // The clients get no turns from here on.
    server.run_until(began + (ends - SECOND)).unwrap();
    assert_eq!(server.handle().sessions(), 2);
    assert_eq!(echo.ended.lock().unwrap().len(), 2, "the logic was told when the close began");
    server.run_until(began + (ends + SECOND)).unwrap();
    assert!(server.has_ended());
    let stats = server.handle().stats();
    assert_eq!((stats.drained, stats.drain_cut, stats.flushed, stats.cut), (2, 0, 2, 0), "they have everything");
    assert_eq!((server.live(), echo.ended.lock().unwrap().len()), (Live::default(), 2));
}

#[test]
fn a_server_without_clients_comes_to_rest() {
    let network = Network::new(5);
    let mut server = Server::builder().listen("127.0.0.1:80").simulate(&network, Echo::default()).unwrap();
    assert_eq!((server.shards(), server.local_addrs()[0].to_string().as_str()), (1, "127.0.0.1:80"));
    assert!(!server.run(|_| false).unwrap());
    assert_eq!(network.now(), Time::ZERO);
    drop(server);
    assert!(
        Server::builder().listen("127.0.0.1:80").simulate(&network, Echo::default()).is_ok(),
        "the address is free again"
    );
}
