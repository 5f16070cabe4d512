//! What all rounds come to, and the forms in which it is shown: tables as text and Markdown, a page
//! with plots, and JSON, which can be read back.

mod floor;
mod growth;
mod html;
mod runs;
mod summary;
mod table;
mod tables;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

pub(crate) use self::runs::{Outcome, Runs};
use crate::machine::Machine;
use loadgen::workload::Case;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) made_at_unix_seconds: u64,
    pub(crate) machine: Machine,
    /// What was run to make it: one command, or several whose results were put together.
    pub(crate) commands: Vec<String>,
    /// Whom the others are measured against: in each case the first of these that takes part.
    pub(crate) baselines: Vec<String>,
    /// Length of a measured window, and of the load before it.
    pub(crate) seconds: f64,
    pub(crate) warmup: f64,
    pub(crate) cases: Vec<CaseResult>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct CaseResult {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) unit: String,
    pub(crate) results: Vec<Runs>,
}

impl CaseResult {
    /// Rounds of the contestant with the most.
    pub(crate) fn rounds(&self) -> usize {
        self.results.iter().map(|runs| runs.rounds.len()).max().unwrap_or(0)
    }

    /// The first of these that was measured; one without a remark is preferred.
    fn baseline(&self, names: &[String]) -> Option<&Runs> {
        let measured = |name: &String| {
            let mut runs = self.results.iter();
            runs.find(|runs| runs.contestant == *name && runs.outcome == Outcome::Measured)
        };
        let mut all = names.iter().filter_map(measured);
        let first = all.clone().next();
        all.find(|runs| runs.remark.is_none()).or(first)
    }

    /// Appends more rounds of the same case.
    fn append(&mut self, other: CaseResult) {
        let before = self.rounds();
        for runs in &mut self.results {
            runs.rounds.resize(before, None);
        }
        for more in other.results {
            let Some(runs) = self.results.iter_mut().find(|runs| runs.contestant == more.contestant) else {
                let mut rounds = vec![None; before];
                rounds.extend(more.rounds);
                self.results.push(Runs { rounds, ..more });
                continue;
            };
            runs.rounds.extend(more.rounds);
            runs.outcome = match (std::mem::replace(&mut runs.outcome, Outcome::Measured), more.outcome) {
                (failed @ Outcome::Failed { .. }, _) => failed,
                (_, Outcome::Failed { round, reason }) => Outcome::Failed { round: before + round, reason },
                (absent @ Outcome::Absent { .. }, Outcome::Absent { .. }) => absent,
                _ => Outcome::Measured,
            };
        }
    }
}

