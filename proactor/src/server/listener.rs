//! An address to listen on.

use std::time::Duration;

use overlapped::Address;
use overlapped::address::AddressError;
use overlapped::options::{ListenOptions, StreamOptions};

/// An address that a server listens on, and the TCP options of the connections accepted there.
///
/// [`Builder::listen`](crate::Builder::listen) takes one, or just an address. The text forms are
/// `127.0.0.1:7777`, `[::1]:7777` and `unix:/run/server.sock`; port 0 takes a free port. A text
/// that is no address is an error of the start.
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
    address: Result<Address, AddressError>,
    stream: StreamOptions,
}

impl Listener {
    /// Listens on an address.
    pub fn new(address: impl TryInto<Address, Error: Into<AddressError>>) -> Listener {
        Listener { address: address.try_into().map_err(Into::into), stream: StreamOptions::new() }
    }

    /// TCP keep-alive: how long a connection is idle before the system asks whether the peer is
    /// still there. Off by default. For IP addresses only: with a path the server does not start.
    pub fn keep_alive(mut self, time: Duration) -> Listener {
        self.stream = self.stream.keep_alive(time);
        self
    }

    /// `TCP_USER_TIMEOUT`: how long sent bytes may stay unacknowledged before the system gives the
    /// connection up and the session ends with [`Reset`](crate::CloseReason::Reset). By default the
    /// system decides. Linux and IP addresses only: elsewhere the server does not start.
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
}

impl<A: TryInto<Address, Error: Into<AddressError>>> From<A> for Listener {
    fn from(address: A) -> Listener {
        Listener::new(address)
    }
}
