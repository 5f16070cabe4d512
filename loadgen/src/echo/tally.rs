//! What a thread counts: for the measured window as a whole, and for each interval of the series.

use std::time::Duration;

use hdrhistogram::Histogram;
use overlapped::Time;

use super::timeline::{Phase, Timeline};

/// Longer latencies count as this.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Latencies in nanoseconds, to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST.as_nanos() as u64, 3).expect("bounds and digits that it takes")
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Messages and their bytes, with what the codec adds, one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Moved {
    pub(crate) fn add(&mut self, other: Moved) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// One interval of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    pub(crate) from: Time,
    pub(crate) to: Time,
    pub(crate) sent: Moved,
    pub(crate) answered: Moved,
    /// Of the messages answered in it, to two digits.
    pub(crate) latency: Histogram<u32>,
}

impl Interval {
    pub(crate) fn new(from: Time, to: Time) -> Interval {
        let latency = Histogram::new_with_bounds(1_000, LONGEST.as_nanos() as u64, 2);
        let latency = latency.expect("bounds and digits that it takes");
        Interval { from, to, sent: Moved::default(), answered: Moved::default(), latency }
    }

    /// Takes in that of another thread.
    pub(crate) fn add(&mut self, other: &Interval) {
        self.to = self.to.max(other.to);
        self.sent.add(other.sent);
        self.answered.add(other.answered);
        self.latency.add(&other.latency).expect("all have the same bounds");
    }
}

/// The window of one thread, or of all together.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    /// How long the window was.
    pub(crate) measured: Duration,
    /// Sent within the window.
    pub(crate) sent: Moved,
    /// Answered within the window.
    pub(crate) answered: Moved,
    /// Messages sent or due within the window, whenever they were answered.
    pub(crate) latency: Histogram<u64>,
    /// In an open loop: by how much messages left late although their connection had room for them.
    pub(crate) lateness: Histogram<u64>,
    /// How long connecting took.
    pub(crate) connecting: Histogram<u64>,
    /// In an open loop: messages that were due within the window and were not sent by its end.
    pub(crate) unsent: u64,
    /// Messages that were under way when the run ended, or when their connection was lost.
    pub(crate) unanswered: u64,
}

impl Totals {
    pub(crate) fn new() -> Totals {
        Totals {
            measured: Duration::ZERO,
            sent: Moved::default(),
            answered: Moved::default(),
            latency: histogram(),
            lateness: histogram(),
            connecting: histogram(),
            unsent: 0,
            unanswered: 0,
        }
    }

    /// Takes in those of another thread.
    pub(crate) fn add(&mut self, other: &Totals) {
        self.measured = self.measured.max(other.measured);
        self.sent.add(other.sent);
        self.answered.add(other.answered);
        for (mine, theirs) in [
            (&mut self.latency, &other.latency),
            (&mut self.lateness, &other.lateness),
            (&mut self.connecting, &other.connecting),
        ] {
            mine.add(theirs).expect("all have the same bounds");
        }
        self.unsent += other.unsent;
        self.unanswered += other.unanswered;
    }
}

/// The counts of a thread while it runs.
pub(crate) struct Tally {
    pub(crate) timeline: Timeline,
    pub(crate) totals: Totals,
    interval: Interval,
}

impl Tally {
    /// Counting begins at `begin`; `totals` has what was before.
    pub(crate) fn new(timeline: Timeline, begin: Time, totals: Totals) -> Tally {
        Tally { timeline, totals, interval: Interval::new(begin, timeline.interval_end(begin)) }
    }

    /// When the interval is over.
    pub(crate) fn interval_end(&self) -> Time {
        self.interval.to
    }

    /// The next interval that is over at this time. Call it until there is none before counting
    /// more.
    pub(crate) fn pop_interval(&mut self, now: Time) -> Option<Interval> {
        if now < self.interval.to {
            return None;
        }
        let (from, to) = (self.interval.to, self.timeline.interval_end(self.interval.to));
        Some(std::mem::replace(&mut self.interval, Interval::new(from, to)))
    }

    /// The run is cut short; the interval with it.
    pub(crate) fn cut(&mut self, now: Time) {
        self.timeline.cut(now);
        self.interval.to = self.interval.to.min(now.max(self.interval.from));
    }

    /// What has been counted in the interval that is not over.
    pub(crate) fn last_interval(self) -> (Interval, Totals) {
        (self.interval, self.totals)
    }

    pub(crate) fn sent(&mut self, now: Time, messages: u64, bytes: u64) {
        let moved = Moved { messages, bytes };
        self.interval.sent.add(moved);
        if self.timeline.phase(now) == Phase::Measured {
            self.totals.sent.add(moved);
        }
    }

    pub(crate) fn received(&mut self, now: Time, messages: u64, bytes: u64) {
        let moved = Moved { messages, bytes };
        self.interval.answered.add(moved);
        if self.timeline.phase(now) == Phase::Measured {
            self.totals.answered.add(moved);
        }
    }

    /// A message that counts from `from` on has been answered.
    pub(crate) fn took(&mut self, from: Time, now: Time) {
        let nanos = nanos(now - from);
        self.interval.latency.saturating_record(nanos);
        if self.timeline.phase(from) == Phase::Measured {
            self.totals.latency.saturating_record(nanos);
        }
    }

    pub(crate) fn late(&mut self, due: Time, now: Time) {
        if self.timeline.phase(due) == Phase::Measured {
            self.totals.lateness.saturating_record(nanos(now - due));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_message_counts_by_when_it_was_due_and_throughput_by_when_it_was_answered() {
        let timeline = Timeline::new(at(0), Duration::from_millis(100), Duration::from_millis(200));
        let mut tally = Tally::new(timeline, at(0), Totals::new());
        let mut intervals = Vec::new();
        // Due in the warm-up and answered in the window; due in the window and answered long after.
        for (due, answered) in [(50, 150), (250, 5_250)] {
            while let Some(interval) = tally.pop_interval(at(answered)) {
                intervals.push(interval);
            }
            tally.received(at(answered), 1, 10);
            tally.took(at(due), at(answered));
        }
        let (last, totals) = tally.last_interval();
        intervals.push(last);
        assert_eq!(totals.answered, Moved { messages: 1, bytes: 10 });
        assert_eq!((totals.latency.len(), totals.latency.max() / 1_000_000_000), (1, 5));
        let counted: Vec<(u64, u64)> = intervals
            .iter()
            .filter(|interval| interval.answered.messages > 0)
            .map(|interval| (interval.from.as_nanos() / 1_000_000, interval.latency.len()))
            .collect();
        assert_eq!(counted, [(100, 1), (5_200, 1)]);
    }

    #[test]
    fn intervals_of_the_window_add_up_to_it() {
        let timeline = Timeline::new(at(0), Duration::from_millis(70), Duration::from_millis(450));
        let mut tally = Tally::new(timeline, at(0), Totals::new());
        let mut measured = 0;
        for ms in 0..700 {
            while let Some(interval) = tally.pop_interval(at(ms)) {
                if timeline.phase(interval.from) == Phase::Measured {
                    measured += interval.sent.messages;
                }
            }
            tally.sent(at(ms), 1, 1);
        }
        assert_eq!((measured, tally.totals.sent.messages), (450, 450));
    }
}
