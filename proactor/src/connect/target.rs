//! Targets of outbound connections, and where a session comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use overlapped::Address;
use overlapped::resolve::is_host_name;

use crate::session::id::SessionId;

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
pub struct Target(pub(super) Where);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Address(Address),
    Any(Vec<SocketAddr>),
    Name(String, u16),
}

impl Target {
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
            return Ok(Target(Where::Address(SocketAddr::new(ip, port).into())));
        }
        if !is_host_name(name) {
            return Err(text());
        }
        Ok(Target(Where::Name(name.to_owned(), port)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
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
        Target(Where::Address(address))
    }
}

impl From<&Address> for Target {
    fn from(address: &Address) -> Target {
        address.clone().into()
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Target {
        Target(Where::Address(address.into()))
    }
}

impl From<Vec<SocketAddr>> for Target {
    /// Connects to the one that answers first. The first ones are preferred; at most 16 are tried.
    fn from(addresses: Vec<SocketAddr>) -> Target {
        Target(Where::Any(addresses))
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
