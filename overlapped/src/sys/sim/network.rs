//! The network itself: a clock, a source of random numbers, what is to happen, and who is told of it.
//!
//! Everything that could differ between two runs is in here, under one lock: the clock moves only when it is told to, what happens at one moment happens
//! in an order drawn from the seed, and tables are ordered, so that no hash and no address of memory decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::Time;

use super::listener::Listener;
use super::random::{Random, Trace};
use super::stream::StreamEnd;

/// A simulated network in memory, on which drivers are hosts: no operating system, a clock that jumps, and everything that is left to chance drawn
/// from a seed. The same seed and the same program give the same run, byte for byte.
///
/// Clones are handles to the same network. Give it to [`DriverConfig::network`](crate::DriverConfig::network) or to
/// [`EngineBuilder::network`](crate::engine::EngineBuilder::network). All hosts share its addresses: what listens on `127.0.0.1:7777` is reached from any of them. Of
/// the families there are IPv4 and IPv6, of the sockets streams. Addresses that are reserved for documentation (`203.0.113.0/24` and its like) belong to nobody:
/// they cannot be bound, and connecting to one times out.
///
/// # Time
///
/// The clock begins at [`Time::ZERO`]. It stands still while anything runs, and moves in a [turn](crate::Driver::turn) that finds nothing to do and may wait: to what happens next
/// on the network, for whichever host, or to the moment until which the turn may wait, if that comes first. A turn that does not wait (`Wait::Poll`) never moves it.
/// A turn without a limit that nothing could ever end is an error of kind `WouldDeadlock`; a driver that has been [woken](crate::driver::WakeHandle) returns from it instead.
///
/// A run is the same again only if one thread turns all hosts, in an order that is itself no accident. With several hosts, turn each with `Wait::Poll` until
/// none has anything left to do, then [`advance`](Network::advance).
///
/// # What a connection is like
///
/// As TCP, as far as a program can tell. Bytes and what else is sent arrive in order, each after a [latency](NetworkConfig::latency) of its own. Buffers are bounded: a send takes
/// what there is room for, in the sender's send buffer and the peer's receive buffer together, and there is room again when the news has come back that
/// the peer has received. Sends and receives may be short. A stream ends in order when one side has shut down sending or has closed. Closing with unread input, or so as to
/// [reset](crate::driver::Stream::reset_on_drop), resets the connection: of what was still on its way an arbitrary part is lost, the peer receives what arrived before and then `Reset`. Bytes that
/// arrive at a closed socket are answered with a reset too. There is no out-of-band data. A connect that finds the listener's backlog full is tried again after 1, 2, 4 and 8
/// seconds, and then times out.
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
///     let mut driver = Driver::new(DriverConfig { network: Some(network.clone()), ..DriverConfig::default() })?;
///     let listener = driver.listen("10.0.0.1:80", &ListenOptions::default())?;
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

/// How a simulated network behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The least and the most time that something is on its way. Each piece draws its own; those of one direction of one connection keep their order.
    pub latency: (Duration, Duration),
    /// One in so many sends takes only some of the bytes it could take, before the rest is tried. 0 is never.
    pub short_sends: u32,
    /// One in so many receives brings only some of the bytes it could bring. 0 is never.
    pub short_receives: u32,
    /// One in so many results of a multishot operation is the last of its request, so that the driver has to start it again. 0 is never.
    pub early_ends: u32,
    /// Bytes of each end's send buffer, and of its receive buffer, if its [`StreamOptions`](crate::options::StreamOptions) do not say.
    pub buffer_bytes: usize,
}

impl Default for NetworkConfig {
    /// Latencies from 50 µs to 1 ms; one in 4 sends and receives short; one in 16 results the last of its request; buffers of 64 KiB.
    fn default() -> NetworkConfig {
        NetworkConfig {
            latency: (Duration::from_micros(50), Duration::from_millis(1)),
            short_sends: 4,
            short_receives: 4,
            early_ends: 16,
            buffer_bytes: 64 * 1024,
        }
    }
}

impl Network {
    /// A network on which everything that is left to chance follows from `seed`.
    pub fn new(seed: u64) -> Network {
        Network::with_config(seed, NetworkConfig::default())
    }

    /// A network with other latencies, odds and buffers.
    pub fn with_config(seed: u64, config: NetworkConfig) -> Network {
        Network(Arc::new(Mutex::new(State {
            config,
            now: Time::ZERO,
            random: Random::new(seed),
            trace: Trace::new(seed),
            agenda: BTreeMap::new(),
            planned: 0,
            hosts: BTreeMap::new(),
            next_host: 0,
            sockets: BTreeMap::new(),
            next_socket: 0,
            listeners: BTreeMap::new(),
            clients: BTreeSet::new(),
            next_port: super::listener::FIRST_PORT,
        })))
    }

    /// This moment on the network's clock.
    pub fn now(&self) -> Time {
        self.lock().now
    }

    /// A hash of everything that has happened so far: what was asked for and what came of it, when, in which order, from where to where, and every byte.
    pub fn trace(&self) -> u64 {
        self.lock().trace.value()
    }

    /// A number from the network's source of random numbers: for programs that want their own choices to follow from the same seed.
    pub fn random(&self) -> u64 {
        self.lock().random.next()
    }

    /// Moves the clock to the next thing that is to happen and lets it happen, with everything else that is due at that moment; a timer of a driver counts, as
    /// of the driver's last turn. `false` if nothing is to come.
    pub fn advance(&self) -> bool {
        self.lock().advance(None)
    }

