//! A peer that says nothing is noticed however much it is sent, and nobody else is blamed for
//! silence. On a simulated network, and with real sockets.

use std::io::Read;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use overlapped::driver::{Flags, ShutdownHow, SocketId};
use overlapped::{Driver, Op};
use proactor::{
    CloseReason, Flow, Handler, Limits, Network, Server, Session, SessionId, Simulation, Time, Timeouts, Wait,
};

use crate::harness::{PATIENCE, address_of, backends, connect, driver};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// What ticks of the timer wheel and the network may add.
const SLACK: Duration = Duration::from_millis(50);

/// Sends a byte with each heartbeat. The first byte of what comes is a command: `p` pauses, `b`
/// sends many bytes. With `pairs`, every second session is paired with the one before.
#[derive(Clone)]
struct Beating {
    network: Network,
    pairs: bool,
    last: Arc<Mutex<Option<SessionId>>>,
    opened: Arc<Mutex<Vec<SessionId>>>,
    closed: Arc<Mutex<Vec<(SessionId, CloseReason, Time)>>>,
}

impl Handler for Beating {
    type State = ();

    fn connected(&mut self, session: &Session) {
        self.opened.lock().unwrap().push(session.id());
        let mut last = self.last.lock().unwrap();
        match last.take() {
            Some(other) if self.pairs => session.sibling(other).unwrap().pair(session).unwrap(),
            _ => *last = Some(session.id()),
        }
    }

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        match packet[0] {
            b'p' => return Flow::Pause,
            b'b' => session.send(&[7; 800_000]).unwrap(),
            _ => {}
        }
        Flow::Continue
    }

    fn ended(&mut self, _: &Session, (): &mut ()) -> Flow {
        Flow::Continue
    }

    fn heartbeat(&mut self, session: &Session, (): &mut ()) {
        let _ = session.send(b".");
    }

    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        self.closed.lock().unwrap().push((id, *reason, self.network.now()));
    }
}

struct World {
    network: Network,
    handler: Beating,
    server: Simulation<Beating>,
    clients: Driver,
    /// Bytes that clients have received.
    heard: usize,
}

const CONNECT: u64 = 1;
const SEND: u64 = 2;
const CLOCK: u64 = 3;
const RECEIVE: u64 = 4;

impl World {
    fn new(seed: u64, pairs: bool, timeouts: Timeouts) -> World {
        let network = Network::new(seed);
        let handler = Beating {
            network: network.clone(),
            pairs,
            last: Arc::default(),
            opened: Arc::default(),
            closed: Arc::default(),
        };
        let builder = Server::builder().listen("10.0.0.1:80").shards(1).timeouts(timeouts.linger(MILLISECOND));
        let builder = builder.limits(Limits::new().outbox_bytes(1 << 20));
        let server = builder.simulate(&network, handler.clone()).unwrap();
        World { clients: driver(&network), network, handler, server, heard: 0 }
    }

    fn connect(&mut self) -> SocketId {
        let address = &self.server.local_addrs()[0].clone();
        let socket = self.clients.socket(address).unwrap();
        self.clients.submit(Op::connect(socket, address), CONNECT).unwrap();
        self.pass(MILLISECOND * 5);
        socket
    }

    /// A client that receives all it is sent.
    fn hears(&mut self) -> SocketId {
        let socket = self.connect();
        self.clients.submit(Op::recv_multi(socket), RECEIVE).unwrap();
        socket
    }

    fn send(&mut self, socket: SocketId, bytes: &[u8]) {
        let _ = self.clients.submit(Op::send(socket, bytes.to_vec()), SEND);
    }

    fn take(&mut self, socket: SocketId, bytes: usize) {
        let _ = self.clients.submit(Op::recv_with(socket, vec![0; bytes], Flags::WAIT_ALL), CLOCK);
    }

    fn pass(&mut self, span: Duration) {
        let until = self.network.now() + span;
        self.clients.submit(Op::timer(until), CLOCK).unwrap();
        let World { network, server, clients, heard, .. } = self;
        let came = server.run(|_| {
            clients.turn(Wait::Poll).unwrap();
            while let Some(completion) = clients.next() {
                if let Ok(overlapped::Outcome::Packet(packet)) = completion.result {
                    *heard += packet.len();
                }
            }
            network.now() >= until
        });
        assert!(came.unwrap());
    }

    /// Why the session that was opened as this one has ended, and when.
    fn closed(&self, index: usize) -> Option<(CloseReason, Time)> {
        let id = self.handler.opened.lock().unwrap()[index];
        let closed = self.handler.closed.lock().unwrap();
        closed.iter().find(|(closed, ..)| *closed == id).map(|(_, reason, at)| (*reason, *at))
    }

    fn reason(&self, index: usize) -> Option<CloseReason> {
        self.closed(index).map(|(reason, _)| reason)
    }
}

#[test]
fn a_client_that_is_sent_much_and_says_nothing_is_noticed_on_time() {
    for seed in 0..40 {
        let timeouts = Timeouts::new().idle(SECOND * 10).heartbeat_always(SECOND).receive(SECOND * 3);
        let mut world = World::new(seed, false, timeouts);
        let began = world.network.now();
        let silent = world.hears();
        let talks = world.hears();
        for _ in 0..10 {
            world.send(talks, b"here");
            world.pass(SECOND);
        }
        let (reason, at) = world.closed(0).expect("it has ended");
        assert_eq!(reason, CloseReason::ReceiveTimeout);
        let took = at.since(began);
        assert!(took >= SECOND * 3 && took <= SECOND * 3 + SLACK, "seed {seed}: after {took:?}");
        assert_eq!(world.closed(1), None, "seed {seed}");
        assert!(world.heard >= 2 + 9, "heartbeats come all the time: {}", world.heard);
        let _ = silent;
    }
}

