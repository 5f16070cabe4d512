//! What the logic can learn of a session's TLS.

use std::fmt;

use bytes::Bytes;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsVersion::Tls12 => "TLS 1.2",
            TlsVersion::Tls13 => "TLS 1.3",
        })
    }
}

/// What a session over TLS has agreed on with its peer, and what that has shown.
/// [`Session::tls`](crate::Session::tls) gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    version: TlsVersion,
    protocol: Option<Bytes>,
    name: Option<String>,
    certificates: Vec<Bytes>,
    is_resumed: bool,
}

impl TlsInfo {
    pub(super) fn of(state: &CommonState, name: Option<&str>) -> TlsInfo {
        let certificates = state.peer_certificates().unwrap_or_default();
        TlsInfo {
            version: match state.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
                // It is open, and there are only these.
                _ => TlsVersion::Tls13,
            },
            protocol: state.alpn_protocol().map(Bytes::copy_from_slice),
            name: name.map(str::to_owned),
            certificates: certificates.iter().map(|certificate| Bytes::copy_from_slice(certificate)).collect(),
            is_resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// The version of TLS.
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// The application protocol that was agreed on (ALPN), if one was.
    pub fn protocol(&self) -> Option<&[u8]> {
        self.protocol.as_deref()
    }

    /// The name that the client asked for (SNI), in lower case. Of a session that the server
    /// connected: the name that the peer's certificate was checked for.
    pub fn server_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The peer's certificates in DER, its own first, as they came; each was signed by the next.
    /// Empty if it showed none. They are checked: a peer with others has no session.
    pub fn certificates(&self) -> &[Bytes] {
        &self.certificates
    }

    /// Whether an earlier session was resumed. The certificates are those of that one.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }
}
