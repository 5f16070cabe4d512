//! What all rounds come to: medians, ratios against the baseline, and the tables that show them.

mod table;

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::statistics::{Estimate, estimate, median};
use crate::workload::Case;
use table::Table;

pub(crate) struct Report {
    pub(crate) made_at_unix_seconds: u64,
    pub(crate) machine: Machine,
    pub(crate) command: String,
    pub(crate) baseline: String,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) warmup: f64,
    /// Names, and how each is written.
    pub(crate) contestants: Vec<(String, String)>,
    pub(crate) cases: Vec<CaseResult>,
}

pub(crate) struct CaseResult {
    pub(crate) case: Case,
    pub(crate) runs: Vec<Runs>,
}

/// One contestant's rounds of one case.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    pub(crate) contestant: String,
    pub(crate) outcome: Outcome,
    /// Round by round, up to the one that failed.
    pub(crate) rounds: Vec<Option<Measurement>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Measured,
    /// Erred: reported, and nothing of it averaged.
    Failed {
        round: usize,
        reason: String,
    },
    Absent {
        reason: String,
    },
}

/// A quantity over all rounds, alone and against the baseline.
#[derive(Clone, Debug, Serialize)]
struct Metric {
    median: f64,
    /// Of the ratios within each round.
    ratio: Option<Estimate>,
}

#[derive(Clone, Debug, Serialize)]
struct Summary {
    server_cpu_us_per_message: Metric,
    messages_per_second: Metric,
    p50_us: Metric,
    p99_us: Metric,
    p999_us: Metric,
    /// Part of the window in which the server was on its core.
    server_busy: f64,
    /// Part of the window in which the generator was on its core.
    generator_busy: f64,
    server_resident_bytes: f64,
}

impl Summary {
    /// Of a contestant that went through all rounds; none otherwise.
    fn of(runs: &Runs, baseline: Option<&Runs>) -> Option<Self> {
        if runs.outcome != Outcome::Measured {
            return None;
        }
        let baseline = baseline.filter(|baseline| baseline.outcome == Outcome::Measured);
        let median_of = |value: fn(&Measurement) -> f64| {
            let values: Vec<f64> = runs.rounds.iter().flatten().map(value).collect();
            median(&values)
        };
        let metric = |value: fn(&Measurement) -> f64| {
            let ratio = baseline.and_then(|baseline| {
                let pairs = runs.rounds.iter().zip(&baseline.rounds);
                let ratios: Vec<f64> =
                    pairs.filter_map(|(ours, theirs)| Some(value(ours.as_ref()?) / value(theirs.as_ref()?))).collect();
                estimate(&ratios)
            });
            Some(Metric { median: median_of(value)?, ratio })
        };
        Some(Self {
            server_cpu_us_per_message: metric(Measurement::cpu_us_per_message)?,
            messages_per_second: metric(Measurement::messages_per_second)?,
            p50_us: metric(|run| run.latency.p50_us)?,
            p99_us: metric(|run| run.latency.p99_us)?,
            p999_us: metric(|run| run.latency.p999_us)?,
            server_busy: median_of(Measurement::server_busy)?,
            generator_busy: median_of(Measurement::generator_busy)?,
            server_resident_bytes: median_of(|run| run.server_resident_bytes as f64)?,
        })
    }
}

