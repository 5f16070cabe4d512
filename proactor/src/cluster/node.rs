//! One server of a cluster.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use overlapped::{Time, driver::WakeHandle};

use super::bus::{Bus, BusEvents};
use super::directory::KeyDirectory;
use super::ledger::{Ledger, MOST_NODE_NAME_BYTES};
use super::mail::{Deliver, Inboxes, MailKind};
use super::nodes::Nodes;
use super::post::{Post, Unsent};
use super::serving::Serving;
use super::simulated::SimulatedBus;
use super::status::{Lag, Status};

/// Groups that are remembered because something that was published to them may not have arrived.
/// For others the next message tells.
const MOST_REMEMBERED: usize = 1 << 16;

/// How long a lease lasts, unless the node says otherwise.
const USUAL_LEASE: Duration = Duration::from_secs(15);
/// The shortest and the longest lease.
const LEASES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// A place in a cluster for one server: [`Builder::cluster`](crate::Builder::cluster).
/// [`Cluster::node`](super::Cluster::node) makes it. Cheap to clone; all clones are the same place,
/// which one server takes.
#[derive(Clone)]
pub struct ClusterNode {
    place: Arc<Place>,
    lease: Duration,
}

struct Place {
    name: Arc<str>,
    number: u64,
    bus: Arc<dyn Bus>,
    simulated: Option<Arc<SimulatedBus>>,
    is_taken: AtomicBool,
}

impl ClusterNode {
    pub(super) fn new(name: &str, number: u64, bus: Arc<dyn Bus>, simulated: Option<Arc<SimulatedBus>>) -> ClusterNode {
        let place = Place { name: name.into(), number, bus, simulated, is_taken: AtomicBool::new(false) };
        ClusterNode { place: Arc::new(place), lease: USUAL_LEASE }
    }

    /// How long its lease on the [keys](crate::Session::identify) of its sessions lasts, 1 s to
    /// 1 h: 15 s, unless this is called. A node renews it four times in this time. When a node has
    /// died, others take its keys about this time after they have noticed. A node that was cut off
    /// for twice this time closes the sessions with keys. So two sessions can have one key for at
    /// most this time.
    pub fn lease(mut self, time: Duration) -> ClusterNode {
        self.lease = time;
        self
    }

    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// The bus, if it is on a simulated network.
    pub(crate) fn simulated(&self) -> Option<&Arc<SimulatedBus>> {
        self.place.simulated.as_ref()
    }

    /// Takes the place for a server. The text says why that cannot be.
    pub(crate) fn take(&self, is_simulated: bool) -> Result<(), String> {
        let name = &*self.place.name;
        if name.is_empty() || name.len() > MOST_NODE_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(format!(
                "{name:?} cannot be the name of a cluster's node: it must have 1 to {MOST_NODE_NAME_BYTES} bytes, \
                 and no control characters"
            ));
        }
        if self.place.simulated.is_some() && !is_simulated {
            return Err(format!(
                "node {name} belongs to a cluster on a simulated network; use `Builder::simulate`, \
                 or a cluster of `Cluster::in_process`"
            ));
        }
        if !(LEASES.0..=LEASES.1).contains(&self.lease) {
            return Err(format!(
                "the lease of node {name} of the cluster lasts {:?}: must be {:?} to {:?}",
                self.lease, LEASES.0, LEASES.1
            ));
        }
        if self.place.is_taken.swap(true, Ordering::AcqRel) {
            return Err(format!("node {name} of the cluster is another server already; make a node for each server"));
        }
        Ok(())
    }
}

impl fmt::Debug for ClusterNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterNode").field("name", &self.name()).field("bus", &self.place.bus).finish()
    }
}

/// A group that other nodes are to be told how much was published to.
pub(super) trait Behind: Send + Sync {
    /// It is in the list of those. Says whether it was not.
    fn note(&self) -> bool;

    /// Tells them, if the bus takes it.
    fn catch_up(self: Arc<Self>);
}

