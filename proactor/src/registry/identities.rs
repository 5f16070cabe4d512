//! Which key each session of a shard has.

use std::collections::BTreeMap;

use bytes::Bytes;

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
    is_shared: bool,
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

    /// Whether it lets others have its key too.
    pub(crate) fn is_shared(&self, id: SessionId) -> bool {
        self.keys.get(&id.slot()).is_some_and(|identity| identity.is_shared)
    }

    /// Gives a session a key. Returns the number of this time, and the key that it had.
    pub(crate) fn set(&mut self, id: SessionId, key: Bytes, is_shared: bool) -> (u64, Option<Bytes>) {
        self.tickets += 1;
        let identity = Identity { key, ticket: self.tickets, is_shared };
        let before = self.keys.insert(id.slot(), identity);
        (self.tickets, before.map(|identity| identity.key))
    }

    /// Takes a session's key away.
    pub(crate) fn forget(&mut self, id: SessionId) -> Option<Bytes> {
        self.keys.remove(&id.slot()).map(|identity| identity.key)
    }
}