impl CaseResult {
    fn summaries(&self, baseline: &str) -> Vec<(&Runs, Option<Summary>)> {
        let baseline = self.runs.iter().find(|runs| runs.contestant == baseline);
        let runs = self.runs.iter();
        runs.map(|runs| (runs, Summary::of(runs, baseline))).collect()
    }
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for result in &self.cases {
            let (table, remarks) = self.table(result);
            _ = write!(text, "\n{}\n{}", result.case, table.text());
            for remark in remarks {
                _ = writeln!(text, "{remark}");
            }
        }
        _ = write!(text, "\n{}\n", self.legend());
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("# Comparison\n");
        let Machine { processor, cores, kernel, architecture } = &self.machine;
        _ = write!(text, "\n`{}`\n\n{processor}, {cores} cores, {architecture}, {kernel}.\n", self.command);
        for result in &self.cases {
            let (table, remarks) = self.table(result);
            _ = write!(text, "\n## {}\n\n{}", result.case, table.markdown());
            for remark in remarks {
                _ = write!(text, "\n- {remark}");
            }
            text.push('\n');
        }
        _ = write!(text, "\n{}\n\n## Contestants\n\n", self.legend());
        for (name, how) in &self.contestants {
            _ = writeln!(text, "- **{name}**: {how}");
        }
        text
    }

    pub(crate) fn json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Row<'a> {
            contestant: &'a str,
            #[serde(flatten)]
            outcome: &'a Outcome,
            summary: Option<Summary>,
            rounds: &'a [Option<Measurement>],
        }
        #[derive(Serialize)]
        struct CaseRows<'a> {
            #[serde(flatten)]
            case: Case,
            results: Vec<Row<'a>>,
        }
        #[derive(Serialize)]
        struct Described<'a> {
            name: &'a str,
            how: &'a str,
        }
        #[derive(Serialize)]
        struct Document<'a> {
            made_at_unix_seconds: u64,
            machine: &'a Machine,
            command: &'a str,
            baseline: &'a str,
            rounds: usize,
            seconds: f64,
            warmup: f64,
            contestants: Vec<Described<'a>>,
            cases: Vec<CaseRows<'a>>,
        }
        let cases = self.cases.iter().map(|result| CaseRows {
            case: result.case,
            results: result
                .summaries(&self.baseline)
                .into_iter()
                .map(|(runs, summary)| Row {
                    contestant: &runs.contestant,
                    outcome: &runs.outcome,
                    summary,
                    rounds: &runs.rounds,
                })
                .collect(),
        });
        let document = Document {
            made_at_unix_seconds: self.made_at_unix_seconds,
            machine: &self.machine,
            command: &self.command,
            baseline: &self.baseline,
            rounds: self.rounds,
            seconds: self.seconds,
            warmup: self.warmup,
            contestants: self.contestants.iter().map(|(name, how)| Described { name, how }).collect(),
            cases: cases.collect(),
        };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    /// The rows of those that were measured, and a remark for each of the others.
    fn table(&self, result: &CaseResult) -> (Table, Vec<String>) {
        let against = format!("×{} [95 %]", self.baseline);
        let mut table = Table::new(&[
            "contestant",
            "CPU µs/msg",
            &against,
            "msg/s",
            &against,
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "server",
            "generator",
            "RSS MiB",
        ]);
        let mut remarks = Vec::new();
        for (runs, summary) in result.summaries(&self.baseline) {
            let name = &runs.contestant;
            let is_baseline = *name == self.baseline;
            match (&runs.outcome, summary) {
                (Outcome::Failed { round, reason }, _) => {
                    remarks.push(format!("{name}: FAILED in round {round}: {reason}"));
                }
                (Outcome::Absent { reason }, _) => remarks.push(format!("{name}: {reason}")),
                (Outcome::Measured, None) => remarks.push(format!("{name}: nothing measured")),
                (Outcome::Measured, Some(summary)) => table.row(vec![
                    name.clone(),
                    format!("{:.3}", summary.server_cpu_us_per_message.median),
                    ratio(&summary.server_cpu_us_per_message, is_baseline),
                    format!("{:.0}", summary.messages_per_second.median),
                    ratio(&summary.messages_per_second, is_baseline),
                    format!("{:.0}", summary.p50_us.median),
                    format!("{:.0}", summary.p99_us.median),
                    format!("{:.0}", summary.p999_us.median),
                    format!("{:.0} %", summary.server_busy * 100.0),
                    format!("{:.0} %", summary.generator_busy * 100.0),
                    format!("{:.1}", summary.server_resident_bytes / f64::from(1 << 20)),
                ]),
            }
        }
        (table, remarks)
    }

    fn legend(&self) -> String {
        format!(
            "Medians of {} interleaved rounds of {} s each, after {} s of warm-up. Ratios are medians of the ratios within \
             each round, with their 95 % bootstrap interval; ~ marks one wider than ±5 % or of fewer than three \
             rounds: undecided. server and generator: part of the window that each was on its core.",
            self.rounds, self.seconds, self.warmup
        )
    }
}

fn ratio(metric: &Metric, is_baseline: bool) -> String {
    match metric.ratio {
        None => "–".into(),
        Some(_) if is_baseline => "1".into(),
        Some(Estimate { median, low, high, decided }) => {
            let mark = if decided { "" } else { " ~" };
            format!("{median:.3} [{low:.3}, {high:.3}]{mark}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Latency;
    use crate::workload::Workload;

    fn run(cpu_us: f64) -> Option<Measurement> {
        Some(Measurement {
            seconds: 1.0,
            messages: 1000,
            server_cpu_seconds: cpu_us / 1e3,
            server_user_share: None,
            generator_cpu_seconds: 0.5,
            server_resident_bytes: 1 << 20,
            latency: Latency { p50_us: 1.0, p99_us: 2.0, p999_us: 3.0, max_us: 4.0 },
        })
    }

    fn runs(name: &str, rounds: Vec<Option<Measurement>>) -> Runs {
        Runs { contestant: name.into(), outcome: Outcome::Measured, rounds }
    }

    fn report(runs: Vec<Runs>) -> Report {
        Report {
            made_at_unix_seconds: 0,
            machine: Machine::this(),
            command: String::new(),
            baseline: "base".into(),
            rounds: 3,
            seconds: 1.0,
            warmup: 0.0,
            contestants: vec![],
            cases: vec![CaseResult { case: Case { workload: Workload::Pingpong, connections: 1, size: 64 }, runs }],
        }
    }

    /// A machine that slows down for a round slows both: ratios are formed within the round.
    #[test]
    fn ratios_pair_rounds() {
        let base = runs("base", vec![run(10.0), run(20.0), run(40.0)]);
        let mine = runs("mine", vec![run(9.0), run(18.0), run(36.0)]);
        let metric = Summary::of(&mine, Some(&base)).unwrap().server_cpu_us_per_message;
        assert!((metric.median - 18.0).abs() < 1e-9);
        let ratio = metric.ratio.unwrap();
        assert!((ratio.low - 0.9).abs() < 1e-9 && (ratio.high - 0.9).abs() < 1e-9);
    }

    #[test]
    fn one_that_failed_is_named_and_not_averaged() {
        let base = runs("base", vec![run(10.0); 3]);
        let mut mine = runs("mine", vec![run(1.0), None]);
        mine.outcome = Outcome::Failed { round: 2, reason: "byte 7 of 64".into() };
        let report = report(vec![base, mine]);
        for shown in [report.text(), report.markdown()] {
            assert!(shown.contains("mine: FAILED in round 2: byte 7 of 64"));
            assert!(!shown.contains("1.000"), "{shown}");
        }
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        let mine = &json["cases"][0]["results"][1];
        assert_eq!(mine["outcome"], "failed");
        assert!(mine["summary"].is_null());
    }

    #[test]
    fn without_the_baseline_there_are_values_but_no_ratios() {
        let report = report(vec![runs("mine", vec![run(10.0); 3])]);
        assert!(report.text().contains("10.000"));
        assert!(report.text().contains('–'));
    }
}
