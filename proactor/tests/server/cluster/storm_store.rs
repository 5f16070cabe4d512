//! Records that a storm is counted on: one server that answers one call after the other, as the
//! leader of a stream does, on the simulated network's clock.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use bytes::Bytes;
use proactor::cluster::{Bus, BusEvents, Done, Record, RecordError, Records, Revision, Subscriber, Topic, Unpublished};
use proactor::{Network, Time};

/// From a node to the records, or back.
const WAY: Duration = Duration::from_millis(1);
/// How long a node waits for an answer, and how many calls of it are with the records at once: as
/// proactor-cluster has it.
const PATIENCE: Duration = Duration::from_secs(2);
const PLACES: usize = 256;

/// What was asked of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) writes: usize,
    /// Writes that found another revision.
    pub(super) conflicts: usize,
    pub(super) reads: usize,
    pub(super) deletes: usize,
    pub(super) lease_writes: usize,
    pub(super) lease_reads: usize,
    /// Of keys and values that were written.
    pub(super) bytes: usize,
    /// Calls whose node has given up.
    pub(super) unanswered: usize,
    /// The most that one node waited for at once.
    pub(super) most_unanswered: usize,
}

impl Counts {
    /// Those about keys.
    pub(super) fn calls(&self) -> usize {
        self.writes + self.conflicts + self.reads + self.deletes
    }
}

enum Deed {
    Get,
    Put(Bytes, Revision),
    Delete(Revision),
}

enum Tell {
    Got(Done<Option<Record>>),
    Put(Done<Revision>),
    Deleted(Done<()>),
}

enum Answer {
    Got(Option<Record>),
    Put(Result<Revision, RecordError>),
    Deleted(Result<(), RecordError>),
}

impl Tell {
    fn tell(self, answer: Option<Answer>) {
        match (self, answer) {
            (Tell::Got(done), Some(Answer::Got(record))) => done(Ok(record)),
            (Tell::Put(done), Some(Answer::Put(result))) => done(result),
            (Tell::Deleted(done), Some(Answer::Deleted(result))) => done(result),
            (Tell::Got(done), _) => done(Err(RecordError::Unknown)),
            (Tell::Put(done), _) => done(Err(RecordError::Unknown)),
            (Tell::Deleted(done), _) => done(Err(RecordError::Unknown)),
        }
    }
}

/// A call on its way.
struct Call {
    /// When its node has the answer, or would have it.
    at: Time,
    node: usize,
    key: String,
    deed: Deed,
    /// `None`: its node has given up.
    tell: Option<Tell>,
}

/// One that its node waits for in vain.
struct Lost {
    until: Time,
    node: usize,
    tell: Tell,
}

#[derive(Default)]
struct OfNode {
    /// Calls that are with the records.
    under_way: usize,
    /// Those that wait for a place there.
    waiting: VecDeque<(String, Deed, Tell)>,
    is_cut_off: bool,
}

#[derive(Default)]
struct State {
    records: BTreeMap<String, Record>,
    last: u64,
    queue: VecDeque<Call>,
    lost: VecDeque<Lost>,
    free_at: Option<Time>,
    nodes: BTreeMap<usize, OfNode>,
    counts: Counts,
    subjects: BTreeMap<String, Subscribers>,
}

/// Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(super) struct Store {
    network: Network,
    /// For one call.
    service: Duration,
    state: Arc<Mutex<State>>,
}

impl Store {
    pub(super) fn new(network: &Network, calls_per_second: u32) -> Store {
        let service = Duration::from_secs(1) / calls_per_second;
        Store { network: network.clone(), service, state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn of_node(&self, node: usize) -> NodeBus {
        NodeBus { store: self.clone(), node }
    }

    pub(super) fn set_cut_off(&self, node: usize, is_cut_off: bool) {
        self.lock().nodes.entry(node).or_default().is_cut_off = is_cut_off;
    }

    /// What was asked since this was called last.
    pub(super) fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.lock().counts)
    }

    /// Those of keys.
    pub(super) fn records(&self) -> usize {
        self.lock().records.keys().filter(|key| key.starts_with("u/")).count()
    }

    fn call(&self, node: usize, key: &str, deed: Deed, tell: Tell) {
        let (now, mut state) = (self.network.now(), self.lock());
        let of_node = state.nodes.entry(node).or_default();
        of_node.waiting.push_back((key.to_owned(), deed, tell));
        let unanswered = of_node.under_way + of_node.waiting.len();
        state.counts.most_unanswered = state.counts.most_unanswered.max(unanswered);
        state.admit(node, now, self.service);
    }

    /// Answers what is due.
    pub(super) fn turn(&self) {
        let now = self.network.now();
        loop {
            let mut state = self.lock();
            let (node, tell, answer) = if state.lost.front().is_some_and(|lost| lost.until <= now) {
                let Some(Lost { node, tell, .. }) = state.lost.pop_front() else { return };
                state.counts.unanswered += 1;
                (node, Some(tell), None)
            } else if state.queue.front().is_some_and(|call| call.at <= now) {
                let Some(Call { node, key, deed, tell, .. }) = state.queue.pop_front() else { return };
                let answer = state.answer(key, deed);
                (node, tell, Some(answer))
            } else {
                return;
            };
            let Some(tell) = tell else { continue };
            let of_node = state.nodes.entry(node).or_default();
            of_node.under_way -= 1;
            let is_heard = !of_node.is_cut_off;
            state.admit(node, now, self.service);
            drop(state);
            // Without the lock: a node may call again.
            tell.tell(answer.filter(|_| is_heard));
        }
    }
}

