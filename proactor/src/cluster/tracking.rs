//! Which packets have come from each publisher, by their numbers.

/// Publishers that are remembered at once; the one that was silent longest is forgotten.
const MOST_PUBLISHERS: usize = 1024;
/// Packets that can be missing at once. A number far ahead would have all that follow dropped.
const MOST_LOST: u64 = 1 << 32;

/// So many packets in a row that the last jump passed over show that it was made up.
const PROOF: u64 = 4;

/// The publishers of one subscription.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    publishers: Vec<Publisher>,
    /// Counts what came, to tell who was silent longest.
    turns: u64,
}

/// What was heard of a publisher.
///
/// A message can be made up with a number or an incarnation far ahead, behind which all that the
/// publisher really sends would be late. A bus keeps the order of a publisher, so packets that a
/// jump has passed over never come, unless the jump was made up: then the publisher is believed
/// again after a few.
#[derive(Debug)]
struct Publisher {
    number: u64,
    run: Run,
    /// What was before the last jump; `None` if the first that was heard was the jump.
    before: Option<Run>,
    /// Packets in a row that the jump passed over.
    passed: Option<Run>,
    heard: u64,
}

/// Numbers without a gap between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Of the group that the publisher has made. What comes of an earlier one is late.
    incarnation: u32,
    first: u64,
    next: u64,
}

/// What came of a packet or an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It has not been seen before. So many packets between the last and this one are missing.
    New { lost: u64 },
    /// It, or what was published after it, has been seen.
    Stale,
    /// No node loses so much.
    Invalid,
}

impl Tracking {
    /// A packet has come. Before the first of a publisher nothing is missing: it may have been
    /// published before the subscription.
    pub(crate) fn packet(&mut self, publisher: u64, incarnation: u32, number: u64) -> Seen {
        let known = self.known(publisher, incarnation, number);
        match number < known.next_of(incarnation) || known.is_late(incarnation) {
            true => known.late(incarnation, number),
            false => known.advance(incarnation, number, number.saturating_add(1)),
        }
    }

    /// The publisher has published all before this number.
    pub(crate) fn end(&mut self, publisher: u64, incarnation: u32, next: u64) -> Seen {
        let known = self.known(publisher, incarnation, next);
        match known.is_late(incarnation) {
            true => Seen::Stale,
            false => known.advance(incarnation, next.max(known.next_of(incarnation)), next),
        }
    }

    /// The publisher as it was heard last.
    fn known(&mut self, number: u64, incarnation: u32, first: u64) -> &mut Publisher {
        self.turns += 1;
        let heard = self.turns;
        let at = self.publishers.iter().position(|publisher| publisher.number == number);
        let at = at.unwrap_or_else(|| {
            if self.publishers.len() >= MOST_PUBLISHERS {
                let silent = self.publishers.iter().enumerate().min_by_key(|(_, publisher)| publisher.heard);
                let silent = silent.map_or(0, |(at, _)| at);
                self.publishers.swap_remove(silent);
            }
            let run = Run { incarnation, first, next: first };
            self.publishers.push(Publisher { number, run, before: None, passed: None, heard });
            self.publishers.len() - 1
        });
        let known = &mut self.publishers[at];
        known.heard = heard;
        known
    }
}

impl Publisher {
    /// Whether it is of a group that the publisher has no longer.
    fn is_late(&self, incarnation: u32) -> bool {
        incarnation.wrapping_sub(self.run.incarnation) > u32::MAX / 2
    }

    /// The number that comes next. A group that was made since was heard from its first packet on.
    fn next_of(&self, incarnation: u32) -> u64 {
        if incarnation == self.run.incarnation { self.run.next } else { 0 }
    }

    /// Something new has come: all before `number` is known of, and the next is `next`.
    fn advance(&mut self, incarnation: u32, number: u64, next: u64) -> Seen {
        let lost = number - self.next_of(incarnation);
        if lost > MOST_LOST {
            return Seen::Invalid;
        }
        if lost > 0 || incarnation != self.run.incarnation {
            self.before = Some(self.run);
            self.run = Run { incarnation, first: number, next: number };
        }
        self.run.next = self.run.next.max(next);
        self.passed = None;
        Seen::New { lost }
    }

    /// A packet has come that is behind the run.
    fn late(&mut self, incarnation: u32, number: u64) -> Seen {
        if !self.was_passed(incarnation, number) {
            self.passed = None;
            return Seen::Stale;
        }
        let goes_on = |passed: &Run| passed.incarnation == incarnation && passed.next == number;
        let first = self.passed.filter(goes_on).map_or(number, |passed| passed.first);
        let passed = Run { incarnation, first, next: number.saturating_add(1) };
        self.passed = Some(passed);
        let count = passed.next - passed.first;
        if count < PROOF {
            return Seen::Stale;
        }
        (self.run, self.before, self.passed) = (passed, None, None);
        Seen::New { lost: count - 1 }
    }

