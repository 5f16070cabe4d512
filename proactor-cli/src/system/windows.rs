//! Windows has no limit on open sockets that a server would meet before memory runs out.

use std::process::Command;
use std::time::Duration;

use super::Limit;

pub(crate) fn name() -> String {
    let said = Command::new("cmd").args(["/c", "ver"]).output().ok();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.filter(|name| !name.is_empty()).unwrap_or_else(|| "Windows".to_owned())
}

pub(crate) fn raise_open_files() -> Option<u64> {
    None
}

/// The standard library has no process CPU clock.
pub(crate) fn cpu_time() -> Option<Duration> {
    None
}

/// CPUs that this process may use.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(crate) fn limits() -> Vec<Limit> {
    Vec::new()
}

/// The standard library does not tell.
#[cfg(feature = "admin")]
pub(crate) fn resident_memory() -> Option<u64> {
    None
}
