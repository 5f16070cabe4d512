//! What a task can wait for at once.

use bytes::Bytes;

/// What came first: a packet, a message, a drain or the end.
/// [`AsyncSession::event`](super::AsyncSession::event) returns it.
///
/// If the session takes no messages, the arm for them can be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<M> {
    /// The next packet, as from [`next`](super::AsyncSession::next).
    Packet(Bytes),
    /// The next message, as from [`message`](super::AsyncSession::message).
    Message(M),
    /// The server is being [drained](crate::Handle::drain), as from
    /// [`draining`](super::AsyncSession::draining): returned once. A session that goes on waiting
    /// for events is closed when there are none.
    Draining,
    /// The peer has ended its stream, or the session is closing: where
    /// [`next`](super::AsyncSession::next) returns `None`. What came before has been returned.
    Ended,
}
