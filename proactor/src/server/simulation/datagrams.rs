//! A client of a simulated server that sends datagrams, in the hands of a test.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use overlapped::{Address, Time};

use super::client::Shown;
use super::world::World;

/// A client of a simulated server's [datagram listener](crate::Listener::datagrams), for tests:
/// [`Simulation::datagrams`](crate::Simulation::datagrams) makes it. As with a
/// [`SimClient`](crate::SimClient), what it expects is waited for on the simulated clock, for at
/// most the [patience](crate::Simulation::set_patience).
///
/// Datagrams overtake each other. They are
/// [lost](overlapped::sim::NetworkConfig::lost_datagrams) and
/// [doubled](overlapped::sim::NetworkConfig::doubled_datagrams) if the network is made so.
///
/// # Panics
/// Each method that expects something panics if it does not come, and says what came instead, when,
/// and with which seed.
pub struct SimDatagrams {
    world: Rc<World>,
    index: usize,
    server: Address,
}

impl SimDatagrams {
    #[track_caller]
    pub(super) fn bind(world: &Rc<World>, own: &Address, server: Address) -> SimDatagrams {
        let bound = world.clients().bind(own);
        match bound {
            Ok(index) => SimDatagrams { world: Rc::clone(world), index, server },
            Err(error) => world.fail(&format!("a client could not bind {own}: {error}")),
        }
    }

    /// Sends a datagram to the server. It is on its way when this returns, and arrives while
    /// something is waited for.
    pub fn send(&self, datagram: impl AsRef<[u8]>) {
        self.world.clients().send_datagram(self.index, datagram.as_ref(), &self.server);
    }

    /// The address that it sends from.
    pub fn local_addr(&self) -> Address {
        self.world.clients().datagram_addr(self.index)
    }

    /// Waits for the next datagram, which must be this one.
    #[track_caller]
    pub fn expect(&self, datagram: impl AsRef<[u8]>) {
        let datagram = datagram.as_ref();
        match self.wait() {
            Some(came) if came == datagram => {}
            Some(came) => self.fail(&format!("{}, but {} came", Shown(datagram), Shown(&came))),
            None => self.fail(&format!("{}, but nothing came", Shown(datagram))),
        }
    }

    /// Waits for the next datagram, whatever it is.
    #[track_caller]
    pub fn next_packet(&self) -> Vec<u8> {
        match self.wait() {
            Some(came) => came,
            None => self.fail("a datagram, but nothing came"),
        }
    }

    /// A datagram that has come, if one has. Does not wait.
    pub fn try_next(&self) -> Option<Vec<u8>> {
        self.world.clients().take_datagram(self.index)
    }

    /// Lets this much time pass, in which no datagram may come.
    #[track_caller]
    pub fn expect_nothing(&self, time: Duration) {
        if let Some(came) = self.wait_until(self.world.network.now() + time) {
            self.fail(&format!("nothing to come for {time:?}, but {} came", Shown(&came)));
        }
    }

    #[track_caller]
    fn wait(&self) -> Option<Vec<u8>> {
        self.wait_until(self.world.network.now() + *self.world.patience.borrow())
    }

    #[track_caller]
    fn wait_until(&self, until: Time) -> Option<Vec<u8>> {
        let mut came = None;
        let done = self.world.run_until(until, |world| {
            came = world.clients().take_datagram(self.index);
            came.is_some()
        });
        if let Err(error) = done {
            self.world.fail(&format!("the server has failed: {error}"));
        }
        came
    }

    #[track_caller]
    fn fail(&self, expected: &str) -> ! {
        self.world.fail(&format!("{self:?} expected {expected}"))
    }
}

impl fmt::Debug for SimDatagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "datagram client {} of {}", self.index, self.server)
    }
}
