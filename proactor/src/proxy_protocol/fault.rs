//! What is wrong with a header.

use std::fmt;

/// Why a connection's PROXY protocol header was not accepted. The connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProxyHeaderFault {
    /// The listener requires a header, and the connection begins with something else.
    Missing,
    /// A header came from an address that the listener does not trust to send one.
    Untrusted,
    /// A version 1 header is not of the form `PROXY TCP4 SOURCE DESTINATION PORT PORT\r\n`.
    Line,
    /// A version 1 header has no end within 107 bytes.
    LineTooLong,
    /// A version 2 header names a version, command, address family or protocol that does not exist.
    Kind,
    /// A version 2 header is shorter than the addresses that it announces.
    Addresses,
    /// A field (TLV) of a version 2 header is longer than the header.
    Field,
    /// A version 2 header has more than 4,096 bytes.
    TooLong,
    /// It did not arrive within the listener's [timeout](crate::ProxyProtocol::timeout).
    TimedOut,
    /// The peer ended or reset the connection before its header was there.
    Ended,
    /// The checksum in a version 2 header is not that of its bytes.
    Checksum,
}

impl fmt::Display for ProxyHeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyHeaderFault::Missing => "the PROXY protocol header that the listener requires is missing",
            ProxyHeaderFault::Untrusted => "a PROXY protocol header came from an address that is not trusted",
            ProxyHeaderFault::Line => "the PROXY protocol line is malformed",
            ProxyHeaderFault::LineTooLong => "the PROXY protocol line does not end within 107 bytes",
            ProxyHeaderFault::Kind => "the PROXY protocol header has an unknown version, command, family or protocol",
            ProxyHeaderFault::Addresses => "the PROXY protocol header is shorter than its addresses",
            ProxyHeaderFault::Field => "a field of the PROXY protocol header is longer than the header",
            ProxyHeaderFault::TooLong => "the PROXY protocol header has more than 4,096 bytes",
            ProxyHeaderFault::TimedOut => "the PROXY protocol header took too long",
            ProxyHeaderFault::Ended => "the connection ended before its PROXY protocol header was there",
            ProxyHeaderFault::Checksum => "the checksum of the PROXY protocol header is wrong",
        })
    }
}

impl std::error::Error for ProxyHeaderFault {}
