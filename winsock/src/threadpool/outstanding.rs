//! `Outstanding`: the callbacks of one object that are queued or run.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::wait::{Kind, Signal, Until, wait};

pub(super) struct Outstanding {
    counts: Mutex<Counts>,
    /// Set while there are none.
    idle: Signal,
}

#[derive(Default)]
struct Counts {
    queued: u32,
    running: u32,
    /// Callbacks that were queued in an earlier one have been cancelled.
    epoch: u64,
}

/// When a callback was queued.
#[derive(Clone, Copy)]
pub(super) struct Epoch(u64);

impl Outstanding {
    pub(super) fn new() -> Outstanding {
        Outstanding { counts: Mutex::default(), idle: Signal::new(Kind::Manual, 1) }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, counts: &Counts) {
        if counts.queued + counts.running == 0 { self.idle.set() } else { self.idle.reset() }
    }

    /// A callback is queued, or will be.
    pub(super) fn queue(&self) -> Epoch {
        let mut counts = self.counts();
        counts.queued += 1;
        self.show(&counts);
        Epoch(counts.epoch)
    }

    /// One that was queued will not run.
    pub(super) fn unqueue(&self) {
        let mut counts = self.counts();
        counts.queued = counts.queued.saturating_sub(1);
        self.show(&counts);
    }

    /// A callback begins; `false` if it was cancelled. Without an epoch it is any that was queued.
    pub(super) fn begin(&self, epoch: Option<Epoch>) -> bool {
        let mut counts = self.counts();
        if counts.queued == 0 || epoch.is_some_and(|epoch| epoch.0 != counts.epoch) {
            return false;
        }
        counts.queued -= 1;
        counts.running += 1;
        true
    }

    pub(super) fn end(&self) {
        let mut counts = self.counts();
        counts.running -= 1;
        self.show(&counts);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.idle.is_set()
    }

    /// Waits until none is queued or runs; if `cancel`, those that have not begun do not.
    pub(super) fn wait(&self, cancel: bool) {
        if cancel {
            let mut counts = self.counts();
            counts.epoch += 1;
            counts.queued = 0;
            self.show(&counts);
        }
        wait(&[&self.idle], false, Until::Never, false);
    }
}
