//! Timeouts and heartbeats.

use std::time::Duration;

use crate::session::deadlines::{MOST, Spans};

/// Timeouts of a server's sessions. None is set by default, except [`linger`](Timeouts::linger).
///
/// They are kept by a timer wheel with a tick of 8.4 ms: none fires early, none more than two ticks
/// late. The longest is 180 days.
///
/// Which of them notices which failure, and when, is in
/// `docs/failures.md`. To notice
/// every peer that is lost, set a [receive](Timeouts::receive) timeout and a
/// [heartbeat](Timeouts::heartbeat_always) that clients answer.
///
/// Time in which the server did not run (it was stopped, its machine was paused, a handler did not
/// return) is not counted against a peer: a shard that is late by more than 250 ms moves all these
/// deadlines by the rest, and before a session is closed for what its peer did not do, what has
/// arrived meanwhile is read. [Connect timeouts](crate::Outbound::connect_timeout), and the sleeps
/// and timeouts of [async sessions](crate::task), go by the clock.
///
/// ```
/// use std::time::Duration;
///
/// use proactor::{Server, Timeouts};
///
/// let timeouts = Timeouts::new()
///     .handshake(Duration::from_secs(10))
///     .idle(Duration::from_secs(300))
///     .write(Duration::from_secs(30))
///     .heartbeat(Duration::from_secs(60));
/// let builder = Server::builder().listen("0.0.0.0:7777").timeouts(timeouts);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Timeouts {
    pub(super) spans: Spans,
    pub(super) linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { spans: Spans::default(), linger: Duration::from_secs(5) }
    }
}

impl Timeouts {
    /// No timeouts, and a linger time of 5 s.
    pub fn new() -> Timeouts {
        Timeouts::default()
    }

    /// Closes a session gracefully, with [`Idle`](crate::CloseReason::Idle), after this time
    /// without a byte in either direction. While the server does not read from the session (it is
    /// paused or over a rate), the time stands still; afterwards it starts again.
    ///
    /// A member of a busy group is never idle. For a rule about what the peer says, with a warning
    /// or a good-bye, use [`Session::after`](crate::Session::after).
    pub fn idle(mut self, time: Duration) -> Timeouts {
        self.spans.idle = Some(time);
        self
    }

    /// Resets a session, with [`ReceiveTimeout`](crate::CloseReason::ReceiveTimeout), from which
    /// nothing was received for this time, whatever was sent to it. If there is a
    /// [heartbeat](Timeouts::heartbeat), this must be longer: what is more is the time that a
    /// client has to answer one.
    ///
    /// The time stands still as the [idle time](Timeouts::idle) does, and ends for good when the
    /// peer has ended its stream. While a session is not read because its peer [does not take what
    /// it is sent](crate::SlowConsumer::PauseReading), what the peer takes counts as received. Of
    /// a [pair](crate::Session::pair), what is received from either peer counts for both; while
    /// one is not read because the other takes nothing, what the other takes counts.
    pub fn receive(mut self, time: Duration) -> Timeouts {
        self.spans.receive = Some(time);
        self
    }

    /// Closes a session, with [`ReadTimeout`](crate::CloseReason::ReadTimeout), when one packet
    /// takes longer than this from its first byte to its last. Single bytes do not extend it. It
    /// stands still as the [idle time](Timeouts::idle) does. With the raw codec it never runs,
    /// since every arrival is a whole packet.
    pub fn read(mut self, time: Duration) -> Timeouts {
        self.spans.read = Some(time);
        self
    }

    /// Resets a session, with [`WriteTimeout`](crate::CloseReason::WriteTimeout), when its peer
    /// takes none of the queued bytes for this time. It is checked four times within the time, so
    /// it may be a quarter late. [`Driver::progress`](overlapped::Driver::progress) says what
    /// counts as taken: the smallest step may be 64 KiB (on Windows, the whole send).
    pub fn write(mut self, time: Duration) -> Timeouts {
        self.spans.write = Some(time);
        self
    }

    /// Closes a session, with [`HandshakeTimeout`](crate::CloseReason::HandshakeTimeout), that has
    /// not sent its first packet this long after it connected. If a login takes more than one
    /// packet, set a timer instead: [`Session::after`](crate::Session::after).
    pub fn handshake(mut self, time: Duration) -> Timeouts {
        self.spans.handshake = Some(time);
        self
    }

    /// Closes a session gracefully, with [`Lifetime`](crate::CloseReason::Lifetime), at this age.
    pub fn lifetime(mut self, time: Duration) -> Timeouts {
        self.spans.lifetime = Some(time);
        self
    }

    /// Calls [`Handler::heartbeat`](crate::Handler::heartbeat) when nothing has been sent to a
    /// session for this time and nothing is queued for it, and again after each further such time.
    /// [Async functions](crate::task) are not called: let a task that is
    /// [spawned](crate::AsyncSession::spawn) sleep and send.
    pub fn heartbeat(mut self, time: Duration) -> Timeouts {
        (self.spans.heartbeat, self.spans.beats_always) = (Some(time), false);
        self
    }

    /// As [`heartbeat`](Timeouts::heartbeat), but after each such time, whatever else is sent or
    /// queued. With a [receive](Timeouts::receive) timeout, clients can be told to answer each: a
    /// client that says nothing else is then noticed when it is lost, however much it is sent.
    /// Handlers send it as any packet; [`send`](crate::Session::send) refuses it when too much is
    /// queued.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use proactor::Timeouts;
    ///
    /// // A client has 15 s to answer.
    /// let beat = Duration::from_secs(30);
    /// let timeouts = Timeouts::new().heartbeat_always(beat).receive(Duration::from_secs(45));
    /// ```
    pub fn heartbeat_always(mut self, time: Duration) -> Timeouts {
        (self.spans.heartbeat, self.spans.beats_always) = (Some(time), true);
        self
    }

    /// How long a graceful close waits for the peer to take what was sent and to end its stream. 5
    /// s by default. If the system could not take everything in that time, the peer is reset;
    /// otherwise the system goes on delivering what it has. A [drain](crate::Handle::drain) waits
    /// longer, until its deadline, for a peer that has not confirmed everything.
    pub fn linger(mut self, time: Duration) -> Timeouts {
        self.linger = time;
        self
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let spans = &self.spans;
        let times = [
            ("idle timeout", spans.idle),
            ("receive timeout", spans.receive),
            ("read timeout", spans.read),
            ("write timeout", spans.write),
            ("handshake timeout", spans.handshake),
            ("lifetime", spans.lifetime),
            ("heartbeat", spans.heartbeat),
        ];
        times.into_iter().try_for_each(|(name, time)| time.map_or(Ok(()), |time| check_time(name, time)))?;
        match (spans.receive, spans.heartbeat) {
            (Some(receive), Some(heartbeat)) if receive <= heartbeat => Err(format!(
                "receive timeout {receive:?}: must be longer than the heartbeat ({heartbeat:?}), which clients need time to \
                 answer"
            )),
            _ => Ok(()),
        }
    }
}

/// A timeout must be more than zero and within the timer wheel's range.
pub(super) fn check_time(name: &str, time: Duration) -> Result<(), String> {
    match time.is_zero() || time > MOST {
        true => Err(format!("{name}: must be more than 0 and at most {MOST:?}")),
        false => Ok(()),
    }
}
