//! The network itself: a clock, a source of random numbers, what is to happen, and who is told of
//! it.
//!
//! Everything that could differ between two runs is in here, under one lock: the clock moves only
//! when it is told to, what happens at one moment happens in an order drawn from the seed, and
//! tables are ordered, so that no hash and no address of memory decides anything.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::time::Time;

use super::config::NetworkConfig;
use super::state::State;

/// A simulated network in memory, on which drivers are hosts: no operating system, a clock that
/// jumps, and everything that is left to chance drawn from a seed. The same seed and the same
/// program give the same run, byte for byte.
///
/// Clones are handles to the same network. Give it to
/// [`DriverConfig::network`](crate::DriverConfig::network) or to
/// [`EngineBuilder::network`](crate::engine::EngineBuilder::network). All hosts share its
/// addresses: what listens on `127.0.0.1:7777` is reached from any of them. Of the families there
/// are IPv4 and IPv6, of the sockets streams. Addresses that are reserved for documentation
/// (`203.0.113.0/24` and its like) belong to nobody: they cannot be bound, and connecting to one
/// times out.
///
/// # Time
///
/// The clock begins at [`Time::ZERO`]. It stands still while anything runs, and moves in a
/// [turn](crate::Driver::turn) that finds nothing to do and may wait: to what happens next on the
/// network, for whichever host, or to the moment until which the turn may wait, if that comes
/// first. A turn that does not wait (`Wait::Poll`) never moves it. A turn without a limit that
/// nothing could ever end is an error of kind `WouldDeadlock`; a driver that has been
/// [woken](crate::driver::WakeHandle) returns from it instead.
///
/// A run is the same again only if one thread turns all hosts, in an order that is itself no
/// accident. With several hosts, turn each with `Wait::Poll` until none has anything left to do,
/// then [`advance`](Network::advance).
///
/// # What a connection is like
///
/// As TCP, as far as a program can tell. Bytes and what else is sent arrive in order, each after a
/// [latency](NetworkConfig::latency) of its own. Buffers are bounded: a send takes what there is
/// room for, in the sender's send buffer and the peer's receive buffer together, and there is room
/// again when the news has come back that the peer has received. Sends and receives may be short. A
/// stream ends in order when one side has shut down sending or has closed. Closing with unread
/// input, or so as to [reset](crate::driver::Stream::reset_on_drop), resets the connection: of what
/// was still on its way an arbitrary part is lost, the peer receives what arrived before and then
/// `Reset`. Bytes that arrive at a closed socket are answered with a reset too. There is no
/// out-of-band data. A connect that finds the listener's backlog full is tried again after 1, 2, 4
/// and 8 seconds, and then times out.
///
/// ```
/// use overlapped::{Driver, DriverConfig, Op, Outcome};
/// use overlapped::driver::Wait;
/// use overlapped::options::ListenOptions;
/// use overlapped::sim::Network;
///
/// # fn main() -> Result<(), overlapped::Error> {
/// let run = |seed| {
///     let network = Network::new(seed);
///     let mut driver = Driver::new(DriverConfig::new().network(network.clone()))?;
///     let listener = driver.listen("10.0.0.1:80", &ListenOptions::new())?;
///     let client = driver.socket(driver.local_addr(listener)?)?;
///     driver.submit(Op::accept(listener), 0)?;
///     driver.submit(Op::connect(client, driver.local_addr(listener)?), 1)?;
///     driver.submit(Op::send(client, b"hello"), 2)?;
///     let mut ended = 0;
///     while ended < 3 {
///         driver.turn(Wait::Forever)?;
///         while driver.next().is_some() {
///             ended += 1;
///         }
///     }
///     Ok::<_, overlapped::Error>((network.now(), network.trace()))
/// };
/// assert_eq!(run(1)?, run(1)?);
/// assert_ne!(run(1)?, run(2)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

impl Network {
    /// A network on which everything that is left to chance follows from `seed`.
    pub fn new(seed: u64) -> Network {
        Network::with_config(seed, NetworkConfig::new())
    }

    /// A network with other latencies, odds and buffers.
    pub fn with_config(seed: u64, config: NetworkConfig) -> Network {
        Network(Arc::new(Mutex::new(State::new(seed, config))))
    }

    /// This moment on the network's clock.
    pub fn now(&self) -> Time {
        self.lock().now
    }

    /// A hash of everything that has happened so far: what was asked for and what came of it, when,
    /// in which order, from where to where, and every byte.
    pub fn trace(&self) -> u64 {
        self.lock().trace.value()
    }

    /// A number from the network's source of random numbers: for programs that want their own
    /// choices to follow from the same seed.
    pub fn random(&self) -> u64 {
        self.lock().random.next()
    }

    /// Moves the clock to the next thing that is to happen and lets it happen, with everything else
    /// that is due at that moment; a timer of a driver counts, as of the driver's last turn.
    /// `false` if nothing is to come.
    pub fn advance(&self) -> bool {
        self.lock().advance(None)
    }

    /// As [`advance`](Network::advance), but not past `until`: if nothing is to happen up to then,
    /// the clock is set to that moment. `false` if that has come already.
    pub fn advance_to(&self, until: Time) -> bool {
        let mut state = self.lock();
        if until <= state.now {
            return false;
        }
        if !state.advance(Some(until)) {
            state.now = until;
        }
        true
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // What panics under the lock is a bug of this module; whoever else looks sees what it left.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is(&self, other: &Network) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Network").field("now", &state.now).field("sockets", &state.sockets.len()).finish()
    }
}
