//! The tables of a report: which columns a workload has, what is said under them, and the pages
//! they make.

use std::fmt::Write;

use super::summary::{Quantity, Summary};
use super::table::Table;
use super::{CaseResult, Outcome, Report};
use loadgen::workload::Workload;

impl Report {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for result in &self.cases {
            _ = write!(text, "\n{} ({} rounds)\n{}", result.case, result.rounds(), self.table(result).text());
            for remark in result.remarks() {
                _ = writeln!(text, "{remark}");
            }
        }
        _ = write!(text, "\n{}\n", self.legend());
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("# Comparison\n\n");
        for command in &self.commands {
            _ = writeln!(text, "    {command}");
        }
        _ = write!(text, "\n{}.\n", self.machine);
        if let Some(table) = self.beside_the_floor() {
            _ = write!(
                text,
                "\nCPU of the server for a unit of work (for `idle`: its memory for a session), divided by another's. \
                 The floor is the cheapest bare loop of system calls, written for the work.\n\n{}",
                table.markdown()
            );
        }
        for result in &self.cases {
            _ = write!(text, "\n## {} ({} rounds)\n\n{}", result.case, result.rounds(), self.table(result).markdown());
            for remark in result.remarks() {
                _ = write!(text, "\n- {remark}");
            }
            text.push('\n');
        }
        _ = write!(text, "\n{}\n\n## Contestants\n\n", self.legend());
        for (name, hows) in self.contestants() {
            _ = writeln!(text, "- **{name}**: {}", hows.join("; "));
        }
        text
    }

    /// Everyone who took part, and how it is written: for each service a line of its own. One that
    /// is not in every case stands behind the one that it follows there.
    pub(super) fn contestants(&self) -> Vec<(&str, Vec<&str>)> {
        let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
        for result in &self.cases {
            let mut next = 0;
            for runs in result.results.iter().filter(|runs| !matches!(runs.outcome, Outcome::Absent { .. })) {
                let place = all.iter().position(|(name, _)| *name == runs.contestant).unwrap_or_else(|| {
                    all.insert(next, (&runs.contestant, Vec::new()));
                    next
                });
                if !all[place].1.contains(&&*runs.how) {
                    all[place].1.push(&runs.how);
                }
                next = place + 1;
            }
        }
        all
    }

    pub(super) fn legend(&self) -> String {
        format!(
            "Medians of interleaved rounds of {} s each, after {} s of warm-up. Ratios are medians of the ratios within each round, \
             with their 95 % bootstrap interval; ~ marks one wider than ±5 % or of fewer than three rounds: undecided. CPU is the \
             server's, user and system. server and generator: per cent of the window that each was on its core.",
            self.seconds, self.warmup
        )
    }

    /// The rows of those that were measured.
    pub(super) fn table(&self, result: &CaseResult) -> Table {
        let baseline = result.baseline(&self.baselines).map_or("baseline", |runs| &runs.contestant);
        let columns = columns(result, baseline);
        let headings =
            std::iter::once("contestant".to_owned()).chain(columns.iter().map(|(heading, _)| heading.clone()));
        let mut table = Table::new(headings.collect());
        for runs in &result.results {
            let Some(summary) = &runs.summary else { continue };
            let is_baseline = runs.contestant == baseline;
            let cells = columns.iter().map(|(_, cell)| cell(summary, is_baseline));
            table.row(std::iter::once(runs.contestant.clone()).chain(cells).collect());
        }
        table
    }
}

impl CaseResult {
    /// What the table does not say.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for runs in &self.results {
            let name = &runs.contestant;
            match (&runs.outcome, &runs.summary) {
                (Outcome::Failed { round, reason }, _) => {
                    remarks.push(format!("{name}: FAILED in round {round}: {reason}"));
                }
                (Outcome::Absent { reason }, _) => remarks.push(format!("{name}: {reason}")),
                (Outcome::Measured, None) => remarks.push(format!("{name}: nothing measured")),
                (Outcome::Measured, Some(summary)) => {
                    if let Some(offered) = summary.offered.as_ref().filter(|offered| offered.rounds_behind > 0) {
                        remarks.push(format!(
                            "{name}: did not keep up with {:.0} a second in {} of {} rounds",
                            offered.per_second, offered.rounds_behind, summary.rounds
                        ));
                    }
                    if let Some(remark) = &runs.remark {
                        remarks.push(format!("{name}: {remark}"));
                    }
                }
            }
        }
        remarks
    }
}

