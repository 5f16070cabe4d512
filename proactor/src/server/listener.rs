//! An address to listen on, and what is special about the sessions that come by it.

use std::time::Duration;

use overlapped::options::{ListenOptions, StreamOptions};
use overlapped::{Address, address::AddressError};

use super::listener_limits::ListenerLimits;
use crate::codec::{Codec, Framing};

/// An address that a server listens on, and what is special about the sessions that come by it: the
/// codec, limits, TCP options, and a name for the logic. A property that you do not set is the
/// server's.
///
/// [`Builder::listen`](crate::Builder::listen) takes one, or just an address. The text forms are
/// `127.0.0.1:7777`, `[::1]:7777` and `unix:/run/server.sock`; port 0 takes a free port. A text
/// that is no address is an error of the start.
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
///     .listen(Listener::new("0.0.0.0:7777").keep_alive(Duration::from_secs(60)))
///     .listen(admin);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Listener {
    address: Result<Address, AddressError>,
    stream: StreamOptions,
    pub(super) name: String,
    pub(super) codec: Option<Framing>,
    pub(super) limits: ListenerLimits,
}

impl Listener {
    /// Listens on an address.
    pub fn new(address: impl TryInto<Address, Error: Into<AddressError>>) -> Listener {
        Listener {
            address: address.try_into().map_err(Into::into),
            stream: StreamOptions::new(),
            name: String::new(),
            codec: None,
            limits: ListenerLimits::new(),
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

    /// The address and the options of its socket.
    pub(super) fn checked(&self) -> Result<(Address, ListenOptions), String> {
        match &self.address {
            Ok(address) => Ok((address.clone(), ListenOptions::new().stream(self.stream.clone()))),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Checks the settings other than the address. `most_sessions` is what the shards have sockets
    /// for.
    pub(super) fn check(&self, most_sessions: usize) -> Result<(), String> {
        let checked = self.codec.as_ref().map_or(Ok(()), Codec::check).and_then(|()| self.limits.check(most_sessions));
        checked.map_err(|why| match (&self.address, self.name.as_str()) {
            (Ok(address), "") => format!("the listener on {address}: {why}"),
            (_, name) => format!("the listener {name:?}: {why}"),
        })
    }
}

impl<A: TryInto<Address, Error: Into<AddressError>>> From<A> for Listener {
    fn from(address: A) -> Listener {
        Listener::new(address)
    }
}
