//! Settings of a listener whose sessions can be resumed.

use std::time::Duration;

/// The longest window.
const MOST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
const LEAST_KEEP: usize = 1024;
const MOST_KEEP: usize = 64 * 1024 * 1024;

/// How sessions outlive their connections: [`Listener::resume`](crate::Listener::resume).
///
/// ```
/// use std::time::Duration;
///
/// use proactor::codec::LengthPrefixed;
/// use proactor::{Listener, Resume, Server};
///
/// let resume = Resume::new().window(Duration::from_secs(120)).keep(64 * 1024);
/// let builder = Server::builder()
///     .listen(Listener::new("0.0.0.0:7000").codec(LengthPrefixed::u32()).resume(resume));
/// # let _ = builder;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    window: Duration,
    keep: usize,
    most_away: usize,
    hello_time: Duration,
}

impl Resume {
    /// A minute's window, 128 KiB kept for each session, 10,000 sessions away.
    pub fn new() -> Resume {
        Resume {
            window: Duration::from_secs(60),
            keep: 128 * 1024,
            most_away: 10_000,
            hello_time: Duration::from_secs(10),
        }
    }

    /// How long a session waits for its peer when its connection is gone: 1 ms to a day. When it is
    /// over, the session ends with [`Lost`](crate::CloseReason::Lost).
    pub fn window(mut self, window: Duration) -> Resume {
        self.window = window;
        self
    }

    /// How many bytes that were sent are kept for a peer that has not confirmed them: 1 KiB to 64
    /// MiB; the last packet may go over it. No more is sent until the peer confirms some, as if it
    /// did not read. A client keeps as much. It should be no less than what the network carries in
    /// a round trip. What is queued while a peer is away is limited by
    /// [`Limits::outbox_bytes`](crate::Limits::outbox_bytes), as always.
    pub fn keep(mut self, bytes: usize) -> Resume {
        self.keep = bytes;
        self
    }

    /// How many sessions of the server may be away at a time. One more ends as if it could not be
    /// resumed.
    pub fn most_away(mut self, sessions: usize) -> Resume {
        self.most_away = sessions;
        self
    }

    /// How long a new connection may take to say whether it begins or resumes, besides the time
    /// that TLS has: 1 ms to a day.
    pub fn hello_time(mut self, time: Duration) -> Resume {
        self.hello_time = time;
        self
    }

    pub(crate) fn window_time(&self) -> Duration {
        self.window
    }

    pub(crate) fn keep_bytes(&self) -> usize {
        self.keep
    }

    pub(crate) fn most_sessions_away(&self) -> usize {
        self.most_away
    }

    pub(crate) fn most_hello_time(&self) -> Duration {
        self.hello_time
    }

    /// Checks the settings. The server asks when it starts.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, time) in [("window", self.window), ("hello_time", self.hello_time)] {
            if time < Duration::from_millis(1) || time > MOST_WINDOW {
                return Err(format!("resume: its {name} of {time:?} must be 1 ms to a day"));
            }
        }
        if !(LEAST_KEEP..=MOST_KEEP).contains(&self.keep) {
            return Err(format!("resume: keep of {} bytes must be 1 KiB to 64 MiB", self.keep));
        }
        Ok(())
    }
}

impl Default for Resume {
    fn default() -> Resume {
        Resume::new()
    }
}
