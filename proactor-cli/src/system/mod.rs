//! What a system calls itself, and its limits that concern a server. One file per system, with the same functions.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use serde::Serialize;

#[cfg(unix)]
pub(crate) use unix::{cpu_time, limits, name, raise_open_files};
#[cfg(windows)]
pub(crate) use windows::{cpu_time, limits, name, raise_open_files};

/// A limit of the system, and what it means here.
#[derive(Serialize)]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    /// `None`: no limit.
    pub(crate) value: Option<u64>,
    /// What it may be raised to, where it may.
    pub(crate) most: Option<u64>,
    pub(crate) meaning: String,
}

pub(crate) const OPEN_FILES: &str = "open files";
pub(crate) const BACKLOG: &str = "listen backlog (net.core.somaxconn)";
