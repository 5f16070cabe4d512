//! What the logic is told of packets that are lost between nodes.

use std::fmt;
use std::sync::Arc;

/// Packets that were lost between the nodes of a cluster:
/// [`Handler::cluster_gap`](crate::Handler::cluster_gap).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The members here lack packets that were broadcast on another node.
    Missed {
        /// The name of that node.
        node: Arc<str>,
        /// How many packets.
        packets: u64,
    },
    /// Packets that were broadcast here were not published: the members here have them, those on
    /// other nodes lack them. These nodes are told too, as soon as one hears of this node again.
    Unpublished {
        /// How many packets.
        packets: u64,
    },
    /// Messages of another node for this server, and for no group, are missing. Of no group.
    MissedMail {
        /// The name of that node.
        node: Arc<str>,
        /// How many.
        messages: u64,
    },
    /// The connection to the cluster was lost, or what carries messages has dropped some. The
    /// members of all groups here may lack packets of other nodes. How many is [told](Gap::Missed)
    /// for each group and node with the next packet that comes from there.
    Interrupted,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gap::Missed { node, packets } => write!(f, "{packets} packets of node {node} are missing here"),
            Gap::Unpublished { packets } => write!(f, "{packets} packets of this node are missing on others"),
            Gap::MissedMail { node, messages } => {
                write!(f, "{messages} messages of node {node} for this one are missing")
            }
            Gap::Interrupted => {
                f.write_str("messages of the cluster were lost, or the connection to it; packets may be missing")
            }
        }
    }
}
