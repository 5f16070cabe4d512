//! Keys on simulated networks: under every seed a key that is not shared has one session, while
//! sessions of all shards take, replace, give up and close; and none is left in the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::Op;
use overlapped::driver::CloseMode;
use proactor::codec::Fixed;
use proactor::{
    CloseReason, Flow, Handle, Handler, IdentifyError, IfTaken, Network, NoMessage, Server, Session, SessionId,
    ShardHandle,
};

use crate::harness::{close_all, receiver, receivers, run_until, some_close, some_pause};

const CLIENTS: usize = 6;
const KEYS: u8 = 3;

/// A packet is a deed and a key.
const TAKE: u8 = 0;
const REPLACE: u8 = 1;
const GIVE_UP: u8 = 2;
const ASK: u8 = 3;
const CLOSE: u8 = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    taken: usize,
    refused: usize,
    replaced: usize,
    /// Were closed for another reason while they had a key.
    ended: usize,
}

/// Who has each key, as the answers have told it.
type Model = BTreeMap<u8, SessionId>;

#[derive(Clone, Default)]
struct Names {
    model: Arc<Mutex<Model>>,
    counts: Arc<Mutex<Counts>>,
    handle: Option<Handle>,
}

impl Names {
    fn check(&self, model: &Model) {
        let handle = self.handle.as_ref().unwrap();
        for key in 0..KEYS {
            let holders: Vec<SessionId> = model.get(&key).copied().into_iter().collect();
            assert_eq!(handle.find_all([key]), holders);
        }
        assert_eq!(handle.keys(), model.len());
    }
}

impl Handler for Names {
    type State = ();
    type Message = NoMessage;

    fn started(&mut self, _: &ShardHandle, handle: &Handle) {
        self.handle = Some(handle.clone());
    }

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let [deed, key] = *packet else { panic!("a packet is two bytes") };
        let (id, model) = (session.id(), &mut *self.model.lock().unwrap());
        let counts = &mut *self.counts.lock().unwrap();
        match deed {
            TAKE | REPLACE => {
                let if_taken = if deed == TAKE { IfTaken::Refuse } else { IfTaken::Replace };
                match session.identify_with([key], if_taken) {
                    Ok(()) => {
                        counts.taken += 1;
                        model.retain(|_, holder| *holder != id);
                        model.insert(key, id);
                    }
                    Err(error) => {
                        counts.refused += 1;
                        assert_eq!((deed, error), (TAKE, IdentifyError::Taken(model[&key])));
                        assert_ne!(model[&key], id);
                    }
                }
            }
            GIVE_UP => {
                session.give_up_key();
                model.retain(|_, holder| *holder != id);
            }
            ASK => {
                let own = model.iter().find(|(_, holder)| **holder == id).map(|(key, _)| *key);
                assert_eq!(session.key().as_deref(), own.as_ref().map(std::slice::from_ref));
                let sent = session.handle().send_to([key], vec![key, key]);
                assert_eq!(sent, Ok(usize::from(model.contains_key(&key))));
            }
            _ => return Flow::Close,
        }
        self.check(model);
        Flow::Continue
    }

    fn closed(&mut self, id: SessionId, (): (), reason: &CloseReason) {
        let model = &mut *self.model.lock().unwrap();
        self.check(model);
        let counts = &mut *self.counts.lock().unwrap();
        let had_key = model.values().any(|holder| *holder == id);
        if *reason == CloseReason::Replaced {
            counts.replaced += 1;
            assert!(!had_key, "it has lost its key, and got none since");
        }
        // Free when this has returned, before anything else is called.
        model.retain(|_, holder| *holder != id);
        counts.ended += usize::from(had_key);
    }
}

fn run(seed: u64) -> (Counts, u64) {
    let network = Network::new(seed);
    let names = Names::default();
    let builder = Server::builder().listen("10.0.0.1:7777").codec(Fixed::new(2));
    let mut server = builder.shards(1 + seed as usize % 3).simulate(&network, names.clone()).unwrap();
    let handle = server.handle();
    let address = server.local_addrs()[0].clone();
    let (mut driver, mut sockets) = receivers(&network, &server, CLIENTS);
    for step in 0.. {
        let pause = some_pause(&mut driver, Duration::from_millis(3));
        if !run_until(&mut server, &mut driver, network.now() + pause) {
            break;
        }
        assert!(step < 20_000, "the server does not end");
        if step == 250 {
            close_all(&mut driver, &mut sockets, CloseMode::Abort);
            handle.drain(Duration::from_secs(5));
        }
        if step >= 250 {
            continue;
        }
        for _ in 0..1 + driver.random() % 4 {
            let client = driver.random() as usize % sockets.len();
            let mut packets = Vec::new();
            // Several in one turn: a session that is replaced takes a key before it hears of it.
            for _ in 0..1 + driver.random() % 3 {
                let deed = match driver.random() % 60 {
                    0 => CLOSE,
                    random => [TAKE, TAKE, REPLACE, GIVE_UP, ASK][random as usize % 5],
                };
                packets.extend([deed, (driver.random() % u64::from(KEYS)) as u8]);
            }
            // A session that the server has closed takes nothing: its client comes again.
            let _ = driver.submit(Op::send(sockets[client], packets), 0);
            if driver.random().is_multiple_of(12) {
                let mode = some_close(&mut driver);
                let _ = driver.submit(Op::close(sockets[client], mode), 0);
                sockets[client] = receiver(&mut driver, &address, 0);
            }
        }
    }
    assert_eq!(handle.keys(), 0, "seed {seed}: a key has outlived its session");
    assert!(names.model.lock().unwrap().is_empty());
    let counts = *names.counts.lock().unwrap();
    (counts, network.trace())
}

#[test]
fn a_key_has_one_session_and_is_free_when_that_has_ended() {
    let mut all = Counts::default();
    for seed in 0..50 {
        let (counts, _) = run(seed);
        all.taken += counts.taken;
        all.refused += counts.refused;
        all.replaced += counts.replaced;
        all.ended += counts.ended;
    }
    assert!(all.taken > 2_000 && all.refused > 500 && all.replaced > 300 && all.ended > 200, "{all:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..4 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