#[test]
fn a_client_that_the_server_does_not_read_or_that_has_ended_its_stream_is_not_blamed() {
    for seed in 0..20 {
        let mut world = World::new(seed, false, Timeouts::new().receive(SECOND * 3));
        let paused = world.connect();
        let ended = world.connect();
        let throttled = world.connect();
        let stuck = world.connect();
        world.send(paused, b"p");
        world.send(ended, b"e");
        world.clients.submit(Op::shutdown(ended, ShutdownHow::Send), CLOCK).unwrap();
        // Much more than the network buffers, so that neither is read until it has taken some.
        world.send(throttled, b"b");
        world.send(stuck, b"b");
        for _ in 0..5 {
            world.pass(SECOND * 2);
            world.take(throttled, 60_000);
        }
        let reasons = [0, 1, 2, 3].map(|index| world.reason(index));
        assert_eq!(reasons, [None, None, None, Some(CloseReason::ReceiveTimeout)], "seed {seed}");
        let _ = stuck;
    }
}

#[test]
fn of_a_pair_either_side_is_heard_for_both() {
    for seed in 0..20 {
        let mut world = World::new(seed, true, Timeouts::new().receive(SECOND * 3));
        let downloads = world.hears();
        let upstream = world.hears();
        for _ in 0..10 {
            world.send(upstream, &[7; 1000]);
            world.pass(SECOND * 2);
        }
        assert_eq!((world.reason(0), world.reason(1)), (None, None), "seed {seed}");
        assert_eq!(world.heard, 10_000);
        world.pass(SECOND * 4);
        let reasons = [world.reason(0), world.reason(1)];
        assert!(reasons.contains(&Some(CloseReason::ReceiveTimeout)), "seed {seed}: {reasons:?}");
        assert!(reasons.iter().all(Option::is_some), "seed {seed}: {reasons:?}");
        let _ = downloads;
    }
}

#[test]
fn a_pair_ends_when_one_side_takes_nothing_and_goes_on_while_it_takes_a_little() {
    for seed in 0..20 {
        for takes in [false, true] {
            let mut world = World::new(seed, true, Timeouts::new().receive(SECOND * 3));
            let client = world.connect();
            let upstream = world.connect();
            world.send(upstream, &vec![7; 2_000_000]);
            for _ in 0..8 {
                world.pass(SECOND * 2);
                if takes {
                    world.take(client, 60_000);
                }
            }
            let reasons = [world.reason(0), world.reason(1)];
            if takes {
                assert_eq!(reasons, [None, None], "seed {seed}");
            } else {
                let expected = [Some(CloseReason::ReceiveTimeout), Some(CloseReason::ByPartner)];
                assert_eq!(reasons, expected, "seed {seed}");
            }
        }
    }
}

#[test]
fn a_receive_timeout_leaves_time_to_answer_a_heartbeat() {
    for timeouts in [
        Timeouts::new().heartbeat(SECOND).receive(SECOND),
        Timeouts::new().receive(SECOND).heartbeat_always(SECOND * 2),
    ] {
        let network = Network::new(1);
        let world = World::new(1, false, Timeouts::new());
        let builder = Server::builder().listen("10.0.0.2:80").timeouts(timeouts);
        let error = builder.simulate(&network, world.handler).map(drop).unwrap_err().to_string();
        assert!(error.contains("receive timeout 1s: must be longer than the heartbeat"), "{error}");
    }
}

/// Sends to everybody all the time.
#[derive(Clone)]
struct Busy(mpsc::Sender<CloseReason>);

impl Handler for Busy {
    type State = ();

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn heartbeat(&mut self, session: &Session, (): &mut ()) {
        let _ = session.send(b"tick");
    }

    fn closed(&mut self, _: SessionId, (): (), reason: &CloseReason) {
        let _ = self.0.send(*reason);
    }
}

#[test]
fn with_real_sockets_a_client_that_only_listens_is_reset() {
    for backend in backends() {
        let (sender, reasons) = mpsc::channel();
        let timeouts = Timeouts::new().heartbeat_always(MILLISECOND * 20).receive(MILLISECOND * 500);
        let builder = Server::builder().listen("127.0.0.1:0").shards(1).backend(Some(backend)).timeouts(timeouts);
        let server = builder.start(Busy(sender)).unwrap();
        let mut listens = connect(address_of(&server));
        let end = Instant::now() + PATIENCE;
        let mut ticks = 0;
        let error = loop {
            assert!(Instant::now() < end, "it is never noticed");
            match listens.read(&mut [0; 4]) {
                Ok(0) => panic!("its end is a cut, not the end of the stream"),
                Ok(_) => ticks += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(ticks > 1, "{ticks}");
        assert_eq!(reasons.recv_timeout(PATIENCE).unwrap(), CloseReason::ReceiveTimeout);
        let other = connect(address_of(&server));
        let mut said = [0; 2];
        (&other).read_exact(&mut said).unwrap();
        drop(other);
    }
}
