//! Events that wait for the shard that drives the directory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use overlapped::driver::WakeHandle;

use super::event::Event;

/// Logins, queries and letters that wait. Answers always have a place: there are no more of them
/// than calls.
const MOST_EVENTS: usize = 1 << 20;

pub(crate) struct Inbox {
    events: Mutex<Events>,
    has_any: AtomicBool,
    shards: Vec<WakeHandle>,
    /// The shard that drives.
    driver: AtomicUsize,
}

#[derive(Default)]
struct Events {
    queue: VecDeque<Event>,
    /// Nobody will take more.
    is_closed: bool,
}

impl Inbox {
    pub(super) fn new(shards: Vec<WakeHandle>) -> Arc<Inbox> {
        let (events, has_any, driver) = (Mutex::default(), AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Inbox { events, has_any, shards, driver })
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the event back if too many wait, or nobody will take it.
    pub(super) fn offer(&self, event: Event) -> Result<(), Event> {
        let events = self.lock();
        if events.is_closed || events.queue.len() >= MOST_EVENTS {
            return Err(event);
        }
        self.add(events, event)
    }

    /// Gives the event back if nobody will take it.
    pub(super) fn push(&self, event: Event) -> Result<(), Event> {
        self.add(self.lock(), event)
    }

    fn add(&self, mut events: MutexGuard<'_, Events>, event: Event) -> Result<(), Event> {
        if events.is_closed {
            return Err(event);
        }
        events.queue.push_back(event);
        let had_any = self.has_any.swap(true, Ordering::AcqRel);
        drop(events);
        if !had_any {
            self.wake();
        }
        Ok(())
    }

    /// At most so many.
    pub(super) fn take(&self, most: usize) -> VecDeque<Event> {
        let mut events = self.lock();
        let left = events.queue.len().saturating_sub(most);
        self.has_any.store(left > 0, Ordering::Release);
        if left == 0 { std::mem::take(&mut events.queue) } else { events.queue.drain(..most).collect() }
    }

    /// Whether there is a place for one that is offered.
    pub(super) fn has_room(&self) -> bool {
        let events = self.lock();
        !events.is_closed && events.queue.len() < MOST_EVENTS
    }

    /// Takes no more. Returns what was left.
    pub(super) fn close(&self) -> VecDeque<Event> {
        let mut events = self.lock();
        events.is_closed = true;
        std::mem::take(&mut events.queue)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(super) fn has_any(&self) -> bool {
        self.has_any.load(Ordering::Acquire)
    }

    pub(super) fn driver(&self) -> usize {
        self.driver.load(Ordering::Acquire)
    }

    /// Another shard drives from now on.
    pub(super) fn set_driver(&self, shard: usize) {
        self.driver.store(shard, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(shard) = self.shards.get(self.driver()) {
            shard.wake();
        }
    }
}
