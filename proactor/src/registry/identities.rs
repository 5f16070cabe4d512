//! Which key each session of a shard has.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::session::id::SessionId;

/// The keys of a shard's sessions, by slot. Sessions without one take no place.
#[derive(Default)]
pub(crate) struct Identities {
    keys: BTreeMap<u32, (Bytes, u64)>,
    /// Counts what was given.
    tickets: u64,
}

impl Identities {
    /// The key of a session whose logic has not been told of its end.
    pub(crate) fn of(&self, id: SessionId) -> Option<&Bytes> {
        self.keys.get(&id.slot()).map(|(key, _)| key)
    }

    /// The number of the time when it was given the key last.
    pub(crate) fn ticket(&self, id: SessionId) -> Option<u64> {
        self.keys.get(&id.slot()).map(|(_, ticket)| *ticket)
    }

    /// Gives a session a key. Returns the number of this time, and the key that it had.
    pub(crate) fn set(&mut self, id: SessionId, key: Bytes) -> (u64, Option<Bytes>) {
        self.tickets += 1;
        let before = self.keys.insert(id.slot(), (key, self.tickets));
        (self.tickets, before.map(|(key, _)| key))
    }

    /// Takes a session's key away.
    pub(crate) fn forget(&mut self, id: SessionId) -> Option<Bytes> {
        self.keys.remove(&id.slot()).map(|(key, _)| key)
    }
}
