//! What becomes of a peer that does not take what is sent to it.

/// How a session is met whose peer reads more slowly than it is sent to. None of them lets it have more than
/// [`outbox_bytes`](crate::Limits::outbox_bytes) queued and in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SlowConsumer {
    /// At half of its outbox it is handed no more packets, at a quarter again; a private send that does not fit is refused with
    /// [`SendError::Full`](crate::SendError::Full). If broadcasts, which it cannot hold up, or sends from other threads take it over its outbox, it is closed as
    /// [too slow](crate::CloseReason::TooSlow).
    #[default]
    PauseReading,
    /// Its reads go on; the oldest packets that are queued for it, private or broadcast, are dropped and
    /// [counted](crate::Session::dropped) until the next fits. A packet of which a part may be sent is never dropped; a private send that does not fit behind what
    /// is in flight is refused with `Full`.
    DropOldest,
    /// Its reads go on; when something does not fit it is closed as too slow.
    Close,
}
