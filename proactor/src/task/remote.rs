//! One session, from any thread.

use bytes::Bytes;

use crate::error::SendError;
use crate::server::Handle;
use crate::session::id::SessionId;

/// One session, for any thread or runtime. [`AsyncSession::remote`](super::AsyncSession::remote)
/// makes it. Cheap to clone; may outlive the session.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(super) handle: Handle,
    pub(super) id: SessionId,
}

impl Remote {
    /// The session's name.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The server.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Queues a packet for the session, as [`Handle::send`] does.
    ///
    /// # Errors
    /// `Full` if the shard's mailbox is full, `Closed` if the shard has ended. If the session has
    /// ended, the packet is dropped.
    pub fn send(&self, packet: impl Into<Bytes>) -> Result<(), SendError> {
        self.handle.send(self.id, packet)
    }

    /// Closes the session gracefully; does nothing if it has ended.
    ///
    /// # Errors
    /// As for [`send`](Remote::send).
    pub fn close(&self) -> Result<(), SendError> {
        self.handle.close(self.id)
    }
}