impl State {
    /// Lets calls of a node begin while it has places.
    fn admit(&mut self, node: usize, now: Time, service: Duration) {
        let of_node = self.nodes.entry(node).or_default();
        while of_node.under_way < PLACES
            && let Some((key, deed, tell)) = of_node.waiting.pop_front()
        {
            of_node.under_way += 1;
            let until = now + PATIENCE;
            if of_node.is_cut_off {
                self.lost.push_back(Lost { until, node, tell });
                continue;
            }
            let begins = self.free_at.map_or(now + WAY, |free_at| free_at.max(now + WAY));
            let ends = begins + service;
            self.free_at = Some(ends);
            let at = ends + WAY;
            let tell = if at <= until {
                Some(tell)
            } else {
                self.lost.push_back(Lost { until, node, tell });
                None
            };
            self.queue.push_back(Call { at, node, key, deed, tell });
        }
    }

    fn answer(&mut self, key: String, deed: Deed) -> Answer {
        let is_lease = key.starts_with("l/");
        let record = self.records.get(&key).cloned();
        let revision = record.as_ref().map_or(Revision::NONE, |record| record.revision);
        let counts = &mut self.counts;
        match deed {
            Deed::Get => {
                *(if is_lease { &mut counts.lease_reads } else { &mut counts.reads }) += 1;
                Answer::Got(record)
            }
            Deed::Put(_, expected) if expected != revision => {
                counts.conflicts += usize::from(!is_lease);
                Answer::Put(Err(RecordError::Conflict))
            }
            Deed::Put(value, _) => {
                *(if is_lease { &mut counts.lease_writes } else { &mut counts.writes }) += 1;
                counts.bytes += usize::from(!is_lease) * (key.len() + value.len());
                self.last += 1;
                let revision = Revision(self.last);
                self.records.insert(key, Record { value, revision });
                Answer::Put(Ok(revision))
            }
            Deed::Delete(expected) => {
                counts.deletes += usize::from(!is_lease);
                let result = if expected == revision { Ok(()) } else { Err(RecordError::Conflict) };
                if result.is_ok() {
                    self.records.remove(&key);
                }
                Answer::Deleted(result)
            }
        }
    }

    fn is_cut_off(&self, node: usize) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.is_cut_off)
    }
}

/// The bus of one node: what it publishes arrives at once, unless one of both is cut off.
pub(super) struct NodeBus {
    store: Store,
    node: usize,
}

/// Who subscribes, and on which node.
type Subscribers = Vec<(usize, Subscriber)>;

impl Bus for NodeBus {
    fn max_message(&self) -> usize {
        1 << 20
    }
    fn topic(&self, subject: &str) -> Arc<dyn Topic> {
        Arc::new(NodeTopic { store: self.store.clone(), node: self.node, subject: subject.to_owned() })
    }
    fn attach(&self, _: Weak<dyn BusEvents>) {}
    fn records(&self) -> Option<Arc<dyn Records>> {
        Some(Arc::new(NodeRecords { store: self.store.clone(), node: self.node }))
    }
}

impl fmt::Debug for NodeBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBus").field("node", &self.node).finish()
    }
}

struct NodeTopic {
    store: Store,
    node: usize,
    subject: String,
}

impl Topic for NodeTopic {
    fn publish(&self, message: Bytes) -> Result<(), Unpublished> {
        let all = {
            let state = self.store.lock();
            if state.is_cut_off(self.node) {
                return Err(Unpublished::Disconnected);
            }
            let mut all = state.subjects.get(&self.subject).cloned().unwrap_or_default();
            all.retain(|(node, _)| !state.is_cut_off(*node));
            all
        };
        all.iter().for_each(|(_, subscriber)| subscriber.deliver(&message));
        Ok(())
    }
    fn subscribe(&self, subscriber: Subscriber) {
        let mut state = self.store.lock();
        let all = state.subjects.entry(self.subject.clone()).or_default();
        if all.iter().all(|(_, other)| *other != subscriber) {
            all.push((self.node, subscriber));
        }
    }
    fn unsubscribe(&self, subscriber: &Subscriber) {
        if let Some(all) = self.store.lock().subjects.get_mut(&self.subject) {
            all.retain(|(_, other)| other != subscriber);
        }
    }
}

struct NodeRecords {
    store: Store,
    node: usize,
}

impl Records for NodeRecords {
    fn get(&self, key: &str, done: Done<Option<Record>>) {
        self.store.call(self.node, key, Deed::Get, Tell::Got(done));
    }
    fn put(&self, key: &str, value: Bytes, expected: Revision, done: Done<Revision>) {
        self.store.call(self.node, key, Deed::Put(value, expected), Tell::Put(done));
    }
    fn delete(&self, key: &str, expected: Revision, done: Done<()>) {
        self.store.call(self.node, key, Deed::Delete(expected), Tell::Deleted(done));
    }
}

impl fmt::Debug for NodeRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeRecords").field("node", &self.node).finish()
    }
}
