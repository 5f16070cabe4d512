//! The directory on records that answer when a test says.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use overlapped::table::Key;

use super::local::Notice;
use super::*;
use crate::cluster::records::in_process::InProcessRecords;
use crate::cluster::records::{Done, Record, RecordError, Revision};
use crate::registry::keys::{IdentifyError, IfTaken};
use crate::session::id::SessionId;

const LEASE: Duration = Duration::from_secs(16);

enum Call {
    Get(Done<Option<Record>>),
    Put(Bytes, Done<Revision>),
    Delete(Revision, Done<()>),
}

/// Calls that have no answer yet, with the names of their records.
#[derive(Default)]
struct Held(Mutex<VecDeque<(String, Call)>>);

impl Held {
    fn add(&self, name: &str, call: Call) {
        self.0.lock().unwrap().push_back((name.to_owned(), call));
    }

    fn take(&self) -> Option<(String, Call)> {
        self.0.lock().unwrap().pop_front()
    }
}

impl Records for Held {
    fn get(&self, key: &str, done: Done<Option<Record>>) {
        self.add(key, Call::Get(done));
    }
    fn put(&self, key: &str, value: Bytes, _: Revision, done: Done<Revision>) {
        self.add(key, Call::Put(value, done));
    }
    fn delete(&self, key: &str, expected: Revision, done: Done<()>) {
        self.add(key, Call::Delete(expected, done));
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

/// The sessions of a server, each with the key of its name, and what they are told.
#[derive(Default)]
struct Sessions {
    ids: Mutex<BTreeMap<Bytes, SessionId>>,
    told: Mutex<Vec<Notice>>,
}

impl Local for Sessions {
    fn has(&self, key: &[u8], id: SessionId) -> bool {
        self.find(key) == Some(id)
    }
    fn find(&self, key: &[u8]) -> Option<SessionId> {
        self.ids.lock().unwrap().get(key).copied()
    }
    fn take(&self, key: &[u8]) -> Vec<SessionId> {
        self.ids.lock().unwrap().remove(key).into_iter().collect()
    }
    fn tell(&self, notice: &Notice) -> bool {
        self.told.lock().unwrap().push(notice.clone());
        true
    }
    fn send(&self, _: &[u8], _: &Bytes) -> usize {
        0
    }
    fn close(&self, _: &[u8]) -> usize {
        0
    }
}

struct Node {
    keys: KeyDirectory,
    records: Arc<Held>,
    sessions: Arc<Sessions>,
    now: Time,
}

impl Node {
    /// One that has its lease.
    fn new() -> Node {
        let (records, sessions) = (Arc::<Held>::default(), Arc::<Sessions>::default());
        let keys = KeyDirectory::new((1, &"a".into()), records.clone(), LEASE, Vec::new());
        let local: Arc<dyn Local> = sessions.clone();
        keys.serve(Arc::downgrade(&local));
        let mut node = Node { keys, records, sessions, now: Time::ZERO };
        node.turn();
        node.renew();
        node
    }

    fn turn(&self) {
        self.keys.turn(|| self.now, |_, _| {});
    }

    /// Answers the next call, which is about the lease.
    fn renew(&mut self) {
        let (name, call) = self.records.take().expect("a call");
        assert!(name.starts_with("l/"), "{name}");
        let Call::Put(_, done) = call else { panic!("a write") };
        done(Ok(Revision(1)));
        self.turn();
    }

    fn log_in(&self, user: &str) {
        self.begin(user);
        self.turn();
    }

    /// A session logs in, and has its key.
    fn give(&self, user: &str) {
        self.log_in(user);
        let Some((_, Call::Put(_, done))) = self.records.take() else { panic!("a claim") };
        done(Ok(Revision(2)));
        self.turn();
        assert!(matches!(self.told()[..], [Notice::Identified { result: Ok(()), .. }]));
    }

    /// A session logs in, which is heard in the next turn.
    fn begin(&self, user: &str) {
        let mut ids = self.sessions.ids.lock().unwrap();
        let id = SessionId::new(0, Key::new(ids.len() as u32, 1));
        ids.insert(user.to_owned().into(), id);
        drop(ids);
        self.keys.login(Login {
            key: user.to_owned().into(),
            id,
            ticket: 1,
            if_taken: IfTaken::Refuse,
            from: Vec::new(),
        });
    }

    fn told(&self) -> Vec<Notice> {
        std::mem::take(&mut self.sessions.told.lock().unwrap())
    }
}

#[test]
fn packets_that_wait_for_an_answer_have_a_limit_in_bytes() {
    let keys =
        KeyDirectory::new((1, &"a".into()), Arc::<InProcessRecords>::default(), Duration::from_secs(1), Vec::new());
    let (full, packet) = (Arc::<AtomicUsize>::default(), Bytes::from(vec![0; 1 << 20]));
    for _ in 0..66 {
        let full = Arc::clone(&full);
        let done =
            move |reached| _ = full.fetch_add(usize::from(reached == Err(DirectoryError::Full)), Ordering::AcqRel);
        keys.ask(Bytes::new(), Query::Send(packet.clone(), Box::new(done)));
    }
    assert_eq!(full.load(Ordering::Acquire), 2);
    keys.shard_ended(0);
    assert_eq!(keys.open.enter(64 << 20).map(drop), Some(()), "what is answered waits no longer");
}

#[test]
fn a_record_that_cannot_be_deleted_is_tried_again_after_a_pause_and_not_at_once() {
    let mut node = Node::new();
    node.log_in("ann");
    let Some((_, Call::Put(value, done))) = node.records.take() else { panic!("a claim") };
    done(Ok(Revision(2)));
    node.turn();
    assert!(matches!(node.told()[..], [Notice::Identified { result: Ok(()), .. }]));
    node.sessions.ids.lock().unwrap().clear();
    node.keys.left(Bytes::from_static(b"ann"));
    node.turn();
    let calls_at_once = |node: &Node| {
        let answer = |(_, call)| match call {
            Call::Get(done) => done(Ok(Some(Record { value: value.clone(), revision: Revision(2) }))),
            Call::Delete(_, done) => done(Err(RecordError::Conflict)),
            Call::Put(_, done) => done(Ok(Revision(1))),
        };
        let calls = (0..1000).map_while(|_| {
            let call = node.records.take()?;
            answer(call);
            node.turn();
            Some(())
        });
        calls.count()
    };
    let at_first = calls_at_once(&node);
    assert!((2..=4).contains(&at_first), "{at_first} calls at once");
    let mut later = 0;
    for _ in 0..100 {
        node.now = node.now + Duration::from_millis(100);
        node.turn();
        later += calls_at_once(&node);
    }
    // Two calls every two seconds in the end, and the lease's.
    assert!((8..40).contains(&later), "{later} calls in ten seconds");
}

#[test]
fn a_login_outlives_the_loss_of_what_another_session_here_had_claimed() {
    let mut node = Node::new();
    node.give("ann");
    // Another node deletes the lease, and this one makes a new one: ann is claimed anew.
    node.now = node.keys.deadline(0).unwrap();
    node.turn();
    let Some((_, Call::Put(_, renewed))) = node.records.take() else { panic!("a renewal") };
    renewed(Err(RecordError::Conflict));
    node.turn();
    let Some((_, Call::Get(read))) = node.records.take() else { panic!("a look at the lease") };
    read(Ok(None));
    node.turn();
    let gained = node.now;
    node.renew();
    let Some((name, Call::Put(_, claimed))) = node.records.take() else { panic!("a claim") };
    assert_eq!(name, "u/ann");
    // Meanwhile her connection breaks, and she logs in again.
    node.keys.left(Bytes::from_static(b"ann"));
    node.begin("ann");
    let id = node.sessions.find(b"ann").unwrap();
    // What was claimed in the old epoch is lost. She had no part in it.
    node.now = Time::ZERO + 2 * LEASE;
    assert!(node.now < gained + 2 * LEASE);
    node.turn();
    assert_eq!(node.told(), []);
    claimed(Ok(Revision(3)));
    while let Some((name, call)) = {
        node.turn();
        node.records.take()
    } {
        match call {
            Call::Put(_, done) => done(Ok(Revision(4))),
            _ => panic!("a call of {name}"),
        }
        if name == "u/ann" {
            break;
        }
    }
    node.turn();
    assert_eq!(node.told(), [Notice::Identified { id, ticket: 1, result: Ok(()) }]);
}

/// Has it make as many calls as it may, and two logins wait for a place.
fn make_busy(node: &mut Node) {
    for number in 0..512 {
        node.log_in(&format!("m{number:03}"));
    }
    node.log_in("z");
    node.now = node.now + Duration::from_millis(1);
    node.log_in("a");
    assert_eq!(node.records.0.lock().unwrap().len(), 512);
}

/// Answers a claim of one of the 512.
fn answer_claim(node: &Node) {
    let Some((name, Call::Put(_, done))) = node.records.take() else { panic!("a claim") };
    assert!(name.starts_with("u/m"), "{name}");
    done(Ok(Revision(2)));
}

#[test]
fn logins_that_wait_go_on_in_the_order_in_which_they_came() {
    let mut node = Node::new();
    make_busy(&mut node);
    for next in ["u/z", "u/a", "u/new1", "u/new2"] {
        answer_claim(&node);
        // Who comes in the turn that hears the answer does not overtake.
        if next == "u/z" {
            ["new1", "new2"].iter().for_each(|user| node.begin(user));
        }
        node.turn();
        assert_eq!(node.records.0.lock().unwrap().back().map(|(name, _)| name.clone()).as_deref(), Some(next));
    }
}

/// Checks that these users, and nobody else, are told that the records cannot be reached, and when.
#[track_caller]
fn expect_late(node: &mut Node, users: &[&str]) {
    let of_first = Time::ZERO + 2 * LEASE;
    let until = of_first + Duration::from_millis(1);
    while node.now < until {
        assert!(node.now >= of_first || node.sessions.told.lock().unwrap().is_empty(), "at {:?}", node.now);
        node.now = node.keys.deadline(0).unwrap().max(node.now + Duration::from_millis(1)).min(until);
        node.turn();
        let mut held = node.records.0.lock().unwrap();
        let renewals = held.iter().position(|(name, _)| name.starts_with("l/"));
        let renewal = renewals.and_then(|at| held.remove(at));
        drop(held);
        if let Some((_, Call::Put(_, done))) = renewal {
            done(Ok(Revision(1)));
            node.turn();
        }
    }
    let mut told = node.told();
    for user in users {
        let id = node.sessions.find(user.as_bytes()).unwrap();
        let late = Notice::Identified { id, ticket: 1, result: Err(IdentifyError::Unreachable) };
        let at = told.iter().position(|notice| *notice == late).unwrap_or_else(|| panic!("{user}: {told:?}"));
        told.remove(at);
    }
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_login_that_gets_no_place_in_time_is_answered_all_the_same() {
    let mut node = Node::new();
    make_busy(&mut node);
    expect_late(&mut node, &["z", "a"]);
}

#[test]
fn a_login_behind_another_job_of_its_key_is_answered_in_time_too() {
    let mut node = Node::new();
    node.give("ann");
    make_busy(&mut node);
    // Her connection breaks, and she is here again.
    node.keys.left(Bytes::from_static(b"ann"));
    node.begin("ann");
    node.turn();
    expect_late(&mut node, &["z", "a", "ann"]);
}

/// The next call, which deletes the lease.
#[track_caller]
fn last_call(records: &Held) -> (Revision, Done<()>) {
    match records.take() {
        Some((name, Call::Delete(expected, done))) if name.starts_with("l/") => (expected, done),
        Some((name, _)) => panic!("a call of {name}"),
        None => panic!("no call"),
    }
}

#[test]
fn a_node_that_ends_deletes_its_lease_behind_a_renewal_that_has_no_answer() {
    // The answer comes behind the end, or is there and has not been heard.
    for comes_behind in [true, false] {
        let mut node = Node::new();
        node.now = node.keys.deadline(0).unwrap();
        node.turn();
        let Some((_, Call::Put(_, renewed))) = node.records.take() else { panic!("a renewal") };
        let mut renewed = Some(renewed);
        if !comes_behind {
            renewed.take().unwrap()(Ok(Revision(7)));
        }
        node.keys.shard_ended(0);
        if let Some(renewed) = renewed {
            assert!(node.records.take().is_none(), "it is not known what is to be deleted");
            renewed(Ok(Revision(7)));
        }
        let (expected, deleted) = last_call(&node.records);
        assert_eq!(expected, Revision(7));
        assert!(!node.keys.farewell.wait(Duration::ZERO));
        deleted(Ok(()));
        assert!(node.keys.farewell.wait(Duration::ZERO) && node.records.take().is_none());
    }
}

#[test]
fn a_node_that_ends_and_does_not_know_its_lease_reads_it() {
    let mut node = Node::new();
    node.now = node.keys.deadline(0).unwrap();
    node.turn();
    let Some((_, Call::Put(value, renewed))) = node.records.take() else { panic!("a renewal") };
    node.keys.shard_ended(0);
    renewed(Err(RecordError::Unknown));
    let Some((_, Call::Get(found))) = node.records.take() else { panic!("a look") };
    found(Ok(Some(Record { value, revision: Revision(9) })));
    let (expected, deleted) = last_call(&node.records);
    assert_eq!(expected, Revision(9));
    // Nothing more can be done.
    deleted(Err(RecordError::Unknown));
    assert!(node.keys.farewell.wait(Duration::ZERO) && node.records.take().is_none());
}

#[test]
fn the_time_of_a_turn_is_not_before_that_of_what_is_heard_in_it() {
    let node = Node::new();
    node.log_in("ann");
    let Some((_, Call::Put(_, done))) = node.records.take() else { panic!("a claim") };
    done(Ok(Revision(2)));
    // What is heard in a turn is there before its clock is read.
    let waits = Cell::new(false);
    let clock = || {
        waits.set(waits.get() || node.keys.inbox.has_any());
        node.now
    };
    node.keys.turn(clock, |_, _| {});
    assert!(!waits.get());
    assert_eq!(node.told().len(), 1);
}
