//! Outbound connections.

use std::time::Duration;

use overlapped::options::StreamOptions;

use super::{tcp::TcpOptions, timeouts::check_time};
use crate::limits::AdmissionLimits;

/// Outbound sessions at one time, unless set.
const MOST_OUTBOUND: usize = 100_000;

/// Limits and options of the connections that the server itself makes.
///
/// ```
/// use std::time::Duration;
///
/// use proactor::{Outbound, Server};
///
/// let outbound = Outbound::new().sessions(500).connect_timeout(Duration::from_secs(3));
/// let builder = Server::builder().listen("0.0.0.0:7777").outbound(outbound);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Outbound {
    sessions: Option<usize>,
    pub(super) connect_timeout: Duration,
    tcp: TcpOptions,
}

impl Default for Outbound {
    fn default() -> Outbound {
        Outbound { sessions: None, connect_timeout: Duration::from_secs(10), tcp: TcpOptions::default() }
    }
}

impl Outbound {
    /// The defaults: 100,000 sessions, 10 s to connect.
    pub fn new() -> Outbound {
        Outbound::default()
    }

    /// Outbound sessions at one time, including those that are connecting. 100,000 by default, or
    /// as many as the shards have sockets for. They do not count as
    /// [sessions](crate::Limits::sessions). 0 allows none.
    pub fn sessions(mut self, sessions: usize) -> Outbound {
        self.sessions = Some(sessions);
        self
    }

    /// Time for one connection, from the lookup of its name to the address that answers. 10 s by
    /// default.
    pub fn connect_timeout(mut self, time: Duration) -> Outbound {
        self.connect_timeout = time;
        self
    }

    /// TCP keep-alive, as [`Listener::keep_alive`](crate::Listener::keep_alive): 1 to 32,767
    /// seconds. A server does not start with another time. Connections to Unix sockets have none.
    pub fn keep_alive(mut self, time: impl Into<Option<Duration>>) -> Outbound {
        self.tcp.keep_alive(time.into());
        self
    }

    /// As [`Listener::keep_alive_interval`](crate::Listener::keep_alive_interval).
    pub fn keep_alive_interval(mut self, interval: Duration) -> Outbound {
        self.tcp.keep_alive_interval(interval);
        self
    }

    /// As [`Listener::keep_alive_probes`](crate::Listener::keep_alive_probes).
    pub fn keep_alive_probes(mut self, probes: u32) -> Outbound {
        self.tcp.keep_alive_probes(probes);
        self
    }

    /// `TCP_USER_TIMEOUT`, as [`Listener::user_timeout`](crate::Listener::user_timeout). Linux
    /// only: elsewhere the server does not start. Connections to Unix sockets have none.
    pub fn user_timeout(mut self, time: Duration) -> Outbound {
        self.tcp.user_timeout(time);
        self
    }

    pub(super) fn stream(&self) -> StreamOptions {
        self.tcp.stream()
    }

    pub(super) fn admission(&self) -> AdmissionLimits {
        let sessions = self.sessions.unwrap_or(MOST_OUTBOUND);
        AdmissionLimits { sessions, per_ip: None, v6_prefix: 64, handshakes: None, rate: None }
    }

    pub(super) fn check(&self, most_sessions: usize) -> Result<(), String> {
        if let Some(sessions) = self.sessions.filter(|sessions| *sessions > most_sessions) {
            return Err(format!("{sessions} outbound sessions: must be at most {most_sessions}"));
        }
        check_time("connect timeout", self.connect_timeout)
    }
}
