//! A session's outbox, which takes no memory while it is empty.

use std::ops::{Deref, DerefMut};

use super::Outbox;

/// The outbox of a session. It exists only while something is queued or in flight, or the session
/// is a member of a group. It comes out of the shard's store and goes back to it, warm. Reading a
/// missing one shows an empty one; changing it makes one.
#[derive(Default)]
pub(crate) struct LazyOutbox(Option<Box<Outbox>>);

const EMPTY: &Outbox = &Outbox::new();

/// Outboxes to be used again.
#[derive(Default)]
pub(crate) struct OutboxStore {
    #[expect(clippy::vec_box, reason = "their boxes go to sessions and come back")]
    spare: Vec<Box<Outbox>>,
}

impl OutboxStore {
    #[cold]
    fn take(&mut self) -> Box<Outbox> {
        self.spare.pop().unwrap_or_default()
    }
}

/// Outboxes that are kept, and the most runs that a kept one has memory for.
const MOST_SPARE: usize = 1024;
const MOST_RUNS: usize = 16;

impl LazyOutbox {
    #[inline]
    pub(crate) fn get_or_take(&mut self, store: &mut OutboxStore) -> &mut Outbox {
        self.0.get_or_insert_with(|| store.take())
    }

    #[inline]
    pub(crate) fn get(&mut self) -> Option<&mut Outbox> {
        self.0.as_deref_mut()
    }

    /// Gives it back to the store if it is as a new one would be.
    #[inline(never)]
    pub(crate) fn give_back(&mut self, store: &mut OutboxStore) {
        let is_vacant =
            |outbox: &mut Box<Outbox>| outbox.len() == 0 && outbox.positions.is_empty() && outbox.dropped() == 0;
        if let Some(outbox) = self.0.take_if(is_vacant)
            && store.spare.len() < MOST_SPARE
            && outbox.own.is_small(MOST_RUNS)
        {
            store.spare.push(outbox);
        }
    }
}

impl Deref for LazyOutbox {
    type Target = Outbox;
    fn deref(&self) -> &Outbox {
        self.0.as_deref().unwrap_or(EMPTY)
    }
}

impl DerefMut for LazyOutbox {
    fn deref_mut(&mut self) -> &mut Outbox {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::super::TakeLimits;
    use super::super::memory::SendMemory;
    use super::*;
    use crate::codec::Frame;
    use crate::group::local::LocalGroups;
    use crate::session::id::SessionId;

    #[test]
    fn takes_memory_only_while_there_is_something_in_it() {
        let mut store = OutboxStore::default();
        let mut outbox = LazyOutbox::default();
        assert_eq!((outbox.len(), outbox.get().is_some()), (0, false));
        outbox.get_or_take(&mut store).push(Frame::of(b"abc"), 0, 10, false, Vec::new).unwrap();
        outbox.give_back(&mut store);
        assert_eq!(outbox.len(), 3, "what is queued stays");
        let (id, groups) = (SessionId::new(0, Key::new(0, 0)), LocalGroups::default());
        let taken = outbox.take(id, TakeLimits::all(u64::MAX), &groups, &mut SendMemory::default()).unwrap();
        outbox.sent(taken.len());
        outbox.give_back(&mut store);
        assert_eq!((outbox.get().is_some(), store.spare.len()), (false, 1));
        outbox.get_or_take(&mut store).join(7, 0, 0);
        assert_eq!(store.spare.len(), 0, "one that has served is used again");
        outbox.give_back(&mut store);
        assert_eq!(outbox.position(7), Some(0), "so does a membership");
        outbox.leave(id, 7, None, 10, &groups);
        outbox.give_back(&mut store);
        assert_eq!((outbox.get().is_some(), store.spare.len()), (false, 1));
    }
}
