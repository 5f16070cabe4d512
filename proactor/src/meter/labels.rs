//! What reasons are called in labels. A name here is part of the interface: dashboards and alerts
//! have it.

use crate::datagrams::drops::DatagramDrop;
use crate::limits::Refusal;
use crate::session::reason::CloseReason;
use crate::transport::failure::TlsFailure;

/// All reasons for a close, in the order of their discriminants.
const ALL_REASONS: [CloseReason; 25] = [
    CloseReason::ByPeer,
    CloseReason::ByHandler,
    CloseReason::Panic,
    CloseReason::Reset,
    CloseReason::TooSlow,
    CloseReason::FrameTooLarge,
    CloseReason::Protocol,
    CloseReason::TlsFailed,
    CloseReason::Truncated,
    CloseReason::UpgradeFailed,
    CloseReason::Limit,
    CloseReason::Idle,
    CloseReason::ReceiveTimeout,
    CloseReason::ReadTimeout,
    CloseReason::WriteTimeout,
    CloseReason::HandshakeTimeout,
    CloseReason::Lifetime,
    CloseReason::ByPartner,
    CloseReason::ByOpened,
    CloseReason::Replaced,
    CloseReason::Lost,
    CloseReason::Drained,
    CloseReason::ServerStopping,
    CloseReason::KeyLost,
    CloseReason::Moved,
];

pub(super) const REASONS: usize = ALL_REASONS.len();

pub(super) fn reason_at(reason: CloseReason) -> usize {
    reason as usize
}

/// The reason at a place of [`reason_at`].
pub(crate) fn reason_of(place: usize) -> Option<CloseReason> {
    ALL_REASONS.get(place).copied()
}

pub(super) fn reason_labels() -> impl Iterator<Item = &'static str> {
    ALL_REASONS.into_iter().map(reason_label)
}

/// The label of a reason for a close.
fn reason_label(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::ByPeer => "by_peer",
        CloseReason::ByHandler => "by_handler",
        CloseReason::Panic => "panic",
        CloseReason::Reset => "reset",
        CloseReason::TooSlow => "too_slow",
        CloseReason::FrameTooLarge => "frame_too_large",
        CloseReason::Protocol => "protocol",
        CloseReason::TlsFailed => "tls_failed",
        CloseReason::Truncated => "truncated",
        CloseReason::UpgradeFailed => "upgrade_failed",
        CloseReason::Limit => "limit",
        CloseReason::Idle => "idle",
        CloseReason::ReceiveTimeout => "receive_timeout",
        CloseReason::ReadTimeout => "read_timeout",
        CloseReason::WriteTimeout => "write_timeout",
        CloseReason::HandshakeTimeout => "handshake_timeout",
        CloseReason::Lifetime => "lifetime",
        CloseReason::ByPartner => "by_partner",
        CloseReason::ByOpened => "by_opened",
        CloseReason::Replaced => "replaced",
        CloseReason::Lost => "lost",
        CloseReason::Drained => "drained",
        CloseReason::ServerStopping => "server_stopping",
        CloseReason::KeyLost => "key_lost",
        CloseReason::Moved => "moved",
    }
}

const ALL_REFUSALS: [&str; 8] = [
    "sessions",
    "sessions_per_ip",
    "handshakes",
    "tls_handshakes",
    "accept_rate",
    "shard_full",
    "ending",
    "proxy_header",
];

pub(super) const REFUSALS: usize = ALL_REFUSALS.len();

pub(super) fn refusal_at(refusal: Refusal) -> usize {
    match refusal {
        Refusal::Sessions => 0,
        Refusal::SessionsPerIp => 1,
        Refusal::Handshakes => 2,
        Refusal::TlsHandshakes => 3,
        Refusal::AcceptRate => 4,
        Refusal::ShardFull => 5,
        Refusal::Ending => 6,
        Refusal::ProxyHeader(_) => 7,
    }
}

pub(super) fn refusal_labels() -> impl Iterator<Item = &'static str> {
    ALL_REFUSALS.into_iter()
}

impl CloseReason {
    /// What it is called in the [metrics](crate::metrics): its name in snake case.
    #[cfg(feature = "metrics")]
    pub fn label(self) -> &'static str {
        reason_label(self)
    }
}

impl Refusal {
    /// What it is called in the [metrics](crate::metrics): its name in snake case, without what was
    /// wrong with a header of the PROXY protocol.
    #[cfg(feature = "metrics")]
    pub fn label(self) -> &'static str {
        ALL_REFUSALS[refusal_at(self)]
    }
}

/// The label of a reason for dropping a datagram.
pub(crate) fn datagram_drop_label(why: DatagramDrop) -> &'static str {
    match why {
        DatagramDrop::Oversized => "oversized",
        DatagramDrop::Held => "held",
        DatagramDrop::NoCookie => "no_cookie",
        DatagramDrop::Unproved => "unproved",
        DatagramDrop::Unsent => "unsent",
    }
}

/// The label of a failure of TLS.
pub(crate) fn tls_failure_label(failure: TlsFailure) -> &'static str {
    match failure {
        TlsFailure::NotTls => "not_tls",
        TlsFailure::TimedOut => "timed_out",
        TlsFailure::Ended => "ended",
        TlsFailure::NoSharedVersion => "no_shared_version",
        TlsFailure::NoSharedCipher => "no_shared_cipher",
        TlsFailure::NoSharedProtocol => "no_shared_protocol",
        TlsFailure::NoCertificate => "no_certificate",
        TlsFailure::Expired => "expired",
        TlsFailure::NotValidYet => "not_valid_yet",
        TlsFailure::WrongName => "wrong_name",
        TlsFailure::UnknownIssuer => "unknown_issuer",
        TlsFailure::BadCertificate => "bad_certificate",
        TlsFailure::RefusedByPeer => "refused_by_peer",
        TlsFailure::Pipelined => "pipelined",
        TlsFailure::Protocol => "protocol",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_place_and_a_label_of_its_own() {
        for (place, reason) in ALL_REASONS.into_iter().enumerate() {
            assert_eq!(reason_at(reason), place, "{reason}");
        }
        let labels: BTreeSet<_> = reason_labels().collect();
        assert_eq!(labels.len(), REASONS);
        let refusals: BTreeSet<_> = refusal_labels().collect();
        assert_eq!(refusals.len(), REFUSALS);
        assert_eq!(ALL_REFUSALS[refusal_at(Refusal::AcceptRate)], "accept_rate");
    }
}
