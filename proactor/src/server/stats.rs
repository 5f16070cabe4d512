//! What a server counts.

use std::collections::BTreeMap;

use crate::datagrams::drops::{DatagramCounts, DatagramDrop};
use crate::limits::Refusal;
use crate::resume::Afresh;
use crate::session::{delivery::Delivery, reason::CloseReason};
use crate::transport::failure::TlsFailure;

/// What a server has counted since it began. [`Handle::stats`](crate::Handle::stats) returns it.
///
/// ```
/// use proactor::{CloseReason, Refusal, Stats};
///
/// fn report(stats: &Stats) -> String {
///     format!(
///         "{} of {} sessions; {} refused, {} by the limit; {} idle",
///         stats.sessions,
///         stats.accepted,
///         stats.refused_in_all(),
///         stats.refused(Refusal::Sessions),
///         stats.closed(CloseReason::Idle)
///     )
/// }
/// let nothing = "0 of 0 sessions; 0 refused, 0 by the limit; 0 idle";
/// assert_eq!(report(&Stats::default()), nothing);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions there are now.
    pub sessions: usize,
    /// Sessions that wait for their first packet.
    pub handshakes: usize,
    /// Connections that became sessions, or that one [went on](Stats::resumed) with.
    pub accepted: u64,
    /// Outbound sessions there are now, with those that are being connected.
    pub outbound: usize,
    /// Outbound connections that became sessions.
    pub connected: u64,
    /// Outbound connections that could not be made.
    pub connects_failed: u64,
    /// Packets that were dropped because their peers did not take what was sent
    /// ([`SlowConsumer::DropOldest`](crate::SlowConsumer)).
    pub dropped: u64,
    /// How often accepting paused because no file descriptors were left.
    pub out_of_files: u64,
    /// Sessions that have ended, and of whose queued bytes none was
    /// [cut](crate::Delivery::Flushed).
    pub flushed: u64,
    /// Sessions that have ended, and were [cut](crate::Delivery::Cut). With
    /// [`flushed`](Stats::flushed), these are all that have ended.
    pub cut: u64,
    /// Sessions that were completed while the server was [drained](crate::Handle::drain).
    pub drained: u64,
    /// Sessions that were cut because the time of a drain was over, or because the server was
    /// stopped during one.
    pub drain_cut: u64,
    /// Datagrams that have come to [datagram listeners](crate::Listener::datagrams), whatever
    /// became of them.
    pub datagrams_received: u64,
    /// Datagrams that the system has sent.
    pub datagrams_sent: u64,
    datagrams_dropped: BTreeMap<DatagramDrop, u64>,
    /// Times that a session went on with another connection
    /// ([`Listener::resume`](crate::Listener::resume)).
    pub resumed: u64,
    afresh: BTreeMap<Afresh, u64>,
    refused: BTreeMap<Refusal, u64>,
    closed: BTreeMap<CloseReason, u64>,
    tls_failures: BTreeMap<TlsFailure, u64>,
    #[cfg(feature = "websocket")]
    upgrades_refused: BTreeMap<u16, u64>,
}

impl Stats {
    /// Connections that were refused for this reason.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused.get(&refusal).copied().unwrap_or_default()
    }

    /// Clients that asked for a session and, for this reason, got a new one.
    pub fn afresh(&self, reason: Afresh) -> u64 {
        self.afresh.get(&reason).copied().unwrap_or_default()
    }

    pub(crate) fn count_afresh(&mut self, reason: Afresh) {
        *self.afresh.entry(reason).or_default() += 1;
    }

    /// Connections that were refused.
    pub fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Sessions that ended for this reason and are [released](crate::Handler::released).
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed.get(&reason).copied().unwrap_or_default()
    }

    /// Sessions that ended.
    pub fn closed_in_all(&self) -> u64 {
        self.closed.values().sum()
    }

    /// The refused connections by reason; reasons without any are left out.
    pub fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        self.refused.iter().map(|(refusal, count)| (*refusal, *count))
    }

    /// The ended sessions by reason; reasons without any are left out.
    pub fn closings(&self) -> impl Iterator<Item = (CloseReason, u64)> {
        self.closed.iter().map(|(reason, count)| (*reason, *count))
    }

    /// Connections over TLS that failed for this reason: accepted and outbound ones, most of them
    /// in the handshake.
    pub fn tls_failed(&self, failure: TlsFailure) -> u64 {
        self.tls_failures.get(&failure).copied().unwrap_or_default()
    }

    /// The connections over TLS that failed, by reason; reasons without any are left out.
    pub fn tls_failures(&self) -> impl Iterator<Item = (TlsFailure, u64)> {
        self.tls_failures.iter().map(|(failure, count)| (*failure, *count))
    }

    /// Upgrades to WebSocket that were refused with a status: by this server, or by one that it has
    /// connected to.
    #[cfg(feature = "websocket")]
    pub fn upgrade_refused(&self, status: u16) -> u64 {
        self.upgrades_refused.get(&status).copied().unwrap_or_default()
    }

    /// The upgrades that were refused, by status; statuses without any are left out.
    #[cfg(feature = "websocket")]
    pub fn upgrades_refused(&self) -> impl Iterator<Item = (u16, u64)> {
        self.upgrades_refused.iter().map(|(status, count)| (*status, *count))
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn count_upgrade_refused(&mut self, status: Option<u16>) {
        if let Some(status) = status {
            *self.upgrades_refused.entry(status).or_default() += 1;
        }
    }

    /// Datagrams that were dropped for this reason. Those of peers that were refused a session are
    /// in [`refused`](Stats::refused), one each.
    pub fn datagrams_dropped(&self, why: DatagramDrop) -> u64 {
        self.datagrams_dropped.get(&why).copied().unwrap_or_default()
    }

    /// The datagrams that were dropped, by reason; reasons without any are left out.
    pub fn datagram_drops(&self) -> impl Iterator<Item = (DatagramDrop, u64)> {
        self.datagrams_dropped.iter().map(|(why, count)| (*why, *count))
    }

    pub(crate) fn count_datagrams(&mut self, counts: &DatagramCounts) {
        self.datagrams_received += counts.received;
        self.datagrams_sent += counts.sent;
        for (why, count) in counts.drops() {
            *self.datagrams_dropped.entry(why).or_default() += count;
        }
    }

    pub(crate) fn count_tls_failure(&mut self, failure: TlsFailure) {
        *self.tls_failures.entry(failure).or_default() += 1;
    }

    pub(crate) fn count_refused(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal).or_default() += 1;
    }

    /// A session is gone.
    pub(crate) fn count_ended(&mut self, reason: CloseReason, delivery: Delivery, in_drain: bool) {
        *self.closed.entry(reason).or_default() += 1;
        match delivery {
            Delivery::Flushed => {
                self.flushed += 1;
                // Those that the end of a drain closes are counted there.
                self.drained += u64::from(in_drain && reason != CloseReason::ServerStopping);
            }
            Delivery::Cut { .. } => self.cut += 1,
        }
    }
}
