//! An address to listen on.

use std::time::Duration;

use overlapped::options::ListenOptions;
use overlapped::{Address, address::AddressError};

use super::tcp::TcpOptions;

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
///     .listen(Listener::new("0.0.0.0:7778").keep_alive(Duration::from_secs(20)));
/// # let _ = builder;
/// ```
#[derive(Clone, Debug)]
pub struct Listener {
    address: Result<Address, AddressError>,
    tcp: TcpOptions,
}

impl Listener {
    /// Listens on an address.
    pub fn new(address: impl TryInto<Address, Error: Into<AddressError>>) -> Listener {
        Listener { address: address.try_into().map_err(Into::into), tcp: TcpOptions::default() }
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
    /// the connection up: 1 to 127. 5 by default.
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

    /// The address and the options of its socket.
    pub(super) fn checked(&self) -> Result<(Address, ListenOptions), String> {
        match &self.address {
            Ok(address) => Ok((address.clone(), ListenOptions::new().stream(self.tcp.of(address)))),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl<A: TryInto<Address, Error: Into<AddressError>>> From<A> for Listener {
    fn from(address: A) -> Listener {
        Listener::new(address)
    }
}
