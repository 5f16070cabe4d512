//! Timeouts, heartbeats and rates on a simulated network, exact to the tick. Hours pass at once,
//! and no other program can delay them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::driver::{CloseMode, SocketId};
use overlapped::{Driver, Op, Outcome};
use proactor::codec::Lines;
use proactor::{
    Builder, CloseReason, Flow, Handler, Limits, Network, NoMessage, Rate, Server, Session, SessionId, Simulation,
    Time, Timeouts, Wait,
};

use crate::harness::driver;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Two ticks of the timer wheel.
const TICKS: Duration = Duration::from_nanos(2 << 23);
/// The most that latency may add.
const WAY: Duration = Duration::from_millis(5);

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Connected,
    Packet(Vec<u8>),
    Beat,
    Closed(CloseReason),
}

/// Records what happens to its sessions, and when. The first byte of a packet is a command: `e`
/// echoes, `b` sends many bytes, `p` pauses.
#[derive(Clone)]
struct Recorder {
    network: Network,
    log: Arc<Mutex<Vec<(Time, SessionId, What)>>>,
    paused: Arc<Mutex<Vec<SessionId>>>,
}

impl Recorder {
    fn note(&self, id: SessionId, what: What) {
        self.log.lock().unwrap().push((self.network.now(), id, what));
    }
}

impl Handler for Recorder {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        self.note(session.id(), What::Connected);
    }

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        self.note(session.id(), What::Packet(packet.to_vec()));
        match packet.first() {
            Some(b'e') => session.send(packet).unwrap(),
            Some(b'b') => session.send(&[7; 800_000]).unwrap(),
            Some(b'p') => {
                self.paused.lock().unwrap().push(session.id());
                return Flow::Pause;
            }
            _ => {}
        }
        Flow::Continue
    }

    fn heartbeat(&mut self, session: &Session, (): &mut ()) {
        self.note(session.id(), What::Beat);
        session.send(b"beat").unwrap();
    }

    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        self.note(id, What::Closed(*reason));
    }
}

/// A server and clients on one network.
struct World {
    network: Network,
    recorder: Recorder,
    server: Simulation<Recorder>,
    clients: Driver,
}

const CONNECT: u64 = 1;
const SEND: u64 = 2;
const RECEIVE: u64 = 3;
const CLOCK: u64 = 4;
const CLOSE: u64 = 5;

/// A short linger time, so that a close ends soon after it begins.
fn timeouts() -> Timeouts {
    Timeouts::new().linger(MILLISECOND)
}

impl World {
    fn new(seed: u64, settings: impl Fn(Builder) -> Builder) -> World {
        let network = Network::new(seed);
        let recorder = Recorder { network: network.clone(), log: Arc::default(), paused: Arc::default() };
        let builder = Server::builder().listen("10.0.0.1:80").shards(2).timeouts(timeouts());
        let server = settings(builder).simulate(&network, recorder.clone()).unwrap();
        let clients = driver(&network);
        World { network, recorder, server, clients }
    }

    fn connect(&mut self) -> SocketId {
        let address = &self.server.local_addrs()[0].clone();
        let socket = self.clients.socket(address).unwrap();
        self.clients.submit(Op::connect(socket, address), CONNECT).unwrap();
        self.pass(WAY);
        socket
    }

    fn send(&mut self, socket: SocketId, bytes: &[u8]) {
        self.clients.submit(Op::send(socket, bytes.to_vec()), SEND).unwrap();
    }

    /// Lets time pass.
    fn pass(&mut self, span: Duration) {
        let until = self.network.now() + span;
        self.clients.submit(Op::timer(until), CLOCK).unwrap();
        let (clients, network) = (&mut self.clients, &self.network);
        let came = self.server.run(|_| {
            clients.turn(Wait::Poll).unwrap();
            while clients.next().is_some() {}
            network.now() >= until
        });
        assert!(came.unwrap());
    }

