//! The settings of limits and time-outs, as [`Builder`] takes them.

use std::time::Duration;

use bytes::Bytes;
use overlapped::options::StreamOptions;

use crate::deadlines::{MOST, Spans};
use crate::limits::{AdmissionLimits, Rate};
use crate::server::Builder;

/// Bytes that a refusal may have: they are to fit into any connection's first window.
const MOST_REFUSAL_BYTES: usize = 1024;

/// Outbound sessions there may be unless said otherwise.
const MOST_OUTBOUND: usize = 100_000;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) admission: AdmissionLimits,
    pub(crate) refusal: Bytes,
    pub(crate) packet_rate: Option<Rate>,
    pub(crate) byte_rate: Option<Rate>,
    pub(crate) spans: Spans,
    pub(crate) stream: StreamOptions,
    pub(crate) outbound: Option<usize>,
    pub(crate) connect_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        let admission =
            AdmissionLimits { sessions: 100_000, per_ip: None, v6_prefix: 64, handshakes: None, rate: None };
        Settings {
            admission,
            refusal: Bytes::new(),
            packet_rate: None,
            byte_rate: None,
            spans: Spans::default(),
            stream: StreamOptions::new(),
            outbound: None,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// How many outbound sessions there may be, with those that are being connected.
    pub(crate) fn outbound_limits(&self) -> AdmissionLimits {
        let sessions = self.outbound.unwrap_or(MOST_OUTBOUND);
        AdmissionLimits { sessions, per_ip: None, v6_prefix: 64, handshakes: None, rate: None }
    }

    /// What is wrong with them; `most` is how many sessions there can be.
    pub(crate) fn check(&self, most: usize) -> Result<(), String> {
        let Settings { admission, spans, .. } = self;
        if !(1..=most).contains(&admission.sessions) {
            return Err(format!("{} sessions: must be 1 to {most}", admission.sessions));
        }
        if let Some(outbound) = self.outbound.filter(|outbound| *outbound > most) {
            return Err(format!("{outbound} outbound sessions: must be at most {most}"));
        }
        if admission.per_ip == Some(0) || admission.handshakes == Some(0) {
            return Err("a limit of 0 sessions: must be at least 1".into());
        }
        if !(1..=128).contains(&admission.v6_prefix) {
            return Err(format!("an IPv6 prefix of {} bits: must be 1 to 128", admission.v6_prefix));
        }
        let rates = [("accept", admission.rate), ("packet", self.packet_rate), ("byte", self.byte_rate)];
        for (name, rate) in rates {
            if rate.is_some_and(|rate| !rate.is_possible()) {
                return Err(format!("{name} rate: it and its burst must be at least 1"));
            }
        }
        let times = [
            ("idle time-out", spans.idle),
            ("read time-out", spans.read),
            ("write time-out", spans.write),
            ("handshake time-out", spans.handshake),
            ("lifetime", spans.lifetime),
            ("heart-beat", spans.heartbeat),
            ("connect time-out", Some(self.connect_timeout)),
        ];
        for (name, time) in times {
            if time.is_some_and(|time| time.is_zero() || time > MOST) {
                return Err(format!("{name}: must be more than nothing and at most {MOST:?}"));
            }
        }
        if self.refusal.len() > MOST_REFUSAL_BYTES {
            return Err(format!("a refusal of {} bytes: at most {MOST_REFUSAL_BYTES}", self.refusal.len()));
        }
        Ok(())
    }
}

/// # Limits
///
/// Whoever is over a limit when they connect is turned away: reset, unless there is a [`refusal`](Builder::refusal) to be told.
/// [`Handle::stats`](crate::Handle::stats) counts them by [`Refusal`](crate::Refusal). A place is free again when its session has ended, which a graceful close may
/// take [`linger`](Builder::linger) for.
///
/// ```
/// use proactor::{Rate, Server};
///
/// let builder = Server::builder()
///     .bind("0.0.0.0:7777")
///     .max_sessions(20_000)
///     .max_sessions_per_ip(100)
///     .accept_rate(Rate::per_second(500).burst(2000))
///     .byte_rate(64 * 1024)
///     .refusal("the server is full\n");
/// ```
impl Builder {
    /// Sessions there may be at once, on all shards: 100,000 unless said otherwise.
    pub fn max_sessions(mut self, sessions: usize) -> Builder {
        self.settings.admission.sessions = sessions;
        self
    }

    /// Sessions there may be at once of one IP address; any number unless said otherwise. Of IPv6 a whole [prefix](Builder::ipv6_prefix) counts as one
    /// address. Peers without an IP address (on Unix sockets) are not counted.
    pub fn max_sessions_per_ip(mut self, sessions: usize) -> Builder {
        self.settings.admission.per_ip = Some(sessions);
        self
    }

    /// How many bits IPv6 addresses have in common that count as one: 64 unless said otherwise, the block that a network usually gives to one customer.
    pub fn ipv6_prefix(mut self, bits: u8) -> Builder {
        self.settings.admission.v6_prefix = bits;
        self
    }

