//! How a shard learns that groups have news: a list of groups, and a wake-up if the shard waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use overlapped::driver::WakeHandle;

/// One shard's list of groups that have news. Broadcasting threads write it, the shard takes it.
pub(crate) struct Notifier {
    pending: Mutex<Pending>,
    /// The stamp of the earliest news that the shard has not taken; `NO_NEWS` if there are none.
    oldest: AtomicU64,
    wake: WakeHandle,
}

const NO_NEWS: u64 = u64::MAX;

#[derive(Default)]
struct Pending {
    /// Slots of the shard's local groups. A group is in it about once: it notifies only when its
    /// flag goes up.
    groups: Vec<u32>,
    /// The shard waits, and has to be woken.
    waiting: bool,
}

impl Notifier {
    pub(crate) fn new(wake: WakeHandle) -> Notifier {
        Notifier { pending: Mutex::default(), oldest: AtomicU64::new(NO_NEWS), wake }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a group whose news begin with this stamp, and wakes the shard if it waits. A shard that
    /// does not wait takes the list before it does.
    pub(crate) fn notify(&self, group: u32, stamp: u64) {
        let waits = {
            let mut pending = self.lock();
            if pending.groups.is_empty() {
                self.oldest.store(stamp, Ordering::Relaxed);
            }
            pending.groups.push(group);
            std::mem::take(&mut pending.waiting)
        };
        if waits {
            self.wake.wake();
        }
    }

    /// Whether the shard may wait because there are no news. If so, the next ones wake it.
    pub(crate) fn may_wait(&self) -> bool {
        let mut pending = self.lock();
        pending.waiting = pending.groups.is_empty();
        pending.waiting
    }

    /// The stamp of the earliest news that the shard has not taken; `u64::MAX` if there are none.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::Relaxed)
    }

    /// Whether there are news, as far as this thread has heard.
    pub(crate) fn has_news(&self) -> bool {
        self.oldest() != NO_NEWS
    }

    /// Takes the groups that have news. The shard does not wait, so no more wake-ups are needed.
    pub(crate) fn take(&self, groups: &mut Vec<u32>) {
        let mut pending = self.lock();
        pending.waiting = false;
        self.oldest.store(NO_NEWS, Ordering::Relaxed);
        groups.append(&mut pending.groups);
    }
}