    /// Reads at most this many bytes and returns how many came. 0 is the end of the stream.
    fn read(&mut self, socket: SocketId, bytes: usize) -> usize {
        self.clients.submit(Op::recv(socket, vec![0; bytes]), RECEIVE).unwrap();
        let clients = &mut self.clients;
        let mut read = None;
        self.server
            .run(|_| {
                clients.turn(Wait::Poll).unwrap();
                while let Some(completion) = clients.next() {
                    if completion.token == RECEIVE {
                        read = Some(match completion.result {
                            Ok(Outcome::Received(bytes)) => bytes,
                            _ => 0,
                        });
                    }
                }
                read.is_some()
            })
            .unwrap();
        read.expect("it reads or ends")
    }

    fn read_all(&mut self, socket: SocketId, bytes: usize) {
        let mut read = 0;
        while read < bytes {
            let came = self.read(socket, bytes - read);
            assert!(came > 0, "it has ended");
            read += came;
        }
    }

    fn log(&self) -> Vec<(Time, SessionId, What)> {
        self.recorder.log.lock().unwrap().clone()
    }

    /// When each session connected, in order.
    fn connected(&self) -> Vec<(Time, SessionId)> {
        let log = self.log();
        log.into_iter().filter(|(.., what)| *what == What::Connected).map(|(at, id, _)| (at, id)).collect()
    }

    fn closed(&self, id: SessionId) -> Option<(Time, CloseReason)> {
        self.log().into_iter().find_map(|(at, closed, what)| match what {
            What::Closed(reason) if closed == id => Some((at, reason)),
            _ => None,
        })
    }

    fn packets(&self, id: SessionId) -> usize {
        self.log().iter().filter(|(_, of, what)| *of == id && matches!(what, What::Packet(_))).count()
    }

    /// Checks that a session ended for `reason` at `began` plus `span`, to the tick.
    #[track_caller]
    fn assert_closed(&self, id: SessionId, reason: CloseReason, began: Time, span: Duration) {
        let (at, why) = self.closed(id).expect("it has ended");
        assert_eq!(why, reason);
        let took = at.since(began);
        assert!(took >= span && took <= span + TICKS + WAY, "after {took:?} instead of {span:?}");
    }
}

#[test]
fn a_silent_session_is_idle_on_time_and_one_with_a_few_bytes_is_not() {
    for (seed, span) in [(1, MILLISECOND), (2, SECOND), (3, SECOND * 90), (4, SECOND * 86_400 * 30)] {
        let mut world = World::new(seed, |builder| builder.timeouts(timeouts().idle(span)));
        let silent = world.connect();
        let talker = world.connect();
        let [(began, silent_id), (_, talker_id)] = world.connected()[..] else { panic!("{:?}", world.log()) };
        if span > SECOND {
            for _ in 0..20 {
                world.send(talker, b".");
                world.pass(span * 9 / 10);
            }
            assert_eq!(world.closed(talker_id), None);
        } else {
            world.pass(span + SECOND);
        }
        world.assert_closed(silent_id, CloseReason::Idle, began, span);
        assert_eq!(world.read(silent, 1), 0, "it sees the end");
    }
}

#[test]
fn bytes_that_leave_at_once_are_activity_even_if_the_rest_is_stuck() {
    for seed in 0..40 {
        let mut world = World::new(seed, |builder| {
            builder.limits(Limits::new().outbox_bytes(1 << 20)).timeouts(timeouts().idle(SECOND * 10))
        });
        let stuck = world.connect();
        let [(_, id)] = world.connected()[..] else { panic!("{:?}", world.log()) };
        world.pass(SECOND * 9);
        // More than the network buffers for a client that takes nothing.
        let sent = world.network.now();
        world.server.handle().send(id, vec![7; 800_000]).unwrap();
        world.pass(SECOND * 25);
        let (at, reason) = world.closed(id).expect("it has ended");
        assert_eq!(reason, CloseReason::Idle, "seed {seed}");
        // What an operation has sent since is found out only when ten seconds are over.
        let (least, most) = (sent + SECOND * 10, sent + SECOND * 20 + TICKS * 2 + WAY);
        assert!(at >= least && at <= most, "seed {seed}: after {:?}", at.since(sent));
        let _ = stuck;
    }
}

