//! Collects what the threads report: the series of intervals, faults by kind, and the window.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use overlapped::Time;
use serde::Serialize;

use super::fault::{Fault, FaultKind};
use super::tally::{Interval, Totals};
use super::timeline::{Phase, Timeline};

/// Faults of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Faults {
    pub kind: FaultKind,
    pub count: u64,
    /// What was said of the first.
    pub first: String,
}

/// One interval of all threads.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Seconds from the start of the window to the start of the interval; negative in the warm-up.
    pub at: f64,
    pub seconds: f64,
    /// Whether it is of the window.
    pub measured: bool,
    /// Connections that are open at its end.
    pub connections: usize,
    /// Faults within it.
    pub errors: u64,
    pub sent: u64,
    pub answered: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Of the messages answered in it; absent if there were none.
    pub p50_us: Option<f64>,
    pub p99_us: Option<f64>,
    pub max_us: Option<f64>,
}

pub struct Record {
    threads: usize,
    timeline: Option<Timeline>,
    /// By their begin: of how many threads they are, and what those counted.
    gathering: BTreeMap<Time, (usize, Interval)>,
    pub points: Vec<Point>,
    /// Latencies of the window so far, or of the warm-up before it; to two digits.
    pub so_far: Histogram<u32>,
    phase: Phase,
    pub faults: BTreeMap<FaultKind, Faults>,
    /// Faults that the points already count.
    faults_told: u64,
    pub(crate) totals: Totals,
}

impl Record {
    pub fn new(threads: usize) -> Record {
        Record {
            threads,
            timeline: None,
            gathering: BTreeMap::new(),
            points: Vec::new(),
            so_far: Interval::new(Time::ZERO, Time::ZERO).latency,
            phase: Phase::WarmUp,
            faults: BTreeMap::new(),
            faults_told: 0,
            totals: Totals::new(),
        }
    }

    pub fn begin(&mut self, timeline: Timeline) {
        self.timeline = Some(timeline);
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub fn fault(&mut self, fault: Fault) {
        let faults = self.faults.entry(fault.kind);
        faults.or_insert_with(|| Faults { kind: fault.kind, count: 0, first: fault.text }).count += 1;
    }

    pub fn faults_in_all(&self) -> u64 {
        self.faults.values().map(|faults| faults.count).sum()
    }

    /// An interval of one thread is over; `connections` are open.
    pub(crate) fn interval(&mut self, interval: Interval, connections: usize) {
        let from = interval.from;
        let (threads, gathered) = self.gathering.entry(from).or_insert_with(|| (0, Interval::new(from, interval.to)));
        *threads += 1;
        gathered.add(&interval);
        if *threads == self.threads
            && let Some((_, gathered)) = self.gathering.remove(&from)
        {
            self.point(&gathered, connections);
        }
    }

    pub(crate) fn ended(&mut self, totals: &Totals) {
        self.totals.add(totals);
    }

    /// All threads have ended.
    pub fn finish(&mut self, connections: usize) {
        for (_, (_, interval)) in std::mem::take(&mut self.gathering) {
            self.point(&interval, connections);
        }
    }

    fn point(&mut self, interval: &Interval, connections: usize) {
        let Some(timeline) = &self.timeline else { return };
        let phase = timeline.phase(interval.from);
        // What is left of an interval when nothing is under way any more.
        if phase == Phase::After && interval.answered.messages == 0 {
            return;
        }
        if phase == Phase::Measured && self.phase == Phase::WarmUp {
            self.so_far.reset();
        }
        self.phase = phase;
        self.so_far.add(&interval.latency).expect("all have the same bounds");
        let (any, us) = (!interval.latency.is_empty(), |nanos: u64| nanos as f64 / 1e3);
        let faults = self.faults_in_all();
        self.points.push(Point {
            at: (interval.from.as_nanos() as f64 - timeline.from.as_nanos() as f64) / 1e9,
            seconds: (interval.to - interval.from).as_secs_f64(),
            measured: phase == Phase::Measured,
            connections,
            errors: faults - self.faults_told,
            sent: interval.sent.messages,
            answered: interval.answered.messages,
            bytes_sent: interval.sent.bytes,
            bytes_received: interval.answered.bytes,
            p50_us: any.then(|| us(interval.latency.value_at_quantile(0.5))),
            p99_us: any.then(|| us(interval.latency.value_at_quantile(0.99))),
            max_us: any.then(|| us(interval.latency.max())),
        });
        self.faults_told = faults;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    fn interval(from: u64, answered: u64) -> Interval {
        let mut interval = Interval::new(at(from), at(from + 1));
        interval.answered.messages = answered;
        interval.latency.record_n(5_000_000, answered as u32).unwrap();
        interval
    }

    #[test]
    fn an_interval_is_a_point_when_all_threads_have_told_of_it() {
        let mut record = Record::new(2);
        record.begin(Timeline::new(at(10), Duration::from_secs(1), Duration::from_secs(2)));
        record.interval(interval(10, 1), 3);
        record.interval(interval(11, 2), 3);
        assert!(record.points.is_empty());
        record.interval(interval(10, 10), 3);
        assert_eq!((record.so_far.len(), record.phase()), (11, Phase::WarmUp));
        record.fault(Fault::new(FaultKind::Reset, "first"));
        record.fault(Fault::new(FaultKind::Reset, "second"));
        record.interval(interval(11, 20), 1);
        assert_eq!((record.so_far.len(), record.phase()), (22, Phase::Measured), "the warm-up counts no more");
        record.interval(interval(12, 5), 1);
        record.finish(1);
        let points: Vec<_> = record.points.iter().map(|p| (p.at, p.measured, p.answered, p.errors)).collect();
        assert_eq!(points, [(-1.0, false, 11, 0), (0.0, true, 22, 2), (1.0, true, 5, 0)]);
        let faults = &record.faults[&FaultKind::Reset];
        assert_eq!((faults.count, &*faults.first), (2, "first"));
    }
}
