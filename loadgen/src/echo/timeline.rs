//! The phases of a run (warm-up, measured window, after) and the intervals of its series.

use std::time::Duration;

use overlapped::Time;

/// Runs shorter than this are cut finer, so that their series has points.
const SHORT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    WarmUp,
    Measured,
    /// Nothing new is sent; what is under way is awaited, and still checked.
    After,
}

#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    begin: Time,
    pub from: Time,
    pub to: Time,
    interval: Duration,
}

impl Timeline {
    pub fn new(begin: Time, warmup: Duration, duration: Duration) -> Timeline {
        let from = begin + warmup;
        Timeline { begin, from, to: from + duration, interval: interval(warmup + duration) }
    }

    pub fn phase(&self, at: Time) -> Phase {
        match at {
            _ if at < self.from => Phase::WarmUp,
            _ if at < self.to => Phase::Measured,
            _ => Phase::After,
        }
    }

    /// It ends now instead, if it has not ended.
    pub fn cut(&mut self, now: Time) {
        self.to = self.to.min(now.max(self.begin));
        self.from = self.from.min(self.to);
    }

    /// The end of the interval around a moment. Intervals count from the start of the window in
    /// both directions, and none crosses an edge of the window.
    pub fn interval_end(&self, at: Time) -> Time {
        let step = self.interval.as_nanos() as u64;
        if at < self.from {
            let left = (self.from - at).as_nanos() as u64;
            return Time::from_nanos(self.from.as_nanos() - (left - 1) / step * step);
        }
        let end = self.from + Duration::from_nanos(((at - self.from).as_nanos() as u64 / step + 1) * step);
        if at < self.to { end.min(self.to) } else { end }
    }
}

/// How long the intervals of a run are.
pub fn interval(run: Duration) -> Duration {
    if run < SHORT { Duration::from_millis(100) } else { Duration::from_secs(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * MS)
    }

    #[test]
    fn phases_follow_each_other() {
        let mut timeline = Timeline::new(at(1_000), Duration::from_secs(1), Duration::from_secs(2));
        let phases = |timeline: &Timeline| [1_000, 1_999, 2_000, 3_999, 4_000].map(|ms| timeline.phase(at(ms)));
        use Phase::{After, Measured, WarmUp};
        assert_eq!(phases(&timeline), [WarmUp, WarmUp, Measured, Measured, After]);
        timeline.cut(at(3_000));
        assert_eq!(phases(&timeline), [WarmUp, WarmUp, Measured, After, After]);
        timeline.cut(at(3_500));
        assert_eq!(timeline.to, at(3_000), "what has ended stays so");
        timeline.cut(at(1_500));
        assert_eq!((timeline.from, timeline.to), (at(1_500), at(1_500)), "cut in the warm-up there is no window");
    }

    #[test]
    fn no_interval_lies_across_an_edge_of_the_window() {
        let timeline = Timeline::new(at(0), Duration::from_millis(250), Duration::from_millis(330));
        let mut ends = Vec::new();
        let mut now = at(0);
        while now < at(700) {
            now = timeline.interval_end(now);
            ends.push(now.as_nanos() / MS);
        }
        assert_eq!(ends, [50, 150, 250, 350, 450, 550, 580, 650, 750]);
    }

    #[test]
    fn long_runs_are_cut_into_seconds() {
        assert_eq!(interval(Duration::from_millis(9_999)), Duration::from_millis(100));
        assert_eq!(interval(SHORT), Duration::from_secs(1));
    }
}
