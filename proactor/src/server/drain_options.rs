//! How a server is drained.

use std::time::Duration;

/// How a server is [drained](crate::Handle::drain_as).
///
/// ```
/// use std::time::Duration;
///
/// use proactor::DrainOptions;
///
/// // A fleet's clients come back over twenty seconds, and not all at once.
/// let options = DrainOptions::new(Duration::from_secs(60)).spread(Duration::from_secs(20));
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainOptions {
    pub(crate) patience: Duration,
    pub(crate) spread: Duration,
    pub(crate) hands_over: bool,
}

impl DrainOptions {
    /// The sessions may take so long to end; what is left then is cut.
    pub fn new(patience: Duration) -> DrainOptions {
        DrainOptions { patience, spread: Duration::ZERO, hands_over: false }
    }

    /// The same, with another time for the sessions to end.
    pub fn within(self, patience: Duration) -> DrainOptions {
        DrainOptions { patience, ..self }
    }

    /// Asks the sessions to end one after the other, evenly over this time, instead of all at once:
    /// so those who connect again do not come all at once. Until its turn, a session goes on as
    /// before, also if it is idle, and its logic is not told of the drain. Nothing is accepted from
    /// the first moment on. It is not longer than the time of the drain, which holds. None by
    /// default.
    pub fn spread(self, window: Duration) -> DrainOptions {
        DrainOptions { spread: window, ..self }
    }

    /// Another process [has the listeners](crate::Handle::duplicate_listeners) and accepts on them:
    /// none of the connections that this server has accepted is to be lost. One that was accepted
    /// in the last moment becomes a session, and a session from which nothing has come yet is idle
    /// only 2 s after it began, so that the first packet of a new client is answered. The header of
    /// the PROXY protocol has the same time.
    pub fn handing_over(self) -> DrainOptions {
        DrainOptions { hands_over: true, ..self }
    }
}
