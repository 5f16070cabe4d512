//! What all groups of one server share.

use std::sync::{Mutex, PoisonError};

use super::clock::Clock;
use super::notifier::Notifier;
use crate::codec::Framing;

/// A server, as its groups know it.
pub(crate) struct Domain {
    clock: Clock,
    /// One for each shard.
    notifiers: Vec<Notifier>,
    /// Frames the packets of groups.
    codec: Mutex<Framing>,
    outbox_bytes: usize,
}

impl Domain {
    pub(crate) fn new(notifiers: Vec<Notifier>, codec: Framing, outbox_bytes: usize) -> Domain {
        Domain { clock: Clock::default(), notifiers, codec: Mutex::new(codec), outbox_bytes }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn notifiers(&self) -> &[Notifier] {
        &self.notifiers
    }

    pub(crate) fn notifier(&self, shard: u16) -> &Notifier {
        &self.notifiers[usize::from(shard)]
    }

    /// A clone of the codec, as the server was built with it.
    pub(crate) fn codec(&self) -> Framing {
        self.codec.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes that may be queued for one session.
    pub(crate) fn outbox_bytes(&self) -> usize {
        self.outbox_bytes
    }
}
