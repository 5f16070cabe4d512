//! Which packets of which publishers have come, by their numbers.

/// Publishers that are remembered at once; the one that was silent longest is forgotten.
const MOST_PUBLISHERS: usize = 1024;

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
    /// The number of its next packet.
    next: u64,
    heard: u64,
}

/// What came of a packet or an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// It has not been seen before.
    pub(crate) is_new: bool,
    /// Packets between the last and this one.
    pub(crate) lost: u64,
}

impl Tracking {
    /// A packet has come. Before the first of a publisher nothing is missing: it may have been
    /// published before the subscription.
    pub(crate) fn packet(&mut self, publisher: u64, number: u64) -> Seen {
        let known = self.known(publisher, number);
        if number < known.next {
            return Seen { is_new: false, lost: 0 };
        }
        let lost = number - known.next;
        known.next = number.saturating_add(1);
        Seen { is_new: true, lost }
    }

    /// The publisher has published all before this number. Returns how many of these are missing.
    pub(crate) fn end(&mut self, publisher: u64, next: u64) -> u64 {
        let known = self.known(publisher, next);
        let lost = next.saturating_sub(known.next);
        known.next = known.next.max(next);
        lost
    }

    fn known(&mut self, number: u64, first: u64) -> &mut Publisher {
        self.turns += 1;
        let heard = self.turns;
        let at = self.publishers.iter().position(|publisher| publisher.number == number);
        let at = at.unwrap_or_else(|| {
            if self.publishers.len() >= MOST_PUBLISHERS {
                let silent = self.publishers.iter().enumerate().min_by_key(|(_, publisher)| publisher.heard);
                let silent = silent.map_or(0, |(at, _)| at);
                self.publishers.swap_remove(silent);
            }
            self.publishers.push(Publisher { number, next: first, heard });
            self.publishers.len() - 1
        });
        self.publishers[at].heard = heard;
        &mut self.publishers[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Seen = Seen { is_new: true, lost: 0 };
    const OLD: Seen = Seen { is_new: false, lost: 0 };

    #[test]
    fn what_is_missing_between_two_packets_is_counted_and_no_packet_is_new_twice() {
        let mut tracking = Tracking::default();
        assert_eq!(tracking.packet(1, 5), NEW, "the first is no gap");
        assert_eq!(tracking.packet(1, 6), NEW);
        assert_eq!(tracking.packet(1, 6), OLD);
        assert_eq!(tracking.packet(1, 9), Seen { is_new: true, lost: 2 });
        assert_eq!(tracking.packet(1, 7), OLD, "it is counted as lost, so it does not come later");
        assert_eq!(tracking.packet(2, 0), NEW, "another publisher");
        assert_eq!((tracking.end(1, 10), tracking.end(1, 12), tracking.end(1, 3)), (0, 2, 0));
        assert_eq!(tracking.packet(1, 12), NEW);
        assert_eq!((tracking.end(3, 4), tracking.packet(3, 4)), (0, NEW));
        assert_eq!(tracking.packet(1, u64::MAX).lost, u64::MAX - 13);
    }

    #[test]
    fn the_publisher_that_was_silent_longest_is_forgotten() {
        let mut tracking = Tracking::default();
        for publisher in 0..MOST_PUBLISHERS as u64 {
            tracking.packet(publisher, 0);
        }
        tracking.packet(0, 1);
        tracking.packet(5_000, 0);
        assert_eq!(tracking.publishers.len(), MOST_PUBLISHERS);
        assert_eq!(tracking.packet(0, 1), OLD, "it spoke since");
        assert_eq!(tracking.packet(1, 7), NEW, "forgotten");
    }
}
