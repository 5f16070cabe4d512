//! Targets of outbound connections, and where a session comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use overlapped::Address;
use overlapped::resolve::is_host_name;

use crate::session::id::SessionId;
#[cfg(feature = "tls")]
use crate::tls::TlsClient;
use crate::transport::layer::Layer;
#[cfg(feature = "websocket")]
use crate::websocket::WebSocketClient;

/// What to connect to: an address, one of several addresses, or a host name and a port, which
/// are looked up.
///
/// It is written as `127.0.0.1:80`, `[::1]:80`, `example.org:80` or `unix:/run/server.sock`.
///
/// ```
/// # use proactor::Target;
/// let target: Target = "example.org:80".parse().unwrap();
/// assert_eq!(target.to_string(), "example.org:80");
/// assert!("example.org".parse::<Target>().is_err(), "a port is missing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) place: Where,
    #[cfg(feature = "tls")]
    tls: Option<OverTls>,
    #[cfg(feature = "websocket")]
    websocket: Option<Box<WebSocketClient>>,
}

/// A peer that is spoken to over TLS.
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
struct OverTls {
    client: TlsClient,
    /// The name in the peer's certificate, if it is not the target's.
    name: Option<String>,
}

#[cfg(feature = "tls")]
impl PartialEq for OverTls {
    fn eq(&self, other: &OverTls) -> bool {
        self.client.is_same(&other.client) && self.name == other.name
    }
}

#[cfg(feature = "tls")]
impl Eq for OverTls {}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Address(Address),
    Any(Vec<SocketAddr>),
    Name(String, u16),
}

