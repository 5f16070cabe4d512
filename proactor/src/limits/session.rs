//! The limits of every session of a shard, and what becomes of a peer that is too slow.

use std::time::Duration;

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
    /// never dropped. A private send that does not fit behind what is in flight, and behind the
    /// [latest packets](crate::Session::send_latest) that wait, fails with `Full`.
    DropOldest,
    /// It is still read from. When something does not fit, the session is closed as too slow.
    Close,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLimits {
    /// Bytes an outbox may hold.
    pub(crate) outbox: usize,
    /// Bytes kept of an unfinished packet, and of what arrives while the session is held.
    pub(crate) leftover: usize,
    /// Bytes handed over per session and turn. A packet counts as at least [`LEAST_SHARE`].
    pub(crate) bytes_per_turn: usize,
    /// How long a graceful close waits for the peer.
    pub(crate) linger: Duration,
    /// What to do with a peer that does not take what is sent.
    pub(crate) slow: SlowConsumer,
}

impl SessionLimits {
    /// The high watermark: with so many queued bytes, a session is handed no more packets.
    pub(crate) fn high(&self) -> usize {
        self.outbox / 2
    }

    /// The low watermark: with so few, it is again.
    pub(crate) fn low(&self) -> usize {
        self.outbox / 4
    }
}

/// What a small packet counts as. Calling the handler takes about as long as copying so many bytes.
pub(crate) const LEAST_SHARE: usize = 1024;