    /// As [`advance`](Network::advance), but not past `until`: if nothing is to happen up to then, the clock is set to that moment. `false` if that has come already.
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

/// Which of a socket's two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// A receive, an accept, or the discarding of a close.
    Receive,
    /// A connect or a send.
    Send,
}

/// Something that is to happen.
#[derive(Debug)]
pub(super) enum Happening {
    /// A connect comes to where it is addressed to.
    Asked { client: u64, attempt: u32 },
    /// The answer comes back that nobody listens there.
    Refused { client: u64 },
    /// The next piece that this end has sent comes to its peer.
    Arrival { from: u64 },
    /// The news comes to this end that its peer has received so many bytes.
    Room { to: u64, bytes: usize },
}

/// A driver, as the network sees it.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Sockets, by the driver's numbers, on which a request may now be able to go on.
    pub(super) ready: BTreeSet<(u32, Side)>,
    /// The driver's earliest timer.
    pub(super) alarm: Option<Time>,
}

#[derive(Debug)]
pub(super) struct Socket {
    /// The host it is attached to, and that host's number for it.
    pub(super) owner: Option<(u32, u32)>,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) send_bytes: usize,
    pub(super) receive_bytes: usize,
    pub(super) reset_on_close: bool,
    /// Its local address is its listener's, not its own.
    pub(super) accepted: bool,
    /// Its handle is gone; it is kept while its peer has not closed too.
    pub(super) closed: bool,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) enum Role {
    Fresh,
    Connecting,
    /// Connecting failed, and nobody has been told yet.
    Failed(i32),
    Stream(StreamEnd),
    Listener(Listener),
}

pub(super) struct State {
    pub(super) config: NetworkConfig,
    pub(super) now: Time,
    pub(super) random: Random,
    pub(super) trace: Trace,
    /// What is to happen, by moment; at one moment by a random number; the last number only keeps the others apart.
    agenda: BTreeMap<(Time, u64, u64), Happening>,
    planned: u64,
    pub(super) hosts: BTreeMap<u32, Host>,
    next_host: u32,
    /// By a number that is not used twice.
    pub(super) sockets: BTreeMap<u64, Socket>,
    next_socket: u64,
    pub(super) listeners: BTreeMap<(u16, IpAddr), u64>,
    /// Ports and addresses of sockets that have connected.
    pub(super) clients: BTreeSet<(u16, IpAddr)>,
    pub(super) next_port: u16,
}

impl State {
    /// A new host, and a seed for its own random source.
    pub(super) fn add_host(&mut self) -> (u32, u64) {
        let host = self.next_host;
        self.next_host += 1;
        self.hosts.insert(host, Host::default());
        (host, self.random.next())
    }

    pub(super) fn insert(&mut self, role: Role) -> u64 {
        let id = self.next_socket;
        self.next_socket += 1;
        let bytes = self.config.buffer_bytes.max(1);
        self.sockets.insert(
            id,
            Socket {
                owner: None,
                local: None,
                peer: None,
                send_bytes: bytes,
                receive_bytes: bytes,
                reset_on_close: false,
                accepted: false,
                closed: false,
                role,
            },
        );
        id
    }

    /// A latency from now.
    pub(super) fn arrival(&mut self) -> Time {
        let (least, most) = self.config.latency;
        let range = most.saturating_sub(least).as_nanos() as u64;
        // Nothing arrives at the moment at which it is sent.
        let spread = if range == 0 { 0 } else { self.random.next() % (range + 1) };
        self.now + least.max(Duration::from_nanos(1)) + Duration::from_nanos(spread)
    }

    pub(super) fn plan(&mut self, at: Time, happening: Happening) {
        let tie = self.random.next();
        self.planned += 1;
        self.agenda.insert((at, tie, self.planned), happening);
    }

    /// Whether this result of a multishot operation is the last of its request.
    pub(super) fn ends_early(&mut self) -> bool {
        self.random.once_in(self.config.early_ends)
    }

    /// A request on that side of a socket may be able to go on.
    pub(super) fn mark(&mut self, socket: u64, side: Side) {
        if let Some((host, slot)) = self.sockets.get(&socket).and_then(|socket| socket.owner)
            && let Some(host) = self.hosts.get_mut(&host)
        {
            host.ready.insert((slot, side));
        }
    }

    /// When the next thing is to happen; a timer that has run out already is not to come.
    fn next_moment(&self) -> Option<Time> {
        let planned = self.agenda.first_key_value().map(|((at, ..), _)| *at);
        let alarm = self.hosts.values().filter_map(|host| host.alarm).filter(|at| *at > self.now).min();
        planned.into_iter().chain(alarm).min()
    }

    /// Moves the clock to the next thing that is to happen, if that is not after `limit`, and lets it happen.
    pub(super) fn advance(&mut self, limit: Option<Time>) -> bool {
        let Some(at) = self.next_moment().filter(|at| limit.is_none_or(|limit| *at <= limit)) else { return false };
        self.now = self.now.max(at);
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= self.now
        {
            let happening = entry.remove();
            self.happen(happening);
        }
        true
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now.as_nanos();
        match happening {
            Happening::Asked { client, attempt } => {
                self.trace.words(&[1, now, client, attempt.into()]);
                self.asked(client, attempt);
            }
            Happening::Refused { client } => {
                self.trace.words(&[2, now, client]);
                self.connect_failed(client, super::codes::REFUSED);
            }
            Happening::Arrival { from } => {
                self.trace.words(&[3, now, from]);
                self.arrive(from);
            }
            Happening::Room { to, bytes } => {
                self.trace.words(&[4, now, to, bytes as u64]);
                self.has_room_again(to, bytes);
            }
        }
    }
}
