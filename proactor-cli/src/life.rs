//! How a server begins and ends its life: the number of its process, the drain, the upgrade, and
//! the exit status.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proactor::DrainOptions;

use crate::summary::counted;
use crate::values;

const LIFE: &str = "Life cycle (see docs/operations.md)";

#[derive(Args)]
pub(crate) struct LifeOptions {
    /// How long sessions may take to end after the first signal, for example 500ms or 10s. What is
    /// left then is cut off, and the exit status is 3.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::any_time, help_heading = LIFE)]
    drain_timeout: Duration,
    /// Ask the sessions to end one after the other, evenly over this time, so that their clients do
    /// not all connect elsewhere at once. It must be shorter than --drain-timeout [default: all at
    /// once]
    #[arg(long, value_name = "TIME", value_parser = values::any_time, help_heading = LIFE)]
    drain_spread: Option<Duration>,
    /// Write the process ID (PID) of the server to this file when it is ready. After an upgrade it
    /// is that of the new process. The last process removes the file.
    #[arg(long, value_name = "FILE", help_heading = LIFE)]
    pub(crate) pid_file: Option<PathBuf>,
    /// How long the new process of an upgrade may take until it is ready. If it takes longer, it is
    /// ended, and this one goes on. Not on Windows, which has no upgrade.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::time, help_heading = LIFE)]
    pub(crate) upgrade_timeout: Duration,
}

impl LifeOptions {
    /// How the server is drained.
    pub(crate) fn drain(&self) -> Result<DrainOptions, WrongOptions> {
        let (patience, spread) = (self.drain_timeout, self.drain_spread.unwrap_or_default());
        if !spread.is_zero() && spread >= patience {
            return Err(WrongOptions(format!(
                "--drain-spread {spread:?}: it must be shorter than --drain-timeout {patience:?}, so that the last session has time to end"
            )));
        }
        Ok(DrainOptions::new(patience).spread(spread))
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }
}

/// Options that do not go together. The program has an exit status for it, that of options which
/// are wrong by themselves.
#[derive(Debug)]
pub(crate) struct WrongOptions(pub(crate) String);

impl WrongOptions {
    pub(crate) const STATUS: u8 = 2;
}

impl fmt::Display for WrongOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for WrongOptions {}

/// The time of a drain was over before everything had ended. The program has an exit status for it.
#[derive(Debug)]
pub(crate) struct DrainCut {
    pub(crate) sessions: u64,
}

impl DrainCut {
    pub(crate) const STATUS: u8 = 3;
}

impl fmt::Display for DrainCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = counted(self.sessions, "session");
        write!(f, "the drain cut {sessions} off at work: a longer --drain-timeout lets work finish")
    }
}

impl Error for DrainCut {}
