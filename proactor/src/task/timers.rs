//! The timers of a shard's tasks: keys in a wheel of their own, and the waker of each. Knows no
//! task.

use std::task::Waker;

use overlapped::Time;
use overlapped::table::{Key, Table};

use crate::wheel::Wheel;

pub(super) struct SleepTimers {
    now: Time,
    wheel: Wheel,
    timers: Table<Timer>,
}

enum Timer {
    Waiting(Waker),
    Over,
}

impl SleepTimers {
    pub(super) fn new(now: Time) -> SleepTimers {
        SleepTimers { now, wheel: Wheel::new(), timers: Table::new() }
    }

    /// The time of the turn.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    pub(super) fn earliest(&self) -> Option<Time> {
        self.wheel.earliest()
    }

    /// Begins a turn, and returns the waker of a timer that is due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Waker> {
        self.now = now;
        while let Some(slot) = self.wheel.pop_due(now) {
            if let Some(timer) = self.timers.at_mut(slot)
                && let Timer::Waiting(waker) = std::mem::replace(timer, Timer::Over)
            {
                return Some(waker);
            }
        }
        None
    }

    pub(super) fn start(&mut self, at: Time, waker: &Waker) -> Key {
        let key = self.timers.insert(Timer::Waiting(waker.clone()));
        self.wheel.insert(key.slot(), at);
        key
    }

    /// Renews the waker of a timer. Says whether the timer is over.
    pub(super) fn is_over(&mut self, key: Key, waker: &Waker) -> bool {
        match self.timers.get_mut(key) {
            Some(Timer::Waiting(kept)) => {
                kept.clone_from(waker);
                false
            }
            Some(Timer::Over) | None => true,
        }
    }

    /// Stops a timer. Returns its waker: dropping that may run user code.
    pub(super) fn stop(&mut self, key: Key) -> Option<Waker> {
        self.wheel.remove(key.slot());
        match self.timers.remove(key)? {
            Timer::Waiting(waker) => Some(waker),
            Timer::Over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_timer_is_due_once_and_its_slot_serves_again() {
        let second = Time::ZERO + Duration::from_secs(1);
        let mut timers = SleepTimers::new(Time::ZERO);
        let first = timers.start(second, Waker::noop());
        assert!(!timers.is_over(first, Waker::noop()) && timers.pop_due(Time::ZERO).is_none());
        assert!(timers.pop_due(second + Duration::from_secs(1)).is_some());
        assert!(timers.is_over(first, Waker::noop()) && timers.earliest().is_none());
        assert!(timers.stop(first).is_none(), "its waker has been called");
        let next = timers.start(second, Waker::noop());
        assert_eq!(next.slot(), first.slot());
        assert!(timers.stop(first).is_none() && timers.stop(next).is_some());
    }
}
