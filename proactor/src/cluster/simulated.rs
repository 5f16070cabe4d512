//! A bus on a simulated network: what it carries takes simulated time, and some of it is lost.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use overlapped::{Time, sim::Network};

use super::bus::{Bus, BusEvents, Topic, Unpublished};
use super::in_process::{InProcess, Subject};
use super::subscriber::Subscriber;
use super::wire;

/// How the bus of a [simulated cluster](super::Cluster::simulated) behaves. By default messages
/// take 50 µs to 1 ms, and none is lost. Each "one in so many" is 0 for never.
#[derive(Clone, Debug)]
pub struct ClusterFaults {
    delay: (Duration, Duration),
    lost: u32,
    doubled: u32,
    refused: u32,
}

impl Default for ClusterFaults {
    fn default() -> ClusterFaults {
        let delay = (Duration::from_micros(50), Duration::from_millis(1));
        ClusterFaults { delay, lost: 0, doubled: 0, refused: 0 }
    }
}

impl ClusterFaults {
    /// Without faults.
    pub fn new() -> ClusterFaults {
        ClusterFaults::default()
    }

    /// How long a message takes to each subscriber: drawn from this range. The messages of one
    /// node to one subject stay in order.
    pub fn delay(mut self, least: Duration, most: Duration) -> ClusterFaults {
        self.delay = (least, most.max(least));
        self
    }

    /// One in so many messages does not reach a subscriber. Each subscriber has its own luck.
    pub fn lost(mut self, one_in: u32) -> ClusterFaults {
        self.lost = one_in;
        self
    }

    /// One in so many messages reaches a subscriber twice.
    pub fn doubled(mut self, one_in: u32) -> ClusterFaults {
        self.doubled = one_in;
        self
    }

    /// One in so many messages is not taken by the bus: its node is told that it is not published.
    pub fn refused(mut self, one_in: u32) -> ClusterFaults {
        self.refused = one_in;
        self
    }
}

/// Cheap to clone; all clones are the same bus.
#[derive(Clone)]
pub(crate) struct SimulatedBus(Arc<Shared>);

struct Shared {
    network: Network,
    subjects: InProcess,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: ClusterFaults,
    /// By the time at which it happens.
    waiting: VecDeque<(Time, Event)>,
    /// When the last message of a publisher is due at a subscriber: later ones are not before it.
    last: Vec<(Subscriber, u64, Time)>,
    nodes: Vec<Weak<dyn BusEvents>>,
}

enum Event {
    Message(Subscriber, Bytes),
    /// What was refused may be taken again.
    Ready,
}

impl State {
    /// Behind what happens at the same time.
    fn push(&mut self, at: Time, event: Event) {
        let behind = self.waiting.partition_point(|(time, _)| *time <= at);
        self.waiting.insert(behind, (at, event));
    }
}

impl SimulatedBus {
    pub(super) fn new(network: &Network) -> SimulatedBus {
        let (network, subjects) = (network.clone(), InProcess::default());
        SimulatedBus(Arc::new(Shared { network, subjects, state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_faults(&self, faults: ClusterFaults) {
        self.lock().faults = faults;
    }

    /// When something happens next.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.lock().waiting.front().map(|(time, _)| *time)
    }

    /// Does what is due. Says whether there was anything.
    pub(crate) fn turn(&self) -> bool {
        let (now, mut any) = (self.0.network.now(), false);
        loop {
            let (event, nodes) = {
                let mut state = self.lock();
                if state.waiting.front().is_none_or(|(time, _)| *time > now) {
                    return any;
                }
                let event = state.waiting.pop_front();
                (event.map(|(_, event)| event), state.nodes.clone())
            };
            any = true;
            // Without the lock: both may publish.
            match event {
                Some(Event::Message(subscriber, message)) => subscriber.deliver(&message),
                Some(Event::Ready) => nodes.iter().filter_map(Weak::upgrade).for_each(|node| node.ready()),
                None => {}
            }
        }
    }

    pub(super) fn random(&self) -> u64 {
        self.0.network.random()
    }

    fn happens(&self, one_in: u32) -> bool {
        one_in > 0 && self.0.network.random().is_multiple_of(one_in.into())
    }

    fn delay(&self, (least, most): (Duration, Duration)) -> Duration {
        let range = u64::try_from((most - least).as_nanos()).unwrap_or(u64::MAX - 1);
        least + Duration::from_nanos(self.0.network.random() % (range + 1))
    }
}

impl Bus for SimulatedBus {
    fn max_message(&self) -> usize {
        usize::MAX
    }

    fn topic(&self, subject: &str) -> Arc<dyn Topic> {
        Arc::new(SimulatedTopic { bus: self.clone(), subject: self.0.subjects.subject(subject) })
    }

    fn attach(&self, node: Weak<dyn BusEvents>) {
        let mut state = self.lock();
        state.nodes.retain(|node| node.strong_count() > 0);
        state.nodes.push(node);
    }
}

impl fmt::Debug for SimulatedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedBus").field("faults", &self.lock().faults).finish()
    }
}

struct SimulatedTopic {
    bus: SimulatedBus,
    subject: Arc<Subject>,
}

impl Topic for SimulatedTopic {
    fn publish(&self, message: Bytes) -> Result<(), Unpublished> {
        let (bus, now) = (&self.bus, self.bus.0.network.now());
        let publisher = wire::parse(&message).map_or(0, |message| message.publisher);
        let state = &mut *bus.lock();
        let faults = state.faults.clone();
        if bus.happens(faults.refused) {
            let at = now + faults.delay.1;
            state.push(at, Event::Ready);
            return Err(Unpublished::Full);
        }
        state.last.retain(|(_, _, time)| *time > now);
        for subscriber in self.subject.all().iter() {
            if bus.happens(faults.lost) {
                continue;
            }
            for _ in 0..1 + usize::from(bus.happens(faults.doubled)) {
                let mut at = now + bus.delay(faults.delay);
                let mut last = state.last.iter_mut();
                match last.find(|(other, of, _)| other == subscriber && *of == publisher) {
                    Some((_, _, last)) => {
                        at = at.max(*last);
                        *last = at;
                    }
                    None => state.last.push((subscriber.clone(), publisher, at)),
                }
                state.push(at, Event::Message(subscriber.clone(), message.clone()));
            }
        }
        Ok(())
    }

    fn subscribe(&self, subscriber: Subscriber) {
        self.subject.subscribe(subscriber);
    }

    fn unsubscribe(&self, subscriber: &Subscriber) {
        self.subject.unsubscribe(subscriber);
    }

    fn subscribers(&self) -> Option<usize> {
        self.subject.subscribers()
    }
}
