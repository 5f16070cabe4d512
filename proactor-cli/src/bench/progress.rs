//! The progress line on standard error: updated in place on a terminal, one line below the other
//! elsewhere.

use std::io::{IsTerminal, Write, stderr};

use loadgen::echo::figures::{counted, grouped, rate, time};
use loadgen::echo::record::Record;
use loadgen::echo::run::Progress;
use loadgen::echo::timeline::Phase;

pub(super) struct Line {
    is_quiet: bool,
    in_place: bool,
    /// Characters of the line on the terminal.
    shown: usize,
    /// Intervals that the last line covered.
    told: usize,
}

impl Line {
    pub(super) fn new(is_quiet: bool) -> Line {
        let in_place = stderr().is_terminal();
        Line { is_quiet, in_place, shown: 0, told: 0 }
    }

    fn say(&mut self, line: &str) {
        if self.is_quiet {
            return;
        }
        let length = line.chars().count();
        let mut stderr = stderr().lock();
        // A closed standard error is no reason to stop.
        let _ = match self.in_place {
            true => write!(stderr, "\r{line}{}", " ".repeat(self.shown.saturating_sub(length))),
            false => writeln!(stderr, "{line}"),
        };
        let _ = stderr.flush();
        self.shown = length;
    }
}

impl Progress for Line {
    fn connecting(&mut self, made: usize, wanted: usize, faults: u64) {
        self.say(&format!("connecting: {made} of {wanted}, {}", counted(faults, "error")));
    }

    fn running(&mut self, seconds: f64, connections: usize, record: &Record) {
        let new = &record.points[self.told..];
        self.told = record.points.len();
        let (messages, took) =
            new.iter().fold((0, 0.0), |(messages, took), point| (messages + point.answered, took + point.seconds));
        let per_second = messages as f64 / f64::max(took, 1e-9);
        let quantile = |q| match record.so_far.is_empty() {
            true => "-".to_owned(),
            false => time(record.so_far.value_at_quantile(q) as f64 / 1e3),
        };
        let phase = match record.phase() {
            Phase::WarmUp => " (warm-up)",
            Phase::Measured => "",
            Phase::After => " (what is under way)",
        };
        self.say(&format!(
            "{seconds:4.0} s{phase}  {} connections  {} msg/s  so far p50 {}, p99 {}  {}",
            grouped(connections as u64),
            rate(per_second),
            quantile(0.5),
            quantile(0.99),
            counted(record.faults_in_all(), "error")
        ));
    }

    fn clear(&mut self) {
        if self.in_place && self.shown > 0 {
            let mut stderr = stderr().lock();
            let _ = write!(stderr, "\r{}\r", " ".repeat(self.shown));
            let _ = stderr.flush();
            self.shown = 0;
        }
    }
}
