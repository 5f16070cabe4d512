//! The load: one thread, one connection a session, closed loop. Measures the server while it loads it.
//!
//! The generator, not the controller, reads the server's CPU clock, at the very moments at which it begins and
//! ends counting messages: both sides of "CPU per message" are of the same window.

mod conversation;
mod epoll;
mod window;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::affinity;
use crate::cpu_clock::CpuClock;
use crate::measurement::Measurement;
use crate::workload::Workload;
use conversation::Conversation;
use window::Window;

/// Without an echo for this long, a server has stalled.
const STALLED: Duration = Duration::from_secs(5);

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Address of the server
    #[arg(long)]
    pub(crate) connect: SocketAddr,
    /// Process whose CPU time is measured
    #[arg(long)]
    pub(crate) server_pid: u32,
    /// What to ask of the server
    #[arg(long, value_enum, default_value_t = Workload::Pingpong)]
    pub(crate) workload: Workload,
    /// Connections held open
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Bytes in a message
    #[arg(long, default_value_t = 64)]
    pub(crate) size: usize,
    /// Seconds before the window begins
    #[arg(long, default_value_t = 0.5)]
    pub(crate) warmup: f64,
    /// Length of the measured window in seconds
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Core to run on
    #[arg(long)]
    pub(crate) core: Option<usize>,
}

impl Options {
    /// What the options come to as a command line, for the controller to start.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "generate".into(),
            format!("--connect={}", self.connect),
            format!("--server-pid={}", self.server_pid),
            format!("--workload={}", self.workload),
            format!("--connections={}", self.connections),
            format!("--size={}", self.size),
            format!("--warmup={}", self.warmup),
            format!("--seconds={}", self.seconds),
        ];
        arguments.extend(self.core.map(|core| format!("--core={core}")));
        arguments
    }
}

/// Prints one [`Measurement`] as a line of JSON on standard output, or fails: a wrong or missing byte, a closed
/// connection, a stall are errors, never a number.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.size > 0, "a message has at least one byte");
    ensure!(options.connections > 0, "no connections");
    if let Some(core) = options.core {
        affinity::pin(core)?;
    }
    affinity::raise_descriptor_limit()?;
    let measurement = match options.workload {
        Workload::Pingpong => pingpong(options)?,
    };
    let mut line = serde_json::to_string(&measurement)?;
    line.push('\n');
    std::io::stdout().write_all(line.as_bytes())?;
    Ok(())
}

fn pingpong(options: &Options) -> Result<Measurement> {
    let sockets = connect(options)?;
    let conversations = (0..options.connections).map(|id| Conversation::new(id as u64, options.size)).collect();
    let window = Window::new(
        CpuClock::of(options.server_pid)?,
        Duration::try_from_secs_f64(options.warmup).context("--warmup")?,
        Duration::try_from_secs_f64(options.seconds).context("--seconds")?,
    )?;
    epoll::run(sockets, conversations, window)
}

fn connect(options: &Options) -> Result<Vec<TcpStream>> {
    (0..options.connections)
        .map(|number| {
            let socket = TcpStream::connect_timeout(&options.connect, STALLED)
                .with_context(|| format!("connection {number} to {}", options.connect))?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
        .collect()
}
