//! The last events of one shard, which the shard's thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// What is kept of an event: its place in the order of all, when, the session, what.
pub(super) type Words = [u64; 4];

/// The newest events. One thread adds, without a lock and without a locked instruction; a reader
/// leaves out the one that is being written, and those that are overwritten while it reads.
pub(super) struct Ring {
    entries: Box<[Entry]>,
    /// How many were ever added.
    added: AtomicU64,
}

#[derive(Default)]
struct Entry {
    /// The number of the event, from 1 on. 0: there is none, or it is being written.
    number: AtomicU64,
    words: [AtomicU64; 4],
}

impl Ring {
    /// Keeps so many events, at least one.
    pub(super) fn new(events: usize) -> Ring {
        Ring { entries: (0..events.max(1)).map(|_| Entry::default()).collect(), added: AtomicU64::new(0) }
    }

    /// Adds an event over the oldest. Only one thread may call it.
    pub(super) fn add(&self, words: Words) {
        let number = self.added.load(Ordering::Relaxed) + 1;
        let entry = &self.entries[(number % self.entries.len() as u64) as usize];
        entry.number.store(0, Ordering::Relaxed);
        // A reader that sees one of the new words sees the 0, too: with its own fence, below.
        fence(Ordering::Release);
        for (word, value) in entry.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        entry.number.store(number, Ordering::Release);
        self.added.store(number, Ordering::Release);
    }

    /// The events, the oldest first.
    pub(super) fn read(&self) -> impl Iterator<Item = Words> {
        let added = self.added.load(Ordering::Acquire);
        let kept = added.min(self.entries.len() as u64);
        (added - kept + 1..=added).filter_map(|number| {
            let entry = &self.entries[(number % self.entries.len() as u64) as usize];
            if entry.number.load(Ordering::Acquire) != number {
                return None;
            }
            let words = entry.words.each_ref().map(|word| word.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            (entry.number.load(Ordering::Relaxed) == number).then_some(words)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn the_newest_are_kept_in_order() {
        let ring = Ring::new(3);
        assert_eq!(ring.read().count(), 0);
        for number in 1..=2 {
            ring.add([number; 4]);
        }
        assert!(ring.read().eq([[1; 4], [2; 4]]));
        for number in 3..=8 {
            ring.add([number; 4]);
        }
        assert!(ring.read().eq([[6; 4], [7; 4], [8; 4]]));
        let one = Ring::new(0);
        one.add([4; 4]);
        one.add([5; 4]);
        assert!(one.read().eq([[5; 4]]));
    }

    #[test]
    fn a_reader_never_sees_half_an_event() {
        let (ring, is_over) = (Arc::new(Ring::new(4)), Arc::new(AtomicBool::new(false)));
        let reader = {
            let (ring, is_over) = (Arc::clone(&ring), Arc::clone(&is_over));
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let mut last = 0;
                    for words @ [first, ..] in ring.read() {
                        assert!(words == [first; 4] && first > last, "{words:?} after {last}");
                        last = first;
                    }
                }
            })
        };
        for number in 1..=200_000 {
            ring.add([number; 4]);
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        assert_eq!(ring.read().count(), 4);
    }
}
