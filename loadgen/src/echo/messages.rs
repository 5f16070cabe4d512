//! What the threads of a run and the thread that listens to them tell each other.

use std::sync::mpsc;

use overlapped::Time;
use overlapped::mailbox::Sender;
use overlapped::report::Report;

use super::fault::Fault;
use super::tally::{Interval, Totals};

/// From a thread.
pub(super) enum Event {
    /// It has started, and takes commands here.
    Up {
        commands: Sender<Command>,
        report: Report,
    },
    /// Each of its connections has been made or has failed, at this time of the shared clock.
    Ready {
        at: Time,
    },
    Fault(Fault),
    Interval(Box<Interval>),
    /// It is done. The last event of a thread.
    Ended(Box<Totals>),
    /// It could not go on. The last event of a thread.
    Failed(RunError),
    /// From the user: end the run.
    Interrupted,
}

/// To a thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    /// Begin the load at this time.
    Begin(Time),
    /// End now.
    Stop,
}

/// Ends a run early. Give it to what watches for signals.
#[derive(Clone)]
pub struct Interrupt(pub(super) mpsc::Sender<Event>);

impl Interrupt {
    pub fn interrupt(&self) {
        let _ = self.0.send(Event::Interrupted);
    }
}

/// A run that could not begin or go on.
#[derive(Debug)]
pub enum RunError {
    /// The driver's.
    Io(overlapped::Error),
    Other(String),
}

impl From<&str> for RunError {
    fn from(text: &str) -> RunError {
        RunError::Other(text.into())
    }
}
