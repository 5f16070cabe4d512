//! Why a connection is refused.

use std::fmt;

use crate::proxy_protocol::ProxyHeaderFault;

/// Why a connection was refused. It never was a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// There were as many sessions as allowed.
    Sessions,
    /// Its address had as many sessions as allowed.
    SessionsPerIp,
    /// As many sessions as allowed were waiting for their first packet.
    Handshakes,
    /// As many TLS handshakes as allowed were under way.
    TlsHandshakes,
    /// More connections came in a short time than allowed.
    AcceptRate,
    /// Its shard had no room for it: the mailbox, or the driver's table of sockets, was full.
    ShardFull,
    /// The server was being drained or stopped.
    Ending,
    /// Its listener takes the [PROXY protocol](crate::ProxyProtocol), and this is wrong with its
    /// header.
    ProxyHeader(ProxyHeaderFault),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::ProxyHeader(fault) => return fault.fmt(f),
            Refusal::Sessions => "there are as many sessions as there may be",
            Refusal::SessionsPerIp => "its address has as many sessions as it may have",
            Refusal::Handshakes => "as many sessions as may be wait for their first packet",
            Refusal::TlsHandshakes => "as many TLS handshakes as may be are under way",
            Refusal::AcceptRate => "more come in a short time than may come",
            Refusal::ShardFull => "its shard has no room for it",
            Refusal::Ending => "the server is ending",
        })
    }
}
