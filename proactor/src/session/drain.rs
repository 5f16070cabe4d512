//! The sessions that a drain waits for. Knows no socket.

use std::collections::VecDeque;
use std::time::Duration;

use overlapped::Time;

use super::id::SessionId;
use crate::server::drain_options::DrainOptions;

/// A pair through which nothing has passed for this long is idle. The bytes between two peers say
/// nothing about whether one of them owes the other an answer; this is the time for one.
pub(crate) const QUIET: Duration = Duration::from_secs(2);

/// Sessions looked at in a turn. The others wait for the next.
const MOST_LOOKS: usize = 4096;
/// When a shard with more sessions than that goes on looking.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Sessions whose turns come within this time have theirs together, so that a shard with many does
/// not wake for each.
const TOGETHER: Duration = Duration::from_millis(1);

/// One session that has not been asked to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited {
    pub(crate) id: SessionId,
    /// The turns in which it and its partner were last handed something.
    handed: (u32, u32),
    quiet_since: Time,
    /// The turn in which it was found idle.
    idle: Option<u32>,
}

/// What a look at a session has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Gone,
    AtWork,
    Idle {
        /// The turns in which it and its partner were last handed something.
        handed: (u32, u32),
        is_paired: bool,
    },
}

/// A shard's drain.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    deadline: Option<Time>,
    has_begun: bool,
    hands_over: bool,
    list: Vec<Waited>,
    /// Sessions whose turn has not come, and when it does, the first of them first.
    later: VecDeque<(Time, SessionId)>,
    /// When it is to be seen whose turn has come.
    due: Option<Time>,
    /// When connections are given up whose header has not come.
    headers_until: Option<Time>,
    at: usize,
    /// When there is something to look at, though nothing happens until then.
    next: Option<Time>,
    /// A session was found idle in the last turn, or may be now: one more turn shows whether it is.
    has_idle: bool,
}

impl Drain {
    pub(crate) fn begin(&mut self, now: Time, options: DrainOptions) {
        (self.deadline, self.has_begun) = (Some(now + options.patience), true);
        self.hands_over = options.hands_over;
        self.headers_until = options.hands_over.then(|| now + QUIET);
    }

    /// Whether another server has the listeners, and no connection is to be lost.
    pub(crate) fn is_handing_over(&self) -> bool {
        self.hands_over
    }

    /// Whether it is time to give up connections whose header has not come. Says so once.
    pub(crate) fn gives_headers_up(&mut self, now: Time) -> bool {
        let is_late = self.headers_until.is_some_and(|until| now >= until);
        if is_late {
            self.headers_until = None;
        }
        is_late
    }

    /// Gives each session its turn, evenly over this time from now on.
    pub(crate) fn spread(&mut self, ids: Vec<SessionId>, now: Time, window: Duration) {
        let count = ids.len() as u128;
        let turn = |index: usize| {
            let nanos = window.as_nanos() * index as u128 / count;
            now + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        self.later = ids.into_iter().enumerate().map(|(index, id)| (turn(index), id)).collect();
    }

    /// Whether there are sessions whose turn has not come.
    pub(crate) fn has_later(&self) -> bool {
        !self.later.is_empty()
    }

    /// Whether the turn of a session has not come.
    pub(crate) fn is_later(&self, id: SessionId) -> bool {
        self.later.iter().any(|(_, later)| *later == id)
    }

    /// The sessions whose turn has come: it waits for them from now on.
    pub(crate) fn take_due(&mut self, now: Time) -> Vec<SessionId> {
        let count = self.later.partition_point(|(at, _)| *at <= now);
        let due: Vec<SessionId> = self.later.drain(..count).map(|(_, id)| id).collect();
        due.iter().for_each(|id| self.wait_for(*id, now));
        self.due = self.later.front().map(|(at, _)| (*at).max(now + TOGETHER));
        due
    }

    /// The server drains no more: it stops.
    pub(crate) fn end(&mut self) {
        self.deadline = None;
        (self.list, self.later) = (Vec::new(), VecDeque::new());
        (self.next, self.due, self.headers_until, self.has_idle) = (None, None, None, false);
    }

    /// Whether it goes on.
    pub(crate) fn is_on(&self) -> bool {
        self.deadline.is_some()
    }

    /// Whether it has begun; it may have ended since.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(crate) fn is_late(&self, now: Time) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// When it has something to do without being told.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.deadline.into_iter().chain(self.next).chain(self.due).chain(self.headers_until).min()
    }

    /// What a session waited for was done behind the looks of this turn. The next turn does not
    /// wait.
    pub(crate) fn look_again(&mut self) {
        self.has_idle |= self.is_on();
    }

    /// Whether the next turn must not wait.
    pub(crate) fn has_idle(&self) -> bool {
        self.has_idle
    }

    /// It waits for this session too.
    pub(crate) fn wait_for(&mut self, id: SessionId, now: Time) {
        self.list.push(Waited { id, handed: (0, 0), quiet_since: now, idle: None });
    }

    /// Takes out the list for a round of looks, and how many there are to be.
    pub(crate) fn begin_round(&mut self) -> (Vec<Waited>, usize) {
        (self.next, self.has_idle) = (None, false);
        let list = std::mem::take(&mut self.list);
        let looks = list.len().min(MOST_LOOKS);
        (list, looks)
    }

    /// The place in the list of the session to look at.
    pub(crate) fn place(&mut self, list: &[Waited]) -> Option<usize> {
        if self.at >= list.len() {
            self.at = 0;
        }
        (self.at < list.len()).then_some(self.at)
    }

