//! What a cluster knows of what its messages are for.

use std::sync::Arc;

use super::ledger::Ledger;
use super::wire::Message;

/// Where the messages of a subject go: a group on this node, or the node itself.
pub(crate) trait Receiver: Send + Sync {
    /// Whether a message is one for it. Another on its subject is of no node.
    fn takes(&self, message: &Message<'_>) -> bool;

    /// So many messages are lost that came before this one from the same node.
    fn missed(self: Arc<Self>, ledger: &Ledger, message: &Message<'_>, count: u64);

    /// A message has come, which is no end.
    fn receive(self: Arc<Self>, ledger: &Ledger, message: &Message<'_>);
}
