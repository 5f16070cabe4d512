//! A shard that does not run for a while: its process is stopped, or a handler does not return.
//! Clients that keep their times are not closed, whatever the seed, and silent ones are.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::driver::SocketId;
use overlapped::sim::NetworkConfig;
use overlapped::{Driver, Op};
use proactor::codec::Lines;
use proactor::{CloseReason, Flow, Handler, Network, Server, Session, SessionId, Simulation, Time, Timeouts, Wait};

use crate::harness::driver;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// How often a client says something: half of what each timeout allows.
const INTERVAL: Duration = Duration::from_millis(500);

/// The line `stall N` keeps the shard for N milliseconds.
#[derive(Clone)]
struct Stalling {
    network: Network,
    closed: Arc<Mutex<Vec<(SessionId, CloseReason)>>>,
    packets: Arc<Mutex<usize>>,
}

impl Handler for Stalling {
    type State = ();

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, _: &Session, (): &mut (), packet: &[u8]) -> Flow {
        *self.packets.lock().unwrap() += 1;
        if let Some(span) = std::str::from_utf8(packet).unwrap().strip_prefix("stall ") {
            pass(&self.network, self.network.now() + MILLISECOND * span.parse::<u32>().unwrap());
        }
        Flow::Continue
    }

    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        self.closed.lock().unwrap().push((id, *reason));
    }
}

/// Time passes, and no driver turns.
fn pass(network: &Network, until: Time) {
    while network.now() < until {
        network.advance_to(until);
    }
}

struct Talker {
    socket: SocketId,
    next: Time,
}

struct World {
    network: Network,
    handler: Stalling,
    server: Simulation<Stalling>,
    clients: Driver,
    talkers: Vec<Talker>,
}

const CONNECT: u64 = 1;
const SEND: u64 = 2;
const CLOCK: u64 = 3;

impl World {
    fn new(seed: u64, shards: usize, timeouts: Timeouts) -> World {
        // Receives end early, so that one turn does not read all that has come.
        let network = Network::with_config(seed, NetworkConfig::new().early_ends(3).short_receives(3));
        let handler = Stalling { network: network.clone(), closed: Arc::default(), packets: Arc::default() };
        let builder = Server::builder().listen("10.0.0.1:80").shards(shards).codec(Lines::new()).timeouts(timeouts);
        let server = builder.simulate(&network, handler.clone()).unwrap();
        World { clients: driver(&network), network, handler, server, talkers: Vec::new() }
    }

    fn connect(&mut self) -> SocketId {
        let address = &self.server.local_addrs()[0].clone();
        let socket = self.clients.socket(address).unwrap();
        self.clients.submit(Op::connect(socket, address), CONNECT).unwrap();
        self.runs_for(MILLISECOND * 5);
        socket
    }

    /// A client that goes on talking.
    fn talks(&mut self) -> SocketId {
        let socket = self.connect();
        self.talkers.push(Talker { socket, next: self.network.now() });
        socket
    }

    fn say(&mut self, socket: SocketId, bytes: &[u8]) {
        self.clients.submit(Op::send(socket, bytes.to_vec()), SEND).unwrap();
    }

    /// The server runs.
    fn runs_for(&mut self, span: Duration) {
        let until = self.network.now() + span;
        self.clients.submit(Op::timer(until), CLOCK).unwrap();
        let World { network, server, clients, talkers, .. } = self;
        let came = server.run(|_| {
            talk(network.now(), clients, talkers);
            network.now() >= until
        });
        assert!(came.unwrap());
    }

    /// The server is stopped; its clients go on.
    fn is_stopped_for(&mut self, span: Duration) {
        let until = self.network.now() + span;
        while self.network.now() < until {
            talk(self.network.now(), &mut self.clients, &mut self.talkers);
            let next = self.talkers.iter().map(|talker| talker.next).chain([until]).min().unwrap();
            self.network.advance_to(next);
        }
        talk(self.network.now(), &mut self.clients, &mut self.talkers);
    }

    fn closed(&self) -> Vec<CloseReason> {
        self.handler.closed.lock().unwrap().iter().map(|(_, reason)| *reason).collect()
    }
}

