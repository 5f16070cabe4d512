//! The tie between a socket and a port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::packet::CompletionPacket;
use super::queue::{CompletionPort, Inner};
use crate::buf::Crossing;
use crate::driver::Completion;
use crate::engine::ending::Owner;
use crate::error::{Action, Error};
use crate::flags::Flags;

/// A socket's port and key.
pub struct Association {
    port: Arc<Inner>,
    key: usize,
    owner: Owner,
    skip: AtomicBool,
}

impl Association {
    pub(crate) fn new(port: &CompletionPort, key: usize, owner: Owner) -> Association {
        Association { port: Arc::clone(port.inner()), key, owner, skip: AtomicBool::new(false) }
    }

    /// Whether operations that succeed within their start are given by the start, without a packet.
    pub(crate) fn skips(&self) -> bool {
        self.skip.load(Ordering::Acquire)
    }

    pub(crate) fn set_skip(&self, skip: bool) {
        self.skip.store(skip, Ordering::Release);
    }

    /// Whether packets wait for a thread of the port.
    pub(crate) fn has_waiting_packets(&self) -> bool {
        self.port.has_waiting_packets()
    }

    /// Keeps room for the packet of an operation.
    pub(crate) fn reserve(&self) -> Result<(), Error> {
        self.port.reserve()
    }

    /// Gives kept room back.
    pub(crate) fn release(&self) {
        self.port.release();
    }

    pub(crate) fn packet(
        &self,
        token: u64,
        action: Action,
        flags: Flags,
        completion: Crossing<Completion>,
    ) -> CompletionPacket {
        CompletionPacket::of_operation((self.key, token), action, flags, completion, Arc::clone(&self.owner))
    }

    /// Queues the packet of an operation that has ended, in the room that was kept for it. A closed
    /// port drops it.
    pub(crate) fn ended(&self, token: u64, action: Action, flags: Flags, completion: Crossing<Completion>) {
        let dropped = self.port.push(self.packet(token, action, flags, completion), true);
        drop(dropped);
    }
}
