//! The controller: which contestant runs when, and what becomes of one that fails.

mod plan;

use std::fmt;
use std::fs::{self, File};
use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use loadgen::workload::{Case, Measurement, Setup, Workload, affinity};

use crate::contestant::{self, Contestant, Identity, Places, Workshop};
use crate::machine::Machine;
use crate::report::{CaseResult, Outcome, Report, Runs};
use crate::statistics;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    cases: plan::Chosen,
    /// Rounds; in each, every contestant runs once for every case
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Names of those that take part; all that serve the workload, if none is given
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<String>,
    /// Your own contestant. It must print `127.0.0.1:PORT` once it listens. Repeatable
    #[arg(long, value_name = "NAME=PROGRAM ARGUMENTS..")]
    command: Vec<String>,
    /// Another program started like a known contestant, such as an older build. Repeatable
    #[arg(long, value_name = "NAME=CONTESTANT:PROGRAM")]
    variant: Vec<String>,
    /// Whom the others are measured against: in each case the first of these that takes part
    #[arg(long, value_delimiter = ',', default_value = "tokio,tokio-util,tokio-http")]
    baseline: Vec<String>,
    /// Length of a measured window in seconds
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Seconds of load before a window begins
    #[arg(long, default_value_t = 0.3)]
    warmup: f64,
    /// For openloop: the closed-loop throughput that its load is a part of, in messages a second;
    /// measured with the baseline unless it is given
    #[arg(long, value_name = "PER SECOND")]
    rate: Option<f64>,
    /// Core for the server
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core for the generator
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// Take the peers as they are built already
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    places: Places,
    /// Measure nothing; merge and show earlier results. Rounds of the same case are joined
    #[arg(long, value_name = "JSON FILE", value_delimiter = ',')]
    from: Vec<PathBuf>,
    /// Write everything, every round included, to this file, after every round
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the tables to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write tables and plots to this file: a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Says how far it is, if that can be said. A run of an hour does not end because it cannot.
fn note(text: fmt::Arguments<'_>) {
    let _ = stderr().write_fmt(text);
}