/// What the talkers have to say by now. Each says half a line, then the other half.
fn talk(now: Time, clients: &mut Driver, talkers: &mut [Talker]) {
    for talker in talkers {
        if talker.next <= now {
            talker.next = now + INTERVAL;
            let _ = clients.submit(Op::send(talker.socket, b".\nhalf".to_vec()), SEND);
            let _ = clients.submit(Op::timer(talker.next), CLOCK);
        }
    }
    clients.turn(Wait::Poll).unwrap();
    while clients.next().is_some() {}
}

fn each(timeouts: &[(Timeouts, CloseReason)], test: impl Fn(u64, Timeouts, CloseReason)) {
    for seed in 0..60 {
        for (timeouts, reason) in timeouts {
            test(seed, timeouts.clone().linger(MILLISECOND), *reason);
        }
    }
}

fn all() -> [(Timeouts, CloseReason); 3] {
    [
        (Timeouts::new().idle(SECOND), CloseReason::Idle),
        (Timeouts::new().receive(SECOND), CloseReason::ReceiveTimeout),
        (Timeouts::new().read(SECOND), CloseReason::ReadTimeout),
    ]
}

#[test]
fn a_server_that_was_stopped_closes_nobody_who_went_on_talking() {
    each(&all(), |seed, timeouts, reason| {
        let mut world = World::new(seed, 2, timeouts);
        for _ in 0..8 {
            world.talks();
        }
        for _ in 0..6 {
            let span = MILLISECOND * (world.network.random() % 6_000) as u32;
            world.is_stopped_for(span);
            let span = MILLISECOND * (world.network.random() % 1_500) as u32;
            world.runs_for(span);
            assert_eq!(world.closed(), [], "seed {seed}");
        }
        world.runs_for(SECOND * 2);
        assert_eq!(world.closed(), [], "seed {seed}");
        world.talkers.clear();
        world.runs_for(SECOND * 2);
        assert_eq!(world.closed(), [reason; 8], "and silent ones end, seed {seed}");
    });
}

#[test]
fn a_handler_that_does_not_return_costs_other_sessions_nothing() {
    each(&all(), |seed, timeouts, reason| {
        // One shard: while a handler keeps the thread of this test, no client can go on.
        let mut world = World::new(seed, 1, timeouts);
        let stalls = world.talks();
        for _ in 0..7 {
            world.talks();
        }
        for _ in 0..5 {
            let span = 100 + world.network.random() % 5_000;
            // The talker's half line becomes a whole one, and the stall has a line of its own.
            world.say(stalls, format!("\nstall {span}\nhalf").as_bytes());
            let span = MILLISECOND * (world.network.random() % 1_500) as u32;
            world.runs_for(span);
            assert_eq!(world.closed(), [], "seed {seed}");
        }
        world.talkers.clear();
        world.runs_for(SECOND * 8);
        assert_eq!(world.closed(), [reason; 8], "and silent ones end, seed {seed}");
    });
}

#[test]
fn the_time_before_a_stall_counts() {
    each(&all()[..2], |seed, timeouts, reason| {
        let mut world = World::new(seed, 2, timeouts);
        world.connect();
        world.runs_for(SECOND * 9 / 10);
        world.is_stopped_for(SECOND * 60);
        // A quarter of a second of a stall counts: a turn may take that.
        world.runs_for(SECOND / 10);
        assert_eq!(world.closed(), [reason], "seed {seed}");
    });
}

#[test]
fn a_handshake_that_was_sent_while_the_server_was_stopped_is_in_time() {
    let timeouts = Timeouts::new().handshake(SECOND);
    each(&[(timeouts, CloseReason::HandshakeTimeout)], |seed, timeouts, reason| {
        let mut world = World::new(seed, 2, timeouts);
        let late = world.connect();
        let never = world.connect();
        world.runs_for(SECOND / 2);
        world.say(late, b"here I am\n");
        world.is_stopped_for(SECOND * 10);
        world.runs_for(SECOND * 5);
        assert_eq!(world.closed(), [reason], "seed {seed}");
        assert_eq!(*world.handler.packets.lock().unwrap(), 1, "seed {seed}");
        let _ = never;
    });
}
