//! `cluster-figures [--rounds N] [--seconds S] [--members M] [chat] [directory] [takeover]`: what a
//! cluster over NATS does on this machine. Without names it measures all three:
//!
//! - **chat**: two nodes with M members each, over a nats-server; a message of one member goes to
//!   all others. The same chat is written with tokio and async-nats. All contestants run in each
//!   round, in turned order, in new processes, and ratios are formed within a round.
//! - **directory**: look-ups of keys of one node by another, over JetStream.
//! - **takeover**: from `kill -9` of a node until another login has its key.
//!
//! Every message is checked at every member: whole, in order, once.

mod broker;
mod chat;
mod directory;
mod load;
mod node;
mod ours;
mod packets;
mod plan;
mod statistics;
mod takeover;
mod user;
mod with_tokio;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::plan::Plan;

fn asked() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, kind, url, name] = &arguments[..]
        && first == "node"
    {
        return node::serve(kind.parse()?, url, name);
    }
    let mut plan = Plan { rounds: 7, seconds: 1.5, members: 50 };
    let mut parts = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} needs a number behind it"));
        match argument.as_str() {
            "--rounds" => plan.rounds = value()?.parse().context("--rounds")?,
            "--seconds" => plan.seconds = value()?.parse().context("--seconds")?,
            "--members" => plan.members = value()?.parse().context("--members")?,
            "chat" | "directory" | "takeover" => parts.push(argument.as_str()),
            _ => bail!("usage: cluster-figures [--rounds N] [--seconds S] [--members M] [chat] [directory] [takeover]"),
        }
    }
    if plan.rounds == 0 || plan.members < 2 || !(0.05..=60.0).contains(&plan.seconds) {
        bail!("there must be at least 1 round and 2 members, and windows of 0.05 to 60 seconds");
    }
    let is_asked = |part| parts.is_empty() || parts.contains(&part);
    if is_asked("chat") {
        chat::compare(&plan)?;
    }
    if is_asked("directory") {
        directory::measure(&plan)?;
    }
    if is_asked("takeover") {
        takeover::measure(&plan)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match asked() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