/// Runs all rounds and reports. The exit code tells whether every contestant that is built went
/// through without an error.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    check(options)?;
    let mut report = if options.from.is_empty() { measure_all(options)? } else { read_all(options)? };
    report.summarise();
    if let Some(path) = &options.markdown {
        fs::write(path, report.markdown()).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.html {
        fs::write(path, report.html()).with_context(|| path.display().to_string())?;
    }
    write_json(&report, options)?;
    // Last: the files are written although nobody reads this.
    stdout().write_all(report.text().as_bytes()).context("standard output")?;
    Ok(if report.any_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Finds problems before the first round rather than after the last.
fn check(options: &Options) -> Result<()> {
    for path in options.json.iter().chain(&options.markdown).chain(&options.html) {
        let opened = File::options().create(true).append(true).open(path);
        opened.with_context(|| format!("cannot write {}", path.display()))?;
    }
    if options.from.is_empty() {
        ensure!(!options.baseline.is_empty(), "--baseline names nobody");
        ensure!(options.rounds > 0, "no rounds");
        ensure!(options.seconds > 0.0, "the measured window has to last some time");
        ensure!(options.server_core != options.generator_core, "server and generator each need a core of their own");
        affinity::only(options.server_core)?;
        affinity::only(options.generator_core)?;
    }
    Ok(())
}

fn read_all(options: &Options) -> Result<Report> {
    let mut report: Option<Report> = None;
    for path in &options.from {
        let next = Report::read(path)?;
        match &mut report {
            Some(report) => report.append(next).with_context(|| path.display().to_string())?,
            None => report = Some(Report { baselines: options.baseline.clone(), ..next }),
        }
    }
    report.context("--from names no file")
}

fn measure_all(options: &Options) -> Result<Report> {
    affinity::raise_descriptor_limit()?;
    let mut extra = Vec::new();
    for text in &options.command {
        extra.push(contestant::from_command(text)?);
    }
    for text in &options.variant {
        extra.push(contestant::from_variant(text)?);
    }
    let contestants = contestant::select(&options.contestants, extra)?;
    let cases = results(&options.cases.cases()?, &contestants, options);
    let ready = cases.iter().flat_map(|result| &result.results);
    ensure!(ready.clone().any(|runs| runs.outcome == Outcome::Measured), "none of the contestants is built");

    let mut report = Report {
        made_at_unix_seconds: SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs()),
        machine: Machine::this(),
        commands: vec![shown_command()],
        baselines: options.baseline.clone(),
        seconds: options.seconds,
        warmup: options.warmup,
        cases,
    };
    let is_over_tls = report.cases.iter().any(|result| result.case.is_over_tls());
    let identity = is_over_tls.then(Identity::make).transpose()?;
    let bench = Bench { contestants: &contestants, options, identity };
    let loads = bench.loads(&report.cases)?;
    let begun = Instant::now();
    let steps = options.rounds * report.cases.len();
    for round in 0..options.rounds {
        for (place, (result, load)) in report.cases.iter_mut().zip(&loads).enumerate() {
            let left = remaining(begun.elapsed(), round * loads.len() + place, steps);
            note(format_args!("round {}/{}{left}: {}:", round + 1, options.rounds, result.case));
            bench.round(result, load, round);
            note(format_args!("\n"));
        }
        write_json(&report, options)?;
    }
    Ok(report)
}

fn write_json(report: &Report, options: &Options) -> Result<()> {
    let Some(path) = &options.json else { return Ok(()) };
    fs::write(path, report.json()?).with_context(|| path.display().to_string())
}

/// The time left, once there is something to go by.
fn remaining(elapsed: Duration, done: usize, all: usize) -> String {
    if done == 0 {
        return String::new();
    }
    let left = elapsed.as_secs_f64() / done as f64 * (all - done) as f64;
    match left {
        ..90.0 => format!(", {left:.0} s left"),
        _ => format!(", {:.0} min left", left / 60.0),
    }
}

/// Every case with those who can take part in it, or not and why.
fn results(cases: &[Case], contestants: &[Contestant], options: &Options) -> Vec<CaseResult> {
    let mut workshop = Workshop::new(&options.places, !options.no_build);
    let mut said: Vec<String> = Vec::new();
    let mut runs = |contestant: &Contestant, case: &Case| {
        let offer = contestant.offer_for(case)?;
        let missing = offer.missing(&mut workshop);
        if let Some(reason) = &missing {
            let line = format!("{}: {reason}", contestant.name);
            if !said.contains(&line) {
                note(format_args!("{line}\n"));
                said.push(line);
            }
        }
        Some(Runs {
            contestant: contestant.name.clone(),
            how: offer.how.clone(),
            floor: contestant.floor,
            remark: contestant.remark(case.workload).map(String::from),
            outcome: missing.map_or(Outcome::Measured, |reason| Outcome::Absent { reason }),
            summary: None,
            rounds: Vec::new(),
        })
    };
    let results = cases.iter().map(|case| CaseResult {
        case: case.clone(),
        unit: case.workload.unit().into(),
        results: contestants.iter().filter_map(|contestant| runs(contestant, case)).collect(),
    });
    results.collect()
}

struct Bench<'a> {
    contestants: &'a [Contestant],
    options: &'a Options,
    /// What servers show over TLS.
    identity: Option<Identity>,
}

