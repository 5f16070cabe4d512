//! Deadlines of operations. Few operations have one, so they are kept beside the table of
//! operations, which has only a number for each.

use std::collections::BTreeSet;

use crate::table::Table;
use crate::time::Time;

/// Deadlines of operations. One that is cancelled is removed, so there are never more than there
/// are operations.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The moment, the slot of the operation and the number of the deadline, earliest first.
    queue: BTreeSet<(Time, u32, u32)>,
    /// The moments and slots, by number.
    entries: Table<(Time, u32)>,
}

impl Timers {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds the deadline of the operation in a slot, and gives its number.
    pub(super) fn insert(&mut self, at: Time, slot: u32) -> u32 {
        let number = self.entries.insert((at, slot)).slot();
        self.queue.insert((at, slot, number));
        number
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some((at, slot)) = self.entries.remove_at(number) {
            self.queue.remove(&(at, slot, number));
        }
    }

    /// Removes the first deadline that has been reached, and gives the slot of its operation.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<u32> {
        self.queue.first().filter(|(at, ..)| *at <= now)?;
        let (_, slot, number) = self.queue.pop_first()?;
        self.entries.remove_at(number);
        Some(slot)
    }

    pub(super) fn earliest(&self) -> Option<Time> {
        self.queue.first().map(|(at, ..)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_are_due_in_order_and_leave_nothing_behind() {
        let at = |seconds: u64| Time::ZERO + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        let late = timers.insert(Time::MAX, 1);
        timers.insert(at(2), 7);
        timers.insert(at(2), 3);
        let cancelled = timers.insert(at(1), 4);
        timers.insert(Time::ZERO, 9);
        timers.remove(cancelled);
        timers.remove(cancelled);
        assert_eq!(timers.earliest(), Some(Time::ZERO));
        let due: Vec<u32> = std::iter::from_fn(|| timers.pop_due(at(2))).collect();
        assert_eq!(due, [9, 3, 7]);
        assert_eq!(timers.earliest(), Some(Time::MAX));
        timers.remove(late);
        assert!(timers.is_empty() && timers.entries.is_empty());
    }
}
