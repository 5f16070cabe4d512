//! What a node of a cluster has counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ledger::Ledger;

/// What a node of a cluster has counted since its server has started:
/// [`Handle::cluster`](crate::Handle::cluster).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// The name of the node.
    pub node: Arc<str>,
    /// Packets that the bus took. A broadcast to a group that has no members elsewhere is not
    /// published, if the bus knows that.
    pub published: u64,
    /// Packets of other nodes that were handed to members here.
    pub received: u64,
    /// Packets of other nodes that members here lack.
    pub missed: u64,
    /// Packets that the bus did not take.
    pub unpublished: u64,
    /// How often the connection to the cluster was lost.
    pub interruptions: u64,
    /// Messages that no node has made.
    pub invalid: u64,
    /// Messages of other nodes that were dropped because they, or later ones, had come before.
    pub stale: u64,
    /// Messages of other nodes that were for this server, and for no group.
    pub mail_received: u64,
    /// Such messages that this server lacks.
    pub mail_missed: u64,
}

impl ClusterStats {
    pub(crate) fn of(ledger: &Ledger) -> ClusterStats {
        let counts = &ledger.counts;
        ClusterStats {
            node: Arc::clone(&ledger.name),
            published: counts.published.load(Ordering::Relaxed),
            received: counts.received.load(Ordering::Relaxed),
            missed: counts.missed.load(Ordering::Relaxed),
            unpublished: counts.unpublished.load(Ordering::Relaxed),
            interruptions: counts.interruptions.load(Ordering::Relaxed),
            invalid: counts.invalid.load(Ordering::Relaxed),
            stale: counts.stale.load(Ordering::Relaxed),
            mail_received: counts.mail_received.load(Ordering::Relaxed),
            mail_missed: counts.mail_missed.load(Ordering::Relaxed),
        }
    }
}
