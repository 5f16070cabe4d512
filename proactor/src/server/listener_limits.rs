//! Limits of one listener.

use bytes::Bytes;

use super::limits::{Limits, check_rate, check_refusal};
use crate::limits::{AdmissionLimits, Rate, Rates};

/// Limits for the sessions of one [`Listener`](crate::Listener).
///
/// Those on how many come and are there count the listener's own sessions, and hold besides the
/// server's [`Limits`], which count all. The rates of one session and the refusal take the place of
/// the server's. A limit that you do not set is the server's.
///
/// What is queued for a session ([`outbox_bytes`](Limits::outbox_bytes)) and the
/// [prefix](Limits::ipv6_prefix) that counts as one IPv6 address are set for the server only.
///
/// ```
/// use proactor::{Listener, ListenerLimits, Server};
///
/// let few = ListenerLimits::new().sessions(4);
/// let admin = Listener::new("127.0.0.1:7779").name("admin").limits(few);
/// let builder = Server::builder().listen("0.0.0.0:7777").listen(admin);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug, Default)]
pub struct ListenerLimits {
    sessions: Option<usize>,
    per_ip: Option<usize>,
    handshakes: Option<usize>,
    accept_rate: Option<Rate>,
    packet_rate: Option<Rate>,
    byte_rate: Option<Rate>,
    refusal: Option<Bytes>,
}

impl ListenerLimits {
    /// No limits besides the server's.
    pub fn new() -> ListenerLimits {
        ListenerLimits::default()
    }

    /// Sessions of the listener at one time.
    pub fn sessions(mut self, sessions: usize) -> ListenerLimits {
        self.sessions = Some(sessions);
        self
    }

    /// Sessions of one IP address at one time, counted as
    /// [`sessions_per_ip`](Limits::sessions_per_ip) does.
    pub fn sessions_per_ip(mut self, sessions: usize) -> ListenerLimits {
        self.per_ip = Some(sessions);
        self
    }

    /// Sessions of the listener that may wait for their first packet at one time.
    pub fn handshakes(mut self, sessions: usize) -> ListenerLimits {
        self.handshakes = Some(sessions);
        self
    }

    /// Connections per second that may become sessions of the listener.
    pub fn accept_rate(mut self, rate: impl Into<Rate>) -> ListenerLimits {
        self.accept_rate = Some(rate.into());
        self
    }

    /// Packets that a session of the listener may send per second, instead of the server's
    /// [`packet_rate`](Limits::packet_rate).
    pub fn packet_rate(mut self, rate: impl Into<Rate>) -> ListenerLimits {
        self.packet_rate = Some(rate.into());
        self
    }

    /// Bytes that a session of the listener may send per second, instead of the server's
    /// [`byte_rate`](Limits::byte_rate).
    pub fn byte_rate(mut self, rate: impl Into<Rate>) -> ListenerLimits {
        self.byte_rate = Some(rate.into());
        self
    }

    /// Bytes sent to a connection that the listener refuses, instead of the server's
    /// [`refusal`](Limits::refusal).
    pub fn refusal(mut self, bytes: impl Into<Bytes>) -> ListenerLimits {
        self.refusal = Some(bytes.into());
        self
    }

    /// Whether it says what a refused connection is sent.
    pub(super) fn has_refusal(&self) -> bool {
        self.refusal.is_some()
    }

    pub(super) fn check(&self, most_sessions: usize) -> Result<(), String> {
        if let Some(sessions) = self.sessions.filter(|sessions| !(1..=most_sessions).contains(sessions)) {
            return Err(format!("{sessions} sessions: must be 1 to {most_sessions}"));
        }
        if self.per_ip == Some(0) || self.handshakes == Some(0) {
            return Err("a limit of 0 sessions: must be at least 1".into());
        }
        check_rate("accept", self.accept_rate)?;
        check_rate("packet", self.packet_rate)?;
        check_rate("byte", self.byte_rate)?;
        self.refusal.as_ref().map_or(Ok(()), check_refusal)
    }

    /// What admission counts for the listener alone.
    pub(super) fn admission(&self) -> AdmissionLimits {
        AdmissionLimits {
            sessions: self.sessions.unwrap_or(usize::MAX),
            per_ip: self.per_ip,
            // Admission counts addresses in one way for the whole server.
            v6_prefix: 128,
            handshakes: self.handshakes,
            rate: self.accept_rate,
        }
    }

    /// The rates of a session that are the listener's own.
    pub(super) fn rates(&self) -> Rates {
        Rates { packets: self.packet_rate, bytes: self.byte_rate }
    }

    pub(super) fn refusal_or(&self, server: &Limits) -> Bytes {
        self.refusal.as_ref().unwrap_or(&server.refusal).clone()
    }
}
