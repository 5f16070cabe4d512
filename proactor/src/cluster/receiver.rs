//! What a cluster knows of a group.

use std::sync::Arc;

/// Where the packets of other nodes go: a group on this node.
pub(crate) trait Receiver: Send + Sync {
    /// Sends a packet to the members here. Says whether they get it.
    fn receive(self: Arc<Self>, packet: &[u8]) -> bool;
}
