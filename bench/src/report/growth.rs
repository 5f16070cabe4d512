//! Cases that differ in one number only: how a cost grows with that number.

use std::collections::BTreeMap;

use loadgen::plot::growth::{self, Line, Point};
use loadgen::workload::{Case, Workload};

use super::{CaseResult, Report};

/// From so many values on they are a series.
const LEAST_VALUES: usize = 3;

/// Cases of one workload that differ in one number.
pub(super) struct Series<'a> {
    pub(super) parameter: &'static str,
    /// By that number.
    pub(super) cases: BTreeMap<u64, &'a CaseResult>,
}

/// All series among these cases. A case may be part of several.
pub(super) fn series(cases: &[CaseResult]) -> Vec<Series<'_>> {
    let mut all: Vec<(Case, Series<'_>)> = Vec::new();
    for result in cases {
        for (parameter, value) in result.case.numbers() {
            // What the cases of a series have in common.
            let Ok(common) = result.case.with(parameter, 1) else { continue };
            let known = all.iter_mut().find(|(known, series)| *known == common && series.parameter == parameter);
            match known {
                Some((_, series)) => _ = series.cases.insert(value, result),
                None => all.push((common, Series { parameter, cases: BTreeMap::from([(value, result)]) })),
            }
        }
    }
    let series = all.into_iter().map(|(_, series)| series);
    series.filter(|series| series.cases.len() >= LEAST_VALUES).collect()
}

impl Series<'_> {
    fn first(&self) -> &CaseResult {
        self.cases.values().next().expect("a series has cases")
    }

    pub(super) fn workload(&self) -> Workload {
        self.first().case.workload
    }

    /// What is drawn, and against what.
    pub(super) fn title(&self) -> String {
        format!("Server CPU, µs per {}, by {}", self.first().unit, named(self.parameter))
    }

    /// The numbers that all its cases have.
    pub(super) fn common(&self) -> String {
        let case = self.first().case.with(self.parameter, 0);
        case.unwrap_or_else(|_| self.first().case.clone()).parameters_shown()
    }

    pub(super) fn plot(&self, report: &Report) -> String {
        let values: Vec<String> = self.cases.keys().map(|value| grouped(*value)).collect();
        let mut lines: Vec<Line> = Vec::new();
        for (place, result) in self.cases.values().enumerate() {
            for runs in &result.results {
                let Some(summary) = &runs.summary else { continue };
                let estimate = &summary.server_cpu_us_per_unit.value;
                let point = Point { place, cost: estimate.median, low: estimate.low, high: estimate.high };
                let number = report.number(&runs.contestant);
                match lines.iter_mut().find(|line| line.number == number) {
                    Some(line) => line.points.push(point),
                    None => lines.push(Line { number, points: vec![point] }),
                }
            }
        }
        growth::growth(&values, &lines)
    }
}

/// What a parameter counts.
fn named(parameter: &str) -> &str {
    match parameter {
        "idle" => "idle sessions",
        "size" => "bytes of a message",
        other => other,
    }
}

/// With thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(cases: &[&str]) -> Vec<CaseResult> {
        let result = |case: &&str| CaseResult { case: case.parse().unwrap(), unit: "message".into(), results: vec![] };
        cases.iter().map(result).collect()
    }

    #[test]
    fn cases_that_differ_in_one_number_are_a_series() {
        let cases = results(&[
            "pingpong:idle=100000",
            "pingpong:idle=0",
            "pingpong:idle=1000",
            "pingpong:idle=0,shards=2",
            "pingpong:idle=0,shards=4",
            "pingpong:idle=1000,size=1024",
            "churn:idle=1000",
        ]);
        let found = series(&cases);
        let found: Vec<_> =
            found.iter().map(|series| (series.parameter, series.cases.keys().copied().collect())).collect();
        assert_eq!(found, [("idle", vec![0, 1_000, 100_000]), ("shards", vec![0, 2, 4])]);
    }

    #[test]
    fn a_series_is_named_by_its_number_and_by_what_its_cases_have_in_common() {
        let cases = results(&["fanout:members=500", "fanout:members=5000", "fanout:members=100000"]);
        let found = series(&cases);
        let [series] = &found[..] else { panic!("{} series", found.len()) };
        assert_eq!(series.title(), "Server CPU, µs per message, by members");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert!(series.common().contains("100 bytes, 16 outstanding"), "{}", series.common());
    }
}
