//! What to listen on: an address, a name, or every interface. And what is special about the
//! sessions that come by it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
#[cfg(feature = "websocket")]
use std::sync::Arc;
use std::time::Duration;

use overlapped::options::{ListenOptions, StreamOptions};
use overlapped::resolve::is_host_name;
use overlapped::{Address, address::AddressError};

use super::listener_limits::ListenerLimits;
use super::tcp::TcpOptions;
use crate::codec::{Codec, Framing};
use crate::datagrams::config::Datagrams;
use crate::error::ServerError;
use crate::proxy_protocol::ProxyProtocol;
use crate::resume::Resume;
#[cfg(feature = "tls")]
use crate::tls::Tls;
#[cfg(feature = "websocket")]
use crate::websocket::{WebSocket, WebSocketFraming, frame::Role, framing::Settings};

/// The most addresses of one name.
const MOST_ADDRESSES: usize = 16;

/// What a server listens on, and what is special about the sessions that come by it: the codec,
/// limits, TCP options, and a name for the logic. A property that you do not set is the server's.
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
/// use proactor::codec::{LengthPrefixed, Lines};
/// use proactor::{Listener, ListenerLimits, Server};
///
/// let admin = Listener::new("127.0.0.1:7778")
///     .name("admin")
///     .codec(Lines::new())
///     .limits(ListenerLimits::new().sessions(4));
/// let builder = Server::builder()
///     .codec(LengthPrefixed::u32())
///     .listen(Listener::new("0.0.0.0:7777").keep_alive(Duration::from_secs(20)))
///     .listen(admin);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Listener {
    place: Result<Place, Unusable>,
    pub(super) tcp: TcpOptions,
    pub(super) name: String,
    pub(super) codec: Option<Framing>,
    pub(super) limits: ListenerLimits,
    pub(super) proxy_protocol: Option<ProxyProtocol>,
    pub(super) datagrams: Option<Datagrams>,
    pub(super) resume: Option<Resume>,
    /// It was given settings for datagrams, and takes none.
    pub(super) lacks_datagrams: bool,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
    #[cfg(feature = "websocket")]
    pub(super) websocket: Option<WebSocket>,
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
    /// What its connections begin with.
    pub(crate) stream: StreamOptions,
    /// It is bound for datagrams.
    pub(crate) datagrams: Option<Datagrams>,
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
        Listener {
            place,
            tcp: TcpOptions::default(),
            name: String::new(),
            codec: None,
            limits: ListenerLimits::new(),
            proxy_protocol: None,
            datagrams: None,
            resume: None,
            lacks_datagrams: false,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "websocket")]
            websocket: None,
        }
    }

    /// A name by which the logic tells the listener's sessions from others:
    /// [`Session::listener`](crate::Session::listener). None by default. Several listeners may have
    /// the same one, such as those for IPv4 and for IPv6.
    pub fn name(mut self, name: impl Into<String>) -> Listener {
        self.name = name.into();
        self
    }

    /// How the packets of the listener's sessions are framed, instead of with the server's
    /// [codec](crate::Builder::codec). A [`Group`](crate::Group) may have members of both.
    pub fn codec(mut self, codec: impl Codec + Clone) -> Listener {
        self.codec = Some(codec.into_framing());
        self
    }

    /// Limits for the listener's sessions, besides the server's.
    pub fn limits(mut self, limits: ListenerLimits) -> Listener {
        self.limits = limits;
        self
    }

    /// The listener is behind a load balancer that sends PROXY protocol headers. None is read by
    /// default. With [TLS](Listener::tls), the header comes before the handshake.
    ///
    /// A [refusal](ListenerLimits::refusal) of a connection whose header has been read is not sent.
    pub fn proxy_protocol(mut self, header: ProxyProtocol) -> Listener {
        self.proxy_protocol = Some(header);
        self
    }

    /// The listener's sessions are over TLS. All else is as without: codecs, groups, limits,
    /// timeouts, pairs, drain.
    ///
    /// The logic is told of a session when the handshake is over, and of no other. A handshake that
    /// fails is [counted](crate::Stats::tls_failures). A [refusal](ListenerLimits::refusal) is not
    /// sent: it would have to be in a TLS record.
    ///
    /// ```no_run
    /// use proactor::tls::{Tls, TlsConfig};
    /// use proactor::{Listener, Server};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = Tls::new(TlsConfig::new().certificate("server.pem", "server.key"))?;
    /// let builder = Server::builder()
    ///     .listen("0.0.0.0:7000")
    ///     .listen(Listener::new("0.0.0.0:7443").tls(&tls));
    /// # let _ = builder;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &Tls) -> Listener {
        self.tls = Some(tls.clone());
        self
    }

    /// The listener's sessions are WebSockets, over TLS if [`tls`](Listener::tls) is set too. A
    /// packet is a message, and the codec is not used. All else is as without: groups, limits,
    /// timeouts, pairs, drain.
    ///
    /// The logic is told of a session when its upgrade is accepted, and of no other. One that is
    /// refused is [counted](crate::Stats::upgrades_refused).
    ///
    /// ```
    /// use proactor::codec::Lines;
    /// use proactor::{Listener, Server, WebSocket};
    ///
    /// let builder = Server::builder()
    ///     .codec(Lines::new())
    ///     .listen("127.0.0.1:7000")
    ///     .listen(Listener::new("127.0.0.1:8080").websocket(WebSocket::new().path("/ws").text()));
    /// # let _ = builder;
    /// ```
    #[cfg(feature = "websocket")]
    pub fn websocket(mut self, websocket: WebSocket) -> Listener {
        self.websocket = Some(websocket);
        self
    }

    /// How the listener's sessions are framed, if not with the server's codec.
    pub(super) fn framing(&self, is_simulated: bool) -> Option<Framing> {
        #[cfg(feature = "websocket")]
        if let Some(websocket) = self.websocket.as_ref().filter(|_| self.resume.is_none()) {
            let settings = Settings::new(websocket.clone(), Role::Server, is_simulated);
            return Some(Framing::WebSocket(Box::new(WebSocketFraming::new(Arc::new(settings)))));
        }
        let _ = is_simulated;
        if let Some(datagrams) = &self.datagrams {
            return Some(datagrams.codec().into_framing());
        }
        self.codec.clone()
    }

    /// Whether what a refused connection is told can be told it.
    pub(super) fn tells_refused(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_none();
        #[cfg(not(feature = "tls"))]
        true
    }

    /// The address, if it was given as one, and not as a name or as every interface.
    pub fn address(&self) -> Option<&Address> {
        match &self.place {
            Ok(Place::Address(address)) => Some(address),
            _ => None,
        }
    }

    /// TCP keep-alive: how long a connection is idle before the system asks whether the peer is
    /// still there: 1 to 32,767 seconds. 60 s by default; `None` turns it off. A server does not
    /// start with another time, nor with this on a path: it is an option of TCP.
    ///
    /// A peer that answers none of the [probes](Listener::keep_alive_probes) is lost, and its
    /// session ends with [`Reset`](crate::CloseReason::Reset): by default after 60 s and five times
    /// 10 s without traffic. The system asks, and the peer's system answers; neither program sees
    /// it. It also keeps firewalls and address translation on the way from forgetting a quiet
    /// connection. It notices nothing while sent bytes are unacknowledged: that is what
    /// [`user_timeout`](Listener::user_timeout) and [timeouts](crate::Timeouts) are for.
    pub fn keep_alive(mut self, time: impl Into<Option<Duration>>) -> Listener {
        self.tcp.keep_alive(time.into());
        self
    }

    /// How long the system waits for the answer to a [keep-alive](Listener::keep_alive) probe
    /// before it asks again: 1 to 32,767 seconds. 10 s by default.
    pub fn keep_alive_interval(mut self, interval: Duration) -> Listener {
        self.tcp.keep_alive_interval(interval);
        self
    }

    /// How many [keep-alive](Listener::keep_alive) probes stay unanswered before the system gives
    /// the connection up: 1 to 127. 5 by default; on Windows, 5 leaves the system's own 10.
    pub fn keep_alive_probes(mut self, probes: u32) -> Listener {
        self.tcp.keep_alive_probes(probes);
        self
    }

    /// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged before the system gives the
    /// connection up and the session ends with [`Reset`](crate::CloseReason::Reset). By default the
    /// system decides: on Linux about 15 minutes. There is no other default because it also ends
    /// connections of clients that read nothing for this time. Linux only: elsewhere the server
    /// does not start, nor with this on a path. It replaces the number of keep-alive probes.
    pub fn user_timeout(mut self, time: Duration) -> Listener {
        self.tcp.user_timeout(time);
        self
    }

    /// Checks the settings other than the address. `most_sessions` is what the shards have sockets
    /// for, `most_bytes` the longest datagram that can be received.
    pub(super) fn check(&self, most_sessions: usize, most_bytes: usize) -> Result<(), String> {
        let checked = self.check_datagrams(most_bytes).and_then(|()| self.check_resume());
        let checked = checked.and_then(|()| self.framing(false).as_ref().map_or(Ok(()), Codec::check));
        let checked = checked.and_then(|()| self.limits.check(most_sessions));
        checked.map_err(|why| match (&self.place, self.name.as_str()) {
            (Ok(place), "") => format!("the listener on {place}: {why}"),
            (_, name) => format!("the listener {name:?}: {why}"),
        })
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
        let stream = addresses.first().map(|address| self.tcp.of(address)).unwrap_or_default();
        let options = ListenOptions::new().stream(stream.clone());
        Ok(Bind { addresses, options, stream, datagrams: self.datagrams.clone() })
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
