//! The reasons for not reading from a session.

use std::fmt;

use super::deadlines::Reading;

/// A reason for which a session is not read from. [`SessionInfo::holds`](crate::SessionInfo::holds)
/// has those of a session. It is displayed in snake case: `over_rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Hold {
    /// The handler asked for a pause.
    Paused = 1,
    /// Its task has not taken the packets that have come.
    Untaken = 1 << 1,
    /// Its outbox is over the high watermark.
    Throttled = 1 << 2,
    /// The outbox of its partner is over the high watermark.
    Blocked = 1 << 3,
    /// It has sent more than its rate allows.
    OverRate = 1 << 4,
    /// What has come for the opening of its transport waits for a later turn.
    Opening = 1 << 5,
    /// TLS has just been started, and what is being handed over may have more behind it.
    #[cfg(feature = "tls")]
    Starting = 1 << 6,
    /// Its connection is gone, and its peer may [come back](crate::Listener::resume) by another.
    Away = 1 << 7,
}

impl Hold {
    /// All of them.
    pub const ALL: &[Hold] = &[
        Hold::Paused,
        Hold::Untaken,
        Hold::Throttled,
        Hold::Blocked,
        Hold::OverRate,
        Hold::Opening,
        #[cfg(feature = "tls")]
        Hold::Starting,
        Hold::Away,
    ];
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hold::Paused => "paused",
            Hold::Untaken => "untaken",
            Hold::Throttled => "throttled",
            Hold::Blocked => "blocked",
            Hold::OverRate => "over_rate",
            Hold::Opening => "opening",
            #[cfg(feature = "tls")]
            Hold::Starting => "starting",
            Hold::Away => "away",
        })
    }
}

/// All reasons for not reading from one session. It is read from while there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds(u8);

impl Holds {
    #[inline]
    pub(crate) fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether there is a reason apart from this one.
    pub(crate) fn any_but(self, hold: Hold) -> bool {
        self.0 & !(hold as u8) != 0
    }

    pub(crate) fn contains(self, hold: Hold) -> bool {
        self.0 & hold as u8 != 0
    }

    /// Each of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = Hold> {
        Hold::ALL.iter().copied().filter(move |hold| self.contains(*hold))
    }

    /// Adds a reason. Says whether it is new.
    pub(crate) fn insert(&mut self, hold: Hold) -> bool {
        let is_new = !self.contains(hold);
        self.0 |= hold as u8;
        is_new
    }

    /// Removes a reason. Says whether it was there.
    pub(crate) fn remove(&mut self, hold: Hold) -> bool {
        let was_there = self.contains(hold);
        self.0 &= !(hold as u8);
        was_there
    }

    /// What the timeouts make of them. They stand still while the server does not read and the peer
    /// is not to blame. A peer that does not take what it is sent is to blame.
    pub(crate) fn reading(self) -> Reading {
        match self.0 {
            0 => Reading::On,
            holds if holds == Hold::Throttled as u8 => Reading::Throttled,
            _ => Reading::Held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_from_when_the_last_reason_is_gone() {
        let mut holds = Holds::default();
        assert!(!holds.any());
        assert!(holds.insert(Hold::Paused) && !holds.insert(Hold::Paused));
        assert!(holds.insert(Hold::OverRate));
        assert!(holds.remove(Hold::Paused) && !holds.remove(Hold::Paused));
        assert!(holds.any() && holds.contains(Hold::OverRate));
        assert!(holds.any_but(Hold::Paused) && !holds.any_but(Hold::OverRate));
        assert!(holds.remove(Hold::OverRate));
        assert!(!holds.any());
    }

    #[test]
    fn each_reason_is_told_by_a_name_of_its_own() {
        let mut holds = Holds::default();
        assert_eq!(holds.iter().count(), 0);
        holds.insert(Hold::OverRate);
        holds.insert(Hold::Paused);
        assert!(holds.iter().eq([Hold::Paused, Hold::OverRate]));
        let names: std::collections::BTreeSet<String> = Hold::ALL.iter().map(Hold::to_string).collect();
        assert_eq!(names.len(), Hold::ALL.len());
        let bits = Hold::ALL.iter().fold(0, |bits, hold| bits | *hold as u8);
        assert_eq!(bits.count_ones() as usize, Hold::ALL.len());
    }

    #[test]
    fn a_peer_that_does_not_take_what_it_is_sent_is_timed_out_all_the_same() {
        let mut holds = Holds::default();
        holds.insert(Hold::Throttled);
        assert!(holds.any() && holds.reading() == Reading::Throttled);
        for hold in [Hold::Paused, Hold::Untaken, Hold::Blocked, Hold::OverRate, Hold::Opening, Hold::Away] {
            holds.insert(hold);
            assert_eq!(holds.reading(), Reading::Held, "{hold:?}");
            holds.remove(hold);
        }
        holds.remove(Hold::Throttled);
        assert_eq!(holds.reading(), Reading::On);
        assert_eq!(size_of::<Holds>(), 1);
    }
}
