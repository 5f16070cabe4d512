//! The PROXY protocol, versions 1 and 2: the header with which a load balancer says whose
//! connection it forwards.
//!
//! The format is that of HAProxy's
//! [proxy-protocol.txt](https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt). Two kept
//! parsers were tried first: one takes a header that is cut behind the space before the last port
//! for a malformed one, the other waits for 15 bytes before it sees that there is no header.

mod checksum;
mod config;
mod fault;
mod header;
mod parse;
#[cfg(test)]
mod tests;
mod tlv;
mod write;

pub use self::config::ProxyProtocol;
pub use self::fault::ProxyHeaderFault;
pub use self::header::{ProxyHeader, ProxyVersion};
pub(crate) use self::parse::{Parsed, parse};
pub use self::tlv::{ProxiedTls, tlv_kind};
