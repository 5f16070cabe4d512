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
    /// the first moment on. The time of the drain holds: a spread that is not shorter becomes half
    /// of it, so that the last sessions have time to end too. None by default.
    pub fn spread(self, window: Duration) -> DrainOptions {
        DrainOptions { spread: window, ..self }
    }

    /// The spread that there is time for.
    pub(crate) fn window(&self) -> Duration {
        if self.spread < self.patience { self.spread } else { self.patience / 2 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sessions_of_a_spread_have_time_to_end() {
        let seconds = Duration::from_secs;
        let options = DrainOptions::new(seconds(60)).spread(seconds(20));
        assert_eq!(options.window(), seconds(20));
        assert_eq!(options.within(seconds(21)).window(), seconds(20));
        for (patience, window) in [(20_000, 10_000), (5_000, 2_500), (0, 0)] {
            let short = options.within(Duration::from_millis(patience));
            assert_eq!(short.window(), Duration::from_millis(window), "{patience}");
        }
        assert_eq!(DrainOptions::new(seconds(5)).window(), Duration::ZERO);
    }
}
