//! The name of a session.

use std::fmt;

use overlapped::table::Key;

/// Names a session of a server: its shard, slot and generation. It never names a later session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    shard: u16,
    key: Key,
}

impl SessionId {
    pub(crate) fn new(shard: u16, key: Key) -> SessionId {
        SessionId { shard, key }
    }

    #[inline]
    pub(crate) fn shard(self) -> u16 {
        self.shard
    }

    #[inline]
    pub(crate) fn key(self) -> Key {
        self.key
    }

    #[inline]
    pub(crate) fn slot(self) -> u32 {
        self.key.slot()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.shard, self.key.slot(), self.key.generation())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {self}")
    }
}
