//! How many questions have no answer yet, and the bytes of their packets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Questions without an answer.
const MOST_OPEN: usize = 1 << 20;
/// Bytes of what they send. One packet has a place in any case.
const MOST_BYTES: usize = 64 << 20;

#[derive(Default)]
pub(super) struct Open {
    questions: AtomicUsize,
    bytes: AtomicUsize,
}

/// Is one of them until it is dropped.
pub(super) struct Place(Arc<Open>, usize);

impl Open {
    pub(super) fn enter(self: &Arc<Open>, bytes: usize) -> Option<Place> {
        let questions = self.questions.fetch_add(1, Ordering::AcqRel);
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let place = Place(Arc::clone(self), bytes);
        (questions < MOST_OPEN && (before == 0 || before + bytes <= MOST_BYTES)).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.questions.fetch_sub(1, Ordering::AcqRel);
        self.0.bytes.fetch_sub(self.1, Ordering::AcqRel);
    }
}
