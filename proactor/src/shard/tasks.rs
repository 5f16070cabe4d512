//! The tasks of a shard, in its turn: they are polled after the completions.

use std::cell::RefCell;

use super::state::ShardState;
use crate::session::close;
use crate::session::reason::CloseReason;
use crate::task::executor::{Executor, Polled};
use crate::task::waker::wake;

/// Tasks polled in a turn. The others wait for the next, so that tasks that always have something
/// to do leave time for I/O.
const MOST_POLLS: usize = 1024;

/// Polls the tasks that were woken. Says whether there were any.
pub(super) fn run(state: &RefCell<ShardState>, tasks: &Executor) -> bool {
    wake_all(state, tasks);
    let mut any = false;
    for _ in 0..MOST_POLLS {
        // What tasks have broadcast must reach the members before there is more of it.
        if !tasks.has_woken() || state.borrow().groups.is_budget_spent() {
            break;
        }
        let Some(task) = tasks.pop_woken() else { break };
        match tasks.poll(task) {
            Polled::Idle => continue,
            Polled::Ran | Polled::Panicked(None) => {}
            Polled::Panicked(Some(owner)) => {
                close::begin_if_open(&mut state.borrow_mut(), owner, CloseReason::Panic);
            }
        }
        any = true;
        if !state.borrow().to_wake.is_empty() {
            wake_all(state, tasks);
        }
    }
    any
}

/// Calls the wakers of timers that are due, and those that parts of the state have left.
fn wake_all(state: &RefCell<ShardState>, tasks: &Executor) {
    let now = state.borrow().timers.now();
    while let Some(waker) = tasks.pop_due_timer(now) {
        wake(waker);
    }
    let to_wake = {
        let mut state = state.borrow_mut();
        if state.to_wake.is_empty() {
            return;
        }
        std::mem::take(&mut state.to_wake)
    };
    // Nothing is borrowed: a waker may run user code.
    for waker in to_wake {
        wake(waker);
    }
}
