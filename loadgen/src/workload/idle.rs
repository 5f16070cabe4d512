//! Sessions that have had one message echoed and are quiet. How much the server's memory, and the
//! kernel's, grows from the first of them to the last, and what CPU time the server uses while
//! nothing happens. A unit is a session that was added, with its message.
//!
//! The first ones make the server allocate what does not grow with them: buffers, tables, the code
//! of every path. The sessions are held by processes of their own: see [`holders`](super::holders).
//!
//! With `drain=1` the server is asked to end by SIGTERM at last, and each session ends when the
//! server has ended it.

use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::cpu_clock::{CpuClock, Reading};
use super::holders::Holders;
use super::kernel_memory;
use super::measurement::{Drain, Idle, Measurement};
use super::setup::{STALLED, Setup};

/// What a session takes of the kernel at both ends, and of the two processes, at most: enough has
/// to be there before any is made, since a machine without memory cannot say so any more.
const BYTES_EACH: u64 = 10_000;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let case = &setup.case;
    let (sessions, first) = (case.get("sessions"), case.get("first"));
    ensure!(
        first < sessions,
        "growth is counted from the first sessions to all of them: there are no more than {first}"
    );
    check_memory(sessions, kernel_memory::available())?;
    let server = CpuClock::of(setup.server_pid)?;
    let mut holders = Holders::new(setup, case.get("size"));

    holders.grow_to(first)?;
    setup.let_server_rest()?;
    let (memory, kernel) = (server.memory()?, kernel_memory::used()?);
    let begun = Reading::take(server, holders.cpu()?)?;
    holders.grow_to(sessions)?;
    let seconds = begun.at.elapsed().as_secs_f64();
    setup.let_server_rest()?;
    let (grown, kernel_grown) = (server.memory()?, kernel_memory::used()?);
    let ended = Reading::take(server, holders.cpu()?)?;

    let quiet = server.total()?;
    thread::sleep(Duration::try_from_secs_f64(setup.seconds).context("--seconds")?);
    let quiet = server.total()? - quiet;
    // None of them may have been closed to save what it costs.
    holders.echo()?;

    let added = sessions - first;
    let per_session = |before: u64, after: u64| (after as f64 - before as f64) / added as f64;
    let drain = if case.get("drain") > 0 { Some(drain(setup, server, &mut holders, sessions)?) } else { None };
    Ok(Measurement {
        seconds,
        idle: Some(Idle {
            resident_bytes_per_session: per_session(memory.resident, grown.resident),
            proportional_bytes_per_session: memory
                .proportional
                .zip(grown.proportional)
                .map(|(before, after)| per_session(before, after)),
            kernel_bytes_per_session: Some(per_session(kernel, kernel_grown)),
            quiet_cpu_seconds: quiet.as_secs_f64() / setup.seconds,
            drain,
        }),
        ..Measurement::between(&begun, &ended, added as u64, grown.resident)
    })
}

fn check_memory(sessions: usize, available: Option<u64>) -> Result<()> {
    let needed = sessions as u64 * BYTES_EACH;
    ensure!(
        available.is_none_or(|available| available >= needed),
        "{sessions} sessions may need {} MiB, and {} MiB are available",
        needed >> 20,
        available.unwrap_or_default() >> 20
    );
    Ok(())
}

/// Has the server end, and its sessions with it.
fn drain(setup: &Setup, server: CpuClock, holders: &mut Holders<'_>, sessions: usize) -> Result<Drain> {
    let pid = i32::try_from(setup.server_pid).ok().and_then(Pid::from_raw).context("the server's process id")?;
    setup.let_server_rest()?;
    let (begun, used) = (Instant::now(), server.total()?);
    kill_process(pid, Signal::TERM).context("asking the server to end")?;
    let (cpu, whole) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(setup.server_pid, server));
        let whole = holders.leave();
        (watcher.join(), whole)
    });
    let cpu = cpu.map_err(|_| anyhow::anyhow!("the thread that watches the server panicked"))?;
    Ok(Drain {
        seconds: begun.elapsed().as_secs_f64(),
        cpu_us_per_session: cpu.saturating_sub(used).as_secs_f64() * 1e6 / sessions as f64,
        whole_share: whole? as f64 / sessions as f64,
    })
}

/// Waits for the server's end, and returns what it had used shortly before.
fn watch(pid: u32, server: CpuClock) -> Duration {
    let (mut last, mut changed) = (Duration::ZERO, Instant::now());
    while let Ok(used) = server.total()
        && is_alive(pid)
        && changed.elapsed() < 24 * STALLED
    {
        if used > last {
            (last, changed) = (used, Instant::now());
        }
        thread::sleep(Duration::from_millis(2));
    }
    last
}

/// A process that has ended stays until its parent has asked for it.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_said_before_any_session_is_made() {
        let error = check_memory(1_000_000, Some(3 << 30)).unwrap_err().to_string();
        assert!(error.contains("1000000 sessions may need 9536 MiB, and 3072 MiB"), "{error}");
        assert!(check_memory(200_000, Some(3 << 30)).is_ok() && check_memory(1, None).is_ok());
    }

    #[test]
    fn a_process_is_alive_until_it_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(is_alive(child.id()));
        child.kill().unwrap();
        let clock = CpuClock::of(child.id()).unwrap();
        // It is not waited for yet.
        watch(child.id(), clock);
        assert!(!is_alive(child.id()));
        child.wait().unwrap();
    }
}
