//! The timers of a shard's tasks: numbers in a wheel of their own, and whom to wake for each.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use overlapped::Time;

use super::executor::Executor;
use crate::wheel::Wheel;

/// The slot of one timer.
enum Timer {
    Free,
    Waiting(Waker),
    /// Its moment has come.
    Over,
}

pub(crate) struct Timers {
    now: Time,
    wheel: Wheel,
    timers: Vec<Timer>,
    free: Vec<u32>,
}

impl Timers {
    pub(crate) fn new(now: Time) -> Timers {
        Timers { now, wheel: Wheel::new(), timers: Vec::new(), free: Vec::new() }
    }

    /// When there is something to do.
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.wheel.earliest()
    }

    /// The turn's time; gives one whose moment has come by then.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Waker> {
        self.now = now;
        while let Some(key) = self.wheel.pop_due(now) {
            let timer = std::mem::replace(&mut self.timers[key as usize], Timer::Over);
            if let Timer::Waiting(waker) = timer {
                return Some(waker);
            }
        }
        None
    }

    fn start(&mut self, at: Time, waker: &Waker) -> u32 {
        let timer = Timer::Waiting(waker.clone());
        let key = match self.free.pop() {
            Some(key) => {
                self.timers[key as usize] = timer;
                key
            }
            None => {
                self.timers.push(timer);
                self.timers.len() as u32 - 1
            }
        };
        self.wheel.insert(key, at);
        key
    }

    fn stop(&mut self, key: u32) -> Timer {
        self.wheel.remove(key);
        self.free.push(key);
        std::mem::replace(&mut self.timers[key as usize], Timer::Free)
    }
}

/// Waits for a moment of the shard's clock: what [`AsyncSession::sleep`](super::AsyncSession::sleep) returns.
///
/// It is never early. The shard's timers have a grain of 8.4 ms (2^23 ns), so it is late by up to that, and by what the shard is busy with.
pub struct Sleep {
    executor: Rc<Executor>,
    at: Time,
    key: Option<u32>,
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
        if self.at <= timers.now {
            return Poll::Ready(());
        }
        match self.key {
            None => self.key = Some(timers.start(self.at, cx.waker())),
            Some(key) => match &mut timers.timers[key as usize] {
                Timer::Waiting(waker) => waker.clone_from(cx.waker()),
                Timer::Over | Timer::Free => return Poll::Ready(()),
            },
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // Its waker is dropped when the timers are not borrowed any more.
            let _timer = self.executor.timers.borrow_mut().stop(key);
        }
    }
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sleep").field("at", &self.at).finish()
    }
}
