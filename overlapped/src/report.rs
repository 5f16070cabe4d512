//! Which backend and which features a driver uses, and why it does not use others.

use std::fmt;
use std::str::FromStr;

/// A way to reach the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Linux's io_uring.
    Uring,
    /// Readiness: epoll on Linux, kqueue on macOS and the BSDs.
    Poll,
    /// Windows' overlapped sockets on a completion port.
    Winsock,
    /// A simulated network in memory, deterministic to the byte.
    Sim,
}

impl Backend {
    /// The backends of this system, the best first. [`Driver::new`](crate::Driver::new) finds out
    /// whether one can be set up.
    pub fn of_this_system() -> &'static [Backend] {
        &[
            #[cfg(target_os = "linux")]
            Backend::Uring,
            #[cfg(unix)]
            Backend::Poll,
            #[cfg(windows)]
            Backend::Winsock,
        ]
    }
}

const NAMES_HERE: &str = if cfg!(target_os = "linux") {
    "uring, poll or auto"
} else if cfg!(windows) {
    "winsock or auto"
} else {
    "poll or auto"
};

impl FromStr for Backend {
    type Err = String;
    /// The names that `PROACTOR_BACKEND` takes: `uring`, `poll` or `winsock`, and the system's own
    /// `io_uring`, `epoll` and `kqueue`. (A simulated network is not chosen by name.)
    fn from_str(name: &str) -> Result<Backend, String> {
        match name {
            "uring" | "io_uring" => Ok(Backend::Uring),
            "poll" | "epoll" | "kqueue" => Ok(Backend::Poll),
            "winsock" => Ok(Backend::Winsock),
            _ => Err(format!("unknown backend '{name}': use {NAMES_HERE}")),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Uring => "io_uring",
            Backend::Poll => "poll",
            Backend::Winsock => "winsock",
            Backend::Sim => "sim",
        })
    }
}

/// One feature of the system that a driver can use, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name, as the system's documentation has it.
    pub name: &'static str,
    /// Whether this driver uses it.
    pub used: bool,
    /// What it is for, or why it is not used.
    pub why: String,
}

/// The backend of a driver and its features: [`Driver::report`](crate::Driver::report).
///
/// ```
/// # use overlapped::{Driver, DriverConfig};
/// let driver = Driver::new(DriverConfig::new()).unwrap();
/// println!("{}", driver.report());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The backend.
    pub backend: Backend,
    /// Why this one.
    pub why: String,
    /// Its features, used or not.
    pub features: Vec<Feature>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "backend {}: {}", self.backend, self.why)?;
        for feature in &self.features {
            writeln!(f, "  {} {}: {}", if feature.used { "+" } else { "-" }, feature.name, feature.why)?;
        }
        Ok(())
    }
}
