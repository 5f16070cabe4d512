//! The controller: which contestant runs when, and what becomes of one that fails.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::affinity;
use crate::contestant::{self, Contestant};
use crate::generate;
use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::report::{CaseResult, Outcome, Report, Runs};
use crate::workload::{Case, Workload};

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What is asked of the servers
    #[arg(long, value_enum, default_value_t = Workload::Pingpong)]
    workload: Workload,
    /// Rounds; in each, every contestant runs once for every number of connections and every size
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Numbers of connections
    #[arg(long, value_delimiter = ',', default_value = "64,512")]
    connections: Vec<usize>,
    /// Message sizes in bytes
    #[arg(long, value_delimiter = ',', default_value = "64")]
    size: Vec<usize>,
    /// Names of those that take part; all, if none is given
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<String>,
    /// A contestant of your own: prints `127.0.0.1:PORT` once it listens. May be repeated
    #[arg(long, value_name = "NAME=PROGRAM ARGUMENTS..")]
    command: Vec<String>,
    /// Whom the others are measured against
    #[arg(long, default_value = "tokio")]
    baseline: String,
    /// Length of a measured window in seconds
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Seconds of load before a window begins
    #[arg(long, default_value_t = 0.3)]
    warmup: f64,
    /// Core for the server
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core for the generator
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// Take the peers as they are built already
    #[arg(long)]
    no_build: bool,
    /// Write everything, every round included, to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the tables to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Runs all rounds and reports. The exit code tells whether every contestant that is built went through without
/// an error.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    check(options)?;
    affinity::raise_descriptor_limit()?;
    let extra = options.command.iter();
    let extra = extra.map(|text| contestant::from_command(text)).collect::<Result<_>>()?;
    let contestants = contestant::select(&options.contestants, extra)?;
    let absent = absent(&contestants, options);
    let present: Vec<usize> = (0..contestants.len()).filter(|&index| absent[index].is_none()).collect();
    ensure!(!present.is_empty(), "none of the contestants is built");

    let mut cases = cases(options, &contestants, &absent);
    for round in 0..options.rounds {
        for result in &mut cases {
            eprint!("round {}/{}: {}:", round + 1, options.rounds, result.case);
            for &index in &order(&present, round) {
                let contestant = &contestants[index];
                let runs = &mut result.runs[index];
                if runs.outcome != Outcome::Measured {
                    continue;
                }
                match measure(contestant, result.case, options) {
                    Ok(measurement) => {
                        let cpu = measurement.cpu_us_per_message();
                        eprint!(" {} {cpu:.2}", contestant.name);
                        runs.rounds.push(Some(measurement));
                    }
                    Err(error) => {
                        eprint!(" {} FAILED ({error:#})", contestant.name);
                        runs.rounds.push(None);
                        runs.outcome = Outcome::Failed { round: round + 1, reason: format!("{error:#}") };
                    }
                }
            }
            eprintln!();
        }
    }

    let failed = cases.iter().any(|result| {
        let mut runs = result.runs.iter();
        runs.any(|runs| matches!(runs.outcome, Outcome::Failed { .. }))
    });
    let report = Report {
        made_at_unix_seconds: SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs()),
        machine: Machine::this(),
        command: shown_command(),
        baseline: options.baseline.clone(),
        rounds: options.rounds,
        seconds: options.seconds,
        warmup: options.warmup,
        contestants: contestants.into_iter().map(|contestant| (contestant.name, contestant.how)).collect(),
        cases,
    };
    print!("{}", report.text());
    if let Some(path) = &options.markdown {
        fs::write(path, report.markdown()).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.json {
        fs::write(path, report.json()?).with_context(|| path.display().to_string())?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What can be known to go wrong before the first round, so that it does not go wrong after the last.
fn check(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "no rounds");
    ensure!(options.seconds > 0.0, "the measured window has to last some time");
    ensure!(options.server_core != options.generator_core, "server and generator each need a core of their own");
    affinity::only(options.server_core)?;
    affinity::only(options.generator_core)?;
    for path in options.json.iter().chain(&options.markdown) {
        let opened = File::options().create(true).append(true).open(path);
        opened.with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// For each contestant, why it cannot take part, if so.
fn absent(contestants: &[Contestant], options: &Options) -> Vec<Option<String>> {
    contestants
        .iter()
        .map(|contestant| {
            let built = if options.no_build { Ok(()) } else { contestant.build() };
            let error = built.and_then(|()| contestant.program()).err()?;
            eprintln!("{}: {error:#}", contestant.name);
            Some(format!("{error:#}"))
        })
        .collect()
}

fn cases(options: &Options, contestants: &[Contestant], absent: &[Option<String>]) -> Vec<CaseResult> {
    let runs: Vec<Runs> = contestants
        .iter()
        .zip(absent)
        .map(|(contestant, absent)| Runs {
            contestant: contestant.name.clone(),
            outcome: absent.clone().map_or(Outcome::Measured, |reason| Outcome::Absent { reason }),
            rounds: Vec::new(),
        })
        .collect();
    let mut cases = Vec::new();
    for &size in &options.size {
        for &connections in &options.connections {
            cases.push(CaseResult { case: Case { workload: options.workload, connections, size }, runs: runs.clone() });
        }
    }
    cases
}

/// Who runs after whom: rotated from round to round, and the other way about after each full turn, so that
/// everyone has every place and not always the same neighbour.
fn order(present: &[usize], round: usize) -> Vec<usize> {
    let mut order = present.to_vec();
    order.rotate_left(round % present.len());
    if (round / present.len()) % 2 == 1 {
        order.reverse();
    }
    order
}

/// One contestant, one window.
fn measure(contestant: &Contestant, case: Case, options: &Options) -> Result<Measurement> {
    let mut server = contestant.start(case.workload, options.server_core)?;
    let load = generate::Options {
        connect: server.address,
        server_pid: server.pid(),
        workload: case.workload,
        connections: case.connections,
        size: case.size,
        warmup: options.warmup,
        seconds: options.seconds,
        core: Some(options.generator_core),
    };
    let this = std::env::current_exe().context("finding this program")?;
    let output =
        Command::new(this).args(load.arguments()).stdin(Stdio::null()).output().context("starting the generator")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("bench: ");
        bail!("{said}{}", server.post_mortem());
    }
    serde_json::from_slice(&output.stdout).context("reading what the generator measured")
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
}
