//! The system's name, limits and CPU clock. One file per system, with the same functions.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use serde::Serialize;

#[cfg(unix)]
pub(crate) use unix::{cpu_time, cpus, limits, name, raise_open_files};
#[cfg(windows)]
pub(crate) use windows::{cpu_time, cpus, limits, name, raise_open_files};

#[cfg(all(unix, feature = "admin"))]
pub(crate) use unix::resident_memory;
#[cfg(all(windows, feature = "admin"))]
pub(crate) use windows::resident_memory;

#[derive(Serialize)]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    /// `None` means no limit.
    pub(crate) value: Option<u64>,
    /// The value it may be raised to, if it may.
    pub(crate) most: Option<u64>,
    pub(crate) meaning: String,
}

pub(crate) const OPEN_FILES: &str = "open files";
/// A server and `bench` raise the soft limit themselves.
pub(crate) const RAISE_FILES: &str =
    "raise the hard limit (ulimit -Hn as root, LimitNOFILE= in a unit, --ulimit nofile= in Docker)";
pub(crate) const BACKLOG: &str = "listen backlog (net.core.somaxconn)";
