//! Limits on sessions, rates and memory.

use bytes::Bytes;

use crate::limits::{AdmissionLimits, Rate, Rates};

/// Bytes of a refusal: few enough to fit into the first window of any connection.
const MOST_REFUSAL_BYTES: usize = 1024;

/// Limits of a server: how many sessions, how fast they may come and send, how much is queued for
/// one.
///
/// They hold for all listeners together; a [`Listener`](crate::Listener) may have
/// [limits of its own](crate::ListenerLimits) besides.
///
/// A connection over a limit is refused: it is reset, unless there is a
/// [`refusal`](Limits::refusal) to send first. [`Handle::stats`](crate::Handle::stats) counts
/// refused connections by [`Refusal`](crate::Refusal). A place is free again when its session has
/// ended; a graceful close may take up to [`linger`](crate::Timeouts::linger) for that.
///
/// ```
/// use proactor::{Limits, Rate, Server};
///
/// let limits = Limits::new()
///     .sessions(20_000)
///     .sessions_per_ip(100)
///     .accept_rate(Rate::per_second(500).burst(2000))
///     .byte_rate(64 * 1024)
///     .refusal("the server is full\n");
/// let builder = Server::builder().listen("0.0.0.0:7777").limits(limits);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) admission: AdmissionLimits,
    pub(super) refusal: Bytes,
    pub(super) packet_rate: Option<Rate>,
    pub(super) byte_rate: Option<Rate>,
    pub(super) outbox_bytes: usize,
    pub(super) inbox_messages: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            admission: AdmissionLimits { sessions: 100_000, per_ip: None, v6_prefix: 64, handshakes: None, rate: None },
            refusal: Bytes::new(),
            packet_rate: None,
            byte_rate: None,
            outbox_bytes: 256 * 1024,
            inbox_messages: 1024,
        }
    }
}

impl Limits {
    /// The defaults: 100,000 sessions, 256 KiB queued for each, no other limit.
    pub fn new() -> Limits {
        Limits::default()
    }

    /// Accepted sessions at one time, on all shards. 100,000 by default, at most about 262,000 for
    /// each shard. Without [direct descriptors](crate::Builder::direct_descriptors) the limit of
    /// open files counts them.
    pub fn sessions(mut self, sessions: usize) -> Limits {
        self.admission.sessions = sessions;
        self
    }

    /// Sessions of one IP address at one time. No limit by default. An IPv6
    /// [prefix](Limits::ipv6_prefix) counts as one address. Peers without an IP address (on Unix
    /// sockets) are not counted.
    pub fn sessions_per_ip(mut self, sessions: usize) -> Limits {
        self.admission.per_ip = Some(sessions);
        self
    }

    /// Leading bits of an IPv6 address that count as one address. 64 by default, the block that a
    /// network usually gives to one customer.
    pub fn ipv6_prefix(mut self, bits: u8) -> Limits {
        self.admission.v6_prefix = bits;
        self
    }

    /// Sessions that may wait for their first packet at one time. No limit by default. With a
    /// [`handshake` timeout](crate::Timeouts::handshake) it keeps silent connections from taking
    /// all places.
    pub fn handshakes(mut self, sessions: usize) -> Limits {
        self.admission.handshakes = Some(sessions);
        self
    }

    /// Connections that may become sessions per second. No limit by default. Connections refused
    /// for another reason do not count.
    pub fn accept_rate(mut self, rate: impl Into<Rate>) -> Limits {
        self.admission.rate = Some(rate.into());
        self
    }

    /// Packets that a session may send per second. No limit by default. A session over its rate is
    /// not read until it is under it again, which slows its peer down.
    ///
    /// Such a hold ends on a tick of 8.4 ms, so a burst smaller than the packets of two ticks
    /// lowers the rate that a peer can reach.
    pub fn packet_rate(mut self, rate: impl Into<Rate>) -> Limits {
        self.packet_rate = Some(rate.into());
        self
    }

    /// Bytes that a session may send per second. No limit by default. Works as the
    /// [packet rate](Limits::packet_rate). Bytes are counted as they arrive, in pieces of up to one
    /// receive buffer (16 or 64 KiB), so a burst may be exceeded by what was already on its way.
    pub fn byte_rate(mut self, rate: impl Into<Rate>) -> Limits {
        self.byte_rate = Some(rate.into());
        self
    }

    /// Bytes that may be queued for one session, including bytes in flight and what it is behind in
    /// its groups. 256 KiB by default, at least 64 KiB. While half of it is
    /// queued, the session is handed no packets; they resume at a quarter.
    pub fn outbox_bytes(mut self, bytes: usize) -> Limits {
        self.outbox_bytes = bytes;
        self
    }

    /// Messages that may wait for one session: those [posted](crate::Handle::post) to it that its
    /// logic has not taken. 1,024 by default.
    pub fn inbox_messages(mut self, messages: usize) -> Limits {
        self.inbox_messages = messages;
        self
    }

    /// Bytes sent to a refused connection before it is closed: at most 1,024, none by default. Sent
    /// to 64 connections at a time; under a storm the others are reset without it.
    pub fn refusal(mut self, bytes: impl Into<Bytes>) -> Limits {
        self.refusal = bytes.into();
        self
    }

    /// The rates of a session.
    pub(super) fn rates(&self) -> Rates {
        Rates { packets: self.packet_rate, bytes: self.byte_rate }
    }

    /// `most_sessions` is what the shards have sockets for, `least_outbox` what the codec and the
    /// receive buffers need.
    pub(super) fn check(&self, most_sessions: usize, least_outbox: usize) -> Result<(), String> {
        let admission = &self.admission;
        if !(1..=most_sessions).contains(&admission.sessions) {
            return Err(format!("{} sessions: must be 1 to {most_sessions}", admission.sessions));
        }
        if admission.per_ip == Some(0) || admission.handshakes == Some(0) {
            return Err("a limit of 0 sessions: must be at least 1".into());
        }
        if !(1..=128).contains(&admission.v6_prefix) {
            return Err(format!("an IPv6 prefix of {} bits: must be 1 to 128", admission.v6_prefix));
        }
        check_rate("accept", admission.rate)?;
        check_rate("packet", self.packet_rate)?;
        check_rate("byte", self.byte_rate)?;
        if self.outbox_bytes < least_outbox {
            return Err(format!("an outbox of {} bytes: must be at least {least_outbox}", self.outbox_bytes));
        }
        if self.inbox_messages == 0 {
            return Err("an inbox of 0 messages: must be at least 1".into());
        }
        check_refusal(&self.refusal)
    }
}

pub(super) fn check_rate(name: &str, rate: Option<Rate>) -> Result<(), String> {
    match rate.is_some_and(|rate| !rate.is_possible()) {
        true => Err(format!("{name} rate: the rate and its burst must be at least 1")),
        false => Ok(()),
    }
}

pub(super) fn check_refusal(refusal: &Bytes) -> Result<(), String> {
    match refusal.len() > MOST_REFUSAL_BYTES {
        true => Err(format!("a refusal of {} bytes: must be at most {MOST_REFUSAL_BYTES}", refusal.len())),
        false => Ok(()),
    }
}
