//! Limits of the process (`getrlimit`), and Linux' own limits of sockets and io_uring.

use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

#[cfg(target_os = "linux")]
use super::cgroup::Allowed;
use super::{BACKLOG, Limit, OPEN_FILES, RAISE_FILES};

/// The default of --outbox-bytes, in KiB.
#[cfg(target_os = "linux")]
const OUTBOX: u64 = 256;

pub(crate) fn name() -> String {
    let uname = rustix::system::uname();
    format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy())
}

/// macOS refuses more than this (`OPEN_MAX`), even if the limit is reported as unlimited.
const MODEST: u64 = 10_240;

/// Raises the soft limit of open files to the hard one and returns it. `None` means no limit.
pub(crate) fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raise = |files| setrlimit(Resource::Nofile, Rlimit { current: files, maximum: limit.maximum });
    if raise(limit.maximum).is_err() && limit.current.is_some_and(|files| files < MODEST) {
        let _ = raise(Some(MODEST));
    }
    getrlimit(Resource::Nofile).current
}

/// CPU time of this process.
pub(crate) fn cpu_time() -> Option<Duration> {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
}

/// CPUs that this process may use. Of a limit of CPU time, a part of a CPU counts as one: a thread
/// can use it.
#[cfg(target_os = "linux")]
pub(crate) fn cpus() -> usize {
    let set = rustix::thread::sched_getaffinity(None).map(|set| set.count() as usize);
    let usable = set.ok().filter(|count| *count > 0).unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    Allowed::of_this_process().cpus().map_or(usable, |allowed| allowed.min(usable))
}

/// CPUs that this process may use.
#[cfg(not(target_os = "linux"))]
pub(crate) fn cpus() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Bytes of this process that are in RAM, where the system tells (Linux).
#[cfg(feature = "admin")]
pub(crate) fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

pub(crate) fn limits() -> Vec<Limit> {
    let mut limits = Vec::new();
    let files = getrlimit(Resource::Nofile);
    limits.push(Limit {
        name: OPEN_FILES,
        value: files.current,
        most: files.maximum,
        meaning: match files.maximum {
            Some(files) => format!(
                "enough for about {} sessions; a server raises its soft limit to the hard limit itself; for more, {RAISE_FILES}",
                files.saturating_sub(64)
            ),
            None => "no limit".into(),
        },
    });
    if let Some(backlog) = read_number("/proc/sys/net/core/somaxconn") {
        limits.push(Limit {
            name: BACKLOG,
            value: Some(backlog),
            most: None,
            meaning: "connections that may wait to be accepted; others have to retry".into(),
        });
    }
    #[cfg(target_os = "linux")]
    limits.extend(of_group(Allowed::of_this_process(), cpus()));
    if cfg!(target_os = "linux") {
        let memory = getrlimit(Resource::Memlock);
        limits.push(Limit {
            name: "locked memory",
            value: memory.current,
            most: memory.maximum,
            meaning: "in bytes; on some kernels the rings of io_uring count against it, up to 256 KiB a shard".into(),
        });
    }
    if let Some(disabled) = read_number("/proc/sys/kernel/io_uring_disabled") {
        limits.push(Limit {
            name: "kernel.io_uring_disabled",
            value: Some(disabled),
            most: None,
            meaning: match disabled {
                0 => "every process may use io_uring".into(),
                1 => "only privileged processes and members of kernel.io_uring_group may use io_uring".into(),
                _ => "io_uring is switched off".into(),
            },
        });
    }
    limits
}

/// What the control group of a container or a unit allows.
#[cfg(target_os = "linux")]
fn of_group(allowed: Allowed, cpus: usize) -> impl Iterator<Item = Limit> {
    let cpu_time = allowed.milli_cpus.map(|milli_cpus| Limit {
        name: "CPU time of the control group",
        value: Some(milli_cpus),
        most: None,
        meaning: format!("in thousandths of a CPU; shards of a server by default: {cpus}"),
    });
    let memory = allowed.memory.map(|bytes| Limit {
        name: "memory of the control group",
        value: Some(bytes),
        most: None,
        meaning: format!(
            "in bytes; over it the system ends the process; {} sessions with as much queued as --outbox-bytes allows \
             ({OUTBOX} KiB) would take all of it",
            bytes / (OUTBOX * 1024)
        ),
    });
    cpu_time.into_iter().chain(memory)
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
