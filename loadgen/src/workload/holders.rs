//! The processes that hold quiet sessions for a measurement, as their parent sees them.
//!
//! One is enough where the limit of open files does not count its sessions. Where it does, there
//! are as many as it asks for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::cpu_clock::CpuClock;
use super::setup::Setup;

pub(super) struct Holders<'a> {
    setup: &'a Setup,
    /// Bytes of a message.
    size: usize,
    all: Vec<Holder>,
}

struct Holder {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    sessions: usize,
}

impl<'a> Holders<'a> {
    pub(super) fn new(setup: &'a Setup, size: usize) -> Holders<'a> {
        Holders { setup, size, all: Vec::new() }
    }

    /// Adds sessions until there are so many. Each has echoed a message.
    pub(super) fn grow_to(&mut self, sessions: usize) -> Result<()> {
        let mut held: usize = self.all.iter().map(|holder| holder.sessions).sum();
        while held < sessions {
            let grown = match self.all.last_mut() {
                Some(holder) => {
                    holder.grow(sessions - held).with_context(|| format!("growing from {held} sessions"))?
                }
                None => 0,
            };
            held += grown;
            if held < sessions {
                let is_new = self.all.last().is_some_and(|holder| holder.sessions == 0);
                ensure!(!is_new, "a process has no room for sessions: raise the limit of open files (ulimit -n)");
                self.start()?;
            }
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
            .arg(format!("--size={}", self.size))
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
    pub(super) fn cpu(&self) -> Result<Duration> {
        self.all.iter().map(|holder| CpuClock::of(holder.child.id())?.total()).sum()
    }

    /// Another message on every session.
    pub(super) fn echo(&mut self) -> Result<()> {
        self.all.iter_mut().try_for_each(|holder| holder.ask("echo").map(|_| ()))
    }

    /// Waits until the server has ended every session. Returns how many it ended gracefully; it has
    /// reset the others.
    pub(super) fn leave(&mut self) -> Result<usize> {
        self.all.iter_mut().map(|holder| holder.ask("leave")).sum()
    }
}

impl Holder {
    /// Adds so many sessions, or as many as it has room for.
    fn grow(&mut self, sessions: usize) -> Result<usize> {
        let held = self.ask(&format!("grow {sessions}"))?;
        let grown = held.saturating_sub(std::mem::replace(&mut self.sessions, held));
        Ok(grown)
    }

    /// Returns the number that it answers with.
    fn ask(&mut self, command: &str) -> Result<usize> {
        // If it has ended, the missing answer says so, and why.
        _ = self.commands.write_all(format!("{command}\n").as_bytes());
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if let Some(number) = answer.trim_end().strip_prefix("done ") {
            return number.parse().context("a number of sessions");
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
