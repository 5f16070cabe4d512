//! The results of a run, in full, as in the JSON. Text and page show a selection.

use std::time::{SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::fault::FaultKind;
use super::figures::{grouped, time};
use super::plan::Plan;
use super::record::{Faults, Point};
use super::run::{Ending, Outcome};
use super::script::{Content, Expected};
use super::timeline::interval;

/// Above this part of its cores in use, the generator may be what limits.
const BUSY: f64 = 0.9;

/// An open loop with as much left over as is due in so many seconds was not kept up with.
const BEHIND: f64 = 0.02;

/// An open loop that is later than this, of itself, does not keep its rhythm.
const LATE_US: f64 = 1_000.0;

#[derive(Debug, Serialize)]
pub struct Summary {
    pub program: String,
    pub command: String,
    pub made_at_unix_seconds: u64,
    pub target: String,
    pub address: String,
    pub system: String,
    pub backend: String,
    pub backend_why: String,
    pub settings: Settings,
    pub ending: Ending,
    /// Of the measured window.
    pub seconds: f64,
    pub connections: Connections,
    pub messages: Messages,
    pub bytes: Bytes,
    pub latency: Distribution,
    /// Up to which latency how many of the messages came.
    pub latency_curve: Vec<CurvePoint>,
    /// In an open loop: how late messages left when only the generator delayed them.
    pub lateness: Option<Distribution>,
    pub errors: Errors,
    pub generator: GeneratorUse,
    pub remarks: Vec<String>,
    pub series_interval_seconds: f64,
    pub series: Vec<Point>,
}

#[derive(Debug, Serialize)]
pub struct Settings {
    pub connections: usize,
    pub transport: &'static str,
    pub codec: String,
    pub message_bytes: usize,
    pub message: &'static str,
    pub answer: &'static str,
    pub pipeline: usize,
    /// Messages a second; absent in a closed loop.
    pub rate: Option<u64>,
    pub warmup_seconds: f64,
    pub duration_seconds: f64,
    pub timeout_seconds: f64,
    pub threads: usize,
    pub connecting_at_once: usize,
    pub connect_rate: Option<u64>,
    pub seed: u64,
}

#[derive(Debug, Serialize)]
pub struct Connections {
    pub asked: usize,
    /// Before the load began.
    pub made: usize,
    /// How long each took.
    pub connecting: Distribution,
}

#[derive(Debug, Serialize)]
pub struct Messages {
    pub sent: u64,
    pub answered: u64,
    pub answered_per_second: f64,
    /// Of the whole run: under way when it ended, or when their connection was lost.
    pub unanswered: u64,
    /// In an open loop: due within the window, and not sent by its end.
    pub unsent: u64,
}

/// With what the codec adds.
#[derive(Debug, Serialize)]
pub struct Bytes {
    pub sent: u64,
    pub received: u64,
    pub sent_per_second: f64,
    pub received_per_second: f64,
}

/// In microseconds.
#[derive(Debug, Serialize)]
pub struct Distribution {
    pub count: u64,
    pub mean_us: f64,
    pub stdev_us: f64,
    pub min_us: f64,
    pub p50_us: f64,
    pub p75_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct CurvePoint {
    pub percentile: f64,
    pub latency_us: f64,
    /// Messages that took no longer.
    pub count: u64,
}

#[derive(Debug, Serialize)]
pub struct Errors {
    pub in_all: u64,
    pub allowed: u64,
    pub kinds: Vec<Faults>,
}

#[derive(Debug, Serialize)]
pub struct GeneratorUse {
    pub threads: usize,
    /// Part of the time that its threads were on a core; absent where the system does not tell.
    pub busy: Option<f64>,
}

impl Distribution {
    fn of(histogram: &Histogram<u64>) -> Distribution {
        let us = |nanos: u64| nanos as f64 / 1e3;
        let quantile = |q| us(histogram.value_at_quantile(q));
        let any = !histogram.is_empty();
        Distribution {
            count: histogram.len(),
            mean_us: if any { histogram.mean() / 1e3 } else { 0.0 },
            stdev_us: if any { histogram.stdev() / 1e3 } else { 0.0 },
            min_us: us(histogram.min()),
            p50_us: quantile(0.5),
            p75_us: quantile(0.75),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            p9999_us: quantile(0.9999),
            max_us: us(histogram.max()),
        }
    }

    /// What is shown of it, by name.
    pub fn figures(&self) -> [(&'static str, f64); 7] {
        [
            ("min", self.min_us),
            ("p50", self.p50_us),
            ("p90", self.p90_us),
            ("p99", self.p99_us),
            ("p99.9", self.p999_us),
            ("p99.99", self.p9999_us),
            ("max", self.max_us),
        ]
    }
}

fn curve(histogram: &Histogram<u64>) -> Vec<CurvePoint> {
    let mut count = 0;
    let steps = histogram.iter_quantiles(5);
    steps
        .map(|step| {
            count += step.count_since_last_iteration();
            CurvePoint {
                percentile: step.quantile_iterated_to() * 100.0,
                latency_us: step.value_iterated_to().min(histogram.max()) as f64 / 1e3,
                count,
            }
        })
        .collect()
}

impl Summary {
    pub fn new(plan: &Plan, most_errors: u64, outcome: Outcome, system: String) -> Summary {
        let Outcome { ending, record, report, made, busy } = outcome;
        let errors_in_all = record.faults_in_all();
        let totals = record.totals;
        let seconds = totals.measured.as_secs_f64();
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut summary = Summary {
            program: format!("proactor {}", env!("CARGO_PKG_VERSION")),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            made_at_unix_seconds: now.as_secs(),
            target: plan.target.clone(),
            address: plan.address.to_string(),
            system,
            backend: report.backend.to_string(),
            backend_why: report.why,
            settings: Settings {
                connections: plan.connections,
                transport: if plan.tls.is_some() { "tls" } else { "plain" },
                codec: plan.codec.to_string(),
                message_bytes: plan.script.size,
                message: match plan.script.content {
                    Content::Random | Content::Printable => "random",
                    Content::Same(_) => "given",
                },
                answer: match plan.script.expected {
                    Expected::Echo => "echo",
                    Expected::Any => "any",
                },
                pipeline: plan.pipeline,
                rate: plan.rate,
                warmup_seconds: plan.warmup.as_secs_f64(),
                duration_seconds: plan.duration.as_secs_f64(),
                timeout_seconds: plan.timeout.as_secs_f64(),
                threads: plan.threads,
                connecting_at_once: plan.connecting,
                connect_rate: plan.connect_rate,
                seed: plan.script.seed,
            },
            ending,
            seconds,
            connections: Connections {
                asked: plan.connections,
                made,
                connecting: Distribution::of(&totals.connecting),
            },
            messages: Messages {
                sent: totals.sent.messages,
                answered: totals.answered.messages,
                answered_per_second: per_second(totals.answered.messages),
                unanswered: totals.unanswered,
                unsent: totals.unsent,
            },
            bytes: Bytes {
                sent: totals.sent.bytes,
                received: totals.answered.bytes,
                sent_per_second: per_second(totals.sent.bytes),
                received_per_second: per_second(totals.answered.bytes),
            },
            latency: Distribution::of(&totals.latency),
            latency_curve: curve(&totals.latency),
            lateness: plan.rate.map(|_| Distribution::of(&totals.lateness)),
            errors: Errors {
                in_all: errors_in_all,
                allowed: most_errors,
                kinds: record.faults.into_values().collect(),
            },
            generator: GeneratorUse { threads: plan.threads, busy },
            remarks: Vec::new(),
            series_interval_seconds: interval(plan.warmup + plan.duration).as_secs_f64(),
            series: record.points,
        };
        summary.remarks = summary.remark();
        summary
    }

    /// What one should know before believing the numbers.
    fn remark(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let so_far = match self.seconds {
            0.0 => "before anything was measured".to_owned(),
            seconds => {
                format!("after {seconds:.2} s of the {} s that were to be measured", self.settings.duration_seconds)
            }
        };
        match self.ending {
            Ending::Complete => {}
            Ending::Interrupted => remarks.push(format!("it was interrupted {so_far}")),
            Ending::TooManyErrors => remarks.push(format!(
                "there were more errors than --max-errors {} allows, so it was ended {so_far}",
                self.errors.allowed
            )),
            Ending::NoConnections => remarks.push(format!("no connection was left {so_far}")),
        }
        if self.errors.kinds.iter().any(|errors| errors.kind == FaultKind::WrongAnswer) {
            remarks.push(
                "an answer was wrong: the server must send every packet back unchanged, as `proactor echo` does, and have the --codec of this run; for others there is --answer any"
                    .to_owned(),
            );
        }
        let behind = |rate: u64| self.messages.unsent as f64 / rate as f64;
        if let Some(rate) = self.settings.rate.filter(|rate| behind(*rate) > BEHIND) {
            let lost = if self.errors.in_all > 0 { ", or their connections were lost" } else { "" };
            remarks.push(format!(
                "{} messages were due and not sent by the end, {:.1} s of them, because those before them were not answered in time{lost}: the server does not keep up with {} a \
                 second on these connections. They are not in the latencies, which would be longer still",
                grouped(self.messages.unsent),
                behind(rate),
                grouped(rate)
            ));
        }
        // An open loop may be busy just waiting for the next message, so its lateness decides.
        if let Some(busy) = self.generator.busy.filter(|busy| *busy > BUSY && self.settings.rate.is_none()) {
            remarks.push(format!(
                "this program used {:.0} % of its threads: it may be what limits, not the server; ask for more --threads, or run it on another machine",
                busy * 100.0
            ));
        }
        if let Some(late) = self.lateness.as_ref().filter(|late| late.p99_us > LATE_US) {
            remarks.push(format!(
                "one in a hundred messages left {} late or later although nothing held it up but this program, which is in the latencies: ask for more --threads, or a lower --rate",
                time(late.p99_us)
            ));
        }
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::histogram;
    use super::*;

    #[test]
    fn the_curve_ends_with_the_longest_and_counts_all() {
        let mut latencies = histogram();
        for us in 1..=10_000 {
            latencies.record(us * 1_000).unwrap();
        }
        let curve = curve(&latencies);
        let last = curve.last().unwrap();
        assert_eq!((last.percentile, last.count), (100.0, 10_000));
        assert_eq!(last.latency_us, Distribution::of(&latencies).max_us);
        assert!(
            curve
                .windows(2)
                .all(|pair| pair[0].latency_us <= pair[1].latency_us && pair[0].percentile <= pair[1].percentile)
        );
        let half = curve.iter().find(|point| point.percentile >= 50.0).unwrap();
        assert!((half.latency_us - 5_000.0).abs() < 10.0, "{half:?}");
    }

    #[test]
    fn nothing_is_zero() {
        let nothing = Distribution::of(&histogram());
        assert!(nothing.figures().iter().all(|(_, us)| *us == 0.0) && nothing.mean_us == 0.0);
        assert!(curve(&histogram()).len() <= 1);
    }
}