impl Target {
    fn at(place: Where) -> Target {
        Target {
            place,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "websocket")]
            websocket: None,
        }
    }

    /// Speaks WebSocket to the peer, over TLS if the target says that too. Packets are messages,
    /// and the server's codec is not used.
    ///
    /// The logic is told of the connection when the peer has accepted the upgrade. If it does not,
    /// the logic is told by [`connect_failed`](crate::Handler::connect_failed), with
    /// [`ConnectFailure::Upgrade`](crate::ConnectFailure::Upgrade).
    ///
    /// ```
    /// use proactor::{Target, WebSocketClient};
    ///
    /// let feed = WebSocketClient::new("/feed?symbols=all").protocols(["ticks.v1"]);
    /// let target: Target = "example.org:8080".parse().unwrap();
    /// let target = target.websocket(&feed);
    /// # let _ = target;
    /// ```
    #[cfg(feature = "websocket")]
    pub fn websocket(mut self, client: &WebSocketClient) -> Target {
        self.websocket = Some(Box::new(client.clone()));
        self
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn websocket_client(&self) -> Option<&WebSocketClient> {
        self.websocket.as_deref()
    }

    /// What a `Host` header says of it.
    #[cfg(feature = "websocket")]
    pub(crate) fn host_header(&self) -> String {
        let usual = if self.is_over_tls() { 443 } else { 80 };
        let (host, port) = match &self.place {
            Where::Name(name, port) => (name.clone(), *port),
            Where::Address(address) => match address.ip() {
                Some(SocketAddr::V4(ip)) => (ip.ip().to_string(), ip.port()),
                Some(SocketAddr::V6(ip)) => (format!("[{}]", ip.ip()), ip.port()),
                None => ("localhost".to_owned(), usual),
            },
            Where::Any(_) => ("localhost".to_owned(), usual),
        };
        if port == usual { host } else { format!("{host}:{port}") }
    }

    pub(crate) fn is_over_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Speaks TLS to the peer. Its certificate must be for the target's name, or for its address if
    /// that was given. A target with neither (a Unix socket, several addresses) needs
    /// [`tls_as`](Target::tls_as).
    ///
    /// The logic is told of the connection when the handshake is over. If it fails, the logic is
    /// told by [`connect_failed`](crate::Handler::connect_failed), with
    /// [`ConnectFailure::Tls`](crate::ConnectFailure::Tls).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, client: &TlsClient) -> Target {
        self.tls = Some(OverTls { client: client.clone(), name: None });
        self
    }

    /// As [`tls`](Target::tls), to a peer whose certificate is for another name than the target's.
    /// The peer is asked for that name (SNI).
    #[cfg(feature = "tls")]
    pub fn tls_as(mut self, client: &TlsClient, name: impl Into<String>) -> Target {
        self.tls = Some(OverTls { client: client.clone(), name: Some(name.into()) });
        self
    }

    /// What lies between the socket and the session, and how long it may take to open. `None`:
    /// nothing does.
    #[cfg_attr(
        not(any(feature = "tls", feature = "websocket")),
        expect(clippy::unused_self, reason = "there is neither")
    )]
    pub(crate) fn layer(&self) -> Option<Result<(Layer, Duration), String>> {
        #[cfg(feature = "tls")]
        if let Some(OverTls { client, name }) = &self.tls {
            let own = match &self.place {
                Where::Name(name, _) => Some(name.clone()),
                Where::Address(address) => address.ip().map(|address| address.ip().to_string()),
                Where::Any(_) => None,
            };
            let no_name = || "it has no name that a certificate could be for: use Target::tls_as".to_owned();
            return Some(name.clone().or(own).ok_or_else(no_name).and_then(|name| client.connect(&name)));
        }
        #[cfg(feature = "websocket")]
        if self.websocket.is_some() {
            return Some(Ok((Layer::Plain, Duration::ZERO)));
        }
        None
    }

    /// A host's name and a port. An IP address as a name is not looked up.
    ///
    /// # Errors
    /// The name is not valid, or the port is 0.
    pub fn host(name: &str, port: u16) -> Result<Target, TargetError> {
        let text = || TargetError(format!("{name}:{port}"));
        if port == 0 {
            return Err(text());
        }
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(Target::at(Where::Address(SocketAddr::new(ip, port).into())));
        }
        if !is_host_name(name) {
            return Err(text());
        }
        Ok(Target::at(Where::Name(name.to_owned(), port)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Where::Address(address) => address.fmt(f),
            Where::Name(name, port) => write!(f, "{name}:{port}"),
            Where::Any(addresses) => {
                f.write_str("any of")?;
                for (at, address) in addresses.iter().enumerate() {
                    write!(f, "{} {address}", if at == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;
    fn from_str(text: &str) -> Result<Target, TargetError> {
        let error = || TargetError(text.to_owned());
        if let Ok(address) = text.parse::<Address>() {
            let is_port_0 = address.ip().is_some_and(|address| address.port() == 0);
            return if is_port_0 { Err(error()) } else { Ok(address.into()) };
        }
        let (name, port) = text.rsplit_once(':').ok_or_else(error)?;
        Target::host(name, port.parse().map_err(|_| error())?).map_err(|_| error())
    }
}

impl TryFrom<&str> for Target {
    type Error = TargetError;
    fn try_from(text: &str) -> Result<Target, TargetError> {
        text.parse()
    }
}

impl From<Address> for Target {
    fn from(address: Address) -> Target {
        Target::at(Where::Address(address))
    }
}

impl From<&Address> for Target {
    fn from(address: &Address) -> Target {
        address.clone().into()
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Target {
        Target::at(Where::Address(address.into()))
    }
}

impl From<Vec<SocketAddr>> for Target {
    /// Connects to the one that answers first. The first ones are preferred; at most 16 are tried.
    fn from(addresses: Vec<SocketAddr>) -> Target {
        Target::at(Where::Any(addresses))
    }
}

/// The text is no valid target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError(String);

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is nothing to connect to: write it as example.org:80, 127.0.0.1:80, [::1]:80 or unix:/run/server.sock",
            self.0
        )
    }
}

impl std::error::Error for TargetError {}

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A peer connected to one of the server's listeners.
    Accepted,
    /// The server connected to the peer.
    Connected {
        /// The token that was given to [`Session::connect`](crate::Session::connect) or
        /// [`Handle::connect`](crate::Handle::connect).
        token: u64,
        /// The session that asked for it, if one did.
        opener: Option<SessionId>,
    },
}

impl Origin {
    pub(crate) fn opener(self) -> Option<SessionId> {
        match self {
            Origin::Accepted => None,
            Origin::Connected { opener, .. } => opener,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_and_written_alike() {
        for text in ["127.0.0.1:80", "[::1]:80", "example.org:80", "a_b-c.local:65535", "unix:/run/x"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!(Target::host("::1", 80).unwrap(), "[::1]:80".parse().unwrap());
    }

    #[test]
    fn what_is_none_is_named() {
        let long = format!("{}:80", "a".repeat(254));
        let texts =
            ["", ":80", "example.org", "example.org:0", "127.0.0.1:0", "a b:80", "a/b:80", "::1:x", "unix:", &long];
        for text in texts {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("'{text}' is nothing to connect to")), "{error}");
        }
    }
}
