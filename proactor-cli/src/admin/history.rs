//! The last hour of a server, a moment every two seconds: what the live page plots.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use proactor::metrics::Totals;
use proactor::{Handle, Stats};
use serde::Serialize;

use crate::system;

pub(super) const STEP: Duration = Duration::from_secs(2);
/// An hour.
const MOST_MOMENTS: usize = 1_800;

/// Counts by reason.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// What was at a moment, and what was counted since the one before.
struct Moment {
    time: u64,
    seconds: f64,
    sessions: u64,
    handshakes: u64,
    queued_bytes: u64,
    memory_bytes: u64,
    accepted: u64,
    received_bytes: u64,
    sent_bytes: u64,
    received_packets: u64,
    sent_packets: u64,
    slow_consumers: u64,
    dropped_packets: u64,
    turn_mean: f64,
    turn_99th: f64,
    refused: Counts,
    closed: Counts,
}

/// What was counted up to the last moment.
struct Counted {
    at: Instant,
    stats: Stats,
    totals: Totals,
}

#[derive(Default)]
pub(super) struct History {
    moments: VecDeque<Moment>,
    /// How many there have been.
    taken: u64,
    before: Option<Counted>,
}

/// Moments as columns: rates are per second, times in seconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Columns {
    step_seconds: u64,
    /// The number of the moment after the last: what to ask for next.
    next: u64,
    time: Vec<u64>,
    sessions: Vec<u64>,
    handshakes: Vec<u64>,
    queued_bytes: Vec<u64>,
    memory_bytes: Vec<u64>,
    accepted: Vec<f64>,
    received_bytes: Vec<f64>,
    sent_bytes: Vec<f64>,
    received_packets: Vec<f64>,
    sent_packets: Vec<f64>,
    slow_consumers: Vec<f64>,
    dropped_packets: Vec<f64>,
    turn_mean: Vec<f64>,
    turn_99th: Vec<f64>,
    refused: BTreeMap<&'static str, Vec<f64>>,
    closed: BTreeMap<&'static str, Vec<f64>>,
}

impl History {
    /// Takes a moment, if it is time.
    pub(super) fn tick(&mut self, handle: &Handle) {
        if self.before.as_ref().is_none_or(|before| before.at.elapsed() >= STEP) {
            let now =
                Counted { at: Instant::now(), stats: handle.stats(), totals: handle.totals().unwrap_or_default() };
            self.take(now, system::resident_memory().unwrap_or(0));
        }
    }

    fn take(&mut self, now: Counted, memory_bytes: u64) {
        if let Some(before) = &self.before {
            if self.moments.len() == MOST_MOMENTS {
                self.moments.pop_front();
            }
            self.moments.push_back(Moment::between(before, &now, memory_bytes));
            self.taken += 1;
        }
        self.before = Some(now);
    }

    /// The moments from a number on.
    pub(super) fn since(&self, number: u64) -> Columns {
        let first = self.taken - self.moments.len() as u64;
        let skipped = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        let found: Vec<&Moment> = self.moments.iter().skip(skipped).collect();
        let mut columns = Columns { step_seconds: STEP.as_secs(), next: self.taken, ..Columns::default() };
        for moment in &found {
            columns.add(moment);
        }
        columns.refused = reasons(&found, |moment| &moment.refused);
        columns.closed = reasons(&found, |moment| &moment.closed);
        columns
    }
}

/// The reasons that there were, each at every moment.
fn reasons(moments: &[&Moment], counts: impl Fn(&Moment) -> &Counts) -> BTreeMap<&'static str, Vec<f64>> {
    let all = moments.iter().flat_map(|moment| counts(moment).keys().copied());
    let at = |moment: &Moment, label| rate(counts(moment).get(label).copied().unwrap_or(0), moment.seconds);
    all.map(|label| (label, moments.iter().map(|moment| at(moment, label)).collect())).collect()
}

/// Per second, to three digits.
fn rate(count: u64, seconds: f64) -> f64 {
    (count as f64 / seconds.max(1e-3) * 1e3).round() / 1e3
}

impl Columns {
    fn add(&mut self, moment: &Moment) {
        let rate = |count| rate(count, moment.seconds);
        self.time.push(moment.time);
        self.sessions.push(moment.sessions);
        self.handshakes.push(moment.handshakes);
        self.queued_bytes.push(moment.queued_bytes);
        self.memory_bytes.push(moment.memory_bytes);
        self.accepted.push(rate(moment.accepted));
        self.received_bytes.push(rate(moment.received_bytes));
        self.sent_bytes.push(rate(moment.sent_bytes));
        self.received_packets.push(rate(moment.received_packets));
        self.sent_packets.push(rate(moment.sent_packets));
        self.slow_consumers.push(rate(moment.slow_consumers));
        self.dropped_packets.push(rate(moment.dropped_packets));
        self.turn_mean.push(moment.turn_mean);
        self.turn_99th.push(moment.turn_99th);
    }
}

