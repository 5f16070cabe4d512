//! Deadlines of operations, earliest first. A deadline that is cancelled is removed, so there are
//! never more than there are operations.

use std::collections::BTreeSet;

use crate::time::Time;

#[derive(Default)]
pub(super) struct Timers {
    set: BTreeSet<(Time, u32)>,
}

impl Timers {
    pub(super) fn insert(&mut self, at: Time, slot: u32) {
        self.set.insert((at, slot));
    }

    pub(super) fn remove(&mut self, at: Time, slot: u32) {
        self.set.remove(&(at, slot));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    pub(super) fn earliest(&self) -> Option<Time> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Takes out a deadline that has come.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<u32> {
        let first = *self.set.first().filter(|(at, _)| *at <= now)?;
        self.set.remove(&first);
        Some(first.1)
    }
}
