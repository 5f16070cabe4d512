//! What an upgrade needs to know of the server.

use std::sync::Arc;
use std::time::Duration;

use proactor::{DrainOptions, Handle};

use crate::pid_file::PidFile;

/// The server that is upgraded.
pub(crate) struct Subject {
    pub(crate) handle: Handle,
    /// That of its admin listener, if it has one.
    pub(crate) admin: Option<Handle>,
    pub(crate) pid_file: Option<Arc<PidFile>>,
    pub(crate) drain: DrainOptions,
    /// How long the new process may take until it is ready.
    #[cfg_attr(windows, expect(dead_code, reason = "no process is started"))]
    pub(crate) patience: Duration,
    /// Told of the process that has taken over.
    pub(crate) handed_over: Box<dyn Fn(u32) + Send + Sync>,
}
