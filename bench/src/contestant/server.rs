//! A running server: started on its core, its output read, killed at the end.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::sched_setaffinity;

use loadgen::workload::affinity;

/// Time in which a server has to say where it listens.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Lines of a server's output kept to explain its failure.
const LINES_KEPT: usize = 5;

/// A server process. Dropping it kills it and waits for its end.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(String, String)],
        core: usize,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().cloned());
        let cores = affinity::only(core)?;
        // SAFETY: the closure runs between fork and exec and makes two system calls: no allocation,
        // no lock.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                sched_setaffinity(None, &cores)?;
                Ok(())
            });
        }
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting it")?;
        let (found, addresses) = mpsc::channel();
        let lines = Arc::default();
        if let Some(output) = child.stdout.take() {
            watch(output, found.clone(), Arc::clone(&lines));
        }
        if let Some(output) = child.stderr.take() {
            watch(output, found, Arc::clone(&lines));
        }
        // From here on it is killed on every way out.
        let mut server = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), lines };
        match addresses.recv_timeout(READY_WITHIN) {
            Ok(address) => server.address = address,
            Err(RecvTimeoutError::Timeout) => {
                bail!("did not say where it listens within {READY_WITHIN:?}{}", server.said());
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = server.child.wait()?;
                bail!("ended before it listened: {status}{}", server.said());
            }
        }
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What there is to say about the server when something failed: how it ended, its last lines.
    pub(crate) fn post_mortem(&mut self) -> String {
        match self.child.try_wait() {
            Ok(Some(status)) => format!("; server ended: {status}{}", self.said()),
            _ => self.said(),
        }
    }

    fn said(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(|error| error.into_inner());
        if lines.is_empty() {
            return String::new();
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        format!("; it said: {}", lines.join(" / "))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all output, so that the server never blocks on a full pipe, and reports addresses in it.
fn watch(output: impl Read + Send + 'static, found: Sender<SocketAddr>, lines: Arc<Mutex<VecDeque<String>>>) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while matches!(output.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Some(address) = address_in(&text) {
                // Only the first is waited for.
                let _ = found.send(address);
            }
            let mut lines = lines.lock().unwrap_or_else(|error| error.into_inner());
            if lines.len() == LINES_KEPT {
                lines.pop_front();
            }
            lines.push_back(text);
            line.clear();
        }
    });
}

/// The first `127.0.0.1:PORT` in a line. Port 0 is the request, not where it listens.
fn address_in(line: &str) -> Option<SocketAddr> {
    const HOST: &str = "127.0.0.1:";
    line.match_indices(HOST).find_map(|(at, _)| {
        let after = &line[at + HOST.len()..];
        let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
        let port: u16 = digits.parse().ok().filter(|&port| port != 0)?;
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_any_line_that_has_one() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 4711)));
        assert_eq!(address_in("listening 127.0.0.1:4711"), address);
        assert_eq!(address_in("asked for 127.0.0.1:0, addr=\u{1b}[1m127.0.0.1:4711\u{1b}[0m, 1 shard"), address);
        assert_eq!(address_in("listening on 127.0.0.1:0"), None);
        assert_eq!(address_in("127.0.0.1:99999"), None);
        assert_eq!(address_in("starting"), None);
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error_with_its_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no luck >&2; exit 3"]);
        let error = Server::spawn(command).err().unwrap().to_string();
        assert!(error.contains("no luck") && error.contains('3'), "{error}");
    }
}