/// The node of a running server.
pub(crate) struct Node {
    pub(crate) ledger: Arc<Ledger>,
    pub(super) bus: Arc<dyn Bus>,
    /// The keys of sessions, if the cluster has records.
    pub(crate) directory: Option<KeyDirectory>,
    published: Mutex<Published>,
    /// How often the connection was lost.
    pub(super) round: AtomicU64,
    /// How often the bus has said that it takes messages again. Changed under the lock.
    readies: AtomicU64,
    groups_made: AtomicU32,
    post: Post,
    /// Until the server has ended.
    inboxes: Mutex<Option<Inboxes>>,
    /// Shards that have not ended.
    shards: AtomicUsize,
    /// Those of them that have something left to serve.
    pub(crate) serving: Arc<Serving>,
    /// The others.
    pub(crate) nodes: Nodes,
    /// What others have told, or were told, of groups may be lost.
    is_unsure: AtomicBool,
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
    pub(crate) fn new(place: &ClusterNode, shards: Vec<WakeHandle>, deliver: Deliver) -> Arc<Node> {
        let Place { name, number, bus, .. } = &*place.place;
        let directory = |records| KeyDirectory::new((*number, name), records, place.lease, shards.clone());
        let directory = bus.records().map(directory);
        let (shard_count, serving) = (shards.len(), Serving::new(shards.clone()));
        let ledger = Arc::new(Ledger::new(Arc::clone(name), *number, shards));
        let node = Arc::new(Node {
            post: Post::new(bus, &ledger),
            ledger,
            bus: Arc::clone(bus),
            directory,
            published: Mutex::default(),
            round: AtomicU64::new(0),
            readies: AtomicU64::new(0),
            groups_made: AtomicU32::new(0),
            inboxes: Mutex::default(),
            shards: AtomicUsize::new(shard_count),
            serving,
            nodes: Nodes::default(),
            is_unsure: AtomicBool::new(false),
        });
        let events: Arc<dyn BusEvents> = node.clone();
        node.bus.attach(Arc::downgrade(&events));
        let inboxes = Inboxes::open(&**bus, &node.ledger, deliver);
        *node.inboxes() = Some(inboxes);
        node
    }

    fn inboxes(&self) -> MutexGuard<'_, Option<Inboxes>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends mail to another node. It arrives at most once, in the order of what this node sends to
    /// that one. Never waits. `Ok`: the bus has taken it.
    pub(crate) fn mail(&self, node: u64, kind: MailKind, body: &[u8]) -> Result<(), Unsent> {
        self.post.to_one(node, kind, body)
    }

    /// Bytes of a body that the bus carries.
    pub(crate) fn longest_mail(&self) -> usize {
        self.post.longest()
    }

    /// As [`mail`](Node::mail), to all other nodes.
    pub(crate) fn mail_all(&self, kind: MailKind, body: &[u8]) -> Result<(), Unsent> {
        self.post.to_all(kind, body)
    }

    /// How far this node is behind the others, and they behind it.
    pub(crate) fn lag(&self) -> Lag {
        let counts = &self.ledger.counts;
        Lag {
            queued: self.bus.queued(),
            missed: counts.missed.load(Ordering::Relaxed),
            unpublished: counts.unpublished.load(Ordering::Relaxed),
            interruptions: counts.interruptions.load(Ordering::Relaxed),
        }
    }

    /// Tells the others how this node is.
    pub(crate) fn tell(&self, status: &Status, now: Time) {
        self.nodes.tells(now);
        if let Err(why) = self.mail_all(MailKind::Status, &status.encode()) {
            tracing::debug!("the other nodes are not told of this one: {why}");
        }
    }

    /// Whether, since this was asked last, something may be lost of what others have told or were
    /// told of groups.
    pub(crate) fn take_unsure(&self) -> bool {
        self.is_unsure.swap(false, Ordering::AcqRel)
    }

