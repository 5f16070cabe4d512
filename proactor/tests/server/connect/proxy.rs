//! Pairs of sessions as a proxy: bytes both ways, half-close from each side, back-pressure, and how
//! the end of one side ends the other.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use proactor::codec::Lines;
use proactor::{
    Backend, Builder, CloseReason, ConnectError, Flow, Handle, Handler, Limits, NoMessage, Origin, PairError, Server,
    Session, SessionId, Target, Timeouts,
};
use socket2::{Domain, SockRef, Socket, Type};

use crate::harness::{
    PATIENCE, address_of, backends, builder, connect, patient, pattern, raise_open_files, read_once, read_to_end,
    wait_until,
};

const OUTBOX: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
enum Event {
    /// A session has ended: whether it was an accepted one, and the reason.
    Closed(bool, CloseReason),
    Failed(String),
}

thread_local! {
    /// The sessions of the shard, for the watcher.
    static SESSIONS: RefCell<Vec<Session>> = const { RefCell::new(Vec::new()) };
}

/// Connects every client to one upstream. In a watched server the first client is the watcher: each
/// of its heartbeats measures the outboxes of the others.
#[derive(Clone)]
struct Proxy {
    upstream: Target,
    watched: bool,
    /// The most bytes that the watcher saw in one outbox.
    most_queued: Arc<AtomicUsize>,
    events: Sender<Event>,
}

impl Handler for Proxy {
    /// Whether the session was accepted.
    type State = bool;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> bool {
        match session.origin() {
            Origin::Connected { token, opener: Some(client) } => {
                assert_eq!(token, 7);
                let Some(client) = session.sibling(client) else {
                    session.abort();
                    return false;
                };
                client.pair(session).unwrap();
                assert!(client.is_paired() && session.is_paired());
                assert_eq!(client.pair(session), Err(PairError::Paired));
                client.resume();
                SESSIONS.with_borrow_mut(|sessions| sessions.extend([client, session.clone()]));
                false
            }
            _ => {
                if !std::mem::take(&mut self.watched) {
                    assert_eq!(session.pair(session), Err(PairError::Apart));
                    session.pause();
                    session.connect(self.upstream.clone(), 7).unwrap();
                }
                true
            }
        }
    }

    fn received(&mut self, _: &Session, _: &mut bool, packet: &[u8]) -> Flow {
        panic!("the handler is handed {} bytes of a pair", packet.len());
    }

    fn ended(&mut self, _: &Session, _: &mut bool) -> Flow {
        Flow::Close
    }

    fn heartbeat(&mut self, session: &Session, _: &mut bool) {
        assert!(!session.is_paired());
        let queued = SESSIONS.with_borrow(|sessions| sessions.iter().map(Session::queued).max().unwrap_or_default());
        self.most_queued.fetch_max(queued, Ordering::Relaxed);
    }

    fn connect_failed(&mut self, client: Option<&Session>, token: u64, error: &ConnectError) {
        assert_eq!(token, 7);
        let _ = self.events.send(Event::Failed(error.to_string()));
        if let Some(client) = client {
            client.abort();
        }
    }

    fn closed(&mut self, id: SessionId, accepted: bool, reason: &CloseReason) {
        SESSIONS.with_borrow_mut(|sessions| sessions.retain(|session| session.id() != id));
        let _ = self.events.send(Event::Closed(accepted, *reason));
    }
}

/// A proxy between its clients and a listener.
struct Bench {
    address: SocketAddr,
    upstream: TcpListener,
    events: Receiver<Event>,
    most_queued: Arc<AtomicUsize>,
    handle: Handle,
    server: Server,
}

impl Bench {
    fn new(backend: Backend, watched: bool, settings: impl Fn(Builder) -> Builder) -> Bench {
        let bench = Bench::refusing(backend, watched, settings);
        SockRef::from(&bench.upstream).listen(1024).unwrap();
        bench
    }

