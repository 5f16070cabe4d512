//! The load. Measures the server while it loads it: one thread, each workload in a file of its own name.
//!
//! The generator, not the controller, reads the server's CPU clock, at the very moments at which it begins and
//! ends counting: both sides of "CPU per message" are of the same window.

mod churn;
mod closed_loop;
mod conversation;
mod epoll;
mod fanout;
mod http;
mod idle;
mod openloop;
mod pingpong;
mod pipelined;
mod stream;
mod window;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rustix::net::sockopt;

use crate::affinity;
use crate::cpu_clock::CpuClock;
use crate::measurement::Measurement;
use crate::workload::{Case, Workload};
pub(crate) use idle::{HoldOptions, hold};
use window::Window;

/// Without an answer for this long, a server has stalled.
const STALLED: Duration = Duration::from_secs(5);

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Address of the server
    #[arg(long)]
    pub(crate) connect: SocketAddr,
    /// Process whose CPU time is measured
    #[arg(long)]
    pub(crate) server_pid: u32,
    /// What to ask of the server, as WORKLOAD:NAME=NUMBER,..
    #[arg(long, default_value = "pingpong")]
    pub(crate) case: Case,
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

/// Looks at a server, 20 ms apart, between which it must have done nothing to be taken for one that has nothing to do.
const QUIET_LOOKS: u32 = 5;

impl Options {
    /// What the options come to as a command line, for the controller to start.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "generate".into(),
            format!("--connect={}", self.connect),
            format!("--server-pid={}", self.server_pid),
            format!("--case={}", self.case.argument()),
            format!("--warmup={}", self.warmup),
            format!("--seconds={}", self.seconds),
        ];
        arguments.extend(self.core.map(|core| format!("--core={core}")));
        arguments
    }

    fn window(&self) -> Result<Window> {
        Window::new(
            CpuClock::of(self.server_pid)?,
            Duration::try_from_secs_f64(self.warmup).context("--warmup")?,
            Duration::try_from_secs_f64(self.seconds).context("--seconds")?,
        )
    }

    /// Waits until the server has dealt with what was asked of it so far: until it hardly runs, and for four seconds at most, since
    /// there may be one that never rests.
    fn let_server_rest(&self) -> Result<()> {
        let clock = CpuClock::of(self.server_pid)?;
        // One look is not enough: a process that the machine has no time for looks as if it had nothing to do.
        let (mut used, mut quiet) = (clock.total()?, 0);
        for _ in 0..200 {
            thread::sleep(Duration::from_millis(20));
            let now = clock.total()?;
            quiet = if now - used < Duration::from_micros(200) { quiet + 1 } else { 0 };
            if quiet == QUIET_LOOKS {
                break;
            }
            used = now;
        }
        Ok(())
    }

    /// They are reset when they are closed, so that no port is held by one that is long gone.
    fn connect(&self, connections: usize) -> Result<Vec<TcpStream>> {
        (0..connections)
            .map(|number| {
                let socket = TcpStream::connect_timeout(&self.connect, STALLED)
                    .with_context(|| format!("connection {number} to {}", self.connect))?;
                socket.set_nodelay(true)?;
                sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            })
            .collect()
    }
}

/// Prints one [`Measurement`] as a line of JSON on standard output, or fails: a wrong or missing byte, a closed
/// connection, a stall are errors, never a number.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(core) = options.core {
        affinity::pin(core)?;
    }
    affinity::raise_descriptor_limit()?;
    let measurement = match options.case.workload {
        Workload::Pingpong => pingpong::run(options)?,
        Workload::Pipelined => pipelined::run(options)?,
        Workload::Fanout => fanout::run(options)?,
        Workload::Churn => churn::run(options)?,
        Workload::Stream => stream::run(options)?,
        Workload::Idle => idle::run(options)?,
        Workload::Openloop => openloop::run(options)?,
        Workload::Http => http::run(options)?,
    };
    print(&measurement)
}

fn print(measurement: &Measurement) -> Result<()> {
    let mut line = serde_json::to_string(measurement)?;
    line.push('\n');
    std::io::stdout().write_all(line.as_bytes())?;
    Ok(())
}
