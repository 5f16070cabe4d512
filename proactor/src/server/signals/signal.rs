//! What a process is asked for from outside.

use std::time::Duration;

/// What a process was asked for from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// To end: SIGINT, SIGTERM; on Windows Ctrl-C and Ctrl-Break.
    Stop,
    /// To end within this time, after which the system ends the process: on Windows the console was
    /// closed, the user logs off, or the machine shuts down.
    StopWithin(Duration),
    /// SIGHUP: the terminal has gone, or an operator asks for a reload. Not on Windows.
    HangUp,
    /// SIGQUIT: somebody wants to see what the process is doing. Only if it was
    /// [taken over](crate::Signals::on_quit). Not on Windows.
    Quit,
    /// SIGUSR2: an operator asks for an upgrade. Only if it is
    /// [wanted](crate::Signals::on_upgrade). Not on Windows.
    Upgrade,
}
