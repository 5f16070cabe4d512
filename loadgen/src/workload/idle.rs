//! Sessions that have had one message echoed and are quiet. How much the server's memory grows from
//! the first of them to the last, and what CPU time it uses while nothing happens. A unit is a
//! session that was added, with its message.
//!
//! The first ones make the server allocate what does not grow with them: buffers, tables, the code
//! of every path. The sessions are held by processes of their own, as many as their limit on open
//! descriptors asks for, each connecting from an address of its own.

mod hold;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, getrlimit};

use super::cpu_clock::{CpuClock, Reading};
use super::measurement::{Idle, Measurement};
use super::setup::Setup;
pub use hold::{HoldOptions, run as hold};

/// Descriptors of a holder that are not sessions.
const OTHER_DESCRIPTORS: u64 = 32;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let case = &setup.case;
    let (sessions, first) = (case.get("sessions"), case.get("first"));
    ensure!(
        first < sessions,
        "growth is counted from the first sessions to all of them: there are no more than {first}"
    );
    let server = CpuClock::of(setup.server_pid)?;
    let each = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS);
    ensure!(each > 0, "the limit on open descriptors leaves none for sessions");
    let mut holders = Holders { setup, each: usize::try_from(each)?, all: Vec::new() };

    holders.grow_to(first)?;
    setup.let_server_rest()?;
    let memory = server.memory()?;
    let begun = Reading::take(server, holders.cpu()?)?;
    holders.grow_to(sessions)?;
    let seconds = begun.at.elapsed().as_secs_f64();
    setup.let_server_rest()?;
    let grown = server.memory()?;
    let ended = Reading::take(server, holders.cpu()?)?;

    let quiet = server.total()?;
    thread::sleep(Duration::try_from_secs_f64(setup.seconds).context("--seconds")?);
    let quiet = server.total()? - quiet;
    // None of them may have been closed to save what it costs.
    holders.ask_all("echo")?;

    let added = sessions - first;
    let per_session = |before: u64, after: u64| (after as f64 - before as f64) / added as f64;
    Ok(Measurement {
        seconds,
        idle: Some(Idle {
            resident_bytes_per_session: per_session(memory.resident, grown.resident),
            proportional_bytes_per_session: memory
                .proportional
                .zip(grown.proportional)
                .map(|(before, after)| per_session(before, after)),
            quiet_cpu_seconds: quiet.as_secs_f64() / setup.seconds,
        }),
        ..Measurement::between(&begun, &ended, added as u64, grown.resident)
    })
}

struct Holders<'a> {
    setup: &'a Setup,
    /// Sessions that one can hold.
    each: usize,
    all: Vec<Holder>,
}

struct Holder {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    sessions: usize,
}

impl Holders<'_> {
    fn grow_to(&mut self, sessions: usize) -> Result<()> {
        let mut held: usize = self.all.iter().map(|holder| holder.sessions).sum();
        while held < sessions {
            if self.all.last().is_none_or(|holder| holder.sessions == self.each) {
                self.start()?;
            }
            let holder = self.all.last_mut().expect("one was started if there was none with room");
            let more = (sessions - held).min(self.each - holder.sessions);
            holder.ask(&format!("grow {more}")).with_context(|| format!("growing from {held} sessions"))?;
            holder.sessions += more;
            held += more;
        }
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        let number = u8::try_from(self.all.len() + 1).context("more processes than addresses for them")?;
        let this = std::env::current_exe().context("finding this program")?;
        let mut child = Command::new(this)
            .arg("hold")
            .arg(format!("--connect={}", self.setup.connect))
            .arg(format!("--source={}", Ipv4Addr::new(127, 0, number, 1)))
            .arg(format!("--size={}", self.setup.case.get("size")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting a process that holds sessions")?;
        let commands = child.stdin.take().context("it has no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("it has no standard output")?);
        self.all.push(Holder { child, commands, answers, sessions: 0 });
        Ok(())
    }

    /// What they have used so far.
    fn cpu(&self) -> Result<Duration> {
        self.all.iter().map(|holder| CpuClock::of(holder.child.id())?.total()).sum()
    }

    fn ask_all(&mut self, command: &str) -> Result<()> {
        self.all.iter_mut().try_for_each(|holder| holder.ask(command))
    }
}

impl Holder {
    fn ask(&mut self, command: &str) -> Result<()> {
        // If it has ended, the missing answer says so, and why.
        _ = self.commands.write_all(format!("{command}\n").as_bytes());
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer.trim_end() == "done" {
            return Ok(());
        }
        let mut said = String::new();
        if let Some(errors) = &mut self.child.stderr {
            errors.read_to_string(&mut said)?;
        }
        bail!("{}", said.trim().trim_start_matches("bench: "))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
