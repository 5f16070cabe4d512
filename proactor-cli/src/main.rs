//! The `proactor` program.

#![forbid(unsafe_code)]

mod backend;
mod bench;
mod chat;
mod codec;
mod doctor;
mod echo;
mod proxy;
mod serving;
mod settings;
mod signals;
mod system;
mod values;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Overlapped (completion-based) I/O servers.
#[derive(Parser)]
#[command(
    name = "proactor",
    version,
    about,
    long_about = "Overlapped (completion-based) I/O servers.\n\nStart with `proactor echo` and talk to it with `nc 127.0.0.1 7777`, or start \
                  `proactor chat` and connect from several terminals. `proactor doctor` shows what this machine supports and why a server \
                  does not start."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Echo(echo::Echo),
    Chat(chat::Chat),
    Proxy(proxy::Proxy),
    Bench(bench::Bench),
    Doctor(doctor::Doctor),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .with_target(false)
        .init();
    let done = match arguments.command {
        Command::Echo(echo) => echo.run(),
        Command::Chat(chat) => chat.run(),
        Command::Proxy(proxy) => proxy.run(),
        Command::Bench(bench) => return bench.run(),
        Command::Doctor(doctor) => doctor.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("proactor: {problem}");
            match problem.is::<serving::DrainCut>() {
                true => ExitCode::from(serving::DrainCut::STATUS),
                false => ExitCode::FAILURE,
            }
        }
    }
}
