//! Timers on simulated networks: under every seed each is called at its moment, once, and none
//! after it was stopped or its session began to close, also while the server drains.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::Op;
use proactor::{CloseReason, Flow, Handle, Handler, Network, NoMessage, Server, Session, SessionId, ShardHandle, Time};

use crate::harness::{GRACEFUL, close_all, receivers, run_until, some_close};

const CLIENTS: usize = 8;
/// The grain of timers.
const GRAIN: Duration = Duration::from_nanos(1 << 23);

/// What is known of the timers.
#[derive(Default)]
struct Books {
    /// When each is due. Those without a session are the shards'.
    set: BTreeMap<(usize, Option<SessionId>, u64), Time>,
    closing: Vec<SessionId>,
    called: usize,
    stopped: usize,
    of_shards: usize,
    trace: Vec<(Time, u64)>,
}

#[derive(Clone)]
struct Keeps(Arc<Mutex<Books>>);

impl Keeps {
    /// Sets or stops timers, as a number says.
    fn act(&self, session: &Session, number: u8) {
        let mut books = self.0.lock().unwrap();
        let (id, shard) = (session.id(), session.shard());
        let token = u64::from(number % 5);
        let key = (shard.index(), Some(id), token);
        match number % 7 {
            0 => {
                let was_set = books.set.remove(&key).is_some();
                assert_eq!(session.cancel_timer(token), was_set, "{key:?}");
                books.stopped += usize::from(was_set);
            }
            1 => {
                session.close();
                books.closing.push(id);
                books.set.retain(|(_, of, _), _| *of != Some(id));
                assert!(session.after(Duration::ZERO, token).is_err());
            }
            _ => {
                let duration = Duration::from_micros(u64::from(number) * 1700);
                session.after(duration, token).unwrap();
                books.set.insert(key, shard.now() + duration);
            }
        }
    }

    fn due(&self, shard: &ShardHandle, id: Option<SessionId>, token: u64) {
        let mut books = self.0.lock().unwrap();
        let at = books.set.remove(&(shard.index(), id, token));
        let at = at.unwrap_or_else(|| panic!("timer {token} of {id:?} is not set"));
        let now = shard.now();
        assert!(now >= at && now - at <= GRAIN, "due at {at:?}, called at {now:?}");
        assert!(id.is_none_or(|id| !books.closing.contains(&id)));
        books.trace.push((now, token));
        books.called += 1;
    }
}

impl Handler for Keeps {
    type State = u8;
    type Message = NoMessage;

    fn started(&mut self, shard: &ShardHandle, _: &Handle) {
        shard.after(Duration::from_millis(40), 9).unwrap();
        self.0.lock().unwrap().set.insert((shard.index(), None, 9), shard.now() + Duration::from_millis(40));
    }

    fn connected(&mut self, session: &Session) -> u8 {
        self.act(session, 2);
        0
    }

    fn received(&mut self, session: &Session, last: &mut u8, packet: &[u8]) -> Flow {
        for number in packet {
            if session.shard().session(session.id()).is_some() {
                self.act(session, *number);
            }
            *last = *number;
        }
        Flow::Continue
    }

    fn timer(&mut self, session: &Session, last: &mut u8, token: u64) {
        self.due(&session.shard(), Some(session.id()), token);
        *last = last.wrapping_mul(31).wrapping_add(7);
        if last.is_multiple_of(2) && *last % 7 != 1 {
            self.act(session, *last);
        }
    }

    fn shard_timer(&mut self, shard: &ShardHandle, token: u64) {
        self.due(shard, None, token);
        shard.after(Duration::from_millis(40), token).unwrap();
        let mut books = self.0.lock().unwrap();
        books.of_shards += 1;
        books.set.insert((shard.index(), None, token), shard.now() + Duration::from_millis(40));
    }

    fn closed(&mut self, id: SessionId, _: u8, _: &CloseReason) {
        let mut books = self.0.lock().unwrap();
        books.closing.push(id);
        books.set.retain(|(_, of, _), _| *of != Some(id));
    }
}

/// The books at the end, and the network's trace.
fn run(seed: u64) -> (Arc<Mutex<Books>>, u64) {
    let network = Network::new(seed);
    let books = Arc::<Mutex<Books>>::default();
    let builder = Server::builder().listen("10.0.0.1:7777").shards(1 + seed as usize % 3);
    let mut server = builder.simulate(&network, Keeps(Arc::clone(&books))).unwrap();
    let (mut driver, mut sockets) = receivers(&network, &server, CLIENTS);
    for step in 0.. {
        let pause = Duration::from_micros(driver.random() % 20_000);
        if !run_until(&mut server, &mut driver, network.now() + pause) {
            break;
        }
        assert!(step < 5_000, "the server does not end");
        if !sockets.is_empty() && step < 400 {
            let at = driver.random() as usize % sockets.len();
            if driver.random().is_multiple_of(100) {
                let mode = some_close(&mut driver);
                driver.submit(Op::close(sockets.swap_remove(at), mode), 0).unwrap();
            } else {
                // Mostly not a number that closes.
                let mut number = || match driver.random() as u8 {
                    number if number % 7 == 1 && !driver.random().is_multiple_of(40) => number + 1,
                    number => number,
                };
                let numbers = vec![number(), number()];
                driver.submit(Op::send(sockets[at], numbers), 0).unwrap();
            }
        }
        if step == 400 {
            server.handle().drain(Duration::from_secs(1));
            close_all(&mut driver, &mut sockets, GRACEFUL);
        }
    }
    (books, network.trace())
}

#[test]
fn each_timer_is_called_at_its_moment_once_and_none_after_the_end() {
    let (mut called, mut stopped, mut of_shards) = (0, 0, 0);
    for seed in 0..50 {
        let (books, _) = run(seed);
        let books = books.lock().unwrap();
        let left: Vec<_> = books.set.keys().filter(|(_, id, _)| id.is_some()).collect();
        assert!(left.is_empty(), "seed {seed}: never called, nor ended: {left:?}");
        called += books.called;
        stopped += books.stopped;
        of_shards += books.of_shards;
    }
    assert!(called > 5_000 && stopped > 500 && of_shards > 1_000, "{called}, {stopped}, {of_shards}");
}

#[test]
fn the_same_seed_calls_the_same_timers() {
    for seed in 1..5 {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(one.1, other.1, "seed {seed}");
        assert!(one.0.lock().unwrap().trace == other.0.lock().unwrap().trace, "seed {seed}");
    }
}
