//! The `proactor` program.

#![forbid(unsafe_code)]

#[cfg(feature = "admin")]
mod admin;
#[cfg(not(feature = "admin"))]
#[path = "admin/none.rs"]
mod admin;
#[cfg(feature = "admin")]
mod ask;
mod backend;
mod bench;
#[cfg(feature = "tls")]
mod by_name;
mod chat;
mod codec;
#[cfg(feature = "tls")]
mod dev_cert;
mod doctor;
mod echo;
#[cfg(feature = "tls")]
mod hello;
mod logging;
#[cfg(feature = "http")]
mod page_headers;
mod printing;
mod proxied;
mod proxy;
mod reloading;
mod room;
#[cfg(feature = "tls")]
mod routing;
mod serving;
mod settings;
mod system;
#[cfg(feature = "tls")]
mod tls;
mod values;
#[cfg(feature = "websocket")]
mod websocket;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Overlapped (completion-based) I/O servers.
#[derive(Parser)]
#[command(
    name = "proactor",
    version,
    about,
    long_about = "Overlapped (completion-based) I/O servers.\n\nStart with `proactor echo` and talk to it with `nc 127.0.0.1 7777`, or start \
                  `proactor chat` and connect from several terminals. `proactor proxy` passes connections on to another server, and `proactor \
                  bench` puts load on one. `proactor admin` asks a running server and tells it what to do. `proactor doctor` shows what this machine supports and why a server does not start."
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
    Bench(bench::Bench),
    Doctor(doctor::Doctor),
    #[cfg(feature = "tls")]
    DevCert(dev_cert::DevCert),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return printing::usage(&answer),
    };
    logging::start();
    let done = match arguments.command {
        Command::Echo(echo) => echo.run(),
        Command::Chat(chat) => chat.run(),
        Command::Proxy(proxy) => proxy.run(),
        #[cfg(feature = "admin")]
        Command::Admin(ask) => ask.run(),
        Command::Bench(bench) => return bench.run(),
        Command::Doctor(doctor) => doctor.run(),
        #[cfg(feature = "tls")]
        Command::DevCert(dev_cert) => dev_cert.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let failed = printing::failure(&*problem);
            if problem.is::<serving::DrainCut>() { ExitCode::from(serving::DrainCut::STATUS) } else { failed }
        }
    }
}