impl Report {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| shown.to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{shown} is not a result of compare --json"))
    }

    /// Puts what was measured elsewhere beside this: other cases, and more rounds of the same.
    pub(crate) fn append(&mut self, other: Report) -> Result<()> {
        ensure!(
            self.machine == other.machine,
            "made on different machines, and not to be compared: {} and {}",
            self.machine,
            other.machine
        );
        ensure!(
            (self.seconds, self.warmup) == (other.seconds, other.warmup),
            "made with different windows: {} s after {} s, and {} s after {} s",
            self.seconds,
            self.warmup,
            other.seconds,
            other.warmup
        );
        self.made_at_unix_seconds = self.made_at_unix_seconds.max(other.made_at_unix_seconds);
        for command in other.commands {
            if !self.commands.contains(&command) {
                self.commands.push(command);
            }
        }
        for more in other.cases {
            match self.cases.iter_mut().find(|result| result.case == more.case) {
                Some(result) => result.append(more),
                None => self.cases.push(more),
            }
        }
        self.cases.sort_by_key(|result| result.case.workload);
        Ok(())
    }

    /// Makes the summaries, to be called before it is shown.
    pub(crate) fn summarise(&mut self) {
        for result in &mut self.cases {
            let baseline = result.baseline(&self.baselines).cloned();
            for runs in &mut result.results {
                runs.summary = runs.summarized(baseline.as_ref());
            }
        }
    }

    /// Whether anybody erred.
    pub(crate) fn any_failed(&self) -> bool {
        let mut runs = self.cases.iter().flat_map(|result| &result.results);
        runs.any(|runs| matches!(runs.outcome, Outcome::Failed { .. }))
    }

    pub(crate) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use loadgen::workload::Measurement;

    use super::*;
    use loadgen::workload::Latency;
    use loadgen::workload::Workload;

    fn run(cpu_us: f64) -> Option<Measurement> {
        Some(Measurement {
            seconds: 1.0,
            units: 1000,
            server_cpu_seconds: cpu_us / 1e3,
            server_user_share: None,
            generator_cpu_seconds: 0.5,
            server_resident_bytes: 1 << 20,
            latency: Some(Latency { p50_us: 1.0, p90_us: 1.5, p99_us: 2.0, p999_us: 3.0, max_us: 4.0 }),
            idle: None,
            offered: None,
        })
    }

    fn runs(name: &str, rounds: Vec<Option<Measurement>>) -> Runs {
        Runs {
            contestant: name.into(),
            how: String::new(),
            floor: name.starts_with("floor"),
            remark: None,
            outcome: Outcome::Measured,
            summary: None,
            rounds,
        }
    }

    fn report(results: Vec<Runs>) -> Report {
        let mut report = Report {
            made_at_unix_seconds: 0,
            machine: Machine::this(),
            commands: vec![],
            baselines: vec!["nobody".into(), "base".into()],
            seconds: 1.0,
            warmup: 0.0,
            cases: vec![CaseResult { case: Case::new(Workload::Pingpong), unit: "message".into(), results }],
        };
        report.summarise();
        report
    }

    /// A machine that slows down for a round slows both: ratios are formed within the round.
    #[test]
    fn ratios_pair_rounds() {
        let base = runs("base", vec![run(10.0), run(20.0), run(40.0)]);
        let mine = runs("mine", vec![run(9.0), run(18.0), run(36.0)]);
        let cpu = mine.summarized(Some(&base)).unwrap().server_cpu_us_per_unit;
        assert!((cpu.value.median - 18.0).abs() < 1e-9);
        let ratio = cpu.ratio.unwrap();
        assert!((ratio.low - 0.9).abs() < 1e-9 && (ratio.high - 0.9).abs() < 1e-9);
    }

    #[test]
    fn one_that_failed_is_named_and_not_averaged() {
        let base = runs("base", vec![run(10.0); 3]);
        let mut mine = runs("mine", vec![run(1.0), None]);
        mine.outcome = Outcome::Failed { round: 2, reason: "byte 7 of 64".into() };
        let report = report(vec![base, mine]);
        assert!(report.any_failed());
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

    #[test]
    fn the_baseline_is_the_first_that_does_all_that_is_asked() {
        let mut less = runs("less", vec![run(10.0); 3]);
        less.remark = Some("does less".into());
        let result = report(vec![less, runs("whole", vec![run(10.0); 3])]).cases.remove(0);
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().copied().map(String::from).collect();
            result.baseline(&names).map(|runs| runs.contestant.clone())
        };
        assert_eq!(named(&["nobody", "less", "whole"]).as_deref(), Some("whole"));
        assert_eq!(named(&["less"]).as_deref(), Some("less"));
        assert_eq!(named(&["nobody"]), None);
    }

    #[test]
    fn ours_stands_beside_the_baseline_and_the_cheapest_floor() {
        let report = report(vec![
            runs("base", vec![run(10.0), run(20.0), run(40.0)]),
            runs("ours", vec![run(9.0), run(18.0), run(36.0)]),
            runs("floor-dear", vec![run(9.5), run(19.0), run(38.0)]),
            runs("floor", vec![run(8.0), run(16.0), run(32.0)]),
        ]);
        let markdown = report.markdown();
        let row = markdown.lines().find(|line| line.contains("base | floor |")).unwrap_or_else(|| panic!("{markdown}"));
        for ratio in ["0.800 [0.800, 0.800]", "0.900 [0.900, 0.900]", "1.125 [1.125, 1.125]"] {
            assert!(row.contains(ratio), "{row}");
        }
    }

    #[test]
    fn a_written_report_reads_back() {
        let mut failed = runs("failed", vec![run(1.0), None]);
        failed.outcome = Outcome::Failed { round: 2, reason: "why".into() };
        let report = report(vec![runs("base", vec![run(10.0); 3]), failed]);
        let json = report.json().unwrap();
        let mut again: Report = serde_json::from_str(&json).unwrap();
        again.summarise();
        assert_eq!(again.json().unwrap(), json);
    }

    #[test]
    fn appended_rounds_keep_their_partners() {
        let mut first = report(vec![runs("base", vec![run(10.0); 2]), runs("early", vec![run(5.0); 2])]);
        let second = report(vec![runs("late", vec![run(30.0); 3]), runs("base", vec![run(20.0); 3])]);
        first.append(second).unwrap();
        first.summarise();
        let [result] = &first.cases[..] else { panic!("the same case twice") };
        assert_eq!(result.rounds(), 5);
        let ratio = |name: &str| {
            let runs = result.results.iter().find(|runs| runs.contestant == name).unwrap();
            let ratio = runs.summary.as_ref().unwrap().server_cpu_us_per_unit.ratio.unwrap();
            assert_eq!(ratio.low, ratio.high);
            ratio.median
        };
        assert_eq!((ratio("base"), ratio("early"), ratio("late")), (1.0, 0.5, 1.5));
    }

    #[test]
    fn a_failure_in_any_part_is_one_of_the_whole_and_names_its_round() {
        let mut first = report(vec![runs("mine", vec![run(10.0); 2])]);
        let mut failing = runs("mine", vec![None]);
        failing.outcome = Outcome::Failed { round: 1, reason: "why".into() };
        first.append(report(vec![failing])).unwrap();
        first.append(report(vec![runs("mine", vec![run(10.0); 2])])).unwrap();
        assert_eq!(first.cases[0].results[0].outcome, Outcome::Failed { round: 3, reason: "why".into() });
    }

    #[test]
    fn results_of_another_machine_or_window_are_not_mixed_in() {
        let mut other = report(vec![]);
        other.machine.kernel = "another".into();
        assert!(report(vec![]).append(other).is_err());
        let mut other = report(vec![]);
        other.seconds = 2.0;
        assert!(report(vec![]).append(other).is_err());
    }
}
