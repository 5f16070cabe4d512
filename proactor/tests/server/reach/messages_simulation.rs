//! Messages on simulated networks: under every seed they arrive in order, once, and to no session
//! that is closing, whatever the clients do meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::Op;
use proactor::task::Event;
use proactor::{
    AsyncSession, CloseReason, Flow, Handle, Handler, Limits, Network, PostError, Server, Session, SessionId,
    Simulation, Tasks,
};

use crate::harness::{GRACEFUL, close_all, receivers, run_until, some_close, some_pause};

const CLIENTS: usize = 8;
const INBOX: usize = 5;

/// What happened to the sessions, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Note {
    Came(SessionId),
    Message(SessionId, u64),
    Closed(SessionId),
}

type Notes = Arc<Mutex<Vec<Note>>>;

#[derive(Clone)]
struct Keeps(Notes);

impl Handler for Keeps {
    type State = ();
    type Message = u64;

    fn connected(&mut self, session: &Session) {
        self.0.lock().unwrap().push(Note::Came(session.id()));
    }

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn message(&mut self, session: &Session, (): &mut (), message: u64) {
        self.0.lock().unwrap().push(Note::Message(session.id(), message));
        if message % 97 == 96 {
            session.close();
        }
    }

    fn closed(&mut self, id: SessionId, (): (), _: &CloseReason) {
        self.0.lock().unwrap().push(Note::Closed(id));
    }
}

/// The same as a task, which is slow, so that its inbox fills.
async fn keep(session: AsyncSession<u64>, notes: Notes) {
    let id = session.id();
    notes.lock().unwrap().push(Note::Came(id));
    loop {
        match session.event().await {
            Event::Packet(packet) => drop(session.send(packet).await),
            Event::Message(message) => {
                notes.lock().unwrap().push(Note::Message(id, message));
                session.sleep(Duration::from_millis(message % 30)).await;
                if message % 97 == 96 {
                    session.close();
                }
            }
            Event::Draining => {}
            Event::Ended => break,
        }
    }
}

/// What a run came to: the notes, the messages that were taken for each session, how many were
/// given back, and the trace.
type Run = (Vec<Note>, BTreeMap<SessionId, Vec<u64>>, usize, u64);

fn run<H: Handler<Message = u64>>(network: &Network, mut server: Simulation<H>, notes: &Notes) -> Run {
    let (mut driver, mut sockets) = receivers(network, &server, CLIENTS);
    for (client, socket) in sockets.iter().enumerate() {
        driver.submit(Op::send(*socket, vec![b'x'; 1 + client * 100]), 0).unwrap();
    }
    let handle: Handle<u64> = server.handle();
    let (mut taken, mut given_back) = (BTreeMap::<SessionId, Vec<u64>>::new(), 0);
    for step in 0.. {
        let pause = some_pause(&mut driver, Duration::from_millis(5));
        if !run_until(&mut server, &mut driver, network.now() + pause) {
            break;
        }
        assert!(step < 50_000, "the server does not end");
        let ids: Vec<SessionId> = {
            let notes = notes.lock().unwrap();
            notes.iter().filter_map(|note| if let Note::Came(id) = note { Some(*id) } else { None }).collect()
        };
        for _ in 0..driver.random() % 4 {
            if ids.is_empty() {
                break;
            }
            // Also to those that have ended.
            let id = ids[driver.random() as usize % ids.len()];
            let sent = taken.entry(id).or_default();
            let number = sent.last().map_or(0, |last| last + 1);
            match handle.post(id, number) {
                Ok(()) => sent.push(number),
                Err(error) => {
                    assert_eq!(error, PostError::Full(number));
                    given_back += 1;
                }
            }
        }
        if driver.random().is_multiple_of(200) && !sockets.is_empty() {
            let socket = sockets.swap_remove(driver.random() as usize % sockets.len());
            let mode = some_close(&mut driver);
            driver.submit(Op::close(socket, mode), 0).unwrap();
        }
        if step == 1500 {
            handle.drain(Duration::from_secs(2));
            close_all(&mut driver, &mut sockets, GRACEFUL);
        }
    }
    let notes = notes.lock().unwrap().clone();
    (notes, taken, given_back, network.trace())
}

fn check(seed: u64, (notes, taken, _, _): &Run, is_complete_until_closed: bool) {
    let mut came: BTreeMap<SessionId, Vec<u64>> = BTreeMap::new();
    let mut closed = Vec::new();
    for note in notes {
        match note {
            Note::Came(id) => assert!(came.insert(*id, Vec::new()).is_none(), "seed {seed}: {id:?} twice"),
            Note::Message(id, message) => {
                assert!(!closed.contains(id), "seed {seed}: a message for {id:?} after its end");
                came.get_mut(id).unwrap().push(*message);
            }
            Note::Closed(id) => closed.push(*id),
        }
    }
    assert_eq!(came.len(), CLIENTS, "seed {seed}");
    for (id, messages) in &came {
        let sent = taken.get(id).cloned().unwrap_or_default();
        assert!(sent.starts_with(messages), "seed {seed}, {id:?}: {messages:?} of {sent:?}");
        if is_complete_until_closed && messages.last().is_some_and(|last| last % 97 == 96) {
            assert_eq!(messages.len() % 97, 0, "seed {seed}: it closed itself");
        }
    }
}

fn of_handler(seed: u64) -> Run {
    let (network, notes) = (Network::new(seed), Notes::default());
    let limits = Limits::new().inbox_messages(INBOX);
    let builder = Server::builder().listen("10.0.0.1:7777").shards(1 + seed as usize % 3).limits(limits);
    let server = builder.simulate(&network, Keeps(Arc::clone(&notes))).unwrap();
    run(&network, server, &notes)
}

fn of_tasks(seed: u64) -> Run {
    let (network, notes) = (Network::new(seed), Notes::default());
    let limits = Limits::new().inbox_messages(INBOX);
    let builder = Server::builder().listen("10.0.0.1:7777").shards(1 + seed as usize % 3).limits(limits);
    let own = Arc::clone(&notes);
    let logic = Tasks::with_messages(move |session| keep(session, Arc::clone(&own)));
    let server = builder.simulate(&network, logic).unwrap();
    run(&network, server, &notes)
}

#[test]
fn messages_arrive_in_order_and_never_after_the_end() {
    let mut messages = 0;
    for seed in 0..60 {
        let result = of_handler(seed);
        check(seed, &result, true);
        messages += result.0.iter().filter(|note| matches!(note, Note::Message(..))).count();
    }
    assert!(messages > 10_000, "{messages}");
}

#[test]
fn tasks_take_messages_in_order_and_a_slow_one_gives_them_back() {
    let (mut messages, mut given_back) = (0, 0);
    for seed in 0..60 {
        let result = of_tasks(seed);
        check(seed, &result, false);
        messages += result.0.iter().filter(|note| matches!(note, Note::Message(..))).count();
        given_back += result.2;
    }
    assert!(messages > 1_000 && given_back > 1_000, "{messages}, {given_back}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..4 {
        assert!(of_handler(seed) == of_handler(seed), "seed {seed}");
        assert!(of_tasks(seed) == of_tasks(seed), "seed {seed}");
    }
}
