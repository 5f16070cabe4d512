//! A simulated network, as a program holds it: its clock, its seed, and its trace.
//!
//! What happens on it is in [`state`](super::state), under one lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::time::Time;

use super::{config::NetworkConfig, state::State};

/// A simulated network in memory. Drivers are its hosts. There is no operating system, the clock
/// jumps, and all chance is drawn from a seed: the same seed and the same program give the same
/// run, byte for byte.
///
/// Clones are handles to the same network. Give it to
/// [`DriverConfig::network`](crate::DriverConfig::network) or to
/// [`EngineBuilder::network`](crate::engine::EngineBuilder::network). All hosts share its
/// addresses: any of them can connect to a listener on `127.0.0.1:7777`. There are IPv4 and IPv6,
/// streams and datagrams. Addresses that are reserved for documentation (such as `203.0.113.0/24`)
/// belong to nobody: they cannot be bound, and connecting to one times out.
///
/// # Time
///
/// The clock begins at [`Time::ZERO`] and stands still while the program runs. A
/// [turn](crate::Driver::turn) that finds nothing to do and may wait moves it: to the next thing
/// that happens on the network, for any host, or to the end of the wait, if that comes first. A
/// turn that does not wait (`Wait::Poll`) never moves it. A turn without a limit that nothing could
/// ever end is an error of kind `WouldDeadlock`, unless the driver was
/// [woken](crate::driver::WakeHandle).
///
/// A run can be repeated only if one thread turns all hosts, in a fixed order. With several hosts,
/// turn each with `Wait::Poll` until none has anything left to do, then
/// [`advance`](Network::advance).
///
/// # What a connection is like
///
/// It behaves like TCP, as far as a program can tell.
///
/// - Everything that is sent arrives in order, each piece after its own
///   [latency](NetworkConfig::latency).
/// - Buffers are bounded. A send takes what there is room for, in the sender's send buffer and the
///   peer's receive buffer together. There is room again when the sender learns that the peer has
///   received.
/// - Sends and receives may be short.
/// - A stream ends cleanly when one side has shut down sending or has closed.
/// - Closing with unread input, or [so as to reset](crate::driver::Stream::reset_on_drop), resets
///   the connection. An arbitrary part of what was still on its way is lost; the peer receives what
///   arrived before, and then `Reset`.
/// - Bytes that arrive at a closed socket are answered with a reset.
/// - A [`Link`](super::Link) disturbs one connection: delays it, splits its pieces, stalls it or
///   resets it.
/// - There is no out-of-band data.
/// - Datagrams take their own times, so they overtake each other, and are
///   [lost](NetworkConfig::lost_datagrams) and [doubled](NetworkConfig::doubled_datagrams) if that
///   is asked for. A full receive buffer loses them.
/// - A connect that finds the listener's backlog full is tried again after 1, 2, 4 and 8 seconds,
///   and then times out.
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
    /// A network that draws all chance from `seed`.
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

    /// The seed that it draws all chance from.
    pub fn seed(&self) -> u64 {
        self.lock().seed
    }

    /// A hash of everything that has happened so far: every event with its time, its order, its
    /// addresses and its bytes.
    pub fn trace(&self) -> u64 {
        self.lock().trace.value()
    }

    /// A number from the network's random source: for programs that draw their own choices from the
    /// same seed.
    pub fn random(&self) -> u64 {
        self.lock().random.next()
    }

    /// Moves the clock to the next thing that is to happen, and lets everything happen that is due
    /// then. A driver's earliest timer, as of its last turn, counts too. `false` if nothing is to
    /// come.
    pub fn advance(&self) -> bool {
        self.lock().advance(None)
    }

    /// As [`advance`](Network::advance), but not past `until`: if nothing is to happen before, the
    /// clock is set to `until`. `false` if that moment has passed.
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
        // A panic under the lock is a bug of this module. Later callers see the state that it left.
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
