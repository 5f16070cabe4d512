//! What to listen on: an address, a name, or every interface.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use overlapped::options::{ListenOptions, StreamOptions};
use overlapped::resolve::is_host_name;
use overlapped::{Address, address::AddressError};

use crate::error::ServerError;

/// The most addresses of one name.
const MOST_ADDRESSES: usize = 16;

/// What a server listens on, and the TCP options of the connections accepted there.
///
/// [`Builder::listen`](crate::Builder::listen) takes one, or just an address or a text:
///
/// | text | where the server listens |
/// |---|---|
/// | `127.0.0.1:7777`, `[::1]:7777` | that address |
/// | `unix:/run/server.sock` | that path |
/// | `localhost:7777` | every address of the name |
/// | `:7777` | every interface: `0.0.0.0:7777` and `[::]:7777` |
///
/// A name is looked up when the server starts, and never again. Of several addresses, those that
/// this machine does not have (often `::1`, or every one of IPv6) are left out with a line in the
/// log, if another can be listened on. [`Server::local_addrs`](crate::Server::local_addrs) says
/// what became of it. Port 0 takes a free port, the same one for each address if it is free there.
///
/// A text of no such form is an error of the start, as is a name that is not found or has more than
/// 16 addresses. A [`Simulation`](crate::Simulation) has neither names nor interfaces: it takes
/// addresses.
///
/// ```
/// use std::time::Duration;
///
/// use proactor::{Listener, Server};
///
/// let builder = Server::builder()
///     .listen("127.0.0.1:7777")
///     .listen(Listener::new("0.0.0.0:7778").keep_alive(Duration::from_secs(60)));
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Listener {
    place: Result<Place, Unusable>,
    stream: StreamOptions,
}

#[derive(Clone, Debug)]
enum Place {
    Address(Address),
    Name(String, u16),
    EveryInterface(u16),
}

/// A text that is no place to listen on, and what is wrong with it.
#[derive(Clone, Debug)]
struct Unusable(String);

/// What a [`Listener`] became: addresses. At least one must be listened on.
#[derive(Clone, Debug)]
pub(crate) struct Bind {
    pub(crate) addresses: Vec<Address>,
    pub(crate) options: ListenOptions,
}

impl Bind {
    /// Whether a failure on one address is made good by another.
    pub(crate) fn has_choice(&self) -> bool {
        self.addresses.len() > 1
    }
}

impl Listener {
    /// Listens on an address, or on what a text says.
    pub fn new(address: impl TryInto<Address, Error: Into<AddressError>>) -> Listener {
        let place = match address.try_into() {
            Ok(address) => Ok(Place::Address(address)),
            Err(error) => place_of(&error.into()),
        };
        Listener { place, stream: StreamOptions::new() }
    }

    /// TCP keep-alive: how long a connection is idle before the system asks whether the peer is
    /// still there: 1 to 32,767 seconds. Off by default. A server does not start with another time,
    /// nor with this on a path: it is an option of TCP.
    pub fn keep_alive(mut self, time: Duration) -> Listener {
        self.stream = self.stream.keep_alive(time);
        self
    }

    /// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged before the system gives the
    /// connection up and the session ends with [`Reset`](crate::CloseReason::Reset). By default the
    /// system decides. Linux only: elsewhere the server does not start, nor with this on a path.
    pub fn user_timeout(mut self, time: Duration) -> Listener {
        self.stream = self.stream.user_timeout(time);
        self
    }

    /// The addresses and the options of their sockets. Looks a name up, which may take seconds.
    pub(super) fn resolve(&self, simulated: bool) -> Result<Bind, String> {
        let place = self.place.as_ref().map_err(|Unusable(why)| why.clone())?;
        let addresses = match place {
            Place::Address(address) => vec![address.clone()],
            Place::Name(..) | Place::EveryInterface(_) if simulated => {
                return Err(format!(
                    "could not listen on {place}: a simulated network takes an address, as 10.0.0.1:80"
                ));
            }
            // Two listeners, so that an IPv4 peer has an IPv4 address.
            Place::EveryInterface(port) => {
                vec![(Ipv4Addr::UNSPECIFIED, *port).into(), (Ipv6Addr::UNSPECIFIED, *port).into()]
            }
            Place::Name(name, port) => {
                look_up(name, *port).map_err(|why| format!("could not listen on {place}: {why}"))?
            }
        };
        Ok(Bind { addresses, options: ListenOptions::new().stream(self.stream.clone()) })
    }
}

