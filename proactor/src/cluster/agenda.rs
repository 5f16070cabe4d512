//! What is to happen in a simulated cluster, and when.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use overlapped::{Time, sim::Network};

use super::faults::ClusterFaults;

/// Cheap to clone; all clones are the same agenda.
#[derive(Clone)]
pub(crate) struct Agenda(Arc<Shared>);

struct Shared {
    network: Network,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: ClusterFaults,
    /// By the time at which it happens.
    waiting: VecDeque<(Time, Event)>,
    /// The names of nodes that neither reach others nor are reached.
    cut_off: BTreeSet<Arc<str>>,
}

type Event = Box<dyn FnOnce() + Send>;

impl Agenda {
    pub(super) fn new(network: &Network) -> Agenda {
        Agenda(Arc::new(Shared { network: network.clone(), state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_faults(&self, faults: ClusterFaults) {
        self.lock().faults = faults;
    }

    pub(super) fn faults(&self) -> ClusterFaults {
        self.lock().faults.clone()
    }

    /// Says whether that is new.
    pub(super) fn set_cut_off(&self, node: &str, is_cut_off: bool) -> bool {
        let cut_off = &mut self.lock().cut_off;
        if is_cut_off { cut_off.insert(node.into()) } else { cut_off.remove(node) }
    }

    pub(super) fn is_cut_off(&self, node: &str) -> bool {
        self.lock().cut_off.contains(node)
    }

    /// Has something happen, behind what happens at the same time.
    pub(super) fn at(&self, at: Time, event: impl FnOnce() + Send + 'static) {
        let waiting = &mut self.lock().waiting;
        let behind = waiting.partition_point(|(time, _)| *time <= at);
        waiting.insert(behind, (at, Box::new(event)));
    }

    /// When something happens next.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.lock().waiting.front().map(|(time, _)| *time)
    }

    /// Does what is due. Says whether there was anything.
    pub(super) fn turn(&self) -> bool {
        let (now, mut any) = (self.now(), false);
        loop {
            let next = {
                let waiting = &mut self.lock().waiting;
                let is_due = waiting.front().is_some_and(|(time, _)| *time <= now);
                is_due.then(|| waiting.pop_front()).flatten()
            };
            let Some((_, event)) = next else { return any };
            any = true;
            // Without the lock: it may have more happen.
            event();
        }
    }

    pub(super) fn now(&self) -> Time {
        self.0.network.now()
    }

    pub(super) fn random(&self) -> u64 {
        self.0.network.random()
    }

    pub(super) fn happens(&self, one_in: u32) -> bool {
        one_in > 0 && self.random().is_multiple_of(one_in.into())
    }

    pub(super) fn delay(&self, (least, most): (Duration, Duration)) -> Duration {
        let range = u64::try_from((most - least).as_nanos()).unwrap_or(u64::MAX - 1);
        least + Duration::from_nanos(self.random() % (range + 1))
    }
}