#[test]
fn a_packet_times_out_from_its_first_byte_and_the_first_packet_from_the_start() {
    let settings =
        |builder: Builder| builder.codec(Lines::new()).timeouts(timeouts().handshake(SECOND * 10).read(SECOND * 3));
    let mut world = World::new(7, settings);
    let silent = world.connect();
    let loris = world.connect();
    let steady = world.connect();
    let ids: Vec<(Time, SessionId)> = world.connected();
    world.send(loris, b"e whole\ne half");
    let began = world.network.now();
    for _ in 0..30 {
        // Each line of the steady client takes two seconds.
        world.send(steady, b"e half");
        world.send(loris, b".");
        world.pass(SECOND * 2);
        world.send(steady, b" whole\n");
        world.pass(SECOND / 10);
    }
    let _ = silent;
    world.assert_closed(ids[0].1, CloseReason::HandshakeTimeout, ids[0].0, SECOND * 10);
    world.assert_closed(ids[1].1, CloseReason::ReadTimeout, began, SECOND * 3);
    assert_eq!(world.closed(ids[2].1), None);
    assert_eq!(world.packets(ids[2].1), 30);
    assert_eq!(world.packets(ids[1].1), 1);
}

#[test]
fn a_peer_that_reads_nothing_is_closed_on_time_and_a_slow_reader_is_not() {
    let mut world = World::new(9, |builder| {
        builder.limits(Limits::new().outbox_bytes(1 << 20)).timeouts(timeouts().write(SECOND * 5))
    });
    let stuck = world.connect();
    let slow = world.connect();
    let ids: Vec<(Time, SessionId)> = world.connected();
    for socket in [stuck, slow] {
        // The answer is much more than the network buffers for a connection.
        world.send(socket, b"b");
    }
    world.pass(WAY);
    let began = world.network.now();
    // The slow client reads a little within each timeout: enough to open its window.
    for _ in 0..12 {
        world.pass(SECOND * 4);
        world.read_all(slow, 40_000);
    }
    assert!(world.network.now() > began + SECOND * 40);
    let (at, reason) = world.closed(ids[0].1).expect("it is closed");
    assert_eq!(reason, CloseReason::WriteTimeout);
    // The network took what it buffers within the first quarter of the timeout.
    let took = at.since(ids[0].0);
    assert!(took >= SECOND * 5 && took <= SECOND * 25 / 4 + TICKS + WAY * 3, "{took:?}");
    assert_eq!(world.closed(ids[1].1), None);
}

#[test]
fn a_peer_that_reads_nothing_is_idle_and_a_slow_reader_is_not() {
    let mut world = World::new(10, |builder| {
        builder.limits(Limits::new().outbox_bytes(1 << 20)).timeouts(timeouts().idle(SECOND * 5))
    });
    let stuck = world.connect();
    let slow = world.connect();
    let ids: Vec<(Time, SessionId)> = world.connected();
    for socket in [stuck, slow] {
        world.send(socket, b"b");
    }
    for _ in 0..12 {
        world.pass(SECOND * 4);
        world.read_all(slow, 40_000);
    }
    assert_eq!(world.closed(ids[0].1).map(|(_, reason)| reason), Some(CloseReason::Idle));
    assert_eq!(world.closed(ids[1].1), None);
}

#[test]
fn a_paused_session_is_not_idle() {
    let mut world = World::new(11, |builder| builder.timeouts(timeouts().idle(SECOND).lifetime(SECOND * 100)));
    let socket = world.connect();
    world.send(socket, b"p");
    world.pass(SECOND * 50);
    let (began, id) = world.connected()[0];
    assert_eq!((world.closed(id), world.recorder.paused.lock().unwrap().len()), (None, 1));
    world.pass(SECOND * 60);
    world.assert_closed(id, CloseReason::Lifetime, began, SECOND * 100);
}

