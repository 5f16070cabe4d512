//! Who takes part: what is started, how each is written, and the process while it runs.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::sched_setaffinity;

use crate::affinity;
use crate::workload::Workload;

/// Time in which a server has to say where it listens.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Lines of a server's output kept to explain its failure.
const LINES_KEPT: usize = 5;

/// A server that can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    /// How it is written, for the report.
    pub(crate) how: String,
    program: Program,
    /// Arguments for each workload it can serve.
    arguments: Vec<(Workload, Vec<String>)>,
}

#[derive(Clone, Debug)]
enum Program {
    /// A package of this workspace, built before the comparison.
    Peer(&'static str),
    /// A program that is built elsewhere, relative to this workspace if not absolute.
    Path { path: PathBuf, build: &'static str },
}

const ECHO: &[&str] = &["echo", "--listen", "127.0.0.1:0"];
const OURS: &str = "../target/release/proactor";
const BUILD_OURS: &str = "`cargo build --release` in the repository's root builds it";

/// The table of contestants that are known by name.
fn table() -> Vec<Contestant> {
    let peer = |name, package, how| known(name, how, Program::Peer(package), &[]);
    let ours = |name, how, extra| {
        let program = Program::Path { path: OURS.into(), build: BUILD_OURS };
        known(name, how, program, extra)
    };
    vec![
        peer(
            "tokio",
            "peer-tokio",
            "current_thread runtime, a task a connection, read and write_all, 16 KiB buffer, TCP_NODELAY",
        ),
        peer(
            "monoio",
            "peer-monoio",
            "io_uring driver, a task a connection, read and write_all with an owned 16 KiB buffer, TCP_NODELAY",
        ),
        peer(
            "compio",
            "peer-compio",
            "io_uring driver, a task a connection, read and write_all with an owned 16 KiB buffer, TCP_NODELAY",
        ),
        peer("epoll", "peer-epoll", "bare level-triggered epoll loop, one 16 KiB buffer for all, TCP_NODELAY; a floor"),
        peer(
            "io_uring",
            "peer-io-uring",
            "bare io_uring loop, multishot accept and receive, ring of 16 KiB buffers, sent from where received, \
             one submit_and_wait a turn, TCP_NODELAY; a floor",
        ),
        ours("ours", "proactor echo, one shard", &["--shards", "1"]),
    ]
}

fn known(name: &str, how: &str, program: Program, extra: &[&str]) -> Contestant {
    let arguments = ECHO.iter().chain(extra).copied().map(String::from).collect();
    Contestant { name: name.into(), how: how.into(), program, arguments: vec![(Workload::Pingpong, arguments)] }
}

/// A contestant given on the command line as `NAME=PROGRAM ARGUMENTS..`.
pub(crate) fn from_command(text: &str) -> Result<Contestant> {
    let (name, command) = text.split_once('=').context("a command is given as NAME=PROGRAM ARGUMENTS..")?;
    let mut words = command.split_whitespace().map(String::from);
    let path = words.next().context("a command names a program")?;
    Ok(Contestant {
        name: name.into(),
        how: command.into(),
        program: Program::Path { path: path.into(), build: "it is not built by this program" },
        arguments: vec![(Workload::Pingpong, words.collect())],
    })
}

/// Those with these names, in this order; without names, all. A contestant in `extra` replaces its namesake.
pub(crate) fn select(names: &[String], extra: Vec<Contestant>) -> Result<Vec<Contestant>> {
    let mut all = table();
    for contestant in extra {
        match all.iter_mut().find(|known| known.name == contestant.name) {
            Some(known) => *known = contestant,
            None => all.push(contestant),
        }
    }
    if names.is_empty() {
        return Ok(all);
    }
    names
        .iter()
        .map(|name| {
            let found = all.iter().find(|contestant| contestant.name == *name);
            found.cloned().ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|known| known.name.as_str()).collect();
                anyhow!("no contestant is called {name}; there are: {}", known.join(", "))
            })
        })
        .collect()
}

/// Prints the table.
pub(crate) fn list() {
    for contestant in table() {
        let built = match contestant.program() {
            Ok(_) => "",
            Err(_) => " (not built)",
        };
        println!("{:<10}{}{built}", contestant.name, contestant.how);
    }
}

impl Contestant {
    /// Builds it, if it is a peer of this workspace. One package at a time, so that what features its dependencies
    /// are built with does not hang on who else takes part.
    pub(crate) fn build(&self) -> Result<()> {
        let Program::Peer(package) = self.program else {
            return Ok(());
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--release", "--quiet", "--package", package])
            .current_dir(workspace())
            .status()
            .context("starting cargo")?;
        if !status.success() {
            bail!("not built: {package} does not build");
        }
        Ok(())
    }

    /// The program, if it is built.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let (path, build) = match &self.program {
            Program::Peer(package) => {
                let this = env::current_exe().context("finding this program")?;
                let path = this.with_file_name(package);
                (path, "run without --no-build")
            }
            Program::Path { path, build } => (workspace().join(path), *build),
        };
        if !path.is_file() {
            bail!("not built: there is no {}; {build}", self.shown(&path));
        }
        Ok(path)
    }

    fn shown(&self, path: &Path) -> String {
        match &self.program {
            Program::Peer(package) => (*package).into(),
            Program::Path { .. } => path.strip_prefix(workspace()).unwrap_or(path).display().to_string(),
        }
    }

    /// Starts it for a workload, on one core, and waits until it says where it listens.
    pub(crate) fn start(&self, workload: Workload, core: usize) -> Result<Server> {
        let (_, arguments) = self
            .arguments
            .iter()
            .find(|(served, _)| *served == workload)
            .with_context(|| format!("does not serve {workload}"))?;
        let mut command = Command::new(self.program()?);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let cores = affinity::only(core)?;
        // SAFETY: the closure runs between fork and exec and makes two system calls: no allocation, no lock.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                sched_setaffinity(None, &cores)?;
                Ok(())
            });
        }
        Server::start(command)
    }
}

/// Where this workspace lies: programs outside it are found from there.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A server process. Dropping it kills it and waits for its end.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    fn start(mut command: Command) -> Result<Self> {
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

/// Reads a server's output to its end, so that it never blocks on a full pipe, and reports the addresses in it.
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

/// The first `127.0.0.1:PORT` in a line, whatever surrounds it. Port 0 is what was asked for, not where it listens.
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
    fn a_command_replaces_its_namesake() {
        let mine = from_command("tokio=/bin/mine --listen 127.0.0.1:0").unwrap();
        let chosen = select(&["tokio".into()], vec![mine]).unwrap();
        assert_eq!(chosen[0].how, "/bin/mine --listen 127.0.0.1:0");
        assert!(select(&["nobody".into()], vec![]).is_err());
        assert!(from_command("no equals sign").is_err());
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error_with_its_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no luck >&2; exit 3"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let error = Server::start(command).err().unwrap().to_string();
        assert!(error.contains("no luck") && error.contains('3'), "{error}");
    }
}
