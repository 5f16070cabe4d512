//! The state of a network: a clock, a source of random numbers, what is to happen, and which
//! drivers are told of it.
//!
//! Everything that could differ between two runs is in here, under one lock. The clock moves only
//! when it is told to. What happens at one moment happens in an order drawn from the seed. Tables
//! are ordered, so no hash and no address of memory decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::flags::Direction;
use crate::table::{Key, Table};
use crate::time::Time;

use super::random::{Random, Trace};
use super::socket::{Role, Socket};
use super::{codes, config::NetworkConfig};

/// Sockets that ask for no port in particular are given ports from here to the last one.
pub(super) const FIRST_PORT: u16 = 49_152;

/// A socket's name as the trace has it.
pub(super) fn word(socket: Key) -> u64 {
    u64::from(socket.generation()) << 32 | u64::from(socket.slot())
}

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Happening {
    /// A connect arrives at its address.
    Asked { client: Key, connect: u32, attempt: u32 },
    /// The client learns that nobody listens there.
    Refused { client: Key, connect: u32 },
    /// The next piece that this end has sent arrives at its peer.
    Arrival { from: Key },
    /// This end learns that its peer has received these bytes, so there is room again.
    Room { to: Key, bytes: usize },
    /// A datagram arrives. In a box: there are few, and all that happens is moved often.
    Datagram(Box<Datagram>),
}

/// A datagram on its way.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// A driver, as the network sees it.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Sockets, by the driver's numbers, on which an operation may now be able to go on.
    pub(super) ready: BTreeSet<(u32, Direction)>,
    /// The driver's earliest timer.
    pub(super) alarm: Option<Time>,
}

pub(super) struct State {
    pub(super) seed: u64,
    pub(super) config: NetworkConfig,
    pub(super) now: Time,
    pub(super) random: Random,
    pub(super) trace: Trace,
    /// What is going to happen: by time, then by a random number, then by the order of planning.
    agenda: BTreeMap<(Time, u64, u64), Happening>,
    planned: u64,
    pub(super) hosts: BTreeMap<u32, Host>,
    next_host: u32,
    pub(super) sockets: Table<Socket>,
    pub(super) listeners: BTreeMap<(u16, IpAddr), Key>,
    /// Ports and addresses of sockets that have connected.
    pub(super) clients: BTreeSet<(u16, IpAddr)>,
    pub(super) next_port: u16,
    /// Datagram sockets by port and address. Those that share one keep their places when one of
    /// them is closed.
    pub(super) datagrams: BTreeMap<(u16, IpAddr), Vec<Option<Key>>>,
}

impl State {
    pub(super) fn new(seed: u64, config: NetworkConfig) -> State {
        State {
            seed,
            config,
            now: Time::ZERO,
            random: Random::new(seed),
            trace: Trace::new(seed),
            agenda: BTreeMap::new(),
            planned: 0,
            hosts: BTreeMap::new(),
            next_host: 0,
            sockets: Table::new(),
            listeners: BTreeMap::new(),
            clients: BTreeSet::new(),
            next_port: FIRST_PORT,
            datagrams: BTreeMap::new(),
        }
    }

    /// A new host, and a seed for its own random source.
    pub(super) fn add_host(&mut self) -> (u32, u64) {
        let host = self.next_host;
        self.next_host += 1;
        self.hosts.insert(host, Host::default());
        (host, self.random.next())
    }

    pub(super) fn insert(&mut self, role: Role) -> Key {
        let bytes = self.config.buffer_bytes.max(1);
        self.sockets.insert(Socket {
            owner: None,
            local: None,
            peer: None,
            send_bytes: bytes,
            receive_bytes: bytes,
            reset_on_close: false,
            connect: 0,
            accepted: false,
            closed: false,
            faults: None,
            role,
        })
    }

    /// The moment when something that is sent now arrives.
    pub(super) fn arrival(&mut self) -> Time {
        let (least, most) = self.config.latency;
        let range = most.saturating_sub(least).as_nanos() as u64;
        // Nothing arrives at the moment when it is sent.
        let spread = if range == 0 { 0 } else { self.random.next() % (range + 1) };
        self.now + least.max(Duration::from_nanos(1)) + Duration::from_nanos(spread)
    }

    pub(super) fn plan(&mut self, at: Time, happening: Happening) {
        let tie = self.random.next();
        self.planned += 1;
        self.agenda.insert((at, tie, self.planned), happening);
    }

    /// Whether the backend ends a multishot operation after this result.
    pub(super) fn ends_early(&mut self) -> bool {
        self.random.once_in(self.config.early_ends)
    }

    /// An operation of one direction of a socket may be able to go on.
    pub(super) fn mark(&mut self, socket: Key, direction: Direction) {
        if let Some((host, slot)) = self.sockets.get(socket).and_then(|socket| socket.owner)
            && let Some(host) = self.hosts.get_mut(&host)
        {
            host.ready.insert((slot, direction));
        }
    }

    /// When the next thing happens. A timer that has already run out does not count.
    fn next_moment(&self) -> Option<Time> {
        let planned = self.agenda.first_key_value().map(|((at, ..), _)| *at);
        let alarm = self.hosts.values().filter_map(|host| host.alarm).filter(|at| *at > self.now).min();
        planned.into_iter().chain(alarm).min()
    }

    /// Moves the clock to the next thing that happens, if that is not after `limit`, and lets it
    /// happen.
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
        if self.holds_up(&happening) {
            return;
        }
        let now = self.now.as_nanos();
        match happening {
            Happening::Asked { client, connect, attempt } => {
                self.trace.words(&[1, now, word(client), attempt.into()]);
                self.asked(client, connect, attempt);
            }
            Happening::Refused { client, connect } => {
                self.trace.words(&[2, now, word(client)]);
                self.connect_failed(client, connect, codes::REFUSED);
            }
            Happening::Arrival { from } => {
                self.trace.words(&[3, now, word(from)]);
                self.arrive(from);
            }
            Happening::Room { to, bytes } => {
                self.trace.words(&[4, now, word(to), bytes as u64]);
                self.has_room_again(to, bytes);
            }
            Happening::Datagram(datagram) => {
                let Datagram { from, to, bytes } = *datagram;
                self.trace.words(&[5, now, from.port().into(), to.port().into(), bytes.len() as u64]);
                self.datagram_arrives(from, to, bytes);
            }
        }
    }
}
