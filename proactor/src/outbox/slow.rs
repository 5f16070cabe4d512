//! What becomes of a peer that does not take what is sent to it.

/// What to do with a session whose peer reads more slowly than it is sent to. With every policy at
/// most [`outbox_bytes`](crate::Limits::outbox_bytes) are queued and in flight for it. Only
/// broadcasts to a session with nothing in flight may exceed this, until its next send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SlowConsumer {
    /// At half of its outbox, the session is handed no more packets; at a quarter it is again. A
    /// private send that does not fit fails with [`SendError::Full`](crate::SendError::Full). If
    /// broadcasts or sends from other threads, which it cannot hold up, take it over its outbox,
    /// the session is closed as [too slow](crate::CloseReason::TooSlow).
    #[default]
    PauseReading,
    /// It is still read from. The oldest queued packets, private or broadcast, are dropped and
    /// [counted](crate::Session::dropped) until the next fits. A packet that is partly sent is
    /// never dropped. A private send that does not fit behind what is in flight fails with `Full`.
    DropOldest,
    /// It is still read from. When something does not fit, the session is closed as too slow.
    Close,
}
