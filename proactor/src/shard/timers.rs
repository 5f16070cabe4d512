//! Timers that the logic asks for: of sessions, and of the shard itself. Knows no socket.
//!
//! A timer has a token, which is its name among those of its owner. A session's timers are a list
//! in a table beside the sessions, so a session without timers takes 4 bytes here at most, and none
//! if no session of the shard has ever had one.

use std::collections::VecDeque;

use overlapped::Time;
use overlapped::table::{Key, Table};

use crate::session::id::SessionId;
use crate::wheel::Wheel;

/// Timers that one session may have.
pub(crate) const MOST_OF_A_SESSION: usize = 64;
/// Timers of a shard that belong to no session.
pub(crate) const MOST_OF_A_SHARD: usize = 1024;

/// The end of a list.
const NONE: u32 = u32::MAX;

struct Timer {
    owner: Option<SessionId>,
    token: u64,
    /// The owner's next timer.
    next: u32,
    is_due: bool,
}

pub(crate) struct LogicTimers {
    wheel: Wheel,
    timers: Table<Timer>,
    /// The first timer of each session, by the session's slot.
    of_sessions: Vec<u32>,
    of_shard: u32,
    /// What is due and not handed over. A timer that was stopped or set again meanwhile is not.
    due: VecDeque<Key>,
}

impl LogicTimers {
    pub(crate) fn new() -> LogicTimers {
        LogicTimers {
            wheel: Wheel::new(),
            timers: Table::new(),
            of_sessions: Vec::new(),
            of_shard: NONE,
            due: VecDeque::new(),
        }
    }

    /// Where the list of the owner begins.
    fn first(&self, owner: Option<SessionId>) -> u32 {
        match owner {
            Some(id) => self.of_sessions.get(id.slot() as usize).copied().unwrap_or(NONE),
            None => self.of_shard,
        }
    }

    fn set_first(&mut self, owner: Option<SessionId>, first: u32) {
        match owner {
            Some(id) => {
                let slot = id.slot() as usize;
                if slot >= self.of_sessions.len() {
                    self.of_sessions.resize(slot + 1, NONE);
                }
                self.of_sessions[slot] = first;
            }
            None => self.of_shard = first,
        }
    }

    /// Sets a timer, anew if its owner has one with this token. Returns `false` if the owner has as
    /// many as it may have.
    pub(crate) fn set(&mut self, owner: Option<SessionId>, token: u64, at: Time) -> bool {
        let first = self.first(owner);
        let (mut slot, mut count) = (first, 0);
        while let Some(timer) = self.timers.at_mut(slot) {
            if timer.token == token {
                timer.is_due = false;
                self.wheel.insert(slot, at);
                return true;
            }
            (slot, count) = (timer.next, count + 1);
        }
        let most = if owner.is_some() { MOST_OF_A_SESSION } else { MOST_OF_A_SHARD };
        if count >= most || self.timers.is_full() {
            return false;
        }
        let key = self.timers.insert(Timer { owner, token, next: first, is_due: false });
        self.set_first(owner, key.slot());
        self.wheel.insert(key.slot(), at);
        true
    }

    /// Stops a timer. Says whether there was one with this token.
    pub(crate) fn stop(&mut self, owner: Option<SessionId>, token: u64) -> bool {
        let (mut before, mut slot) = (NONE, self.first(owner));
        while let Some(timer) = self.timers.at(slot) {
            let next = timer.next;
            if timer.token == token {
                match self.timers.at_mut(before) {
                    Some(before) => before.next = next,
                    None => self.set_first(owner, next),
                }
                self.wheel.remove(slot);
                self.timers.remove_at(slot);
                return true;
            }
            (before, slot) = (slot, next);
        }
        false
    }

    /// Stops all timers of a session.
    pub(crate) fn forget(&mut self, session: u32) {
        let Some(first) = self.of_sessions.get_mut(session as usize) else { return };
        let mut slot = std::mem::replace(first, NONE);
        while let Some(timer) = self.timers.remove_at(slot) {
            self.wheel.remove(slot);
            slot = timer.next;
        }
    }

