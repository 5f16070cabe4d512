//! Listeners that take datagrams.

use overlapped::{Address, address::AddressError};

use super::listener::Listener;
use crate::datagrams::config::Datagrams;

impl Listener {
    /// Takes datagrams (UDP) there. A packet is a datagram, and a session is a peer's address: it
    /// begins with the first datagram that comes from there, and ends when none has come for a
    /// [time](Datagrams::idle). All else is as over a stream: handlers, async functions, groups,
    /// limits, timers, drain.
    ///
    /// Until a peer's address is proved, it is never sent more than came from it; what would be
    /// more is dropped and counted. [`Datagrams::cookies`], [`Session::confirm_peer`] and
    /// [`Datagrams::trust_peers`] are the ways to prove it. `docs/transports.md` in the repository
    /// tells all of this.
    ///
    /// A server does not start if it also has a codec, TLS, WebSocket, the PROXY protocol or
    /// options of TCP, or if the address is a path.
    ///
    /// ```
    /// use proactor::{AsyncSession, Listener, SendError, Server};
    ///
    /// async fn echo(session: AsyncSession) -> Result<(), SendError> {
    ///     while let Some(datagram) = session.next().await {
    ///         session.send(&datagram).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # fn main() -> Result<(), proactor::ServerError> {
    /// let server = Server::builder().listen(Listener::datagrams("127.0.0.1:0")).serve(echo)?;
    /// # let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    /// # client.send_to(b"hello", server.local_addrs()[0].ip().unwrap()).unwrap();
    /// # let mut answer = [0; 10];
    /// # assert_eq!(client.recv(&mut answer).unwrap(), 5);
    /// # drop(server);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Session::confirm_peer`]: crate::Session::confirm_peer
    pub fn datagrams(address: impl TryInto<Address, Error: Into<AddressError>>) -> Listener {
        let mut listener = Listener::new(address);
        listener.datagrams = Some(Datagrams::new());
        listener
    }

    /// Settings of a listener that takes [datagrams](Listener::datagrams). On another, an error of
    /// the start.
    pub fn datagram_settings(mut self, settings: Datagrams) -> Listener {
        match &mut self.datagrams {
            Some(datagrams) => *datagrams = settings,
            None => self.lacks_datagrams = true,
        }
        self
    }

    /// What has no meaning for datagrams is refused, and not ignored.
    pub(super) fn check_datagrams(&self, most_bytes: usize) -> Result<(), String> {
        let Some(datagrams) = &self.datagrams else {
            return match self.lacks_datagrams {
                true => Err("settings for datagrams, and it takes none: make it with `Listener::datagrams`".into()),
                false => Ok(()),
            };
        };
        datagrams.check(most_bytes)?;
        let is_path = self.address().is_some_and(|address| address.ip().is_none());
        #[cfg(feature = "tls")]
        let has_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let has_tls = false;
        #[cfg(feature = "websocket")]
        let has_websocket = self.websocket.is_some();
        #[cfg(not(feature = "websocket"))]
        let has_websocket = false;
        let refused = [
            (is_path, "a path: datagrams are sent between IP addresses"),
            (self.codec.is_some(), "a codec: a datagram is a packet"),
            (has_tls, "TLS: it is for streams"),
            (has_websocket, "WebSocket: it is for streams"),
            (self.proxy_protocol.is_some(), "the PROXY protocol: it is for connections"),
            (self.tcp.is_set(), "options of TCP"),
            (self.limits.has_refusal(), "a refusal: who is refused is not answered"),
        ];
        match refused.into_iter().find(|(is_set, _)| *is_set) {
            Some((_, what)) => Err(format!("it takes datagrams, and has {what}")),
            None => Ok(()),
        }
    }
}
