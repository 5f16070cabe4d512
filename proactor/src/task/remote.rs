//! A session's name for other threads.

use std::fmt;

use bytes::Bytes;

use crate::error::SendError;
use crate::message::NoMessage;
use crate::server::{Handle, PostError, PostWait};
use crate::session::id::SessionId;
#[cfg(feature = "websocket")]
use crate::websocket::MessageKind;

/// One session, for any thread or runtime. [`AsyncSession::remote`](super::AsyncSession::remote)
/// makes it. Cheap to clone; may outlive the session.
pub struct Remote<M = NoMessage> {
    pub(super) handle: Handle<M>,
    pub(super) id: SessionId,
}

impl<M> Clone for Remote<M> {
    fn clone(&self) -> Remote<M> {
        Remote { handle: self.handle.clone(), id: self.id }
    }
}

impl<M> fmt::Debug for Remote<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("id", &self.id).finish()
    }
}

impl<M: Send + 'static> Remote<M> {
    /// Hands a message to the session, as [`Handle::post`] does.
    ///
    /// # Errors
    /// As for [`Handle::post`].
    pub fn post(&self, message: M) -> Result<(), PostError<M>> {
        self.handle.post(self.id, message)
    }

    /// Hands a message to the session when there is room, as [`Handle::post_wait`] does.
    pub fn post_wait(&self, message: M) -> PostWait<M> {
        self.handle.post_wait(self.id, message)
    }
}

impl<M> Remote<M> {
    /// The session's name.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The server.
    pub fn handle(&self) -> &Handle<M> {
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

    /// Queues a packet in place of the one of its key that waits, as [`Handle::send_latest`] does.
    ///
    /// # Errors
    /// As for [`send`](Remote::send).
    pub fn send_latest(&self, key: u64, packet: impl Into<Bytes>) -> Result<(), SendError> {
        self.handle.send_latest(self.id, key, packet)
    }

    /// Queues a packet as a message of a WebSocket, as [`Handle::send_as`] does.
    ///
    /// # Errors
    /// As for [`send`](Remote::send).
    #[cfg(feature = "websocket")]
    pub fn send_as(&self, kind: MessageKind, packet: impl Into<Bytes>) -> Result<(), SendError> {
        self.handle.send_as(self.id, kind, packet)
    }

    /// Closes the session gracefully; does nothing if it has ended.
    ///
    /// # Errors
    /// As for [`send`](Remote::send).
    pub fn close(&self) -> Result<(), SendError> {
        self.handle.close(self.id)
    }

    /// Closes the session at once, by a reset, as [`Handle::abort`] does.
    ///
    /// # Errors
    /// As for [`send`](Remote::send).
    pub fn abort(&self) -> Result<(), SendError> {
        self.handle.abort(self.id)
    }
}
