//! Which key each session of a shard has.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::session::id::SessionId;

/// The keys of a shard's sessions, by slot. Sessions without one take no place.
#[derive(Default)]
pub(crate) struct Identities(BTreeMap<u32, Bytes>);

impl Identities {
    /// The key of a session whose logic has not been told of its end.
    pub(crate) fn of(&self, id: SessionId) -> Option<&Bytes> {
        self.0.get(&id.slot())
    }

    /// Gives a session a key. Returns the one that it had.
    pub(crate) fn set(&mut self, id: SessionId, key: Bytes) -> Option<Bytes> {
        self.0.insert(id.slot(), key)
    }

    /// Takes a session's key away.
    pub(crate) fn forget(&mut self, id: SessionId) -> Option<Bytes> {
        self.0.remove(&id.slot())
    }
}