fn look_up(name: &str, port: u16) -> Result<Vec<Address>, String> {
    let found = (name, port).to_socket_addrs();
    let found = found.map_err(|error| {
        format!("could not look up the name: {error}; use a name that this machine knows, or an address")
    })?;
    let mut addresses: Vec<Address> = Vec::new();
    for address in found.map(|address: SocketAddr| Address::from(address)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.len() {
        0 => Err("the name has no address; use another name, or an address".into()),
        count if count > MOST_ADDRESSES => Err(format!(
            "the name has {count} addresses, and at most {MOST_ADDRESSES} are listened on; list those you want"
        )),
        _ => Ok(addresses),
    }
}

/// What a text means that is not an address.
fn place_of(error: &AddressError) -> Result<Place, Unusable> {
    let text = error.text();
    let unusable = |fault: &str| {
        Err(Unusable(format!(
            "'{text}' is nothing to listen on: {fault}; write it as 127.0.0.1:7777, [::1]:7777, localhost:7777, :7777 for \
             every interface, or unix:/run/server.sock"
        )))
    };
    let is_name = |name: &str| is_host_name(name) && !name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.rsplit_once(':') {
        // A path that is missing is no port that is wrong.
        Some(("unix", "")) => unusable(error.fault()),
        Some((host, port)) if host.is_empty() || is_name(host) => match (port.parse(), host) {
            (Err(_), _) => unusable("the port is not a number up to 65535"),
            (Ok(port), "") => Ok(Place::EveryInterface(port)),
            (Ok(port), name) => Ok(Place::Name(name.to_owned(), port)),
        },
        None if is_name(text) => unusable("the port is missing"),
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(['[', ':', '*']) => {
            unusable(&format!("'{host}' is neither an IP address nor a name"))
        }
        _ if error.fault().is_empty() => unusable("it is not an address"),
        _ => unusable(error.fault()),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Address(address) => address.fmt(f),
            Place::Name(name, port) => write!(f, "{name}:{port}"),
            Place::EveryInterface(port) => write!(f, ":{port}"),
        }
    }
}

impl FromStr for Listener {
    type Err = ServerError;
    /// The same as [`Listener::new`], but a text of no known form is an error at once. A name is
    /// not looked up yet.
    fn from_str(text: &str) -> Result<Listener, ServerError> {
        let listener = Listener::new(text);
        match &listener.place {
            Ok(_) => Ok(listener),
            Err(Unusable(why)) => Err(ServerError::Config(why.clone())),
        }
    }
}

impl<A: TryInto<Address, Error: Into<AddressError>>> From<A> for Listener {
    fn from(address: A) -> Listener {
        Listener::new(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Vec<String>, String> {
        let bind = Listener::new(text).resolve(false)?;
        Ok(bind.addresses.iter().map(Address::to_string).collect())
    }

    #[test]
    fn texts_become_addresses() {
        assert_eq!(resolved("127.0.0.1:80").unwrap(), ["127.0.0.1:80"]);
        assert_eq!(resolved(":80").unwrap(), ["0.0.0.0:80", "[::]:80"]);
        assert_eq!(resolved("unix:/run/x.sock").unwrap(), ["unix:/run/x.sock"]);
        let local = resolved("localhost:80").unwrap();
        assert!(local.iter().any(|address| address == "127.0.0.1:80" || address == "[::1]:80"), "{local:?}");
    }

    #[test]
    fn texts_that_are_nothing_say_what_is_wrong() {
        for (text, fault) in [
            ("localhost", "the port is missing"),
            ("localhost:http", "the port is not a number"),
            (":", "the port is not a number"),
            ("127.0.0.1", "the port is missing"),
            ("1.2.3:80", "neither an IP address nor a name"),
            ("*:80", "the IP address is missing"),
            ("::1", "brackets"),
            ("/run/x.sock", "begins with unix:"),
        ] {
            let error = resolved(text).unwrap_err();
            assert!(error.contains(fault) && error.contains(&format!("'{text}'")), "{error}");
            assert!(text.parse::<Listener>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_simulated_network_takes_addresses() {
        for text in ["localhost:80", ":80"] {
            assert!(Listener::new(text).resolve(true).unwrap_err().contains("10.0.0.1:80"));
        }
        assert!(Listener::new("10.0.0.1:80").resolve(true).is_ok());
    }
}