    /// When the next is due.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.wheel.earliest()
    }

    /// Whether something may be due now, or waits to be taken.
    #[inline]
    pub(crate) fn may_have_due(&mut self, now: Time) -> bool {
        self.wheel.may_have_due(now) || self.has_due()
    }

    /// Finds out what is due now, and returns how much there may be to take.
    pub(crate) fn find_due(&mut self, now: Time) -> usize {
        while let Some(slot) = self.wheel.pop_due(now) {
            if let (Some(key), Some(timer)) = (self.timers.key_of(slot), self.timers.at_mut(slot)) {
                timer.is_due = true;
                self.due.push_back(key);
            }
        }
        self.due.len()
    }

    pub(crate) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Takes the next that is due: its owner and its token.
    pub(crate) fn pop_due(&mut self) -> Option<(Option<SessionId>, u64)> {
        let key = self.due.pop_front()?;
        let timer = self.timers.get(key).filter(|timer| timer.is_due)?;
        let (owner, token) = (timer.owner, timer.token);
        self.stop(owner, token);
        Some((owner, token))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn due(timers: &mut LogicTimers, now: Time) -> Vec<(Option<SessionId>, u64)> {
        let most = timers.find_due(now);
        (0..most).filter_map(|_| timers.pop_due()).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(Option<u32>, u64, u64),
        Stop(Option<u32>, u64),
        Forget(u32),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let owner = || prop_oneof![Just(None), (0..4_u32).prop_map(Some)];
        prop_oneof![
            5 => (owner(), 0..5_u64, 0..500_u64).prop_map(|(owner, token, after)| Step::Set(owner, token, after)),
            2 => (owner(), 0..5_u64).prop_map(|(owner, token)| Step::Stop(owner, token)),
            1 => (0..4_u32).prop_map(Step::Forget),
            3 => (0..300_u64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// As a map from owner and token to a moment does.
        #[test]
        fn each_timer_is_due_once_at_the_moment_that_was_set_last(steps in prop::collection::vec(step(), 1..80)) {
            let mut timers = LogicTimers::new();
            let mut model = BTreeMap::new();
            let mut now = 0;
            let id = |slot: u32| SessionId::new(0, Key::new(slot, 0));
            for step in steps {
                match step {
                    Step::Set(owner, token, after) => {
                        prop_assert!(timers.set(owner.map(id), token, at(now + after)));
                        model.insert((owner.map(id), token), now + after);
                    }
                    Step::Stop(owner, token) => {
                        let was_there = model.remove(&(owner.map(id), token)).is_some();
                        prop_assert_eq!(timers.stop(owner.map(id), token), was_there);
                    }
                    Step::Forget(slot) => {
                        timers.forget(slot);
                        model.retain(|(owner, _), _| *owner != Some(id(slot)));
                    }
                    Step::Pass(millis) => {
                        now += millis;
                        let mut fired = due(&mut timers, at(now));
                        fired.sort_unstable();
                        for entry in &fired {
                            let moment = model.remove(entry);
                            prop_assert!(moment.is_some_and(|moment| moment <= now), "{entry:?} at {moment:?}");
                        }
                        // A tick of the wheel is 8.4 ms.
                        prop_assert!(model.values().all(|moment| moment + 9 > now), "late: {model:?} at {now}");
                    }
                }
                prop_assert_eq!(timers.timers.len(), model.len());
            }
        }
    }

    #[test]
    fn a_timer_that_is_due_can_still_be_stopped_or_set_again() {
        let mut timers = LogicTimers::new();
        let id = Some(SessionId::new(0, Key::new(3, 0)));
        for token in 0..3 {
            assert!(timers.set(id, token, at(1)));
        }
        assert_eq!(timers.find_due(at(100)), 3);
        assert!(timers.stop(id, 0) && timers.set(id, 1, at(200)));
        let fired: Vec<_> = (0..3).filter_map(|_| timers.pop_due()).collect();
        assert_eq!(fired, [(id, 2)]);
        assert_eq!(due(&mut timers, at(300)), [(id, 1)]);
        assert!(!timers.has_due() && timers.earliest().is_none());
    }

    #[test]
    fn the_limits_are_per_session_and_per_shard() {
        let mut timers = LogicTimers::new();
        let [one, other] = [1, 2].map(|slot| Some(SessionId::new(0, Key::new(slot, 0))));
        for (owner, most) in [(one, MOST_OF_A_SESSION), (None, MOST_OF_A_SHARD)] {
            for token in 0..most as u64 {
                assert!(timers.set(owner, token, at(1)));
            }
            assert!(!timers.set(owner, u64::MAX, at(1)) && timers.set(owner, 0, at(2)));
        }
        assert!(timers.set(other, 0, at(1)));
        timers.forget(1);
        assert!(timers.set(one, u64::MAX, at(1)));
    }
}
