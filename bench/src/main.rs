//! Runs servers side by side and says what each costs.
//!
//! `compare` is the controller: it starts each contestant as a process of its own, runs a generator
//! (this same program, `generate`) against it, and repeats that in interleaved rounds. See
//! README.md.

mod compare;
mod contestant;
mod machine;
mod report;
mod statistics;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use loadgen::workload::{self, HoldOptions, Setup};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare contestants in interleaved rounds
    Compare(Box<compare::Options>),
    /// Load one server that runs already and print one measurement as JSON
    Generate(Setup),
    /// Hold sessions for a generator of the workload idle, which starts it
    #[command(hide = true)]
    Hold(HoldOptions),
    /// List the contestants, how each is written, and whether it is built
    Contestants(contestant::Places),
}

/// Prints one measurement as a line of JSON on standard output.
fn generate(setup: &Setup) -> Result<()> {
    let line = serde_json::to_string(&workload::measure(setup)?)?;
    writeln!(stdout(), "{line}").context("standard output")
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Compare(options) => compare::run(&options),
        Command::Generate(options) => generate(&options).map(|()| ExitCode::SUCCESS),
        Command::Hold(options) => workload::hold(&options).map(|()| ExitCode::SUCCESS),
        Command::Contestants(places) => {
            let printed = stdout().write_all(contestant::list(&places).as_bytes());
            printed.context("standard output").map(|()| ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(stderr(), "bench: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_without_contradiction() {
        Cli::command().debug_assert();
    }
}
