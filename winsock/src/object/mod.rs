//! Objects that can be waited for: events, mutexes, semaphores and waitable timers.

pub(crate) mod alarm;
mod event;
mod handle;
mod mutex;
mod names;
mod semaphore;
mod signal_and_wait;
mod timer;

pub(crate) use event::{Event, set_event};
pub(crate) use mutex::release_mutex;
pub(crate) use semaphore::release_semaphore;
pub(crate) use timer::due_instant;