    /// The upstream does not listen.
    fn refusing(backend: Backend, watched: bool, settings: impl Fn(Builder) -> Builder) -> Bench {
        // A bound socket that does not listen refuses connections.
        let upstream = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        upstream.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = upstream.local_addr().unwrap().as_socket().unwrap();
        let (events, told) = mpsc::channel();
        let target = Target::from(address);
        let most_queued = Arc::default();
        let proxy = Proxy { upstream: target, watched, most_queued: Arc::clone(&most_queued), events };
        let builder = builder(backend, if watched { 1 } else { 2 });
        let server = settings(builder.limits(Limits::new().outbox_bytes(OUTBOX))).start(proxy).unwrap();
        let (address, handle) = (address_of(&server), server.handle());
        Bench { address, upstream: upstream.into(), events: told, most_queued, handle, server }
    }

    fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    fn accept(&self) -> TcpStream {
        patient(self.upstream.accept().unwrap().0)
    }

    /// The client and the upstream of a new conversation.
    fn pair(&self) -> (TcpStream, TcpStream) {
        let client = self.connect();
        (client, self.accept())
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Why a pair of sessions ended: the accepted session first.
    fn reasons(&self) -> (CloseReason, CloseReason) {
        match (self.event(), self.event()) {
            (Event::Closed(true, accepted), Event::Closed(false, connected))
            | (Event::Closed(false, connected), Event::Closed(true, accepted)) => (accepted, connected),
            other => panic!("{other:?}"),
        }
    }

    /// Checks that no session is left.
    fn finish(self) {
        wait_until("every slot is given back", || (self.handle.sessions(), self.handle.stats().outbound) == (0, 0));
        self.handle.stop();
        self.server.wait().unwrap();
    }
}

/// Sends bytes and ends the stream.
fn send_all(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
}

fn is_reset(stream: &TcpStream) {
    let mut some = [0; 4096];
    loop {
        match read_once(stream, &mut some) {
            Ok(0) => panic!("the connection ended in order"),
            Ok(_) => {}
            Err(error) => return assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}

/// Resets a connection.
fn reset(stream: TcpStream) {
    let stream = Socket::from(stream);
    stream.set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn half_close_from_either_side_leaves_the_other_direction_open() {
    for backend in backends() {
        let bench = Bench::new(backend, false, |builder| builder);
        for len in [0, 1, 300_000] {
            for from_client in [true, false] {
                let (client, upstream) = bench.pair();
                let (first, second) = if from_client { (&client, &upstream) } else { (&upstream, &client) };
                let (there, back) = (pattern(1, len), pattern(2, len));
                std::thread::scope(|scope| {
                    scope.spawn(|| send_all(first, &there));
                    assert!(read_to_end(second) == there, "{len} bytes there on {backend}");
                    // Only after the first direction has ended.
                    scope.spawn(|| send_all(second, &back));
                    assert!(read_to_end(first) == back, "{len} bytes back on {backend}");
                });
                assert_eq!(bench.reasons(), (CloseReason::ByPeer, CloseReason::ByPeer));
            }
        }
        bench.finish();
    }
}

#[test]
fn bytes_that_a_client_sends_before_it_has_an_upstream_are_not_lost() {
    for backend in backends() {
        let bench = Bench::new(backend, false, |builder| builder);
        let mut client = bench.connect();
        client.write_all(b"early").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut upstream = bench.accept();
        assert_eq!(read_to_end(&upstream), b"early");
        upstream.write_all(b"late").unwrap();
        drop(upstream);
        assert_eq!(read_to_end(&client), b"late");
        assert_eq!(bench.reasons(), (CloseReason::ByPeer, CloseReason::ByPeer));
        bench.finish();
    }
}

#[test]
fn many_bytes_both_ways_pass_slow_readers_with_few_queued() {
    const LEN: usize = 16 << 20;
    for backend in backends() {
        let bench =
            Bench::new(backend, true, |builder| builder.timeouts(Timeouts::new().heartbeat(Duration::from_millis(9))));
        let _watcher = bench.connect();
        let (client, upstream) = bench.pair();
        let (there, back) = (pattern(1, LEN), pattern(2, LEN));
        let is_full = || bench.most_queued.load(Ordering::Relaxed) >= OUTBOX / 2;
        std::thread::scope(|scope| {
            for (from, bytes) in [(&client, &there), (&upstream, &back)] {
                scope.spawn(move || send_all(from, bytes));
            }
            // Read only after the outboxes have been full for a while.
            wait_until("an outbox is full", is_full);
            std::thread::sleep(Duration::from_millis(100));
            let read = scope.spawn(|| read_to_end(&upstream));
            assert!(read_to_end(&client) == back, "back on {backend}");
            assert!(read.join().unwrap() == there, "there on {backend}");
        });
        assert_eq!(bench.reasons(), (CloseReason::ByPeer, CloseReason::ByPeer));
        let most = bench.most_queued.load(Ordering::Relaxed);
        assert!((OUTBOX / 2..=OUTBOX).contains(&most), "{most} bytes were queued on {backend}");
        drop(_watcher);
        assert_eq!(bench.event(), Event::Closed(true, CloseReason::ByPeer));
        bench.finish();
    }
}

#[test]
fn back_pressure_in_one_direction_does_not_stop_the_other() {
    for backend in backends() {
        let bench =
            Bench::new(backend, true, |builder| builder.timeouts(Timeouts::new().heartbeat(Duration::from_millis(9))));
        let watcher = bench.connect();
        let (mut client, mut upstream) = bench.pair();
        std::thread::scope(|scope| {
            let mut sender = &upstream;
            scope.spawn(move || {
                // The client reads none of it. The sends fail when it is gone.
                while sender.write_all(&[7; 64 * 1024]).is_ok() {}
            });
            wait_until("an outbox is full", || bench.most_queued.load(Ordering::Relaxed) >= OUTBOX / 2);
            for round in 0..100 {
                client.write_all(&pattern(round, 10_000)).unwrap();
                let mut there = vec![0; 10_000];
                (&upstream).read_exact(&mut there).unwrap();
                assert!(there == pattern(round, 10_000), "{round} on {backend}");
            }
            reset(client);
        });
        let _ = upstream.write(b"x");
        assert_eq!(bench.reasons(), (CloseReason::Reset, CloseReason::ByPartner));
        drop(watcher);
        assert_eq!(bench.event(), Event::Closed(true, CloseReason::ByPeer));
        bench.finish();
    }
}

#[test]
fn a_reset_of_one_side_resets_the_other() {
    for backend in backends() {
        let bench = Bench::new(backend, false, |builder| builder);
        for from_client in [true, false] {
            let (mut client, mut upstream) = bench.pair();
            client.write_all(b"x").unwrap();
            upstream.read_exact(&mut [0]).unwrap();
            upstream.write_all(b"y").unwrap();
            client.read_exact(&mut [0]).unwrap();
            let (first, second) = if from_client { (client, upstream) } else { (upstream, client) };
            reset(first);
            is_reset(&second);
            let expected = (CloseReason::Reset, CloseReason::ByPartner);
            assert_eq!(bench.reasons(), if from_client { expected } else { (expected.1, expected.0) });
        }
        bench.finish();
    }
}

#[test]
fn an_upstream_that_refuses_ends_its_client() {
    for backend in backends() {
        let bench = Bench::refusing(backend, false, |builder| builder);
        is_reset(&bench.connect());
        let Event::Failed(error) = bench.event() else { panic!("the connect did not fail") };
        let address = bench.upstream.local_addr().unwrap();
        let begins = format!("could not connect to {address}: no address could be reached; ");
        assert!(error.starts_with(&begins) && error.contains("refused"), "{error}");
        assert_eq!(bench.event(), Event::Closed(true, CloseReason::ByHandler));
        let stats = bench.handle.stats();
        assert_eq!((stats.outbound, stats.connected, stats.connects_failed), (0, 0, 1));
        bench.finish();
    }
}

#[test]
fn hundreds_of_conversations_at_once() {
    const COUNT: usize = 500;
    raise_open_files();
    for backend in backends() {
        let bench = Bench::new(backend, false, |builder| builder);
        std::thread::scope(|scope| {
            let listener = &bench.upstream;
            scope.spawn(move || {
                let accept = |_| patient(listener.accept().unwrap().0);
                let upstreams: Vec<TcpStream> = (0..COUNT).map(accept).collect();
                for mut upstream in upstreams {
                    let mut bytes = read_to_end(&upstream);
                    bytes.reverse();
                    upstream.write_all(&bytes).unwrap();
                }
            });
            let clients: Vec<TcpStream> = (0..COUNT).map(|_| bench.connect()).collect();
            for (index, mut client) in clients.iter().enumerate() {
                client.write_all(&pattern(index, 3000)).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
            }
            for (index, client) in clients.iter().enumerate() {
                let mut expected = pattern(index, 3000);
                expected.reverse();
                assert!(read_to_end(client) == expected, "client {index} on {backend}");
            }
        });
        for _ in 0..2 * COUNT {
            assert!(matches!(bench.event(), Event::Closed(_, CloseReason::ByPeer)));
        }
        let stats = bench.handle.stats();
        assert_eq!((stats.accepted, stats.connected, stats.connects_failed), (COUNT as u64, COUNT as u64, 0));
        bench.finish();
    }
}

#[test]
fn a_pair_has_no_heart_beats() {
    for backend in backends() {
        let bench = Bench::new(backend, false, |builder| {
            builder.timeouts(Timeouts::new().heartbeat(Duration::from_millis(10)))
        });
        let (client, upstream) = bench.pair();
        send_all(&client, b"there");
        assert_eq!(read_to_end(&upstream), b"there");
        // The handler would panic at a heartbeat of a pair, and end it.
        std::thread::sleep(Duration::from_millis(150));
        send_all(&upstream, b"and back");
        assert_eq!(read_to_end(&client), b"and back");
        assert_eq!(bench.reasons(), (CloseReason::ByPeer, CloseReason::ByPeer));
        bench.finish();
    }
}

#[test]
fn a_drain_ends_both_sides_in_order() {
    for backend in backends() {
        let bench = Bench::new(backend, false, |builder| builder);
        let (mut client, mut upstream) = bench.pair();
        client.write_all(b"x").unwrap();
        upstream.read_exact(&mut [0]).unwrap();
        bench.handle.drain(PATIENCE);
        assert_eq!((read_to_end(&client), read_to_end(&upstream)), (vec![], vec![]));
        drop((client, upstream));
        assert_eq!(bench.reasons(), (CloseReason::Drained, CloseReason::Drained));
        bench.server.wait().unwrap();
    }
}

/// Connects to the address in the first line, and passes on the bytes that follow.
#[derive(Clone)]
struct Gateway;

impl Handler for Gateway {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        if let Origin::Connected { opener: Some(client), .. } = session.origin() {
            let client = session.sibling(client).unwrap();
            client.send(b"connected").unwrap();
            client.pair(session).unwrap();
            client.resume();
        }
    }

    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        let target: Target = std::str::from_utf8(line).unwrap().parse().unwrap();
        session.connect(target, 0).unwrap();
        Flow::Pause
    }
}

#[test]
fn bytes_after_the_last_packet_go_to_the_partner_unchanged() {
    for backend in backends() {
        let server = builder(backend, 1).codec(Lines::new()).start(Gateway).unwrap();
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = connect(address_of(&server));
        let rest = b"no\nlines\r\n, not \xff all of it";
        let first = [format!("{}\n", upstream.local_addr().unwrap()).as_bytes(), rest].concat();
        client.write_all(&first).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut upstream = patient(upstream.accept().unwrap().0);
        assert_eq!(read_to_end(&upstream), rest);
        upstream.write_all(b"\n\nx").unwrap();
        drop(upstream);
        assert_eq!(read_to_end(&client), b"connected\n\n\nx", "the only packet was a line");
    }
}
