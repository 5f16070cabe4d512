//! Faults of one connection: it is slow, cut into pieces, stopped, or reset.

use std::fmt;
use std::time::Duration;

use crate::address::Address;
use crate::flags::Direction;
use crate::table::Key;
use crate::time::Time;

use super::faults::{Faults, Held};
use super::network::Network;
use super::socket::Role;
use super::state::{Happening, State, word};

/// One connection of a simulated network, to disturb it. [`Network::link`] finds it.
///
/// ```
/// use std::time::Duration;
///
/// use overlapped::driver::Wait;
/// use overlapped::options::ListenOptions;
/// use overlapped::sim::Network;
/// use overlapped::{Driver, DriverConfig, ErrorKind, Op};
///
/// # fn main() -> Result<(), overlapped::Error> {
/// let network = Network::new(1);
/// let mut driver = Driver::new(DriverConfig::new().network(network.clone()))?;
/// let listener = driver.listen("10.0.0.1:80", &ListenOptions::new())?;
/// let client = driver.socket(driver.local_addr(listener)?)?;
/// driver.submit(Op::connect(client, driver.local_addr(listener)?), 0)?;
/// driver.turn(Wait::Forever)?;
/// assert!(driver.next().is_some(), "connected");
/// let link = network.link(&driver.local_addr(client)?).expect("it is connected");
/// link.delay(Duration::from_secs(1));
/// driver.submit(Op::recv(client, vec![0u8; 10]), 1)?;
/// link.reset();
/// driver.turn(Wait::Forever)?;
/// let failed = driver.next().and_then(|completion| completion.result.err());
/// assert_eq!(failed.map(|error| error.kind()), Some(ErrorKind::Reset));
/// # Ok(())
/// # }
/// ```
///
/// Nothing that is disturbed here is lost or changes its order, as TCP promises, except by a
/// [`reset`](Link::reset). A fault holds in both directions, from the moment of the call on. When
/// the connection is over, these do nothing.
#[derive(Clone)]
pub struct Link {
    network: Network,
    client: Key,
}

impl Network {
    /// The connection that a client has from this address of its own
    /// ([`Driver::local_addr`](crate::Driver::local_addr)), once it is connected.
    pub fn link(&self, client: &Address) -> Option<Link> {
        let address = client.ip()?;
        let state = self.lock();
        let (client, _) = state.sockets.iter().find(|(_, socket)| {
            socket.local == Some(address) && !socket.accepted && matches!(socket.role, Role::Stream(_))
        })?;
        Some(Link { network: self.clone(), client })
    }
}

impl Link {
    /// Everything takes so much longer on its way. Zero ends that.
    pub fn delay(&self, by: Duration) {
        self.change(30, by.as_nanos() as u64, |faults| faults.delay = by);
    }

    /// At most so many bytes travel as one piece, so that the peer receives them bit by bit. 0 ends
    /// that.
    pub fn split(&self, bytes: usize) {
        self.change(31, bytes as u64, |faults| faults.split = bytes);
    }

    /// Nothing arrives any more, and neither end is told, until it is [healed](Link::heal): as when
    /// a cable is pulled. Without that, it is a machine that was lost. The time-outs of TCP itself
    /// are not simulated.
    pub fn stall(&self) {
        self.change(32, 0, |faults| faults.stalled = true);
    }

    /// Ends a [stall](Link::stall): everything that was held up goes on its way.
    pub fn heal(&self) {
        let mut held = Vec::new();
        self.change(33, 0, |faults| {
            faults.stalled = false;
            held = std::mem::take(&mut faults.held);
        });
        let mut state = self.network.lock();
        for held in held {
            state.go_on(held);
        }
    }

    /// Both ends are told that the connection was reset. What is on its way is lost.
    pub fn reset(&self) {
        let state = &mut *self.network.lock();
        state.trace.words(&[34, state.now.as_nanos(), word(self.client)]);
        let Some(Role::Stream(end)) = state.sockets.get(self.client).map(|socket| &socket.role) else { return };
        for id in [self.client, end.other] {
            if let Some(Role::Stream(end)) = state.sockets.get_mut(id).map(|socket| &mut socket.role) {
                end.reset = true;
                state.mark(id, Direction::Receive);
                state.mark(id, Direction::Send);
            }
        }
    }

    fn change(&self, what: u64, value: u64, change: impl FnOnce(&mut Faults)) {
        let state = &mut *self.network.lock();
        state.trace.words(&[what, state.now.as_nanos(), word(self.client), value]);
        if let Some(socket) = state.sockets.get_mut(self.client) {
            change(socket.faults.get_or_insert_default());
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("client", &self.client).finish()
    }
}

impl State {
    /// The faults of the connection that a socket is an end of, if it has had any.
    fn faults(&mut self, end: Key) -> Option<&mut Faults> {
        let socket = self.sockets.get(end)?;
        let client = match &socket.role {
            Role::Stream(stream) if socket.accepted => stream.other,
            _ => end,
        };
        self.sockets.get_mut(client)?.faults.as_deref_mut()
    }

    /// When something that is sent now on this connection arrives.
    pub(super) fn arrival_on(&mut self, end: Key) -> Time {
        let at = self.arrival();
        self.faults(end).map_or(at, |faults| at + faults.delay)
    }

    /// The most bytes that travel as one piece on this connection, of the usual ones.
    pub(super) fn piece_bytes(&mut self, end: Key, usual: usize) -> usize {
        self.faults(end).filter(|faults| faults.split > 0).map_or(usual, |faults| faults.split.min(usual))
    }

    /// Keeps what happens on a connection that is stalled. Says whether it is.
    pub(super) fn holds_up(&mut self, happening: &Happening) -> bool {
        let (end, held) = match *happening {
            Happening::Arrival { from } => (from, Held::Arrival { from }),
            Happening::Room { to, bytes } => (to, Held::Room { to, bytes }),
            Happening::Asked { .. } | Happening::Refused { .. } | Happening::Datagram(_) => return false,
        };
        match self.faults(end) {
            Some(faults) if faults.stalled => {
                faults.held.push(held);
                true
            }
            _ => false,
        }
    }

    /// What was held up by a stall goes on its way.
    fn go_on(&mut self, held: Held) {
        match held {
            Held::Arrival { from } => self.goes_on(from),
            Held::Room { to, bytes } => {
                let at = self.arrival_on(to);
                self.plan(at, Happening::Room { to, bytes });
            }
        }
    }
}
