//! The client's side of the exchange of cookies.

use super::cookie::{Control, ControlKind};

/// The client's side of the exchange of [cookies](crate::Datagrams::cookies), without a socket: it
/// says what to send, and is shown what comes.
///
/// ```
/// use std::net::UdpSocket;
/// use std::time::Duration;
///
/// use proactor::CookieClient;
///
/// /// Opens a session from this socket, which is connected to the server. `nonce` is random.
/// fn open(socket: &UdpSocket, nonce: u64) -> std::io::Result<()> {
///     let mut client = CookieClient::new(nonce.to_be_bytes());
///     socket.set_read_timeout(Some(Duration::from_millis(500)))?;
///     let mut datagram = [0; 2048];
///     for _ in 0..20 {
///         let Some(next) = client.to_send() else { return Ok(()) };
///         socket.send(&next)?;
///         // Without an answer, the same is sent again: a datagram may be lost.
///         if let Ok(bytes) = socket.recv(&mut datagram) {
///             client.received(&datagram[..bytes]);
///         }
///     }
///     Err(std::io::ErrorKind::TimedOut.into())
/// }
/// # use proactor::{AsyncSession, Datagrams, Listener, Server};
/// # let public = Datagrams::new().cookies(true);
/// # let server = Server::builder()
/// #     .listen(Listener::datagrams("127.0.0.1:0").datagram_settings(public))
/// #     .shards(1)
/// #     .serve(async |session: AsyncSession| drop(session.next().await))
/// #     .unwrap();
/// # let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
/// # socket.connect(server.local_addrs()[0].ip().unwrap()).unwrap();
/// # open(&socket, 1).unwrap();
/// # assert_eq!(server.handle().sessions(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct CookieClient {
    nonce: [u8; 8],
    cookie: Option<[u8; 16]>,
    is_open: bool,
}

impl CookieClient {
    /// A client that begins. `nonce` is to be random, and another one each time: with the same, a
    /// server that has a session of this address goes on with that.
    pub fn new(nonce: [u8; 8]) -> CookieClient {
        CookieClient { nonce, cookie: None, is_open: false }
    }

    /// What is to be sent now, and again after a time without an answer. `None` if the session has
    /// begun.
    pub fn to_send(&self) -> Option<[u8; 32]> {
        let (kind, cookie) = match self.cookie {
            _ if self.is_open => return None,
            None => (ControlKind::Hello, [0; 16]),
            Some(cookie) => (ControlKind::Return, cookie),
        };
        Some(Control { kind, nonce: self.nonce, cookie }.bytes())
    }

    /// A datagram has come. Says whether it is one of the exchange, and no packet.
    pub fn received(&mut self, datagram: &[u8]) -> bool {
        let Some(control) = Control::parse(datagram).filter(|control| control.nonce == self.nonce) else {
            return false;
        };
        match control.kind {
            // A second one is newer.
            ControlKind::Cookie if !self.is_open => self.cookie = Some(control.cookie),
            ControlKind::Open => self.is_open = self.cookie.is_some(),
            _ => {}
        }
        true
    }

    /// Whether the session has begun.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The cookie has grown old without an answer: begins anew.
    pub fn begin_anew(&mut self) {
        self.cookie = None;
    }
}
