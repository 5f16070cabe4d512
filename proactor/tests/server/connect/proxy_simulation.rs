//! A proxy on a simulated network: no byte is wrong, both ends close in order, and the same seed
//! gives the same run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::driver::{CloseMode, Completion, ShutdownHow, SocketId};
use overlapped::options::ListenOptions;
use overlapped::{Driver, ErrorKind, Op, Outcome};
use proactor::{
    Address, CloseReason, ConnectError, ConnectFailure, Flow, Handler, Limits, Live, Network, NoMessage, Origin,
    Outbound, Server, Session, SessionId, Simulation, Target, Time, Wait,
};

use crate::harness::driver;

#[derive(Clone)]
struct Proxy {
    upstream: Target,
    ended: Arc<Mutex<Vec<(SessionId, CloseReason)>>>,
    failed: Arc<Mutex<Vec<String>>>,
}

impl Handler for Proxy {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        match session.origin() {
            Origin::Connected { opener: Some(client), .. } => {
                let client = session.sibling(client).expect("clients wait");
                client.pair(session).unwrap();
                client.resume();
            }
            _ => {
                session.pause();
                session.connect(self.upstream.clone(), 0).unwrap();
            }
        }
    }

    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Close
    }

    fn connect_failed(&mut self, client: Option<&Session>, _: u64, error: &ConnectError) {
        self.failed.lock().unwrap().push(format!("{:?}: {error}", error.failure()));
        if let Some(client) = client {
            client.abort();
        }
    }

    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        self.ended.lock().unwrap().push((id, *reason));
    }
}

/// One end of a conversation. It sends bytes in random pieces, ends its stream, receives up to the
/// end of the other stream, and closes.
struct End {
    socket: SocketId,
    bytes: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    /// Resets its connection when it has received this many bytes.
    resets_at: Option<usize>,
    is_done: bool,
    is_closed: bool,
    is_closing: bool,
}

/// A host with the ends of its conversations.
struct Host {
    driver: Driver,
    ends: Vec<End>,
    bytes_each: usize,
    /// One in this many ends resets its connection. 0 is none.
    resets: u64,
    /// Whether errors are expected, because the other ends reset connections.
    expects_resets: bool,
}

const CONNECTED: u64 = 0;
const SENT: u64 = 1;
const RECEIVED: u64 = 2;
const RESTED: u64 = 3;
const CLOSED: u64 = 4;
const ACCEPTED: u64 = 5;
/// The pause of a slow reader is over.
const DIGESTED: u64 = 6;

impl Host {
    fn new(network: &Network, bytes_each: usize) -> Host {
        Host { driver: driver(network), ends: Vec::new(), bytes_each, resets: 0, expects_resets: false }
    }

    fn submit(&mut self, index: usize, kind: u64, op: Op) {
        self.driver.submit(op, (index as u64) << 8 | kind).unwrap();
    }

    fn add(&mut self, socket: SocketId) -> usize {
        let len = 1 + self.driver.random() as usize % self.bytes_each;
        let bytes = (0..len).map(|_| self.driver.random() as u8).collect();
        let resets = self.resets != 0 && self.driver.random().is_multiple_of(self.resets);
        let resets_at = if resets { Some(self.driver.random() as usize % self.bytes_each) } else { None };
        self.ends.push(End {
            socket,
            bytes,
            sent: 0,
            received: Vec::new(),
            resets_at,
            is_done: false,
            is_closed: false,
            is_closing: false,
        });
        self.ends.len() - 1
    }

    fn listen(&mut self, address: &Address) {
        let listener = self.driver.listen(address, &ListenOptions::new()).unwrap();
        self.submit(0, ACCEPTED, Op::accept_multi(listener));
    }

    fn connect(&mut self, address: &Address) {
        let socket = self.driver.socket(address).unwrap();
        let index = self.add(socket);
        self.submit(index, CONNECTED, Op::connect(socket, address));
    }

    fn begin(&mut self, index: usize) {
        self.send(index);
        self.receive(index);
    }

    fn send(&mut self, index: usize) {
        let most = 1 + self.driver.random() as usize % 50_000;
        let end = &self.ends[index];
        let (from, to) = (end.sent, end.bytes.len().min(end.sent + most));
        let socket = end.socket;
        if from == to {
            return self.submit(index, SENT, Op::shutdown(socket, ShutdownHow::Send));
        }
        let piece = end.bytes[from..to].to_vec();
        self.submit(index, SENT, Op::send(socket, piece));
    }

