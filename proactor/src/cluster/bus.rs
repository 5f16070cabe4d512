//! What carries messages between nodes, as an implementation of it sees that.

use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::records::Records;
use super::subscriber::Subscriber;

/// What carries messages between the nodes of a cluster. [`Cluster::in_process`] has one within a
/// process; implement this for another system.
///
/// No call may wait: shards make them. What cannot be taken at once is refused, and counted as a
/// [gap](super::Gap). A bus may lose messages. It must keep the order of those that one node
/// publishes to one subject.
///
/// [`Cluster::in_process`]: super::Cluster::in_process
pub trait Bus: Send + Sync + fmt::Debug + 'static {
    /// The longest message that it carries, in bytes.
    fn max_message(&self) -> usize;

    /// A subject: `g/` or `p/` and the name of a group, `n/` and the number of a node, or `nodes`.
    /// It has 1 to 3,100 characters: letters, digits, `-`, `_`, `/` and `%`. It is kept as long as
    /// the group is, or while the node may write to it or reads it.
    fn topic(&self, subject: &str) -> Arc<dyn Topic>;

    /// What waits in it to be published, if it knows. `None`, unless this says something else.
    fn queued(&self) -> Option<Queued> {
        None
    }

    /// A node uses the bus from now on. The bus tells it of interruptions until it is gone.
    fn attach(&self, node: Weak<dyn BusEvents>);

    /// The records of the cluster. With them the [keys](crate::Session::identify) of sessions are
    /// the cluster's; without, each server's own. `None`, unless this says something else.
    fn records(&self) -> Option<Arc<dyn Records>> {
        None
    }
}

/// What waits in a [`Bus`] to be published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One subject of a [`Bus`].
pub trait Topic: Send + Sync + 'static {
    /// Takes a message for all who subscribe.
    ///
    /// # Errors
    /// It was not taken, and is lost.
    fn publish(&self, message: Bytes) -> Result<(), Unpublished>;

    /// Has messages delivered from now on. A subscriber that is there already stays there once.
    fn subscribe(&self, subscriber: Subscriber);

    /// Ends that. What is on its way may still be delivered.
    fn unsubscribe(&self, subscriber: &Subscriber);

    /// How many subscribe, if the bus knows. Without others nothing is published. `None`, unless
    /// this says something else.
    fn subscribers(&self) -> Option<usize> {
        None
    }
}

/// A node, as its bus tells it what happens.
pub trait BusEvents: Send + Sync {
    /// The connection is lost. Messages for this node and of this node may be lost, of any subject.
    fn interrupted(&self);

    /// Messages for this node may be lost, of any subject, though there is a connection.
    fn may_have_missed(&self);

    /// What was refused may be taken again.
    fn ready(&self);
}

/// Why a bus did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unpublished {
    /// More waits to be sent than may.
    Full,
    /// There is no connection.
    Disconnected,
}

impl fmt::Display for Unpublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unpublished::Full => "too much waits to be sent to the cluster",
            Unpublished::Disconnected => "there is no connection to the cluster",
        })
    }
}

impl std::error::Error for Unpublished {}
