//! What a process has used so far, from the kernel's accounting of that process.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The CPU-time clock of one process: user and system time of all its threads, those that have
/// ended and the kernel's io_uring workers included, in nanoseconds.
///
/// A thread that is running at the moment of reading was last brought up to date at its latest
/// switch or scheduler tick, so that one reading may lag by up to a tick (4 ms at 250 Hz). It does
/// not add up: a difference of two readings is off by a tick at most, however long the window.
#[derive(Clone, Copy)]
pub(crate) struct CpuClock {
    clock: ClockId,
    pid: u32,
}

impl CpuClock {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let target = Pid::from_raw(pid.try_into().context("process id out of range")?);
        let clock = clock_getcpuclockid(target);
        Ok(Self { clock: clock.with_context(|| format!("finding the CPU clock of process {pid}"))?, pid })
    }

    pub(crate) fn total(self) -> Result<Duration> {
        let time = clock_gettime(self.clock);
        Ok(time.with_context(|| format!("reading the CPU clock of process {}", self.pid))?.into())
    }

    /// User and system time in accounting ticks (10 ms): coarse, useful only for their proportion.
    pub(crate) fn ticks(self) -> Result<Ticks> {
        let path = format!("/proc/{}/stat", self.pid);
        let stat = fs::read_to_string(&path).with_context(|| path.clone())?;
        parse_ticks(&stat).with_context(|| format!("{path} has no utime and stime"))
    }

    /// What the process has in memory, exactly: it takes the kernel a walk through all of it.
    pub(crate) fn memory(self) -> Result<Memory> {
        let path = format!("/proc/{}/smaps_rollup", self.pid);
        let rollup = fs::read_to_string(&path).with_context(|| path.clone())?;
        let resident = bytes_of(&rollup, "Rss:").with_context(|| format!("{path} has no Rss"))?;
        Ok(Memory { resident, proportional: bytes_of(&rollup, "Pss:") })
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).with_context(|| path.clone())?;
        bytes_of(&status, "VmRSS:").with_context(|| format!("{path} has no VmRSS"))
    }
}

/// What server and generator have used at one moment.
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) server: Duration,
    pub(crate) ticks: Ticks,
    pub(crate) generator: Duration,
}

impl Reading {
    pub(crate) fn take(server: CpuClock, generator: Duration) -> Result<Self> {
        let (ticks, server) = (server.ticks()?, server.total()?);
        Ok(Self { server, ticks, generator, at: Instant::now() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks {
    pub(crate) user: u64,
    pub(crate) system: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// With what it shares with other processes divided among them; not every kernel says.
    pub(crate) proportional: Option<u64>,
}

fn parse_ticks(stat: &str) -> Option<Ticks> {
    // The second field is the program's name in brackets, and may itself hold spaces and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some(Ticks { user: fields.next()?.parse().ok()?, system: fields.next()?.parse().ok()? })
}

/// A line as `Rss:  12 kB`.
pub(super) fn bytes_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn user_and_system_are_fields_14_and_15_whatever_the_program_is_called() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 140 150 16 17";
        assert_eq!(parse_ticks(stat), Some(Ticks { user: 140, system: 150 }));
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        let status = "VmHWM:\t  99 kB\nVmRSS:\t  12 kB\n";
        assert_eq!(bytes_of(status, "VmRSS:"), Some(12 * 1024));
        assert_eq!(bytes_of(status, "Pss:"), None);
    }

    #[test]
    fn the_clock_advances_with_the_work_of_a_thread_that_has_ended() {
        let clock = CpuClock::of(std::process::id()).unwrap();
        let before = clock.total().unwrap();
        std::thread::spawn(|| {
            // Its own time: other load on the machine takes nothing of it.
            let own = ClockId::CLOCK_THREAD_CPUTIME_ID;
            while Duration::from(clock_gettime(own).unwrap()) < Duration::from_millis(20) {
                black_box(0);
            }
        })
        .join()
        .unwrap();
        // A reading may lag by a tick.
        assert!(clock.total().unwrap() - before >= Duration::from_millis(10));
    }
}