    /// Whether it is one of those that the last jump passed over.
    fn was_passed(&self, incarnation: u32, number: u64) -> bool {
        let is_before_run = incarnation != self.run.incarnation || number < self.run.first;
        let is_behind_before =
            self.before.is_none_or(|before| before.incarnation == incarnation && number >= before.next);
        is_before_run && is_behind_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Seen = Seen::New { lost: 0 };

    #[test]
    fn what_is_missing_between_two_packets_is_counted_and_no_packet_is_new_twice() {
        let mut tracking = Tracking::default();
        assert_eq!(tracking.packet(1, 0, 5), NEW, "the first is no gap");
        assert_eq!(tracking.packet(1, 0, 6), NEW);
        assert_eq!(tracking.packet(1, 0, 6), Seen::Stale);
        assert_eq!(tracking.packet(1, 0, 9), Seen::New { lost: 2 });
        assert_eq!(tracking.packet(1, 0, 7), Seen::Stale, "it is counted as lost, so it does not come later");
        assert_eq!(tracking.packet(2, 0, 0), NEW, "another publisher");
        let ends = [10, 12, 3].map(|next| tracking.end(1, 0, next));
        assert_eq!(ends, [NEW, Seen::New { lost: 2 }, NEW]);
        assert_eq!(tracking.packet(1, 0, 12), NEW);
        assert_eq!((tracking.end(3, 0, 4), tracking.packet(3, 0, 4)), (NEW, NEW));
        assert_eq!(tracking.packet(1, 0, u64::MAX - 1), Seen::Invalid);
        assert_eq!(tracking.end(1, 0, u64::MAX), Seen::Invalid);
        assert_eq!(tracking.packet(1, 0, 13), NEW, "nothing has come of that");
    }

    #[test]
    fn a_group_that_is_made_anew_counts_from_zero_and_what_comes_of_the_old_one_is_late() {
        let mut tracking = Tracking::default();
        assert_eq!(tracking.packet(1, 7, 5), NEW);
        assert_eq!(tracking.packet(1, 9, 0), NEW);
        assert_eq!(tracking.packet(1, 9, 1), NEW);
        assert_eq!((tracking.packet(1, 7, 6), tracking.end(1, 7, 9)), (Seen::Stale, Seen::Stale));
        assert_eq!(tracking.packet(1, 10, u64::MAX - 1), Seen::Invalid);
        assert_eq!(tracking.packet(1, 9, 2), NEW);
        assert_eq!(tracking.packet(1, 10, 2), Seen::New { lost: 2 }, "its first two are missing");
        assert_eq!(tracking.end(1, 11, 3), Seen::New { lost: 3 });
        assert_eq!(tracking.publishers.len(), 1, "the newest takes the place of the one before");
        assert_eq!((tracking.packet(2, u32::MAX, 4), tracking.packet(2, 0, 0)), (NEW, NEW));
        assert_eq!(tracking.packet(2, u32::MAX, 5), Seen::Stale);
    }

    #[test]
    fn a_made_up_message_silences_its_publisher_for_three_packets_at_most() {
        let far = MOST_LOST - 1;
        // The first that is heard, a jump, an end, a group that was never made.
        let forged: [fn(&mut Tracking, u64) -> Seen; 4] = [
            |tracking, far| tracking.packet(1, 7, far),
            |tracking, far| tracking.packet(1, 7, far),
            |tracking, far| tracking.end(1, 7, far),
            |tracking, _| tracking.packet(1, 7_000, 0),
        ];
        for (case, forged) in forged.into_iter().enumerate() {
            let mut tracking = Tracking::default();
            let begins = if case == 0 { 0 } else { 10 };
            (0..begins).for_each(|number| assert_eq!(tracking.packet(1, 7, number), NEW));
            assert!(matches!(forged(&mut tracking, far), Seen::New { .. }), "it cannot be told");
            let seen: Vec<Seen> = (0..6).map(|number| tracking.packet(1, 7, begins + number)).collect();
            let back = Seen::New { lost: 3 };
            assert_eq!(seen, [Seen::Stale, Seen::Stale, Seen::Stale, back, NEW, NEW], "case {case}");
            assert_eq!(tracking.packet(1, 7, begins + 3), Seen::Stale, "no packet is new twice");
        }
    }

    #[test]
    fn what_was_seen_is_late_however_often_it_comes_again() {
        let mut tracking = Tracking::default();
        (0..20).for_each(|number| assert_eq!(tracking.packet(1, 0, number), NEW));
        assert_eq!(tracking.packet(1, 0, 30), Seen::New { lost: 10 });
        assert_eq!(tracking.packet(1, 1, 0), NEW);
        assert_eq!(tracking.packet(1, 1, 1), NEW);
        for _ in 0..3 {
            assert!((0..20).all(|number| tracking.packet(1, 0, number) == Seen::Stale));
            assert!((0..2).all(|number| tracking.packet(1, 1, number) == Seen::Stale));
        }
        assert_eq!(tracking.packet(1, 1, 2), NEW);
    }

    #[test]
    fn the_publisher_that_was_silent_longest_is_forgotten() {
        let mut tracking = Tracking::default();
        for publisher in 0..MOST_PUBLISHERS as u64 {
            tracking.packet(publisher, 0, 0);
        }
        tracking.packet(0, 0, 1);
        tracking.packet(5_000, 0, 0);
        assert_eq!(tracking.publishers.len(), MOST_PUBLISHERS);
        assert_eq!(tracking.packet(0, 0, 1), Seen::Stale, "it spoke since");
        assert_eq!(tracking.packet(1, 0, 7), NEW, "forgotten");
    }
}
