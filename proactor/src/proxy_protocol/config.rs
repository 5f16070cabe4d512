//! How a listener treats the PROXY protocol.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use overlapped::Address;

/// How long a header may take to arrive.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How a [`Listener`](crate::Listener) treats the PROXY protocol header, versions 1 and 2, with
/// which a load balancer says whose connection it forwards.
///
/// A connection is a session when its header has been read, and the logic sees no part of the
/// header. From then on the client's address is the session's peer, also for limits on sessions of
/// one address. The header itself is [`Session::proxy_header`](crate::Session::proxy_header).
///
/// A header may claim any address. So list the load balancers with
/// [`trust`](ProxyProtocol::trust), unless nobody else can reach the listener.
///
/// A connection with a malformed header, or without the one that is required, is reset, and counts
/// as [refused](crate::Stats::refused) with
/// [`Refusal::ProxyHeader`](crate::Refusal::ProxyHeader).
///
/// ```
/// use proactor::{Listener, ProxyProtocol, Server};
///
/// let balancers = ["10.0.0.0/8".parse()?, "2001:db8::/32".parse()?];
/// let header = ProxyProtocol::required().trust(balancers);
/// let builder = Server::builder().listen(Listener::new("0.0.0.0:7000").proxy_protocol(header));
/// # let _ = builder;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    is_required: bool,
    trusted: Option<Arc<[IpNet]>>,
    timeout: Duration,
}

impl ProxyProtocol {
    /// Every connection begins with a header.
    pub fn required() -> Self {
        Self { is_required: true, trusted: None, timeout: TIMEOUT }
    }

    /// A connection may begin with a header. One that begins with other bytes, or with none within
    /// the [timeout](Self::timeout), is taken as it is.
    ///
    /// So where the server speaks first, a client without a header waits for the timeout. A
    /// separate listener for the load balancer is better.
    pub fn optional() -> Self {
        Self { is_required: false, ..ProxyProtocol::required() }
    }

    /// Only these addresses may send a header. A connection from elsewhere that begins with one is
    /// refused. Without a call, everybody may. Peers on a Unix socket, who have no address, always
    /// may.
    #[must_use]
    pub fn trust(self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self { trusted: Some(networks.into_iter().collect()), ..self }
    }

    /// How long the header may take to arrive: 3 s by default.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) fn is_required(&self) -> bool {
        self.is_required
    }

    pub(crate) fn trusts(&self, peer: &Address) -> bool {
        match (&self.trusted, peer.ip()) {
            (Some(networks), Some(peer)) => {
                let peer = peer.ip().to_canonical();
                networks.iter().any(|network| network.contains(&peer))
            }
            _ => true,
        }
    }

    pub(crate) fn time(&self) -> Duration {
        self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trusted_by_network_in_either_form() {
        let some = ProxyProtocol::required().trust(["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let trusts = |address: &str| some.trusts(&address.parse().unwrap());
        assert!(trusts("10.9.8.7:1") && trusts("[::ffff:10.9.8.7]:1") && trusts("[::1]:1") && trusts("unix:/x"));
        assert!(!trusts("11.0.0.1:1") && !trusts("[::2]:1"));
        assert!(ProxyProtocol::optional().trusts(&"11.0.0.1:1".parse().unwrap()), "without a list, everybody");
        assert!(!ProxyProtocol::optional().trust([]).trusts(&"11.0.0.1:1".parse().unwrap()), "nobody");
    }
}
