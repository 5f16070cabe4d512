//! Several servers as one: a broadcast to a group with a name reaches its members on every node.
//!
//! A [`Cluster`] is what the nodes share, and each server takes a [`ClusterNode`] of it:
//! [`Builder::cluster`](crate::Builder::cluster). From then on each [group with a
//! name](crate::Handle::group) of the server is the cluster's; one without stays the server's own.
//!
//! ```
//! use proactor::cluster::Cluster;
//! use proactor::codec::Lines;
//! use proactor::{Flow, Handler, NoMessage, Server, Session};
//!
//! /// What one says, all hear, on whichever node they are.
//! #[derive(Clone)]
//! struct Chat;
//!
//! impl Handler for Chat {
//!     type State = ();
//!     type Message = NoMessage;
//!     fn connected(&mut self, session: &Session) {
//!         let room = session.handle().group("room").expect("there are few rooms");
//!         session.join(&room).expect("a new session can join its first group");
//!     }
//!     fn received(&mut self, session: &Session, _: &mut (), line: &[u8]) -> Flow {
//!         match session.handle().group("room").map(|room| room.broadcast(line)) {
//!             Ok(Ok(())) => Flow::Continue,
//!             _ => Flow::Close,
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::io::{BufRead, BufReader, Write};
//! let cluster = Cluster::in_process();
//! let server = |node: &str| {
//!     let builder = Server::builder().listen("127.0.0.1:0").codec(Lines::new()).shards(1);
//!     builder.cluster(cluster.node(node)).start(Chat)
//! };
//! let (one, two) = (server("one")?, server("two")?);
//! let connect = |server: &Server| std::net::TcpStream::connect(&server.local_addrs()[0]);
//! let (mut ann, ben) = (connect(&one)?, connect(&two)?);
//! # let is_empty = |server: &Server| server.handle().group("room").unwrap().is_empty();
//! # while is_empty(&one) || is_empty(&two) {
//! #     std::thread::yield_now();
//! # }
//! ann.write_all(b"hello\n")?;
//! let mut heard = String::new();
//! BufReader::new(ben).read_line(&mut heard)?;
//! assert_eq!(heard, "hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! A packet is framed on each node, with the codecs of that node's listeners. So nodes may listen
//! differently. What may be lost and who is told is in `docs/cluster.md` in the repository, and in
//! [`Gap`].

mod agenda;
mod bus;
pub(crate) mod directory;
mod faults;
mod gap;
mod in_process;
pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod mail;
pub(crate) mod node;
pub(crate) mod nodes;
mod outlet;
mod post;
pub(crate) mod receiver;
mod records;
pub(crate) mod roster;
pub(crate) mod serving;
pub(crate) mod simulated;
mod stats;
pub(crate) mod status;
mod subject;
mod subscriber;
mod tracking;
pub(crate) mod wire;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use overlapped::sim::Network;

pub use bus::{Bus, BusEvents, Queued, Topic, Unpublished};
pub use directory::query::{DirectoryError, Place};
pub use faults::ClusterFaults;
pub use gap::Gap;
pub use node::ClusterNode;
pub use nodes::NodeInfo;
pub use records::{Done, MOST_RECORD_BYTES, Record, RecordError, Records, Revision};
pub use stats::ClusterStats;
pub use subscriber::Subscriber;

use in_process::InProcess;
use simulated::SimulatedBus;

/// Servers whose groups are one. Cheap to clone; all clones are the same cluster.
#[derive(Clone)]
pub struct Cluster {
    bus: Arc<dyn Bus>,
    simulated: Option<Arc<SimulatedBus>>,
}

impl Cluster {
    /// A cluster of servers in this process: it loses nothing.
    pub fn in_process() -> Cluster {
        Cluster::on(InProcess::default())
    }

    /// A cluster of [simulated servers](crate::Builder::simulate), on one network. What is between
    /// them takes simulated time, and may be [lost](Cluster::set_faults). The same seed gives the
    /// same run.
    pub fn simulated(network: &Network) -> Cluster {
        let bus = SimulatedBus::new(network);
        Cluster { bus: Arc::new(bus.clone()), simulated: Some(Arc::new(bus)) }
    }

    /// A cluster over a bus.
    pub fn on(bus: impl Bus) -> Cluster {
        Cluster { bus: Arc::new(bus), simulated: None }
    }

    /// A place for one server. Each node has a name of its own, of 1 to 64 bytes; it is for people
    /// to read. A server that starts again takes a new place, and may have the same name.
    pub fn node(&self, name: &str) -> ClusterNode {
        let (number, bus) = match &self.simulated {
            Some(simulated) => (simulated.random(), Arc::new(simulated.of_node(name)) as Arc<dyn Bus>),
            // The standard library has its keys from the system.
            None => (RandomState::new().hash_one(name), Arc::clone(&self.bus)),
        };
        ClusterNode::new(name, number, bus, self.simulated.clone())
    }

    /// How the bus of a [simulated](Cluster::simulated) cluster behaves from now on. Does nothing
    /// to another.
    pub fn set_faults(&self, faults: ClusterFaults) {
        if let Some(simulated) = &self.simulated {
            simulated.set_faults(faults);
        }
    }

    /// Cuts the node of this name off in a [simulated](Cluster::simulated) cluster: nothing of it
    /// reaches the others or the [records](Records), and nothing reaches it, until it is
    /// [reconnected](Cluster::reconnect). Does nothing to another cluster.
    pub fn cut_off(&self, node: &str) {
        if let Some(simulated) = &self.simulated {
            simulated.set_cut_off(node, true);
        }
    }

    /// Ends a [`cut_off`](Cluster::cut_off).
    pub fn reconnect(&self, node: &str) {
        if let Some(simulated) = &self.simulated {
            simulated.set_cut_off(node, false);
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.bus).finish()
    }
}

#[cfg(test)]
mod tests;
