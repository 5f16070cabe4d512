//! The whole report in one table: a row for each case, ours against the baseline and against the
//! floor.

use super::table::Table;
use super::{CaseResult, Outcome, Report, Runs};
use loadgen::workload::Workload;

const OURS: [&str; 2] = ["ours", "ours-poll"];

impl Report {
    /// None unless a case has ours and another.
    pub(super) fn beside_the_floor(&self) -> Option<Table> {
        let mut header: Vec<String> = ["workload", "baseline", "floor", "floor × baseline"].map(String::from).into();
        for ours in OURS {
            header.extend([format!("{ours} × baseline"), format!("{ours} × floor")]);
        }
        let mut table = Table::new(header);
        let mut any = false;
        for result in &self.cases {
            let baseline = result.baseline(&self.baselines);
            let floor = result.floor();
            let name = |runs: Option<&Runs>| runs.map_or("–".into(), |runs| runs.contestant.clone());
            let mut cells = vec![result.case.to_string(), name(baseline), name(floor), ratio(floor, baseline)];
            for ours in OURS {
                let ours = result.measured(ours);
                any |= ours.is_some() && (baseline.is_some() || floor.is_some());
                cells.extend([ratio(ours, baseline), ratio(ours, floor)]);
            }
            table.row(cells);
        }
        any.then_some(table)
    }
}

impl CaseResult {
    fn measured(&self, name: &str) -> Option<&Runs> {
        self.results.iter().find(|runs| runs.contestant == name && runs.outcome == Outcome::Measured)
    }

    /// The cheapest of the bare loops.
    fn floor(&self) -> Option<&Runs> {
        let cost = |runs: &&Runs| {
            let cost = runs.summary.as_ref().map(|summary| summary.main().value.median);
            cost.unwrap_or(f64::INFINITY)
        };
        // A loop that keeps next to nothing for a session is no floor of what a session needs.
        let any = self.case.workload != Workload::Idle;
        let floors = self.results.iter().filter(|runs| any && runs.floor && runs.summary.is_some());
        floors.min_by(|one, other| cost(one).total_cmp(&cost(other)))
    }
}

/// Formed within the rounds in which both took part.
fn ratio(of: Option<&Runs>, to: Option<&Runs>) -> String {
    let (Some(of), Some(to)) = (of, to) else { return "–".into() };
    let summary = of.summarized(Some(to));
    match summary.as_ref().and_then(|summary| summary.main().ratio) {
        None => "–".into(),
        Some(_) if of.contestant == to.contestant => "1".into(),
        Some(estimate) => estimate.to_string(),
    }
}
