//! The directory's own server.

use bytes::Bytes;

use crate::registry::keys::IdentifyError;
use crate::session::id::SessionId;
use crate::session::reason::CloseReason;

/// The sessions of this node, as the directory uses them. No call waits.
pub(crate) trait Local: Send + Sync {
    /// Whether a session of this node has a key here.
    fn has(&self, key: &[u8], id: SessionId) -> bool;

    /// The session that has a key here; of several, the one that was given it last.
    fn find(&self, key: &[u8]) -> Option<SessionId>;

    /// Takes a key from all sessions here that have it.
    fn take(&self, key: &[u8]) -> Vec<SessionId>;

    /// Tells something to a session. Says whether it was taken: if not, it is tried again.
    fn tell(&self, notice: &Notice) -> bool;

    /// Queues a packet for the sessions that have a key here. Returns for how many.
    fn send(&self, key: &[u8], packet: &Bytes) -> usize;

    /// Closes the sessions that have a key here. Returns how many.
    fn close(&self, key: &[u8]) -> usize;
}

/// What a session is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// What came of a login.
    Identified { id: SessionId, ticket: u64, result: Result<(), IdentifyError> },
    /// Its key was taken from it.
    Ended { id: SessionId, key: Bytes, reason: CloseReason },
}

impl Notice {
    /// The shard of the session.
    pub(super) fn shard(&self) -> u16 {
        let (Notice::Identified { id, .. } | Notice::Ended { id, .. }) = self;
        id.shard()
    }
}
