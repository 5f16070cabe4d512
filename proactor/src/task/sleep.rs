//! Sleeping in a task.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use overlapped::Time;
use overlapped::table::Key;

use super::executor::Executor;

/// Waits for a moment of the shard's clock. [`AsyncSession::sleep`](super::AsyncSession::sleep)
/// returns it.
///
/// It is never early. The shard's timers have a grain of 8.4 ms (2^23 ns), so it is late by up to
/// that, and by what the shard is busy with.
pub struct Sleep {
    executor: Rc<Executor>,
    at: Time,
    key: Option<Key>,
}

impl Sleep {
    pub(crate) fn new(executor: Rc<Executor>, at: Time) -> Sleep {
        Sleep { executor, at, key: None }
    }

    /// The moment it waits for.
    pub fn deadline(&self) -> Time {
        self.at
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let executor = Rc::clone(&self.executor);
        let mut timers = executor.timers.borrow_mut();
        if self.at <= timers.now() {
            return Poll::Ready(());
        }
        match self.key {
            None => self.key = Some(timers.start(self.at, cx.waker())),
            Some(key) if timers.is_over(key, cx.waker()) => return Poll::Ready(()),
            Some(_) => {}
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // The waker is dropped after the borrow of the timers.
            let _waker = self.executor.timers.borrow_mut().stop(key);
        }
    }
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sleep").field("at", &self.at).finish()
    }
}
