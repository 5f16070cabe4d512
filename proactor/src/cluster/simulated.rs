//! A bus on a simulated network: what it carries takes simulated time, and some of it is lost.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use overlapped::{Time, sim::Network};

use super::agenda::Agenda;
use super::bus::{Bus, BusEvents, Topic, Unpublished};
use super::faults::ClusterFaults;
use super::in_process::{InProcess, Subject};
use super::records::Records;
use super::records::simulated::{SimulatedRecords, Store};
use super::subscriber::Subscriber;
use super::wire;

/// Cheap to clone; all clones are the same bus, as one node sees it.
#[derive(Clone)]
pub(crate) struct SimulatedBus {
    shared: Arc<Shared>,
    /// The name of the node.
    node: Arc<str>,
}

struct Shared {
    agenda: Agenda,
    subjects: InProcess,
    records: Store,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the last message of a publisher is due at a subscriber: later ones are not before it.
    last: Vec<(Subscriber, u64, Time)>,
    nodes: Vec<(Arc<str>, Weak<dyn BusEvents>)>,
}

impl SimulatedBus {
    pub(super) fn new(network: &Network) -> SimulatedBus {
        let agenda = Agenda::new(network);
        let records = Store::new(&agenda);
        let shared = Shared { agenda, subjects: InProcess::default(), records, state: Mutex::default() };
        SimulatedBus { shared: Arc::new(shared), node: "".into() }
    }

    /// As a node sees it.
    pub(super) fn of_node(&self, name: &str) -> SimulatedBus {
        SimulatedBus { shared: Arc::clone(&self.shared), node: name.into() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_faults(&self, faults: ClusterFaults) {
        self.shared.agenda.set_faults(faults);
    }

    /// Cuts a node off from all others and from the records, or ends that.
    pub(super) fn set_cut_off(&self, name: &str, is_cut_off: bool) {
        if self.shared.agenda.set_cut_off(name, is_cut_off) {
            for node in self.nodes(|other| other == name) {
                if is_cut_off { node.interrupted() } else { node.ready() }
            }
        }
    }

    fn nodes(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Arc<dyn BusEvents>> {
        self.lock().nodes.iter().filter(|(name, _)| is_meant(name)).filter_map(|(_, node)| node.upgrade()).collect()
    }

    /// When something happens next.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.shared.agenda.deadline()
    }

    /// Does what is due. Says whether there was anything.
    pub(crate) fn turn(&self) -> bool {
        self.shared.agenda.turn()
    }

    pub(super) fn random(&self) -> u64 {
        self.shared.agenda.random()
    }
}

impl Bus for SimulatedBus {
    fn max_message(&self) -> usize {
        usize::MAX
    }

    fn topic(&self, subject: &str) -> Arc<dyn Topic> {
        Arc::new(SimulatedTopic { bus: self.clone(), subject: self.shared.subjects.subject(subject) })
    }

    fn attach(&self, node: Weak<dyn BusEvents>) {
        let mut state = self.lock();
        state.nodes.retain(|(_, node)| node.strong_count() > 0);
        state.nodes.push((Arc::clone(&self.node), node));
    }

    fn records(&self) -> Option<Arc<dyn Records>> {
        Some(Arc::new(SimulatedRecords::new(&self.shared.records, &self.node)))
    }
}

impl fmt::Debug for SimulatedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedBus").field("faults", &self.shared.agenda.faults()).finish()
    }
}

struct SimulatedTopic {
    bus: SimulatedBus,
    subject: Arc<Subject>,
}

impl Topic for SimulatedTopic {
    fn publish(&self, message: Bytes) -> Result<(), Unpublished> {
        let (bus, agenda) = (&self.bus, &self.bus.shared.agenda);
        let now = agenda.now();
        let publisher = wire::parse(&message).map_or(0, |message| message.publisher);
        let faults = agenda.faults();
        if agenda.is_cut_off(&bus.node) {
            return Err(Unpublished::Disconnected);
        }
        if agenda.happens(faults.refused) {
            let bus = bus.clone();
            agenda.at(now + faults.delay.1, move || bus.nodes(|_| true).iter().for_each(|node| node.ready()));
            return Err(Unpublished::Full);
        }
        let mut state = bus.lock();
        state.last.retain(|(_, _, time)| *time > now);
        for subscriber in self.subject.all().iter() {
            if agenda.happens(faults.lost) {
                continue;
            }
            for _ in 0..1 + usize::from(agenda.happens(faults.doubled)) {
                let mut at = now + agenda.delay(faults.delay);
                let mut last = state.last.iter_mut();
                match last.find(|(other, of, _)| other == subscriber && *of == publisher) {
                    Some((_, _, last)) => {
                        at = at.max(*last);
                        *last = at;
                    }
                    None => state.last.push((subscriber.clone(), publisher, at)),
                }
                let (subscriber, message, there) = (subscriber.clone(), message.clone(), agenda.clone());
                agenda.at(at, move || {
                    if !there.is_cut_off(subscriber.node()) {
                        subscriber.deliver(&message);
                    }
                });
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
