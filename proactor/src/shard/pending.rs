//! What waits to be handed to sessions between their packets: messages of other threads, and
//! results of work that the logic asked for. A shard hands over some of it in a turn.

use std::any::Any;
use std::collections::{BTreeSet, VecDeque};

use crate::session::id::SessionId;

/// Calls made in a turn. The others wait for the next, so that I/O has its time.
pub(crate) const MOST_PER_TURN: usize = 1024;

pub(crate) enum Pending {
    /// The handler's type of message.
    Message(SessionId, Box<dyn Any + Send>),
    /// The handler's type of [`Call`](crate::task::work::Call).
    Call(SessionId, Box<dyn Any>),
    /// To close the session, behind the messages that were sent before.
    Close(SessionId),
}

#[derive(Default)]
pub(crate) struct PendingCalls {
    queue: VecDeque<Pending>,
    is_kept: bool,
}

impl PendingCalls {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn push(&mut self, pending: Pending) {
        self.queue.push_back(pending);
    }

    pub(crate) fn pop(&mut self) -> Option<Pending> {
        self.queue.pop_front()
    }

    /// The sessions that something waits for.
    pub(crate) fn sessions(&self) -> BTreeSet<SessionId> {
        let of = |pending: &Pending| match pending {
            Pending::Message(id, _) | Pending::Call(id, _) | Pending::Close(id) => *id,
        };
        self.queue.iter().map(of).collect()
    }

    /// Takes all of it.
    pub(crate) fn take(&mut self) -> VecDeque<Pending> {
        std::mem::take(&mut self.queue)
    }

    /// The message that is just handed over is kept by its session, and still counts.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Whether the message that was just handed over is kept.
    pub(crate) fn take_kept(&mut self) -> bool {
        std::mem::take(&mut self.is_kept)
    }
}