type Cell = Box<dyn Fn(&Summary, bool) -> String>;

/// A heading, and what stands under it.
fn columns(result: &CaseResult, baseline: &str) -> Vec<(String, Cell)> {
    let unit = match result.case.workload {
        Workload::Pingpong | Workload::Openloop => "msg",
        Workload::Churn => "conn",
        _ => &result.unit,
    };
    let against = format!("×{baseline} [95 %]");
    let mut columns: Vec<(String, Cell)> = Vec::new();
    let mut column = |heading: &str, cell: Cell| columns.push((heading.into(), cell));
    if result.case.workload == Workload::Idle {
        column(
            "bytes/session",
            optional(|summary| Some(summary.idle.as_ref()?.resident_bytes_per_session.value.median), 0),
        );
        column(&against, ratio(|summary| Some(&summary.idle.as_ref()?.resident_bytes_per_session)));
        column("PSS B/session", optional(|summary| summary.idle.as_ref()?.proportional_bytes_per_session, 0));
        column("kernel B/session", optional(|summary| summary.idle.as_ref()?.kernel_bytes_per_session, 0));
        column("CPU ms/s when quiet", optional(|summary| Some(summary.idle.as_ref()?.quiet_cpu_seconds * 1e3), 2));
    }
    if result.case.has("drain") && result.case.get("drain") > 0 {
        column("drain s", optional(|summary| Some(summary.idle.as_ref()?.drain.as_ref()?.seconds), 2));
        column(
            "drain µs/session",
            optional(|summary| Some(summary.idle.as_ref()?.drain.as_ref()?.cpu_us_per_session), 2),
        );
        column(
            "drained whole %",
            optional(|summary| Some(summary.idle.as_ref()?.drain.as_ref()?.whole_share * 100.0), 1),
        );
    }
    column(&format!("CPU µs/{unit}"), value(|summary| summary.server_cpu_us_per_unit.value.median, 3));
    column(&against, ratio(|summary| Some(&summary.server_cpu_us_per_unit)));
    column("user", optional(|summary| summary.server_user_us_per_unit, 3));
    column("system", optional(|summary| summary.server_system_us_per_unit, 3));
    column(&format!("{unit}/s"), value(|summary| summary.units_per_second.value.median, 0));
    if result.case.workload != Workload::Openloop {
        column(&against, ratio(|summary| Some(&summary.units_per_second)));
    }
    if result.case.workload != Workload::Idle {
        column("p50 µs", optional(|summary| Some(summary.latency.as_ref()?.p50_us), 0));
        column("p99 µs", optional(|summary| Some(summary.latency.as_ref()?.p99_us), 0));
        column("p99.9 µs", optional(|summary| Some(summary.latency.as_ref()?.p999_us), 0));
        column("server %", value(|summary| summary.server_busy * 100.0, 0));
        column("generator %", value(|summary| summary.generator_busy * 100.0, 0));
    }
    if result.case.workload == Workload::Openloop {
        column("left late p99 µs", optional(|summary| Some(summary.offered.as_ref()?.left_late_p99_us), 0));
    }
    column("RSS MiB", value(|summary| summary.server_resident_bytes / f64::from(1 << 20), 1));
    columns
}

fn value(of: fn(&Summary) -> f64, digits: usize) -> Cell {
    Box::new(move |summary, _| format!("{:.digits$}", of(summary)))
}

fn optional(of: fn(&Summary) -> Option<f64>, digits: usize) -> Cell {
    Box::new(move |summary, _| of(summary).map_or("–".into(), |value| format!("{value:.digits$}")))
}

fn ratio(of: fn(&Summary) -> Option<&Quantity>) -> Cell {
    Box::new(move |summary, is_baseline| match of(summary).and_then(|quantity| quantity.ratio) {
        None => "–".into(),
        Some(_) if is_baseline => "1".into(),
        Some(estimate) => estimate.to_string(),
    })
}
