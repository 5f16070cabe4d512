//! A session's outbox as its entry holds it: nothing, while there is nothing in it.

use std::ops::{Deref, DerefMut};

use super::Outbox;

/// The outbox of a session. It takes memory only while something is queued or in flight, or the session is a member of a group; then it comes out of the shard's
/// store and goes back to it, warm. Looking at one that is not there shows an empty one; changing it makes one.
#[derive(Default)]
pub(crate) struct Held(Option<Box<Outbox>>);

static EMPTY: Outbox = Outbox::new();

/// Outboxes that have served, for the next.
#[derive(Default)]
pub(crate) struct Store {
    #[expect(clippy::vec_box, reason = "their boxes go into entries and come back")]
    spare: Vec<Box<Outbox>>,
}

impl Store {
    #[cold]
    fn take(&mut self) -> Box<Outbox> {
        self.spare.pop().unwrap_or_default()
    }
}

/// Outboxes that are kept, and the most runs that one of them has room for.
const MOST_SPARE: usize = 1024;
const MOST_RUNS: usize = 16;

impl Held {
    /// There will be something in it.
    #[inline]
    pub(crate) fn provide(&mut self, store: &mut Store) -> &mut Outbox {
        self.0.get_or_insert_with(|| store.take())
    }

    /// The one that is there, if one is.
    pub(crate) fn get(&mut self) -> Option<&mut Outbox> {
        self.0.as_deref_mut()
    }

    /// If there is nothing in it, and nothing to be remembered, it goes back.
    #[inline(never)]
    pub(crate) fn put_away(&mut self, store: &mut Store) {
        if let Some(outbox) = self.0.take_if(|outbox| outbox.is_vacant())
            && store.spare.len() < MOST_SPARE
            && outbox.own.capacity() == 0
            && outbox.runs.capacity() <= MOST_RUNS
        {
            store.spare.push(outbox);
        }
    }
}

impl Deref for Held {
    type Target = Outbox;
    fn deref(&self) -> &Outbox {
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Outbox {
        self.0.get_or_insert_default()
    }
}

impl Outbox {
    /// Whether it is as a new one would be.
    fn is_vacant(&self) -> bool {
        self.in_flight == 0 && self.own_bytes() == 0 && self.ranges.is_empty() && self.dropped == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Frame;

    #[test]
    fn takes_memory_only_while_there_is_something_in_it() {
        let mut store = Store::default();
        let mut held = Held::default();
        assert_eq!((held.len(), held.get().is_some()), (0, false));
        held.provide(&mut store).push(Frame::of(b"abc"), 0, 10, false, Vec::new).unwrap();
        held.put_away(&mut store);
        assert_eq!(held.len(), 3, "what is queued stays");
        held.clear();
        held.own = Vec::new();
        held.put_away(&mut store);
        assert_eq!((held.get().is_some(), store.spare.len()), (false, 1));
        held.provide(&mut store).join(7, 0, 0);
        assert_eq!(store.spare.len(), 0, "one that has served is used again");
        held.put_away(&mut store);
        assert!(held.is_member(7), "so does a membership");
        held.forget(7);
        held.put_away(&mut store);
        assert_eq!((held.get().is_some(), store.spare.len()), (false, 1));
    }
}