    /// Notes what was found at that place. Says whether the session is to be asked to end: it was
    /// idle for a whole turn, in which all that the system had for it was asked for.
    pub(crate) fn note(&mut self, list: &mut Vec<Waited>, found: Found, turn: u32, now: Time) -> bool {
        let waited = &mut list[self.at];
        match found {
            Found::Gone => {
                list.swap_remove(self.at);
                return false;
            }
            Found::AtWork => waited.idle = None,
            Found::Idle { handed, is_paired } => {
                if waited.handed != handed {
                    (waited.handed, waited.quiet_since, waited.idle) = (handed, now, None);
                }
                let quiet_at = waited.quiet_since + QUIET;
                if is_paired && now < quiet_at {
                    waited.idle = None;
                    self.next = Some(self.next.map_or(quiet_at, |next| next.min(quiet_at)));
                } else if waited.idle.is_some_and(|since| since != turn) {
                    list.swap_remove(self.at);
                    return true;
                } else {
                    waited.idle = Some(turn);
                    self.has_idle = true;
                }
            }
        }
        self.at += 1;
        false
    }

    pub(crate) fn end_round(&mut self, list: Vec<Waited>, looks: usize, now: Time) {
        if list.len() > looks {
            let soon = now + LOOK_AGAIN;
            self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
        }
        self.list = list;
    }
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::*;

    /// One look at the only session.
    fn look(drain: &mut Drain, found: Found, turn: u32, now: Time) -> bool {
        let (mut list, looks) = drain.begin_round();
        let ends = drain.place(&list).is_some() && drain.note(&mut list, found, turn, now);
        drain.end_round(list, looks, now);
        ends
    }

    fn drain() -> Drain {
        let mut drain = Drain::default();
        drain.begin(Time::ZERO, DrainOptions::new(Duration::from_secs(60)));
        drain.wait_for(SessionId::new(0, Key::new(0, 0)), Time::ZERO);
        drain
    }

    #[test]
    fn turns_are_spread_evenly_and_those_of_one_moment_come_together() {
        let (mut drain, second) = (Drain::default(), Duration::from_secs(1));
        drain.begin(Time::ZERO, DrainOptions::new(second * 60));
        let ids: Vec<SessionId> = (0..4).map(|slot| SessionId::new(0, Key::new(slot, 0))).collect();
        drain.spread(ids.clone(), Time::ZERO, second * 8);
        assert_eq!(drain.take_due(Time::ZERO), ids[..1]);
        assert!(drain.has_later() && !drain.is_later(ids[0]) && drain.is_later(ids[1]));
        assert_eq!(drain.earliest(), Some(Time::ZERO + second * 2));
        assert_eq!(drain.take_due(Time::ZERO + second), []);
        assert_eq!(drain.take_due(Time::ZERO + second * 4), ids[1..3]);
        assert_eq!(drain.take_due(Time::ZERO + second * 6), ids[3..]);
        assert!(!drain.has_later() && drain.list.len() == 4);
        drain.spread(ids.clone(), Time::ZERO, Duration::from_nanos(4));
        assert_eq!(drain.take_due(Time::ZERO).len(), 1);
        assert_eq!(drain.earliest(), Some(Time::ZERO + TOGETHER));
        assert_eq!(drain.take_due(Time::ZERO + TOGETHER).len(), 3);
    }

    #[test]
    fn headers_are_given_up_once_and_only_when_it_hands_over() {
        let (mut drain, options) = (drain(), DrainOptions::new(Duration::from_secs(60)));
        assert!(!drain.gives_headers_up(Time::ZERO + QUIET) && !drain.is_handing_over());
        drain.begin(Time::ZERO, options.handing_over());
        assert_eq!(drain.earliest(), Some(Time::ZERO + QUIET));
        assert!(!drain.gives_headers_up(Time::ZERO) && drain.gives_headers_up(Time::ZERO + QUIET));
        assert!(!drain.gives_headers_up(Time::ZERO + QUIET) && drain.is_handing_over());
    }

    #[test]
    fn a_session_is_asked_when_it_was_idle_for_a_whole_turn() {
        let mut drain = drain();
        let idle = |turn| Found::Idle { handed: (turn, 0), is_paired: false };
        assert!(!look(&mut drain, idle(1), 1, Time::ZERO) && drain.has_idle());
        assert!(!look(&mut drain, idle(2), 2, Time::ZERO), "it was handed something in between");
        assert!(!look(&mut drain, Found::AtWork, 3, Time::ZERO) && !drain.has_idle());
        assert!(!look(&mut drain, idle(2), 4, Time::ZERO));
        assert!(look(&mut drain, idle(2), 5, Time::ZERO));
        assert!(!look(&mut drain, idle(2), 6, Time::ZERO), "once");
    }

    #[test]
    fn a_pair_is_asked_when_nothing_has_passed_for_a_while() {
        let mut drain = drain();
        let pair = |own, partners| Found::Idle { handed: (own, partners), is_paired: true };
        assert!(!look(&mut drain, pair(1, 0), 1, Time::ZERO));
        assert_eq!(drain.earliest(), Some(Time::ZERO + QUIET));
        assert!(!look(&mut drain, pair(1, 2), 2, Time::ZERO + QUIET), "the partner was handed something");
        let later = Time::ZERO + QUIET * 2;
        assert!(!look(&mut drain, pair(1, 2), 3, later) && drain.has_idle());
        assert!(look(&mut drain, pair(1, 2), 4, later));
    }

    #[test]
    fn a_session_that_has_gone_is_not_looked_at_again_and_the_deadline_stays() {
        let mut drain = drain();
        assert!(!look(&mut drain, Found::Gone, 1, Time::ZERO) && drain.list.is_empty());
        let deadline = drain.earliest().unwrap();
        assert!(!drain.is_late(Time::ZERO) && drain.is_late(deadline));
        drain.end();
        assert!(!drain.is_on() && drain.has_begun() && drain.earliest().is_none());
    }
}
