//! One server of a cluster.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use overlapped::driver::WakeHandle;

use super::bus::{Bus, BusEvents};
use super::ledger::{Ledger, MOST_NODE_NAME_BYTES};
use super::simulated::SimulatedBus;

/// Groups that are remembered because something that was published to them may not have arrived.
/// For others the next message tells.
const MOST_REMEMBERED: usize = 1 << 16;

/// A place in a cluster for one server: [`Builder::cluster`](crate::Builder::cluster).
/// [`Cluster::node`](super::Cluster::node) makes it. Cheap to clone; all clones are the same place,
/// which one server takes.
#[derive(Clone)]
pub struct ClusterNode(Arc<Place>);

struct Place {
    name: Arc<str>,
    number: u64,
    bus: Arc<dyn Bus>,
    simulated: Option<Arc<SimulatedBus>>,
    is_taken: AtomicBool,
}

impl ClusterNode {
    pub(super) fn new(name: &str, number: u64, bus: Arc<dyn Bus>, simulated: Option<Arc<SimulatedBus>>) -> ClusterNode {
        ClusterNode(Arc::new(Place { name: name.into(), number, bus, simulated, is_taken: AtomicBool::new(false) }))
    }

    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The bus, if it is on a simulated network.
    pub(crate) fn simulated(&self) -> Option<&Arc<SimulatedBus>> {
        self.0.simulated.as_ref()
    }

    /// Takes the place for a server. The text says why that cannot be.
    pub(crate) fn take(&self, is_simulated: bool) -> Result<(), String> {
        let name = &*self.0.name;
        if name.is_empty() || name.len() > MOST_NODE_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(format!(
                "{name:?} cannot be the name of a cluster's node: it must have 1 to {MOST_NODE_NAME_BYTES} bytes, \
                 and no control characters"
            ));
        }
        if self.0.simulated.is_some() && !is_simulated {
            return Err(format!(
                "node {name} belongs to a cluster on a simulated network; use `Builder::simulate`, \
                 or a cluster of `Cluster::in_process`"
            ));
        }
        if self.0.is_taken.swap(true, Ordering::AcqRel) {
            return Err(format!("node {name} of the cluster is another server already; make a node for each server"));
        }
        Ok(())
    }
}

impl fmt::Debug for ClusterNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterNode").field("name", &self.name()).field("bus", &self.0.bus).finish()
    }
}

/// A group that other nodes are to be told how much was published to.
pub(super) trait Behind: Send + Sync {
    /// Tells them, if the bus takes it.
    fn catch_up(self: Arc<Self>);
}

/// The node of a running server.
pub(crate) struct Node {
    pub(crate) ledger: Arc<Ledger>,
    pub(super) bus: Arc<dyn Bus>,
    published: Mutex<Published>,
    /// How often the connection was lost.
    pub(super) round: AtomicU64,
    groups_made: AtomicU32,
}

/// Groups to which this node has published.
#[derive(Default)]
struct Published {
    /// Since the connection was lost last.
    recent: Vec<Weak<dyn Behind>>,
    /// When the list is looked through for groups that are gone.
    prune_at: usize,
    /// The others are to be told how much was published to these.
    behind: Vec<Weak<dyn Behind>>,
}

impl Node {
    pub(crate) fn new(place: &ClusterNode, shards: Vec<WakeHandle>) -> Arc<Node> {
        let Place { name, number, bus, .. } = &*place.0;
        let ledger = Ledger::new(Arc::clone(name), *number, shards);
        let node = Arc::new(Node {
            ledger: Arc::new(ledger),
            bus: Arc::clone(bus),
            published: Mutex::default(),
            round: AtomicU64::new(0),
            groups_made: AtomicU32::new(0),
        });
        let events: Arc<dyn BusEvents> = node.clone();
        node.bus.attach(Arc::downgrade(&events));
        node
    }

    fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a group that is made: tells it from one of the same name that was here before.
    pub(super) fn incarnation(&self) -> u32 {
        self.groups_made.fetch_add(1, Ordering::Relaxed)
    }

    /// Something is published to a group, for the first time in this round.
    pub(super) fn note_published(&self, group: Weak<dyn Behind>) {
        let Published { recent, prune_at, .. } = &mut *self.lock();
        if recent.len() >= *prune_at {
            recent.retain(|group| group.strong_count() > 0);
            *prune_at = (2 * recent.len()).clamp(64, MOST_REMEMBERED);
        }
        if recent.len() < MOST_REMEMBERED {
            recent.push(group);
        }
    }

    /// Something that was published to a group was not taken.
    pub(super) fn note_behind(&self, group: Weak<dyn Behind>) {
        let behind = &mut self.lock().behind;
        if behind.len() < MOST_REMEMBERED {
            behind.push(group);
        }
    }
}

impl BusEvents for Node {
    fn interrupted(&self) {
        self.ledger.interrupted();
        let Published { recent, behind, .. } = &mut *self.lock();
        // What was on its way from here may be lost too.
        behind.append(recent);
        behind.truncate(MOST_REMEMBERED);
        self.round.fetch_add(1, Ordering::Relaxed);
    }

    fn ready(&self) {
        let behind = std::mem::take(&mut self.lock().behind);
        behind.iter().filter_map(Weak::upgrade).for_each(|group| group.catch_up());
    }
}
