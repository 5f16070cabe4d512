//! Named groups on simulated networks: under every seed the name, the members and what is kept for
//! a room agree, while sessions of all shards join, leave, close and are cut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::driver::{CloseMode, SocketId};
use overlapped::{Driver, Op};
use proactor::codec::{Fixed, Lines};
use proactor::{
    CloseReason, Flow, Group, Handler, Listener, Network, NoMessage, Server, Session, SessionId, ShardHandle,
};

use crate::harness::{close_all, driver, receiver, run_until, some_close, some_pause};

const CLIENTS: usize = 6;
const ROOMS: u8 = 3;

/// A packet is a deed and a room.
const JOIN: u8 = 0;
const LEAVE: u8 = 1;
const SAY: u8 = 2;
const CLOSE: u8 = 3;

/// What is kept for a room: the group that its first member has joined.
type Kept = Arc<Mutex<BTreeMap<u8, Group>>>;

#[derive(Clone, Default)]
struct Rooms {
    kept: Kept,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    joined: usize,
    emptied: usize,
    /// Somebody had joined again before the logic was told.
    late: usize,
    closed: usize,
}

impl Handler for Rooms {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let [deed, name] = *packet else { panic!("a packet is two bytes") };
        let room = session.handle().group([name]).unwrap();
        let kept = &mut *self.kept.lock().unwrap();
        match deed {
            JOIN => {
                session.join(&room).unwrap();
                self.counts.lock().unwrap().joined += 1;
                assert!(room.members().contains(&session.id()) && !room.is_empty());
                // It is the group of the members that are there already.
                assert!(*kept.entry(name).or_insert_with(|| room.clone()) == room);
            }
            LEAVE => {
                session.leave(&room);
                assert!(!room.members().contains(&session.id()));
            }
            SAY => room.broadcast(packet).unwrap(),
            _ => return Flow::Close,
        }
        assert_eq!(room.members().len(), room.len(), "on one thread nothing happens in between");
        Flow::Continue
    }

    fn group_emptied(&mut self, _: &ShardHandle, room: &Group) {
        let mut counts = self.counts.lock().unwrap();
        counts.emptied += 1;
        match room.is_empty() {
            true => drop(self.kept.lock().unwrap().remove(&room.name().unwrap()[0])),
            false => counts.late += 1,
        }
    }

    fn closed(&mut self, id: SessionId, (): (), _: &CloseReason) {
        self.counts.lock().unwrap().closed += 1;
        for room in self.kept.lock().unwrap().values() {
            assert!(!room.members().contains(&id), "a session that has ended is no member");
        }
    }
}

fn run(seed: u64) -> (Counts, u64) {
    let network = Network::new(seed);
    let rooms = Rooms::default();
    // Half of the clients have a framing of their own, by which they are members of hidden groups.
    let other = Listener::new("10.0.0.1:7778").codec(Lines::new());
    let builder = Server::builder().listen("10.0.0.1:7777").listen(other).codec(Fixed::new(2));
    let mut server = builder.shards(1 + seed as usize % 3).simulate(&network, rooms.clone()).unwrap();
    let handle = server.handle();
    let mut driver = driver(&network);
    let addresses = server.local_addrs().to_vec();
    let come = |driver: &mut Driver, client: usize| receiver(driver, &addresses[client % 2], 0);
    let mut sockets: Vec<SocketId> = (0..CLIENTS).map(|client| come(&mut driver, client)).collect();
    for step in 0.. {
        let pause = some_pause(&mut driver, Duration::from_millis(3));
        if !run_until(&mut server, &mut driver, network.now() + pause) {
            break;
        }
        assert!(step < 20_000, "the server does not end");
        if step > 250 {
            continue;
        }
        if step == 250 {
            close_all(&mut driver, &mut sockets, CloseMode::Abort);
            handle.drain(Duration::from_secs(5));
            continue;
        }
        for _ in 0..1 + driver.random() % 4 {
            let client = driver.random() as usize % sockets.len();
            let deed = match driver.random() % 40 {
                0 => CLOSE,
                random => [JOIN, LEAVE, LEAVE, SAY][random as usize % 4],
            };
            let room = (driver.random() % u64::from(ROOMS)) as u8;
            let mut packets = Vec::new();
            // Some leave and enter again within a turn.
            let again = if driver.random().is_multiple_of(8) { &[LEAVE, JOIN][..] } else { &[] };
            for deed in again.iter().chain([&deed]) {
                packets.extend([*deed, room]);
                if client % 2 == 1 {
                    packets.push(b'\n');
                }
            }
            // A session that the server has closed takes nothing: its client comes again.
            let _ = driver.submit(Op::send(sockets[client], packets), 0);
            if deed == CLOSE || driver.random().is_multiple_of(60) {
                let mode = some_close(&mut driver);
                let _ = driver.submit(Op::close(sockets[client], mode), 0);
                sockets[client] = come(&mut driver, client);
            }
        }
    }
    assert!(rooms.kept.lock().unwrap().is_empty(), "seed {seed}: nobody was told that a room was empty");
    assert_eq!(handle.groups(), 0, "seed {seed}: a group without members is held");
    let counts = *rooms.counts.lock().unwrap();
    (counts, network.trace())
}

#[test]
fn names_members_and_what_is_kept_agree() {
    let mut all = Counts::default();
    for seed in 0..50 {
        let (counts, _) = run(seed);
        all.joined += counts.joined;
        all.emptied += counts.emptied;
        all.late += counts.late;
        all.closed += counts.closed;
    }
    assert!(all.joined > 4_000 && all.emptied > 800 && all.late > 20 && all.closed > 800, "{all:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..4 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
