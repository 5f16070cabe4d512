//! What a list of sessions says of each.

use std::time::Duration;

use bytes::Bytes;
use overlapped::Address;

use super::holds::{Hold, Holds};
use super::id::SessionId;
use crate::connect::Origin;
use crate::meter::Traffic;
use crate::shard::listeners::ListenerInfo;

/// A session as it was when it was [listed](crate::Handle::list_sessions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    pub(crate) id: SessionId,
    pub(crate) peer: Address,
    pub(crate) origin: Origin,
    pub(crate) listener: Option<ListenerInfo>,
    pub(crate) key: Option<Bytes>,
    pub(crate) age: Duration,
    pub(crate) queued: usize,
    pub(crate) holds: Holds,
    pub(crate) groups: usize,
    pub(crate) group_names: Vec<Bytes>,
    pub(crate) traffic: Option<Traffic>,
}

impl SessionInfo {
    /// Its name. It may have ended since.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The address of its peer.
    pub fn peer_addr(&self) -> &Address {
        &self.peer
    }

    /// How it came to be: accepted, or connected by the server itself.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The listener that it came by, or `None` if the server connected it itself.
    pub fn listener(&self) -> Option<&ListenerInfo> {
        self.listener.as_ref()
    }

    /// The key that the logic [gave it](crate::Session::identify).
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// For how long it has lasted, to 8.4 ms. Time in which its shard did not run is left out;
    /// after 417 days it begins anew.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Bytes queued or in flight to its peer.
    pub fn queued(&self) -> usize {
        self.queued
    }
    /// The reasons for which it is not read from. It is read from while there are none.
    pub fn holds(&self) -> impl Iterator<Item = Hold> {
        self.holds.iter()
    }

    /// How many groups it is a member of.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The names of its groups, of those that [have one](crate::Handle::group).
    pub fn group_names(&self) -> impl Iterator<Item = &[u8]> {
        self.group_names.iter().map(|name| &**name)
    }

    /// Bytes that have come from its peer, as they are on the wire. `None` if the server does not
    /// [count](crate::Builder::metrics).
    pub fn received(&self) -> Option<u64> {
        self.traffic.map(|traffic| traffic.received)
    }

    /// Bytes that the system has taken for its peer, as they are on the wire. `None` if the server
    /// does not [count](crate::Builder::metrics).
    pub fn sent(&self) -> Option<u64> {
        self.traffic.map(|traffic| traffic.sent)
    }
}
