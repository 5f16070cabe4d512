//! The `proactor` program.

#![forbid(unsafe_code)]

#[cfg(feature = "admin")]
mod admin;
#[cfg(not(feature = "admin"))]
#[path = "admin/none.rs"]
mod admin;
#[cfg(any(unix, feature = "admin"))]
mod answering;
#[cfg(feature = "admin")]
mod ask;
mod backend;
mod bench;
#[cfg(all(test, any(unix, feature = "admin")))]
mod blocked;
#[cfg(feature = "tls")]
mod by_name;
mod chat;
#[cfg(feature = "cluster")]
mod cluster;
mod codec;
mod completions;
mod config;
#[cfg(feature = "tls")]
mod dev_cert;
mod doctor;
mod echo;
mod flight;
#[cfg(feature = "tls")]
mod hello;
mod inherited;
mod left_out;
mod life;
mod limits;
mod listeners;
mod logging;
mod manual;
mod meant;
#[cfg(unix)]
mod notify;
#[cfg(not(unix))]
#[path = "notify/none.rs"]
mod notify;
mod pid_file;
mod printing;
mod proxied;
mod proxy;
mod reloading;
mod room;
#[cfg(feature = "tls")]
mod routing;
mod serving;
mod setting;
mod settings;
mod summary;
mod system;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "top")]
mod top;
#[cfg(feature = "otel")]
mod traces;
#[cfg(not(feature = "otel"))]
#[path = "traces/none.rs"]
mod traces;
mod upgrade;
mod values;
#[cfg(feature = "http")]
mod web_pages;
#[cfg(feature = "websocket")]
mod websocket;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use config::Next;
use life::{DrainCut, WrongOptions};

/// Overlapped (completion-based) I/O servers.
#[derive(Parser)]
#[command(
    name = "proactor",
    version,
    about,
    long_about = "Overlapped (completion-based) I/O servers.\n\nStart with `proactor echo` and talk to it with `nc 127.0.0.1 7777`, or start \
                  `proactor chat` and connect from several terminals. `proactor proxy` passes connections on to another server, and `proactor \
                  bench` puts load on one. `proactor admin` asks a running server and tells it what to do, and `proactor top` shows it live. `proactor doctor` shows what this machine supports, its limits, and what to change. `--check` tests the options of a server."
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
    #[cfg(feature = "admin")]
    Admin(ask::Ask),
    #[cfg(feature = "admin")]
    Cluster(ask::cluster::AskCluster),
    #[cfg(feature = "top")]
    Top(top::Top),
    Bench(bench::Bench),
    Doctor(doctor::Doctor),
    Run(config::Run),
    Config(config::Config),
    Completions(completions::Completions),
    #[command(name = "man")]
    Manual(manual::Manual),
    #[cfg(feature = "tls")]
    DevCert(dev_cert::DevCert),
}

fn main() -> ExitCode {
    start(&std::env::args_os().collect::<Vec<OsString>>())
}

fn start(words: &[OsString]) -> ExitCode {
    let definition = Arguments::command();
    let read = match config::read(&definition, words) {
        Ok(read) => read,
        Err(refused) => return refused.print(),
    };
    let command = match Arguments::from_arg_matches(&read.matches) {
        Ok(arguments) => arguments.command,
        Err(answer) => return printing::usage(&answer),
    };
    let next = match command {
        Command::Run(run) => run.next(&definition),
        Command::Config(config) => config.next(&definition),
        Command::Completions(completions) => Ok(Next::Print(completions.script(definition))),
        Command::Manual(manual) => return ended(manual.run(definition)),
        command => {
            config::begins_with(&definition, words, &read);
            return run(command, read);
        }
    };
    match next {
        Ok(Next::Start(words)) => start(&words),
        Ok(Next::Print(text)) => ended(printing::product(&text).map_err(Into::into)),
        Err(refused) => refused.print(),
    }
}

fn run(command: Command, config::Read { listeners, warnings, matches, .. }: config::Read) -> ExitCode {
    logging::start(&matches);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let done = ended(match command {
        Command::Echo(echo) => echo.run(listeners),
        Command::Chat(chat) => chat.run(listeners),
        Command::Proxy(proxy) => proxy.run(listeners),
        #[cfg(feature = "admin")]
        Command::Admin(ask) => ask.run(),
        #[cfg(feature = "admin")]
        Command::Cluster(ask) => ask.run(),
        #[cfg(feature = "top")]
        Command::Top(top) => top.run(),
        Command::Bench(bench) => return bench.run(),
        Command::Doctor(doctor) => doctor.run(),
        #[cfg(feature = "tls")]
        Command::DevCert(dev_cert) => dev_cert.run(),
        // They were done before.
        Command::Run(_) | Command::Config(_) | Command::Completions(_) | Command::Manual(_) => Ok(()),
    });
    traces::end();
    done
}

fn ended(done: Result<(), Box<dyn Error>>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let failed = printing::failure(&*problem);
            match &*problem {
                problem if problem.is::<DrainCut>() => ExitCode::from(DrainCut::STATUS),
                problem if problem.is::<WrongOptions>() => ExitCode::from(WrongOptions::STATUS),
                _ => failed,
            }
        }
    }
}
