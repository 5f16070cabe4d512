//! The shard's tasks in its turn: what woke them is taken in before the completions, and they are polled after them.

use overlapped::Time;

use super::Shard;
use crate::close::CloseReason;
use crate::handler::Handler;
use crate::session::{Core, SessionId};
use crate::task::executor::{Polled, wake};

/// Tasks polled in a turn; others wait for the next, so that those that always have something to do leave time for I/O.
const MOST_POLLS: usize = 1024;

impl Core {
    /// When the first timer of a task is over.
    pub(crate) fn task_deadline(&self) -> Option<Time> {
        self.tasks.timers.borrow().earliest()
    }

    pub(crate) fn close_if_open(&mut self, id: SessionId, reason: CloseReason) {
        if self.open(id).is_some() {
            self.begin_close(id.slot, reason);
        }
    }
}

impl<H: Handler> Shard<H> {
    /// Polls the tasks that were woken. Says whether there were any.
    pub(super) fn run_tasks(&mut self) -> bool {
        self.wake_tasks();
        let mut any = false;
        for _ in 0..MOST_POLLS {
            if !self.tasks.has_woken() {
                break;
            }
            // What tasks have broadcast is to reach the members before there is more of it.
            {
                let mut core = self.core.borrow_mut();
                if core.has_grown() {
                    break;
                }
                core.begin_call();
            }
            let Some(task) = self.tasks.pop_woken() else { break };
            let polled = self.tasks.poll(task);
            self.core.borrow_mut().end_call();
            match polled {
                Polled::Idle => continue,
                Polled::Ran | Polled::Panicked(None) => {}
                Polled::Panicked(Some(owner)) => self.core.borrow_mut().close_if_open(owner, CloseReason::Panic),
            }
            any = true;
            // A close, of which others are to learn.
            if !self.core.borrow().to_wake.is_empty() {
                self.wake_tasks();
            }
        }
        any
    }

    fn wake_tasks(&self) {
        let now = self.core.borrow().watch.now;
        loop {
            let due = self.tasks.timers.borrow_mut().pop_due(now);
            let Some(waker) = due else { break };
            wake(waker);
        }
        // A waker may be one of the user's, which may do as it likes; so nothing is borrowed.
        let to_wake = {
            let to_wake = &mut self.core.borrow_mut().to_wake;
            if to_wake.is_empty() {
                return;
            }
            std::mem::take(to_wake)
        };
        for waker in to_wake {
            wake(waker);
        }
    }
}

impl<H: Handler> Drop for Shard<H> {
    fn drop(&mut self) {
        // They hold the sessions, which hold the table and the driver.
        self.tasks.end();
    }
}
