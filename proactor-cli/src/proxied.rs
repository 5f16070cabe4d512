//! The PROXY protocol: headers that are read from a load balancer, and those that `proxy` sends.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use proactor::{IpNet, ProxyProtocol, ProxyVersion};

pub(crate) const HEADING: &str = "PROXY protocol (whose connection a load balancer forwards)";

#[derive(Args)]
pub(crate) struct Proxied {
    /// Read a PROXY protocol header, version 1 or 2, before the first byte of each connection. The
    /// client that it names is the peer from then on, also for --max-sessions-per-ip. A connection
    /// with a malformed header is reset.
    #[arg(long, value_name = "WHEN", value_enum, help_heading = HEADING)]
    proxy_protocol: Option<When>,
    /// Refuse headers from other addresses than these networks, such as 10.0.0.0/8,2001:db8::/32.
    /// Without it, everybody who can connect may claim any address.
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', requires = "proxy_protocol", value_parser = network, help_heading = HEADING)]
    proxy_protocol_from: Option<Vec<IpNet>>,
}

#[derive(Clone, Copy, ValueEnum)]
enum When {
    /// A connection without a header is reset
    Required,
    /// A connection without one is taken as it is, after 3 s if the client is silent
    Optional,
}

impl Proxied {
    pub(crate) fn header(&self) -> Option<ProxyProtocol> {
        let header = match self.proxy_protocol? {
            When::Required => ProxyProtocol::required(),
            When::Optional => ProxyProtocol::optional(),
        };
        Some(match &self.proxy_protocol_from {
            Some(networks) => header.trust(networks.iter().copied()),
            None => header,
        })
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = address.or_else(|| text.parse().ok());
    network.ok_or_else(|| "write an address or a network: 10.0.0.1, 10.0.0.0/8 or 2001:db8::/32".into())
}

/// The version of the header that an upstream is sent.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sent {
    /// A line of text
    V1,
    /// Binary
    V2,
}

impl From<Sent> for ProxyVersion {
    fn from(sent: Sent) -> Self {
        match sent {
            Sent::V1 => ProxyVersion::V1,
            Sent::V2 => ProxyVersion::V2,
        }
    }
}
