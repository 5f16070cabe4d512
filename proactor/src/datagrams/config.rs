//! What a datagram listener asks of its peers.

use std::time::Duration;

use crate::codec::LengthPrefixed;

/// The longest datagram over IPv4.
pub(crate) const LONGEST: usize = 65_507;

/// Settings of a [datagram listener](crate::Listener::datagrams).
///
/// ```
/// use std::time::Duration;
///
/// use proactor::{Datagrams, Listener, Server};
///
/// let public = Datagrams::new().cookies(true).idle(Duration::from_secs(20));
/// let listener = Listener::datagrams("0.0.0.0:7001").datagram_settings(public);
/// let builder = Server::builder().listen(listener);
/// # let _ = builder;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagrams {
    pub(crate) max_bytes: usize,
    pub(crate) idle: Duration,
    pub(crate) cookies: bool,
    pub(crate) trusts: bool,
}

impl Default for Datagrams {
    fn default() -> Datagrams {
        Datagrams { max_bytes: 1472, idle: Duration::from_secs(60), cookies: false, trusts: false }
    }
}

impl Datagrams {
    /// Datagrams of at most 1,472 bytes, 60 seconds of silence, no cookies, and no peer trusted.
    pub fn new() -> Datagrams {
        Datagrams::default()
    }

    /// The most bytes of a datagram, both ways: 1 to 65,507, and at most a received packet's buffer
    /// less 144 bytes. By default 1,472, which an Ethernet frame takes with IPv4; a longer one
    /// travels in fragments, and is lost with any of them.
    ///
    /// A longer one that comes is dropped ([`Oversized`](crate::DatagramDrop::Oversized)), and
    /// [`send`](crate::Session::send) refuses a longer packet.
    pub fn max_bytes(mut self, bytes: usize) -> Datagrams {
        self.max_bytes = bytes;
        self
    }

    /// How long a peer may say nothing before its session is closed as
    /// [`Idle`](crate::CloseReason::Idle): 1 millisecond to 49 days, 60 seconds by default. What is
    /// sent to it does not count. A peer that has left does not say so, so there is always such a
    /// time.
    pub fn idle(mut self, time: Duration) -> Datagrams {
        self.idle = time;
        self
    }

    /// Whether a peer proves its address before it has a session: it returns a cookie that was sent
    /// there. Off by default. Clients have to know of it: [`CookieClient`](crate::CookieClient)
    /// does it for them, and `docs/transports.md` in the repository describes the four datagrams.
    pub fn cookies(mut self, cookies: bool) -> Datagrams {
        self.cookies = cookies;
        self
    }

    /// Whether every peer is believed to be at its address, and may be sent any amount. Off by
    /// default. Only for networks in which nobody can send with the address of another.
    pub fn trust_peers(mut self, trust: bool) -> Datagrams {
        self.trusts = trust;
        self
    }

    /// The form in which packets lie in outboxes and logs.
    pub(crate) fn codec(&self) -> LengthPrefixed {
        LengthPrefixed::u16().max_packet(self.max_bytes)
    }

    /// Checks the settings. `most_bytes` is what a received packet's buffer takes.
    pub(crate) fn check(&self, most_bytes: usize) -> Result<(), String> {
        let most = LONGEST.min(most_bytes);
        if !(1..=most).contains(&self.max_bytes) {
            return Err(format!("datagrams of {} bytes: must be 1 to {most}", self.max_bytes));
        }
        let longest = Duration::from_secs(49 * 24 * 60 * 60);
        if !(Duration::from_millis(1)..=longest).contains(&self.idle) {
            return Err(format!("an idle time of {:?} for datagrams: must be 1ms to 49 days", self.idle));
        }
        Ok(())
    }
}
