//! The nodes of the server's cluster, from any thread.

use std::sync::Arc;

use super::handle::Handle;
use crate::cluster::NodeInfo;
use crate::shard::cluster::status;

impl<M> Handle<M> {
    /// The nodes of the server's [cluster](crate::cluster) that are alive, itself among them, by
    /// their names. Empty if the server is no node.
    ///
    /// Each tells the others of itself every 2 s. One that ends says goodbye; one that is silent
    /// for 10 s is gone. At most 256 others are known.
    pub fn nodes(&self) -> Vec<NodeInfo> {
        let Some(node) = &self.directory.node else { return Vec::new() };
        let mut nodes = node.nodes.others();
        let own = status(&self.directory, node, node.nodes.now());
        nodes.push(NodeInfo { is_self: true, ..own.info(node.ledger.number, Arc::clone(&node.ledger.name)) });
        nodes.sort_by(|one, other| (&one.name, one.number).cmp(&(&other.name, other.number)));
        nodes
    }

    /// How many keys sessions have on all nodes of the [cluster](crate::cluster): those of this
    /// server now, and what each other node told last: at most 2 s ago, or 10 s if it is silent. A
    /// key that several nodes share counts on each. Nobody is asked, and no record is read.
    ///
    /// Without a cluster, [`keys`](Handle::keys).
    pub fn keys_anywhere(&self) -> usize {
        let others = self.directory.node.as_ref().map(|node| node.nodes.others()).unwrap_or_default();
        others.iter().fold(self.keys(), |sum, node| sum.saturating_add(node.keys))
    }

    /// Another node, to which a session of this one might go: the one with the fewest sessions a
    /// shard that does not drain. Each call counts as one more session there, until that node has
    /// told of it, so those who are sent away are spread over the nodes. `None` if there is none.
    ///
    /// For a drain: the logic tells its clients where to connect. It knows the addresses of nodes
    /// by their names.
    ///
    /// ```
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// #[derive(Clone)]
    /// struct Game;
    ///
    /// impl Handler for Game {
    ///     # type State = ();
    ///     # type Message = NoMessage;
    ///     # fn connected(&mut self, _: &Session) {}
    ///     # fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
    ///     #     Flow::Continue
    ///     # }
    ///     fn draining(&mut self, session: &Session, _: &mut ()) {
    ///         if let Some(node) = session.handle().suggest_node() {
    ///             let _ = session.send(format!("go to {}.example.com", node.name).as_bytes());
    ///         }
    ///     }
    /// }
    /// ```
    pub fn suggest_node(&self) -> Option<NodeInfo> {
        self.directory.node.as_ref()?.nodes.suggest()
    }
}
