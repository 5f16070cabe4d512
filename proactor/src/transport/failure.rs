//! How a transport fails.

use std::fmt;

/// What is wrong with a connection over TLS. [`Stats`](crate::Stats) counts each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The peer did not speak TLS.
    NotTls,
    /// The handshake took longer than it may.
    TimedOut,
    /// The peer ended or reset the connection during the handshake.
    Ended,
    /// There is no version of TLS that both sides speak.
    NoSharedVersion,
    /// There is no cipher suite, key exchange or signature that both sides have.
    NoSharedCipher,
    /// There is no application protocol (ALPN) that both sides have.
    NoSharedProtocol,
    /// The peer showed no certificate, and must.
    NoCertificate,
    /// The peer's certificate has expired.
    Expired,
    /// The peer's certificate is not valid yet.
    NotValidYet,
    /// The peer's certificate is for another name.
    WrongName,
    /// The peer's certificate is not signed by an authority that is trusted.
    UnknownIssuer,
    /// The peer's certificate cannot be used for another reason.
    BadCertificate,
    /// The peer refused the connection by an alert: it does not like our certificate, our versions
    /// or ours of something else.
    RefusedByPeer,
    /// Where TLS was to start in a running session, the peer had sent more before it could know.
    Pipelined,
    /// The peer broke the protocol.
    Protocol,
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsFailure::NotTls => "the peer does not speak TLS",
            TlsFailure::TimedOut => "the handshake took too long",
            TlsFailure::Ended => "the peer left during the handshake",
            TlsFailure::NoSharedVersion => "no version of TLS in common",
            TlsFailure::NoSharedCipher => "no cipher suite, key exchange or signature in common",
            TlsFailure::NoSharedProtocol => "no application protocol in common",
            TlsFailure::NoCertificate => "the peer showed no certificate",
            TlsFailure::Expired => "the peer's certificate has expired",
            TlsFailure::NotValidYet => "the peer's certificate is not valid yet",
            TlsFailure::WrongName => "the peer's certificate is for another name",
            TlsFailure::UnknownIssuer => "the peer's certificate is not signed by a trusted authority",
            TlsFailure::BadCertificate => "the peer's certificate cannot be used",
            TlsFailure::RefusedByPeer => "the peer refused by an alert",
            TlsFailure::Pipelined => "the peer sent more before TLS could start",
            TlsFailure::Protocol => "the peer broke the TLS protocol",
        })
    }
}

/// Why a transport failed, for the log and the logic.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    detail: String,
}

/// What has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    Tls(TlsFailure),
    /// The upgrade to WebSocket, with the status of the answer, if there was one.
    #[cfg(feature = "websocket")]
    Upgrade(Option<u16>),
    /// The protocol of sessions that are resumed.
    Resume,
}

impl PartialEq<TlsFailure> for FailureKind {
    fn eq(&self, other: &TlsFailure) -> bool {
        *self == FailureKind::Tls(*other)
    }
}

impl Failure {
    pub(crate) fn new(kind: TlsFailure, detail: impl Into<String>) -> Failure {
        Failure { kind: FailureKind::Tls(kind), detail: detail.into() }
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn upgrade(status: Option<u16>, detail: impl Into<String>) -> Failure {
        Failure { kind: FailureKind::Upgrade(status), detail: detail.into() }
    }

    pub(crate) fn resume(detail: impl Into<String>) -> Failure {
        Failure { kind: FailureKind::Resume, detail: detail.into() }
    }

    /// What has failed if it was the hello: that has been waited for.
    pub(crate) fn in_hello(self) -> Failure {
        match self.kind {
            FailureKind::Tls(TlsFailure::TimedOut) => Failure::resume("its hello took too long"),
            FailureKind::Tls(TlsFailure::Ended) => Failure::resume("the peer left before its hello"),
            _ => self,
        }
    }

    /// What has failed if it was the upgrade: that has been waited for.
    #[cfg(feature = "websocket")]
    pub(crate) fn in_upgrade(self) -> Failure {
        match self.kind {
            FailureKind::Tls(TlsFailure::TimedOut) => Failure::upgrade(None, "it took too long"),
            FailureKind::Tls(TlsFailure::Ended) => Failure::upgrade(None, "the peer left"),
            _ => self,
        }
    }
}

impl From<TlsFailure> for Failure {
    fn from(kind: TlsFailure) -> Failure {
        Failure::new(kind, "")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.detail.as_str()) {
            (FailureKind::Tls(kind), "") => kind.fmt(f),
            (FailureKind::Tls(kind), detail) => write!(f, "{kind} ({detail})"),
            #[cfg(feature = "websocket")]
            (FailureKind::Upgrade(_), detail) => f.write_str(detail),
            (FailureKind::Resume, detail) => f.write_str(detail),
        }
    }
}