    /// Sessions that may be waiting for their first packet at once; any number unless said otherwise. Together with a
    /// [`handshake_timeout`](Builder::handshake_timeout) it keeps those who connect and say nothing from taking the places of others.
    pub fn max_handshakes(mut self, sessions: usize) -> Builder {
        self.settings.admission.handshakes = Some(sessions);
        self
    }

    /// Connections that may become sessions a second: any number unless said otherwise. Whoever is refused for another reason is not counted.
    pub fn accept_rate(mut self, rate: impl Into<Rate>) -> Builder {
        self.settings.admission.rate = Some(rate.into());
        self
    }

    /// What those are told who are turned away, before their connection is closed: at most 1,024 bytes, and nothing unless said otherwise. It is a courtesy, for 64 at a time:
    /// in a storm the others are reset without it.
    pub fn refusal(mut self, bytes: impl Into<Bytes>) -> Builder {
        self.settings.refusal = bytes.into();
        self
    }

    /// Packets a session may send a second: any number unless said otherwise. A session that is over it is held: it is handed no more, and not read
    /// from, until it may send again. So its peer is slowed down, and not closed.
    ///
    /// A hold ends with a tick of 8.4 ms, so a burst below the packets of two ticks lowers the rate that can be reached.
    pub fn packet_rate(mut self, rate: impl Into<Rate>) -> Builder {
        self.settings.packet_rate = Some(rate.into());
        self
    }

    /// Bytes a session may send a second: any number unless said otherwise. As for [packets](Builder::packet_rate), a session that is over it is held. Bytes are counted as they
    /// arrive, in pieces of up to a receive buffer (16 KiB), so that a burst may be exceeded by what was under way.
    pub fn byte_rate(mut self, rate: impl Into<Rate>) -> Builder {
        self.settings.byte_rate = Some(rate.into());
        self
    }
}

/// # Time-outs
///
/// None is set unless said otherwise. They are kept by a wheel of 8.4 ms: nothing is early, nothing more than two of its ticks late; the longest is 180 days.
///
/// ```
/// use std::time::Duration;
///
/// use proactor::Server;
///
/// let builder = Server::builder()
///     .bind("0.0.0.0:7777")
///     .handshake_timeout(Duration::from_secs(10))
///     .idle_timeout(Duration::from_secs(300))
///     .write_timeout(Duration::from_secs(30))
///     .heartbeat(Duration::from_secs(60));
/// ```
impl Builder {
    /// How long a session may go without a byte either way; it is closed as [`Idle`](crate::CloseReason::Idle), in order. While the server itself does not read from it
    /// (it is paused, or held by a rate) the time stands still, and begins anew after that.
    pub fn idle_timeout(mut self, time: Duration) -> Builder {
        self.settings.spans.idle = Some(time);
        self
    }

    /// How long a packet may take from its first byte to its last; else the session is closed with
    /// [`ReadTimeout`](crate::CloseReason::ReadTimeout). A byte now and then does not put it off. It stands still as the [idle time](Builder::idle_timeout) does. With raw
    /// bytes every arrival is a whole packet, and this never runs.
    pub fn read_timeout(mut self, time: Duration) -> Builder {
        self.settings.spans.read = Some(time);
        self
    }

    /// How long bytes may wait for a peer that takes none of them; then the session is reset, with [`WriteTimeout`](crate::CloseReason::WriteTimeout). Whether any was taken is looked at in quarters of the time, so that it
    /// may be a quarter more. What counts as taken is said at [`Driver::progress`](overlapped::Driver::progress): the least step may be 64 KiB (on Windows, all that was sent at once).
    pub fn write_timeout(mut self, time: Duration) -> Builder {
        self.settings.spans.write = Some(time);
        self
    }

    /// How long the first packet may take from the connection on; else the session is closed with
    /// [`HandshakeTimeout`](crate::CloseReason::HandshakeTimeout).
    pub fn handshake_timeout(mut self, time: Duration) -> Builder {
        self.settings.spans.handshake = Some(time);
        self
    }

    /// How long a session may last; then it is closed, in order, with [`Lifetime`](crate::CloseReason::Lifetime).
    pub fn lifetime(mut self, time: Duration) -> Builder {
        self.settings.spans.lifetime = Some(time);
        self
    }

    /// When nothing has been sent to a session for so long, and nothing waits for its peer, [`Handler::heartbeat`](crate::Handler::heartbeat) is called, and again after each
    /// such time.
    pub fn heartbeat(mut self, time: Duration) -> Builder {
        self.settings.spans.heartbeat = Some(time);
        self
    }

    /// TCP keep-alive: how long a connection is idle before the system asks whether the peer is still there. Never, unless said otherwise.
    pub fn keep_alive(mut self, time: Duration) -> Builder {
        self.settings.stream = self.settings.stream.keep_alive(time);
        self
    }

    /// `TCP_USER_TIMEOUT`: how long sent bytes may go unacknowledged until the system gives a connection up, and the session ends as
    /// [`Reset`](crate::CloseReason::Reset). It is the system's business unless said otherwise. Linux only: elsewhere it is an error of the start.
    pub fn user_timeout(mut self, time: Duration) -> Builder {
        self.settings.stream = self.settings.stream.user_timeout(time);
        self
    }
}
