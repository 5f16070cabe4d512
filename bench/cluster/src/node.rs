//! A node as a process of its own: how it is started, and what it does.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};

use crate::{ours, with_tokio};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One shard, and the thread of NATS.
    Ours,
    /// One thread for all.
    Tokio,
    /// Two threads, as ours has.
    TokioThreads,
    /// Ours, with users and keys.
    Users,
}

impl Kind {
    pub(crate) const CHATS: [Kind; 3] = [Kind::Ours, Kind::Tokio, Kind::TokioThreads];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Ours => "ours",
            Kind::Tokio => "tokio",
            Kind::TokioThreads => "tokio-2-threads",
            Kind::Users => "users",
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Kind> {
        let mut all = Kind::CHATS.into_iter().chain([Kind::Users]);
        all.find(|kind| kind.name() == name).with_context(|| format!("{name}: no such kind of node"))
    }
}

fn announce(address: SocketAddr) {
    println!("{address}");
    // Who starts it reads the line, or has ended.
    let _ = std::io::stdout().flush();
}

/// The process of a node: serves until it is killed.
pub(crate) fn serve(kind: Kind, url: &str, name: &str) -> Result<()> {
    let threads = match kind {
        Kind::Ours | Kind::Users => {
            let server = if kind == Kind::Ours { ours::chat(url, name)? } else { ours::users(url, name)? };
            announce(ours::address(&server)?);
            return Ok(server.wait()?);
        }
        Kind::Tokio => 1,
        Kind::TokioThreads => 2,
    };
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_all().build()?;
    let number = name.bytes().fold(0, |number, byte| number << 8 | u64::from(byte));
    runtime.block_on(with_tokio::chat(url, number, announce))
}

/// A node that runs. It is killed when this goes.
pub(crate) struct Node {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Node {
    pub(crate) fn start(kind: Kind, url: &str, name: &str) -> Result<Node> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["node", kind.name(), url, name]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting a node")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the output of a node")?).read_line(&mut line)?;
        let Ok(address) = line.trim().parse() else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("node {name} ({}) does not say its address", kind.name());
        };
        Ok(Node { child, address })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used of the processors.
pub(crate) fn cpu_time(process: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task")).context("the threads of a process")? {
        // A thread may end meanwhile.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}
