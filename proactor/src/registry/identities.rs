//! Which key each session of a shard has.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::registry::keys::IfTaken;
use crate::session::id::SessionId;

/// The keys of a shard's sessions, by slot. Sessions without one take no place.
#[derive(Default)]
pub(crate) struct Identities {
    keys: BTreeMap<u32, Identity>,
    /// Counts what was given.
    tickets: u64,
}

struct Identity {
    key: Bytes,
    ticket: u64,
    if_taken: IfTaken,
    /// By the cluster.
    is_answered: bool,
}

impl Identities {
    /// The key of a session whose logic has not been told of its end.
    pub(crate) fn of(&self, id: SessionId) -> Option<&Bytes> {
        self.keys.get(&id.slot()).map(|identity| &identity.key)
    }

    /// The number of the time when it was given the key last.
    pub(crate) fn ticket(&self, id: SessionId) -> Option<u64> {
        self.keys.get(&id.slot()).map(|identity| identity.ticket)
    }

    /// What is to become of another session of the cluster that has its key. `Replace` only as long
    /// as the cluster has not answered: then there is no other.
    pub(crate) fn if_taken(&self, id: SessionId) -> IfTaken {
        match self.keys.get(&id.slot()) {
            Some(Identity { if_taken: IfTaken::Replace, is_answered: true, .. }) | None => IfTaken::Refuse,
            Some(identity) => identity.if_taken,
        }
    }

    /// The cluster has answered.
    pub(crate) fn is_answered(&mut self, id: SessionId) {
        if let Some(identity) = self.keys.get_mut(&id.slot()) {
            identity.is_answered = true;
        }
    }

    /// Gives a session a key. Returns the number of this time, and the key that it had.
    pub(crate) fn set(&mut self, id: SessionId, key: Bytes, if_taken: IfTaken) -> (u64, Option<Bytes>) {
        self.tickets += 1;
        let identity = Identity { key, ticket: self.tickets, if_taken, is_answered: false };
        let before = self.keys.insert(id.slot(), identity);
        (self.tickets, before.map(|identity| identity.key))
    }

    /// Takes a session's key away.
    pub(crate) fn forget(&mut self, id: SessionId) -> Option<Bytes> {
        self.keys.remove(&id.slot()).map(|identity| identity.key)
    }
}
