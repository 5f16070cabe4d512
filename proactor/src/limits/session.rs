//! The limits of every session of a shard.

use std::time::Duration;

use crate::outbox::slow::SlowConsumer;

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
