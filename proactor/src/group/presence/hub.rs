//! Which groups of a server have something to do for their presence, by the shard that does it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use overlapped::driver::WakeHandle;

pub(crate) struct Hub<T> {
    queues: Vec<Queue<T>>,
    /// All that there are.
    watched: Mutex<Vec<Weak<T>>>,
}

struct Queue<T> {
    /// `None` when the shard has ended.
    waiting: Mutex<Option<VecDeque<Arc<T>>>>,
    has_any: AtomicBool,
    wake: WakeHandle,
}

/// Groups that a shard takes in one turn.
const MOST_PER_TURN: usize = 64;

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Hub<T> {
    pub(crate) fn new(shards: impl Iterator<Item = WakeHandle>) -> Hub<T> {
        let queue = |wake| Queue { waiting: Mutex::new(Some(VecDeque::new())), has_any: AtomicBool::new(false), wake };
        Hub { queues: shards.map(queue).collect(), watched: Mutex::default() }
    }

    /// The shard of a group with this name.
    pub(super) fn shard_of(&self, name: &[u8]) -> u16 {
        let hash = name.iter().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add((*byte).into()));
        (hash % self.queues.len().max(1) as u32) as u16
    }

    /// Puts one into the list of those that are there.
    pub(super) fn watch(&self, presence: &Arc<T>) {
        let mut watched = lock(&self.watched);
        if watched.len() == watched.capacity() {
            watched.retain(|presence| presence.strong_count() > 0);
        }
        watched.push(Arc::downgrade(presence));
    }

    /// All that are there.
    pub(crate) fn watched(&self) -> Vec<Arc<T>> {
        lock(&self.watched).iter().filter_map(Weak::upgrade).collect()
    }

    /// Has a shard look at one. It is in the list once, if the caller sees to that.
    pub(super) fn note(&self, shard: u16, presence: Arc<T>) {
        let Some(queue) = self.queues.get(usize::from(shard)) else { return };
        let mut waiting = lock(&queue.waiting);
        let Some(list) = &mut *waiting else { return };
        list.push_back(presence);
        drop(waiting);
        if !queue.has_any.swap(true, Ordering::AcqRel) {
            queue.wake.wake();
        }
    }

    #[inline]
    pub(crate) fn has_any(&self, shard: u16) -> bool {
        self.queues.get(usize::from(shard)).is_some_and(|queue| queue.has_any.load(Ordering::Acquire))
    }

    /// What is to be done in one turn.
    pub(crate) fn take(&self, shard: u16) -> Vec<Arc<T>> {
        let Some(queue) = self.queues.get(usize::from(shard)) else { return Vec::new() };
        let mut waiting = lock(&queue.waiting);
        let Some(list) = &mut *waiting else { return Vec::new() };
        let count = list.len().min(MOST_PER_TURN);
        let taken = list.drain(..count).collect();
        queue.has_any.store(!list.is_empty(), Ordering::Release);
        taken
    }

    /// A shard has ended, and looks at nothing any more.
    pub(crate) fn end(&self, shard: u16) {
        let left = self.queues.get(usize::from(shard)).and_then(|queue| lock(&queue.waiting).take());
        drop(left);
    }
}