    fn rest(&mut self, index: usize, then: u64) {
        let rest = Duration::from_micros(self.driver.random() % 20_000);
        let at = self.driver.now() + rest;
        self.submit(index, then, Op::timer(at));
    }

    fn receive(&mut self, index: usize) {
        let room = 1 + self.driver.random() as usize % 30_000;
        self.submit(index, RECEIVED, Op::recv(self.ends[index].socket, vec![0u8; room]));
    }

    /// One of the two streams has ended. Closes the socket after the second.
    fn half_done(&mut self, index: usize) {
        if std::mem::replace(&mut self.ends[index].is_done, true) {
            self.close(index, CloseMode::Now);
        }
    }

    fn close(&mut self, index: usize, mode: CloseMode) {
        if !std::mem::replace(&mut self.ends[index].is_closing, true) {
            self.submit(index, CLOSED, Op::close(self.ends[index].socket, mode));
        }
    }

    fn turn(&mut self) {
        self.driver.turn(Wait::Poll).unwrap();
        while let Some(completion) = self.driver.next() {
            self.completed(completion);
        }
    }

    fn completed(&mut self, Completion { token, result, buf, .. }: Completion) {
        let (index, kind) = ((token >> 8) as usize, token & 0xff);
        if kind == CLOSED {
            self.ends[index].is_closed = true;
            return;
        }
        if kind != ACCEPTED && self.ends[index].is_closing {
            return;
        }
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                assert!(self.expects_resets, "end {index}, {kind}: {error}");
                return self.close(index, CloseMode::Now);
            }
        };
        match (kind, outcome) {
            (ACCEPTED, Outcome::Accepted(stream, _)) => {
                let socket = self.driver.adopt(stream).unwrap();
                let index = self.add(socket);
                self.begin(index);
            }
            (CONNECTED, _) => self.begin(index),
            (SENT, Outcome::Sent(bytes)) => {
                self.ends[index].sent += bytes as usize;
                if self.driver.random().is_multiple_of(4) {
                    self.rest(index, RESTED);
                } else {
                    self.send(index);
                }
            }
            (SENT, Outcome::ShutDown) | (RECEIVED, Outcome::Received(0)) => self.half_done(index),
            (RESTED, _) => self.send(index),
            (DIGESTED, _) => self.receive(index),
            (RECEIVED, Outcome::Received(bytes)) => {
                let piece = buf.unwrap().take::<Vec<u8>>().unwrap();
                let end = &mut self.ends[index];
                end.received.extend_from_slice(&piece[..bytes]);
                if end.resets_at.is_some_and(|at| end.received.len() >= at) {
                    self.close(index, CloseMode::Abort);
                } else if self.driver.random().is_multiple_of(4) {
                    self.rest(index, DIGESTED);
                } else {
                    self.receive(index);
                }
            }
            (kind, outcome) => panic!("end {index}, {kind}: {outcome:?}"),
        }
    }

    fn are_closed(&self, count: usize) -> bool {
        self.ends.len() == count && self.ends.iter().all(|end| end.is_closed)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Run {
    trace: u64,
    took: Time,
    ended: Vec<(SessionId, CloseReason)>,
}

fn proxy(network: &Network, upstream: &str, shards: usize) -> (Simulation<Proxy>, Proxy) {
    let proxy = Proxy { upstream: upstream.parse().unwrap(), ended: Arc::default(), failed: Arc::default() };
    let builder = Server::builder().listen("10.0.0.1:80").shards(shards).limits(Limits::new().outbox_bytes(64 * 1024));
    (builder.simulate(network, proxy.clone()).unwrap(), proxy)
}

/// Connects clients to an upstream through a proxy, all at once.
fn run(seed: u64, clients: usize) -> Run {
    let network = Network::new(seed);
    let (mut server, handler) = proxy(&network, "10.0.0.2:81", 3);
    let (mut upstream, mut client) = (Host::new(&network, 150_000), Host::new(&network, 150_000));
    upstream.listen(&"10.0.0.2:81".parse().unwrap());
    for _ in 0..clients {
        client.connect(&server.local_addrs()[0]);
    }
    let done = server.run(|server| {
        upstream.turn();
        client.turn();
        let handle = server.handle();
        client.are_closed(clients) && upstream.are_closed(clients) && handle.sessions() + handle.stats().outbound == 0
    });
    assert!(done.unwrap(), "seed {seed}: it came to rest before all was closed");
    // An end does not know its peer: find the pairs by their bytes.
    let received = |host: &Host| {
        let mut all: Vec<Vec<u8>> = host.ends.iter().map(|end| end.received.clone()).collect();
        all.sort();
        all
    };
    let sent = |host: &Host| {
        let mut all: Vec<Vec<u8>> = host.ends.iter().map(|end| end.bytes.clone()).collect();
        all.sort();
        all
    };
    assert!(received(&client) == sent(&upstream) && received(&upstream) == sent(&client), "seed {seed}: other bytes");
    for at_client in &client.ends {
        let other = upstream.ends.iter().find(|other| other.received == at_client.bytes).unwrap();
        assert!(at_client.received == other.bytes, "seed {seed}: conversations were mixed up");
    }
    let ended = handler.ended.lock().unwrap().clone();
    assert_eq!(ended.len(), 2 * clients);
    assert!(ended.iter().all(|(_, reason)| *reason == CloseReason::ByPeer), "seed {seed}: {ended:?}");
    server.handle().stop();
    assert!(server.run(|server| server.has_ended()).unwrap());
    assert_eq!(server.live(), Live::default());
    Run { trace: network.trace(), took: network.now(), ended }
}

#[test]
fn every_byte_passes_and_the_same_seed_gives_the_same_run() {
    let first = run(1, 20);
    assert_eq!(first, run(1, 20));
    assert_ne!(first.trace, run(2, 20).trace);
    for seed in 10..16 {
        run(seed, 10);
    }
}

#[test]
fn names_are_not_resolved_and_an_address_without_a_listener_refuses() {
    let cases = [
        ("example.org:80", ConnectFailure::NotFound, "a simulated network has no names"),
        ("10.0.0.9:80", ConnectFailure::Failed, ErrorKind::Refused.describe()),
    ];
    for (upstream, failure, why) in cases {
        let network = Network::new(3);
        let (mut server, handler) = proxy(&network, upstream, 1);
        let mut driver = driver(&network);
        let socket = driver.socket(&server.local_addrs()[0]).unwrap();
        driver.submit(Op::connect(socket, &server.local_addrs()[0]), 0).unwrap();
        driver.submit(Op::recv(socket, vec![0u8; 1]), 1).unwrap();
        let mut end = None;
        let done = server.run(|_| {
            driver.turn(Wait::Poll).unwrap();
            while let Some(completion) = driver.next() {
                if completion.token == 1 {
                    end = Some(completion.result.unwrap_err().kind());
                }
            }
            end.is_some() && !handler.ended.lock().unwrap().is_empty()
        });
        assert!(done.unwrap());
        assert_eq!(end, Some(ErrorKind::Reset));
        let told = handler.failed.lock().unwrap().clone();
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(&format!("{failure:?}: could not connect to {upstream}: ")), "{told:?}");
        assert!(told[0].contains(why), "{told:?}");
        assert_eq!(handler.ended.lock().unwrap()[0].1, CloseReason::ByHandler);
    }
}

