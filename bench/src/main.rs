//! Runs servers side by side and says what each costs.
//!
//! `compare` is the controller: it starts each contestant as a process of its own, runs a generator (this
//! same program, `generate`) against it, and repeats that in interleaved rounds. See README.md.

mod affinity;
mod compare;
mod contestant;
mod cpu_clock;
mod generate;
mod machine;
mod measurement;
mod report;
mod statistics;
mod workload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Generate(generate::Options),
    /// Hold sessions for a generator of the workload idle, which starts it
    #[command(hide = true)]
    Hold(generate::HoldOptions),
    /// List the contestants, how each is written, and whether it is built
    Contestants(contestant::Places),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Compare(options) => compare::run(&options),
        Command::Generate(options) => generate::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Hold(options) => generate::hold(&options).map(|()| ExitCode::SUCCESS),
        Command::Contestants(places) => {
            contestant::list(&places);
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
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