#[test]
fn packets_are_delivered_at_their_rate() {
    let rate = Rate::per_second(50).burst(10);
    let mut world = World::new(13, |builder| {
        builder.codec(Lines::new()).limits(Limits::new().packet_rate(rate)).timeouts(timeouts().idle(SECOND * 3))
    });
    let socket = world.connect();
    let (_, id) = world.connected()[0];
    let flood: Vec<u8> = (0..1000).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
    let began = world.network.now();
    world.send(socket, &flood);
    for second in 1..=15_usize {
        world.pass(SECOND);
        let packets = world.packets(id);
        let most = 10 + 50 * second;
        assert!(packets <= most && packets + 3 >= most, "{packets} after {second} s");
    }
    world.pass(SECOND * 6);
    assert_eq!(world.packets(id), 1000, "all of them came, in {:?}", world.network.now().since(began));
    let lines: Vec<Vec<u8>> = world
        .log()
        .into_iter()
        .filter_map(|(.., what)| match what {
            What::Packet(line) => Some(line),
            _ => None,
        })
        .collect();
    assert!(lines.iter().enumerate().all(|(index, line)| line == format!("line {index}").as_bytes()));
}

#[test]
fn bytes_are_delivered_at_their_rate() {
    let rate = Rate::per_second(10_000).burst(20_000);
    let mut world = World::new(17, |builder| builder.limits(Limits::new().byte_rate(rate)));
    let socket = world.connect();
    let (_, id) = world.connected()[0];
    world.send(socket, &[b'.'; 400_000]);
    let came = |world: &World| -> usize {
        let log = world.log();
        let bytes = log.iter().filter(|(_, of, _)| *of == id);
        bytes.map(|(.., what)| if let What::Packet(bytes) = what { bytes.len() } else { 0 }).sum()
    };
    let mut last = 0;
    for second in 1..=30_usize {
        world.pass(SECOND);
        let bytes = came(&world);
        // Bytes that were in flight when the burst was used up come on top.
        assert!(bytes <= 20_000 + second * 10_000 + 3 * 65_536, "{bytes} after {second} s");
        assert!(bytes >= last);
        last = bytes;
    }
    world.pass(SECOND * 20);
    assert_eq!(came(&world), 400_000);
    assert_eq!(world.closed(id), None);
}

#[test]
fn heart_beats_come_at_their_interval_unless_something_else_is_sent() {
    let mut world = World::new(19, |builder| builder.codec(Lines::new()).timeouts(timeouts().heartbeat(SECOND * 10)));
    let quiet = world.connect();
    let busy = world.connect();
    let ids: Vec<(Time, SessionId)> = world.connected();
    for _ in 0..100 {
        world.send(busy, b"echo\n");
        world.pass(SECOND * 9);
    }
    let beats = |id| world.log().iter().filter(|(_, of, what)| *of == id && *what == What::Beat).count();
    assert_eq!(beats(ids[1].1), 0);
    // In 900 seconds. Each is up to two ticks late, and delays the next.
    assert_eq!(beats(ids[0].1), 89);
    let _ = quiet;
}

#[test]
fn a_session_that_ends_in_time_meets_no_time_out() {
    let mut world = World::new(23, |builder| builder.timeouts(timeouts().idle(SECOND).handshake(SECOND * 2)));
    for _ in 0..100 {
        let socket = world.connect();
        world.send(socket, b"e");
        world.pass(SECOND / 2);
        world.clients.submit(Op::close(socket, CloseMode::Now), CLOSE).unwrap();
        world.pass(SECOND / 10);
    }
    world.pass(SECOND * 10);
    let stats = world.server.handle().stats();
    let left = stats.closed(CloseReason::ByPeer) + stats.closed(CloseReason::Reset);
    assert_eq!((stats.accepted, left, stats.sessions), (100, 100, 0));
}

#[test]
fn the_same_seed_gives_the_same_times() {
    let run = |seed| {
        let settings = |builder: Builder| {
            builder
                .codec(Lines::new())
                .timeouts(timeouts().idle(SECOND * 3).read(SECOND).heartbeat(SECOND / 3))
                .limits(Limits::new().packet_rate(Rate::per_second(5).burst(2)))
        };
        let mut world = World::new(seed, settings);
        let sockets: Vec<SocketId> = (0..5).map(|_| world.connect()).collect();
        for round in 0..40 {
            let socket = sockets[round % sockets.len()];
            let _ = world.clients.submit(Op::send(socket, b"echo\nhalf".to_vec()), SEND);
            world.pass(MILLISECOND * 100);
        }
        world.pass(SECOND * 10);
        (world.network.trace(), world.log())
    };
    let first = run(29);
    assert_eq!(first, run(29));
    assert_ne!(first, run(30));
}
