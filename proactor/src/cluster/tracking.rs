//! Which packets have come from each publisher, by their numbers.

/// Publishers that are remembered at once; the one that was silent longest is forgotten.
const MOST_PUBLISHERS: usize = 1024;
/// Packets that can be missing at once. A number far ahead would have all that follow dropped.
const MOST_LOST: u64 = 1 << 32;

/// The publishers of one subscription.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    publishers: Vec<Publisher>,
    /// Counts what came, to tell who was silent longest.
    turns: u64,
}

#[derive(Debug)]
struct Publisher {
    number: u64,
    /// Of its group. What comes of an earlier one is late.
    incarnation: u32,
    /// The number of its next packet.
    next: u64,
    heard: u64,
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
        let known = match self.known(publisher, incarnation, number) {
            Ok(known) => known,
            Err(seen) => return seen,
        };
        if number < known.next {
            return Seen::Stale;
        }
        let lost = number - known.next;
        if lost > MOST_LOST {
            return Seen::Invalid;
        }
        known.next = number.saturating_add(1);
        Seen::New { lost }
    }

    /// The publisher has published all before this number.
    pub(crate) fn end(&mut self, publisher: u64, incarnation: u32, next: u64) -> Seen {
        let known = match self.known(publisher, incarnation, next) {
            Ok(known) => known,
            Err(seen) => return seen,
        };
        let lost = next.saturating_sub(known.next);
        if lost > MOST_LOST {
            return Seen::Invalid;
        }
        known.next = known.next.max(next);
        Seen::New { lost }
    }

    /// The publisher as it was heard last; an error if this is of a group that it has no longer. A
    /// group that it has made since was heard from its first packet on.
    fn known(&mut self, number: u64, incarnation: u32, first: u64) -> Result<&mut Publisher, Seen> {
        self.turns += 1;
        let heard = self.turns;
        let at = self.publishers.iter().position(|publisher| publisher.number == number);
        let at = at.unwrap_or_else(|| {
            if self.publishers.len() >= MOST_PUBLISHERS {
                let silent = self.publishers.iter().enumerate().min_by_key(|(_, publisher)| publisher.heard);
                let silent = silent.map_or(0, |(at, _)| at);
                self.publishers.swap_remove(silent);
            }
            self.publishers.push(Publisher { number, incarnation, next: first, heard });
            self.publishers.len() - 1
        });
        let known = &mut self.publishers[at];
        if known.incarnation != incarnation {
            // The count may have begun again.
            if incarnation.wrapping_sub(known.incarnation) > u32::MAX / 2 {
                return Err(Seen::Stale);
            }
            if first > MOST_LOST {
                return Err(Seen::Invalid);
            }
            (known.incarnation, known.next) = (incarnation, 0);
        }
        known.heard = heard;
        Ok(known)
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