impl Moment {
    fn between(before: &Counted, now: &Counted, memory_bytes: u64) -> Moment {
        let (stats, totals) = (&now.stats, &now.totals);
        let more = |count: fn(&Totals) -> u64| count(totals).saturating_sub(count(&before.totals));
        let turns = more(|totals| totals.turns);
        let time = totals.turn_time.saturating_sub(before.totals.turn_time);
        let refused = |stats: &Stats| by_label(stats.refusals().map(|(refusal, count)| (refusal.label(), count)));
        let closed = |stats: &Stats| by_label(stats.closings().map(|(reason, count)| (reason.label(), count)));
        Moment {
            time: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            seconds: now.at.duration_since(before.at).as_secs_f64(),
            sessions: (stats.sessions + stats.outbound) as u64,
            handshakes: stats.handshakes as u64,
            queued_bytes: totals.queued_bytes,
            memory_bytes,
            accepted: stats.accepted.saturating_sub(before.stats.accepted),
            received_bytes: more(|totals| totals.received_bytes),
            sent_bytes: more(|totals| totals.sent_bytes),
            received_packets: more(|totals| totals.received_packets),
            sent_packets: more(|totals| totals.sent_packets),
            slow_consumers: more(|totals| totals.slow_consumers),
            dropped_packets: stats.dropped.saturating_sub(before.stats.dropped),
            turn_mean: if turns == 0 { 0.0 } else { time.as_secs_f64() / turns as f64 },
            turn_99th: percentile(&before.totals, totals),
            refused: gained(&refused(&before.stats), refused(stats)),
            closed: gained(&closed(&before.stats), closed(stats)),
        }
    }
}

/// Several faults of a header are one reason.
pub(super) fn by_label(counts: impl Iterator<Item = (&'static str, u64)>) -> Counts {
    counts.fold(Counts::new(), |mut sums, (label, count)| {
        *sums.entry(label).or_default() += count;
        sums
    })
}

/// What has come to counts.
fn gained(before: &Counts, now: Counts) -> Counts {
    let gain = |(label, count): (&'static str, u64)| {
        let gain = count.saturating_sub(before.get(label).copied().unwrap_or(0));
        (gain > 0).then_some((label, gain))
    };
    now.into_iter().filter_map(gain).collect()
}

/// The time under which 99 of 100 turns were, as exactly as it is counted: up to the bound of its
/// bucket. Turns over the last bound are said to be at that.
fn percentile(before: &Totals, now: &Totals) -> f64 {
    let earlier = before.turn_times().map(|(_, count)| count).chain(std::iter::repeat(0));
    let turns: Vec<(Option<Duration>, u64)> =
        now.turn_times().zip(earlier).map(|((bound, count), earlier)| (bound, count.saturating_sub(earlier))).collect();
    let all: u64 = turns.iter().map(|(_, count)| count).sum();
    let wanted = (all as f64 * 0.99).ceil() as u64;
    let (mut seen, mut upto) = (0, 0.0);
    for (bound, count) in turns {
        if seen >= wanted {
            break;
        }
        seen += count;
        upto = bound.map_or(upto, |bound| bound.as_secs_f64());
    }
    upto
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(at: Instant, accepted: u64, received_bytes: u64) -> Counted {
        let (mut stats, mut totals) = (Stats::default(), Totals::default());
        (stats.accepted, stats.sessions) = (accepted, accepted as usize);
        totals.received_bytes = received_bytes;
        Counted { at, stats, totals }
    }

    #[test]
    fn moments_are_rates_since_the_one_before_and_only_the_last_hour_is_kept() {
        let (start, mut history) = (Instant::now(), History::default());
        for number in 0..=2_000 {
            let accepted = number * 3 + u64::from(number == 2_000) * 5;
            history.take(counted(start + STEP * number as u32, accepted, number * 1_000), 7);
        }
        let all = history.since(0);
        assert_eq!((all.next, all.time.len(), all.memory_bytes[0]), (2_000, MOST_MOMENTS, 7));
        assert!(all.received_bytes.iter().all(|rate| *rate == 500.0));
        assert_eq!(all.accepted[..2], [1.5, 1.5]);
        assert_eq!(all.accepted.last(), Some(&4.0), "three, and five more, in two seconds");
        assert_eq!(all.sessions.last(), Some(&6_005));
        let last = history.since(1_998);
        assert_eq!((last.next, last.accepted), (2_000, vec![1.5, 4.0]));
        assert!(history.since(2_000).time.is_empty() && history.since(u64::MAX).time.is_empty());
    }

    #[test]
    fn reasons_have_a_number_at_every_moment() {
        let moment = |closed: &[(&'static str, u64)]| Moment {
            seconds: 2.0,
            closed: closed.iter().copied().collect(),
            ..Moment::between(&counted(Instant::now(), 0, 0), &counted(Instant::now(), 0, 0), 0)
        };
        let moments = [moment(&[]), moment(&[("by_peer", 4)]), moment(&[("idle", 2), ("by_peer", 1)])];
        let found = reasons(&moments.iter().collect::<Vec<_>>(), |moment| &moment.closed);
        assert_eq!(found, BTreeMap::from([("by_peer", vec![0.0, 2.0, 0.5]), ("idle", vec![0.0, 0.0, 1.0])]));
        let (before, now) = (BTreeMap::from([("idle", 2)]), BTreeMap::from([("idle", 2), ("reset", 1)]));
        assert_eq!(gained(&before, now), BTreeMap::from([("reset", 1)]));
    }
}