/// Like [`run`], but some ends reset their connections. Each conversation must end and leave
/// nothing behind.
fn run_with_resets(seed: u64, clients: usize) -> Run {
    let network = Network::new(seed);
    let (mut server, handler) = proxy(&network, "10.0.0.2:81", 2);
    let (mut upstream, mut client) = (Host::new(&network, 100_000), Host::new(&network, 100_000));
    for host in [&mut upstream, &mut client] {
        (host.resets, host.expects_resets) = (4, true);
    }
    upstream.listen(&"10.0.0.2:81".parse().unwrap());
    for _ in 0..clients {
        client.connect(&server.local_addrs()[0]);
    }
    let done = server.run(|server| {
        upstream.turn();
        client.turn();
        let handle = server.handle();
        client.are_closed(clients)
            && upstream.ends.iter().all(|end| end.is_closed)
            && handle.sessions() + handle.stats().outbound == 0
    });
    assert!(done.unwrap(), "seed {seed}: it came to rest before all was closed");
    for at_client in &client.ends {
        // The received bytes are the beginning of what one end of the other side sent.
        let begins = |other: &&End| other.bytes.starts_with(&at_client.received);
        assert!(
            upstream.ends.iter().any(|other| begins(&other)) || at_client.received.is_empty(),
            "seed {seed}: other bytes"
        );
    }
    let ended = handler.ended.lock().unwrap().clone();
    assert_eq!(ended.len(), clients + upstream.ends.len(), "seed {seed}");
    let expected = [CloseReason::Reset, CloseReason::ByPartner, CloseReason::ByPeer];
    assert!(ended.iter().all(|(_, reason)| expected.contains(reason)), "seed {seed}: {ended:?}");
    server.handle().stop();
    assert!(server.run(|server| server.has_ended()).unwrap());
    assert_eq!(server.live(), Live::default(), "seed {seed}");
    Run { trace: network.trace(), took: network.now(), ended }
}

