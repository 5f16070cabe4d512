//! A named group of a server that is a node of a cluster: what is broadcast on one node reaches the
//! members on all.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Clustered, Group, Inner};
use crate::cluster::ledger::Ledger;
use crate::cluster::receiver::Receiver;
use crate::cluster::wire::{Kind, Message};
use crate::error::SendError;
use crate::panic::contained;
use crate::session::id::SessionId;

impl Group {
    /// As [`broadcast`](Group::broadcast), to the members on this server only. Without a
    /// [cluster](crate::Builder::cluster) there is no difference.
    ///
    /// # Errors
    /// As for [`broadcast`](Group::broadcast).
    pub fn broadcast_here(&self, packet: &[u8]) -> Result<(), SendError> {
        self.send_here(packet, None)
    }

    /// Sends a packet to the members here, then to the other nodes, in one order.
    pub(super) fn send_to_cluster(
        &self,
        cluster: &Clustered,
        packet: &[u8],
        except: Option<SessionId>,
    ) -> Result<(), SendError> {
        cluster.link.send(packet, || {
            // The codec says whether there is a frame for it, also if no member is here.
            self.channel(&cluster.domain);
            self.send_here(packet, except)
        })
    }

    /// Its first member has come, or its last has left. Of several threads that see that at once,
    /// the last brings the subscription in line.
    pub(super) fn first_came_or_last_left(&self) {
        if let Some(cluster) = &self.inner.cluster {
            let weak = Arc::downgrade(&self.inner);
            cluster.link.follow(|| !self.is_empty(), weak);
        }
    }
}

impl Receiver for Inner {
    fn takes(&self, message: &Message<'_>) -> bool {
        matches!(message.kind, Kind::Packet | Kind::End)
    }

    fn missed(self: Arc<Inner>, ledger: &Ledger, message: &Message<'_>, count: u64) {
        if let Some(name) = &self.name {
            ledger.missed(&name.bytes, message.node, count);
        }
    }

    fn receive(self: Arc<Inner>, ledger: &Ledger, message: &Message<'_>) {
        let group = Group { inner: self };
        // On a thread of the bus, which a codec that panics must not end.
        match contained(|| group.send_here(message.packet, None)) {
            Ok(Ok(())) => {
                ledger.counts.received.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok(Err(error)) => tracing::warn!("a packet of another node for {group:?} is dropped: {error}"),
            Err(_) => {}
        }
        group.inner.missed(ledger, message, 1);
    }
}