impl Bench<'_> {
    fn named(&self, name: &str) -> Option<&Contestant> {
        self.contestants.iter().find(|contestant| contestant.name == name)
    }

    /// The generator's case. A load relative to the baseline's throughput becomes a rate.
    fn loads(&self, cases: &[CaseResult]) -> Result<Vec<Case>> {
        let mut loads = Vec::new();
        let mut known: Vec<(Case, f64)> = Vec::new();
        for CaseResult { case, .. } in cases {
            let mut load = case.clone();
            if case.workload == Workload::Openloop && case.get("rate") == 0 {
                let mut pingpong = Case::new(Workload::Pingpong);
                for name in ["connections", "size", "websocket", "tls"] {
                    pingpong.set(name, case.get(name) as u64)?;
                }
                let full = match (self.options.rate, known.iter().find(|(known, _)| *known == pingpong)) {
                    (Some(full), _) | (None, Some(&(_, full))) => full,
                    (None, None) => self.throughput(&pingpong)?,
                };
                known.push((pingpong, full));
                let rate = full * case.get("load") as f64 / 100.0;
                note(format_args!("{case}: {rate:.0} messages a second\n"));
                load.set("rate", rate.max(1.0) as u64)?;
            }
            loads.push(load);
        }
        Ok(loads)
    }

    /// The baseline's closed-loop throughput in messages per second: the median of three windows.
    fn throughput(&self, pingpong: &Case) -> Result<f64> {
        let mut baselines = self.options.baseline.iter().filter_map(|name| self.named(name));
        let contestant = baselines
            .find(|contestant| contestant.offer_for(pingpong).is_some())
            .context("openloop asks for a part of what the baseline can do: let it take part, or give --rate")?;
        let measured = (0..3).map(|_| self.measure(contestant, pingpong).map(|run| run.units_per_second()));
        let measured = measured.collect::<Result<Vec<_>>>().with_context(|| contestant.name.clone())?;
        statistics::median(&measured).context("three windows have a median")
    }

    /// Everyone once.
    fn round(&self, result: &mut CaseResult, load: &Case, round: usize) {
        let present: Vec<usize> =
            (0..result.results.len()).filter(|&place| result.results[place].outcome == Outcome::Measured).collect();
        for place in order(&present, round) {
            let runs = &mut result.results[place];
            let contestant = self.named(&runs.contestant).expect("results are made for contestants");
            match self.measure(contestant, load) {
                Ok(measurement) => {
                    let shown = match &measurement.idle {
                        Some(idle) => format!("{:.0} B", idle.resident_bytes_per_session),
                        None => format!("{:.2}", measurement.cpu_us_per_unit()),
                    };
                    note(format_args!(" {} {shown}", contestant.name));
                    runs.rounds.push(Some(measurement));
                }
                Err(error) => {
                    note(format_args!(" {} FAILED ({error:#})", contestant.name));
                    runs.rounds.push(None);
                    runs.outcome = Outcome::Failed { round: round + 1, reason: format!("{error:#}") };
                }
            }
        }
    }

    /// One contestant, one window.
    fn measure(&self, contestant: &Contestant, case: &Case) -> Result<Measurement> {
        let options = self.options;
        let offer = contestant.offer_for(case).with_context(|| format!("does not serve {}", case.workload))?;
        let mut server = offer.start(&options.places, options.server_core, case, self.identity.as_ref())?;
        let load = Setup {
            connect: server.address,
            server_pid: server.pid(),
            case: case.clone(),
            warmup: options.warmup,
            seconds: options.seconds,
            core: Some(options.generator_core),
            tls_ca: self.identity.as_ref().map(Identity::certificate),
        };
        let this = std::env::current_exe().context("finding this program")?;
        let output = Command::new(this)
            .arg("generate")
            .args(load.arguments())
            .stdin(Stdio::null())
            .output()
            .context("starting the generator")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().trim_start_matches("bench: ");
            bail!("{said}{}", server.post_mortem());
        }
        serde_json::from_slice(&output.stdout).context("reading what the generator measured")
    }
}

/// Who runs after whom: rotated from round to round, and the other way about after each full turn,
/// so that everyone has every place and not always the same neighbour.
fn order(present: &[usize], round: usize) -> Vec<usize> {
    let mut order = present.to_vec();
    if order.is_empty() {
        return order;
    }
    order.rotate_left(round % present.len());
    if (round / present.len()) % 2 == 1 {
        order.reverse();
    }
    order
}

/// The command line, without the path of this program.
fn shown_command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo run --release -p bench -- {}", arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn everyone_has_every_place_equally_often() {
        for count in 1..6 {
            let present: Vec<usize> = (0..count).collect();
            let mut held = vec![vec![0; count]; count];
            for round in 0..2 * count {
                for (place, who) in order(&present, round).into_iter().enumerate() {
                    held[who][place] += 1;
                }
            }
            assert!(held.iter().flatten().all(|&times| times == 2), "{held:?}");
        }
    }

    #[test]
    fn nobody_always_follows_the_same_neighbour() {
        let followers: HashSet<usize> = (0..6)
            .flat_map(|round| {
                let order = order(&[0, 1, 2], round);
                let place = order.iter().position(|&who| who == 0).unwrap();
                order.get(place + 1).copied()
            })
            .collect();
        assert_eq!(followers, HashSet::from([1, 2]));
    }

    #[test]
    fn the_remaining_time_assumes_the_same_pace() {
        assert_eq!(remaining(Duration::from_secs(9), 0, 10), "");
        assert_eq!(remaining(Duration::from_secs(9), 3, 10), ", 21 s left");
        assert_eq!(remaining(Duration::from_secs(60), 1, 11), ", 10 min left");
    }
}