#[test]
fn resets_leave_nothing_behind() {
    let runs: Vec<Run> = (0..10).map(|seed| run_with_resets(seed, 15)).collect();
    for reason in [CloseReason::Reset, CloseReason::ByPartner, CloseReason::ByPeer] {
        assert!(runs.iter().any(|run| run.ended.iter().any(|(_, why)| *why == reason)), "none is {reason:?}");
    }
    assert_eq!(runs[7], run_with_resets(7, 15));
}

/// When an attempt ended, and its result.
type Dialled = (Time, Result<Address, ConnectFailure>);

/// Records when each attempt ends, and its result.
#[derive(Clone)]
struct Dialler {
    network: Network,
    ended: Arc<Mutex<Vec<Dialled>>>,
}

impl Handler for Dialler {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        self.ended.lock().unwrap().push((self.network.now(), Ok(session.peer_addr().clone())));
        session.close();
    }

    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }

    fn connect_failed(&mut self, _: Option<&Session>, _: u64, error: &ConnectError) {
        self.ended.lock().unwrap().push((self.network.now(), Err(error.failure())));
    }
}

#[test]
fn the_next_address_is_tried_after_250_ms_and_all_time_out_together() {
    // No host answers on these addresses.
    let silent = |last: u8| std::net::SocketAddr::from(([203, 0, 113, last], 80));
    let silent_v6: std::net::SocketAddr = "[2001:db8::1]:80".parse().unwrap();
    let network = Network::new(4);
    let dialler = Dialler { network: network.clone(), ended: Arc::default() };
    let builder =
        Server::builder().listen("10.0.0.1:80").outbound(Outbound::new().connect_timeout(Duration::from_secs(3)));
    let mut server = builder.simulate(&network, dialler.clone()).unwrap();
    let mut upstream = Host::new(&network, 1);
    upstream.listen(&"10.0.0.2:81".parse().unwrap());
    let address: std::net::SocketAddr = "10.0.0.2:81".parse().unwrap();
    let refusing: std::net::SocketAddr = "10.0.0.2:82".parse().unwrap();
    let milliseconds = Duration::from_millis;
    let cases = [
        (vec![address], Some(0)),
        (vec![silent(1), address], Some(250)),
        (vec![silent(1), silent_v6, silent(2), address], Some(750)),
        // After a refusal the next address is tried at once.
        (vec![silent(1), refusing, address], Some(250)),
        (vec![silent(1)], None),
        ((1..=16).map(silent).chain([address]).collect(), None),
    ];
    for (addresses, expected) in cases {
        let began = network.now();
        server.handle().connect(addresses.clone(), 0).unwrap();
        let done = server.run(|server| {
            upstream.turn();
            !dialler.ended.lock().unwrap().is_empty() && server.handle().stats().outbound == 0
        });
        assert!(done.unwrap(), "{addresses:?}");
        let (at, ended) = dialler.ended.lock().unwrap().pop().unwrap();
        let took = at.since(began);
        match expected {
            Some(after) => {
                assert_eq!(ended, Ok(address.into()), "{addresses:?}");
                // One or two round trips of the network.
                let range = milliseconds(after)..milliseconds(after + 10);
                assert!(range.contains(&took), "{addresses:?}: {took:?}");
            }
            None => {
                assert_eq!(ended, Err(ConnectFailure::TimedOut), "{addresses:?}");
                assert_eq!(took, Duration::from_secs(3), "{addresses:?}");
            }
        }
        // The sockets of the losing attempts close, too.
        assert!(server.run(|server| server.live().sockets == 1).unwrap(), "{addresses:?}");
    }
}
