//! What waits to be handed to sessions between their packets: messages of other threads, and
//! results of work that the logic asked for. A shard hands over some of it in a turn.

use std::any::Any;
use std::collections::{BTreeSet, VecDeque};

use crate::registry::keys::IdentifyError;
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
    /// What came of a login in the cluster, with its ticket.
    Identified(SessionId, u64, Result<(), IdentifyError>),
}

#[derive(Default)]
pub(crate) struct PendingCalls {
    queue: VecDeque<Pending>,
    /// The sessions that are to be closed. Who asks again and again adds nothing.
    closes: BTreeSet<SessionId>,
    is_kept: bool,
}

impl PendingCalls {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn push(&mut self, pending: Pending) {
        self.queue.push_back(pending);
    }

    /// Has a session closed behind what is there, unless it is to be closed before that.
    pub(crate) fn push_close(&mut self, id: SessionId) {
        if self.closes.insert(id) {
            self.queue.push_back(Pending::Close(id));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Pending> {
        let next = self.queue.pop_front();
        if let Some(Pending::Close(id)) = &next {
            self.closes.remove(id);
        }
        next
    }

    /// The sessions that something waits for.
    pub(crate) fn sessions(&self) -> BTreeSet<SessionId> {
        let of = |pending: &Pending| match pending {
            Pending::Message(id, _) | Pending::Call(id, _) | Pending::Close(id) | Pending::Identified(id, ..) => *id,
        };
        self.queue.iter().map(of).collect()
    }

    /// Takes all of it.
    pub(crate) fn take(&mut self) -> VecDeque<Pending> {
        self.closes.clear();
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

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::*;

    #[test]
    fn closes_that_are_asked_for_again_and_again_take_one_place() {
        let (id, other) = (SessionId::new(0, Key::new(1, 0)), SessionId::new(0, Key::new(1, 1)));
        let mut pending = PendingCalls::default();
        pending.push(Pending::Message(id, Box::new(())));
        (0..100_000).for_each(|_| pending.push_close(id));
        pending.push_close(other);
        assert_eq!(pending.queue.len(), 3);
        assert!(matches!(pending.pop(), Some(Pending::Message(..))));
        assert!(matches!(pending.pop(), Some(Pending::Close(closed)) if closed == id));
        pending.push_close(id);
        assert_eq!(pending.take().len(), 2, "one that is asked for after the first was done");
        pending.push_close(id);
        assert!(!pending.is_empty());
    }
}