    /// A shard has ended. With the last, the node leaves the cluster.
    pub(crate) fn shard_ended(&self) {
        if self.shards.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.leave();
        }
    }

    /// Takes no more mail, and says goodbye.
    fn leave(&self) {
        let inboxes = self.inboxes().take();
        if inboxes.is_some() {
            // If it is lost, they notice that the node is silent.
            let _ = self.mail_all(MailKind::Status, &Status { ends: true, ..Status::default() }.encode());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a group that is made: tells it from one of the same name that was here before.
    pub(super) fn incarnation(&self) -> u32 {
        self.groups_made.fetch_add(1, Ordering::Relaxed)
    }

    /// Something is published to a group, for the first time in this round, which this returns.
    pub(super) fn note_published(&self, group: Weak<dyn Behind>) -> u64 {
        let published = &mut *self.lock();
        published.remember(group);
        self.round.load(Ordering::Relaxed)
    }

    /// To be read before something is published: for [`note_behind`](Node::note_behind).
    pub(super) fn readies(&self) -> u64 {
        self.readies.load(Ordering::Acquire)
    }

    /// Something that was published to a group was not taken. If the bus takes messages again since
    /// `readies` was read, nobody would look at the list: then this does nothing and returns false.
    pub(super) fn note_behind(&self, group: &Arc<impl Behind + 'static>, readies: u64) -> bool {
        let published = &mut *self.lock();
        if self.readies() != readies {
            return false;
        }
        if published.behind.len() < MOST_REMEMBERED && group.note() {
            published.behind.push(weak(group));
        }
        true
    }
}

/// The list's form of a group.
pub(super) fn weak(group: &Arc<impl Behind + 'static>) -> Weak<dyn Behind> {
    let group: Arc<dyn Behind> = group.clone();
    Arc::downgrade(&group)
}

impl Published {
    fn remember(&mut self, group: Weak<dyn Behind>) {
        let Published { recent, prune_at, .. } = self;
        if recent.len() >= *prune_at {
            recent.retain(|group| group.strong_count() > 0);
            *prune_at = match recent.len() {
                // It would be looked through again and again, for little.
                left if left > MOST_REMEMBERED / 8 * 7 => usize::MAX,
                left => (2 * left).clamp(64, MOST_REMEMBERED),
            };
        }
        if recent.len() < MOST_REMEMBERED {
            recent.push(group);
        }
    }

    /// What was published lately may be lost. Returns the groups, to be dropped without the lock.
    fn all_behind(&mut self) -> Vec<Arc<dyn Behind>> {
        self.prune_at = 0;
        let recent: Vec<_> = self.recent.drain(..).filter_map(|group| group.upgrade()).collect();
        for group in &recent {
            if self.behind.len() < MOST_REMEMBERED && group.note() {
                self.behind.push(Arc::downgrade(group));
            }
        }
        recent
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.leave();
    }
}

impl BusEvents for Node {
    fn interrupted(&self) {
        self.ledger.interrupted();
        // What was on its way from here may be lost too.
        let recent = {
            let mut published = self.lock();
            self.round.fetch_add(1, Ordering::Relaxed);
            published.all_behind()
        };
        drop(recent);
    }

    fn may_have_missed(&self) {
        self.ledger.may_have_missed();
        self.is_unsure.store(true, Ordering::Release);
    }

    fn ready(&self) {
        self.is_unsure.store(true, Ordering::Release);
        let behind = {
            let published = &mut *self.lock();
            self.readies.fetch_add(1, Ordering::AcqRel);
            std::mem::take(&mut published.behind)
        };
        behind.iter().filter_map(Weak::upgrade).for_each(|group| group.catch_up());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Group(AtomicBool);

    impl Behind for Group {
        fn note(&self) -> bool {
            !self.0.swap(true, Ordering::Relaxed)
        }
        fn catch_up(self: Arc<Group>) {
            self.0.store(false, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_group_waits_once_however_often_the_connection_is_lost() {
        let (mut published, group) = (Published::default(), Arc::new(Group::default()));
        let gone = Arc::new(Group::default());
        for _ in 0..3 {
            published.remember(weak(&group));
            published.remember(weak(&gone));
            assert_eq!(published.all_behind().len(), 2);
        }
        assert_eq!((published.behind.len(), published.recent.len()), (2, 0));
        drop(gone);
        std::mem::take(&mut published.behind).iter().filter_map(Weak::upgrade).for_each(|group| group.catch_up());
        published.remember(weak(&group));
        published.all_behind();
        assert_eq!(published.behind.len(), 1, "it has caught up since");
    }

    #[test]
    fn a_full_list_of_live_groups_is_not_looked_through_for_each() {
        let (mut published, group) = (Published::default(), Arc::new(Group::default()));
        for _ in 0..=MOST_REMEMBERED {
            published.remember(weak(&group));
        }
        assert_eq!((published.recent.len(), published.prune_at), (MOST_REMEMBERED, usize::MAX));
        published.all_behind();
        assert_eq!(published.prune_at, 0, "begun anew");
        for _ in 0..1000 {
            published.remember(weak(&Arc::new(Group::default())));
        }
        assert!(published.recent.len() <= 64, "those that are gone are forgotten");
    }
}
