//! One run of a generator: which server, which workload, for how long.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rustix::net::sockopt;

use super::case::Case;
use super::cpu_clock::CpuClock;
use super::websocket;
use super::window::Window;
use crate::tls::{Tls, TlsStream};

/// The name that a server's certificate has to be for.
pub const SERVER_NAME: &str = "localhost";

/// Without an answer for this long, a server has stalled.
pub(super) const STALLED: Duration = Duration::from_secs(5);

/// Readings of the CPU clock, 20 ms apart, in which a server that is at rest does nothing.
const QUIET_READINGS: u32 = 5;

#[derive(Args, Clone, Debug)]
pub struct Setup {
    /// Address of the server
    #[arg(long)]
    pub connect: SocketAddr,
    /// Process whose CPU time is measured
    #[arg(long)]
    pub server_pid: u32,
    /// Workload and its parameters, as WORKLOAD:NAME=NUMBER,..
    #[arg(long, default_value = "pingpong")]
    pub case: Case,
    /// Seconds before the window begins
    #[arg(long, default_value_t = 0.5)]
    pub warmup: f64,
    /// Length of the measured window in seconds
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// Core to run on
    #[arg(long)]
    pub core: Option<usize>,
    /// For a case over TLS: the authority of the server's certificate, which is for localhost; PEM
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
}

impl Setup {
    /// The command line of a program that takes a `Setup` as its options.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--connect={}", self.connect),
            format!("--server-pid={}", self.server_pid),
            format!("--case={}", self.case.argument()),
            format!("--warmup={}", self.warmup),
            format!("--seconds={}", self.seconds),
        ];
        arguments.extend(self.core.map(|core| format!("--core={core}")));
        arguments.extend(self.tls_ca.as_ref().map(|file| format!("--tls-ca={}", file.display())));
        arguments
    }

    pub(super) fn window(&self) -> Result<Window> {
        Window::new(
            CpuClock::of(self.server_pid)?,
            Duration::try_from_secs_f64(self.warmup).context("--warmup")?,
            Duration::try_from_secs_f64(self.seconds).context("--seconds")?,
        )
    }

    /// Waits until the server hardly runs, for at most four seconds.
    pub(super) fn let_server_rest(&self) -> Result<()> {
        let clock = CpuClock::of(self.server_pid)?;
        // One reading is not enough: a process that waits for a core also looks idle.
        let (mut used, mut quiet) = (clock.total()?, 0);
        for _ in 0..200 {
            thread::sleep(Duration::from_millis(20));
            let now = clock.total()?;
            quiet = if now - used < Duration::from_micros(200) { quiet + 1 } else { 0 };
            if quiet == QUIET_READINGS {
                break;
            }
            used = now;
        }
        Ok(())
    }

    /// What the case's connections speak over TCP, if they are over TLS.
    fn tls(&self) -> Result<Option<Tls>> {
        if !self.case.is_over_tls() {
            return Ok(None);
        }
        let file = self.tls_ca.as_ref().context("a case over TLS needs --tls-ca")?;
        let authorities = std::fs::read(file).with_context(|| file.display().to_string())?;
        same_for_all(&authorities).map(Some).with_context(|| file.display().to_string())
    }

    /// Connections that are reset when they are closed, so that no port stays in use. If the case
    /// says so, they are WebSockets whose upgrade is over, or over TLS with their handshake over.
    pub(super) fn connect(&self, connections: usize) -> Result<Vec<(TcpStream, Option<TlsStream>)>> {
        let tls = self.tls()?;
        (0..connections)
            .map(|number| {
                let socket = TcpStream::connect_timeout(&self.connect, STALLED)
                    .with_context(|| format!("connection {number} to {}", self.connect))?;
                socket.set_nodelay(true)?;
                sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
                if self.case.is_over_websocket() {
                    socket.set_read_timeout(Some(STALLED))?;
                    websocket::upgrade(&socket)?;
                }
                let stream = tls.as_ref().map(|tls| shaken(tls, &socket)).transpose();
                let stream = stream.with_context(|| format!("connection {number} over TLS"))?;
                socket.set_nonblocking(true)?;
                Ok((socket, stream))
            })
            .collect()
    }
}

#[cfg(feature = "tls")]
fn same_for_all(authorities: &[u8]) -> Result<Tls> {
    Tls::same_for_all(authorities, SERVER_NAME).map_err(anyhow::Error::msg)
}

#[cfg(not(feature = "tls"))]
fn same_for_all(_: &[u8]) -> Result<Tls> {
    anyhow::bail!("this build has no TLS")
}

/// A connection's TLS, when its handshake is over.
fn shaken(tls: &Tls, socket: &TcpStream) -> Result<TlsStream> {
    let mut stream = tls.stream().map_err(anyhow::Error::msg)?;
    socket.set_read_timeout(Some(STALLED))?;
    stream.shake(socket)?;
    Ok(stream)
}
