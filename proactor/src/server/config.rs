//! A server's whole description, checked, and the shards made of it.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use overlapped::driver::Stream;
use overlapped::mailbox::{Sender, mailbox};
use overlapped::resolve::Resolver;
use overlapped::{Address, Driver, DriverConfig, Time, report::Report};

use super::inherited::Inherited;
use super::listener::{Bind, Listener};
use super::{limits::Limits, outbound::Outbound, timeouts::Timeouts};
use crate::cluster::directory::local::Local;
use crate::cluster::{ClusterNode, mail::NodeMail, node::Node};
use crate::codec::{Codec, Framing};
use crate::error::ServerError;
use crate::flight::{Flight, MOST_EVENTS, Recorder};
use crate::group::domain::{Domain, Notifier};
use crate::handler::Handler;
use crate::limits::{Admission, NO_LISTENER, Rates, SessionLimits, SlowConsumer};
use crate::meter::{Meter, ShardMeter};
use crate::shard::Shard;
use crate::shard::acceptor::{Acceptor, MOST_REFUSING, Places, Rules};
use crate::shard::binding::PortSocket;
use crate::shard::directory::{Directory, Mail, ShardEntry};
use crate::shard::listeners::{ListenerInfo, ListenerProfile, Profiles};
use crate::shard::state::{OPERATIONS_PER_SOCKET, ShardConfig};
use crate::task::offload::Offload;

/// What a received datagram takes of its buffer besides its bytes: see `Op::recv_from_multi`.
const DATAGRAM_HEAD: usize = 144;
/// Messages that a shard's mailbox holds.
const MAILBOX: usize = 1 << 16;
const MOST_SHARDS: usize = 256;
/// The index of a session's listener is 8 bits wide, and one value is for none.
const MOST_LISTENERS: usize = NO_LISTENER as usize;
/// How long an address in use is tried again. The kernel lets go of the listener of a process that
/// was killed only with its io_uring, some milliseconds after the process.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(1);
const MOST_OFFLOAD_THREADS: usize = 512;

/// What a server is made of.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(super) listeners: Vec<Listener>,
    /// Sockets that listen already.
    pub(super) inherited: Inherited,
    /// What the listeners became when the settings were checked.
    binds: Vec<Bind>,
    pub(crate) shards: usize,
    pub(super) driver: DriverConfig,
    /// Whether the driver is on a simulated network.
    pub(super) simulated: bool,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) outbound: Outbound,
    pub(super) codec: Framing,
    pub(super) slow: SlowConsumer,
    pub(super) offload_threads: usize,
    /// The server's place in a cluster.
    pub(super) cluster: Option<ClusterNode>,
    /// Whether the shards count for `Handle::registry`.
    pub(super) metered: bool,
    /// Events of each sort that a shard records; 0 records none.
    pub(super) flight_events: usize,
    /// One session in so many has a span.
    pub(super) traced: Option<NonZeroU32>,
    /// The runtime that tokio's types find on the threads of the shards.
    #[cfg(feature = "tokio")]
    pub(super) runtime: Option<tokio::runtime::Handle>,
    /// Threads for blocking work; a simulation has none.
    pub(super) offload: Option<Offload>,
}

impl Config {
    pub(super) fn new() -> Config {
        let driver = DriverConfig::new();
        let operations = OPERATIONS_PER_SOCKET * driver.most_sockets();
        Config {
            listeners: Vec::new(),
            inherited: Inherited::default(),
            binds: Vec::new(),
            shards: 0,
            driver: driver.operations(operations),
            simulated: false,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            outbound: Outbound::default(),
            codec: Framing::default(),
            slow: SlowConsumer::default(),
            offload_threads: 4,
            cluster: None,
            metered: false,
            flight_events: 0,
            traced: None,
            #[cfg(feature = "tokio")]
            runtime: None,
            offload: None,
        }
    }

    /// Checks every setting, looks names up, and sets the number of shards if it is 0.
    pub(super) fn check(&mut self) -> Result<(), ServerError> {
        self.find_fault().map_err(ServerError::Config)
    }

    fn find_fault(&mut self) -> Result<(), String> {
        self.binds =
            self.listeners.iter().map(|listener| listener.resolve(self.simulated)).collect::<Result<_, _>>()?;
        if self.listeners.is_empty() {
            return Err("a server needs an address to listen on".into());
        }
        if self.simulated && !self.inherited.is_empty() {
            return Err(
                "a simulated server cannot listen on sockets of this system; leave out `Builder::inherit`".into()
            );
        }
        if self.shards == 0 {
            self.shards = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_SHARDS);
        }
        if self.shards > MOST_SHARDS {
            return Err(format!("{} shards: must be at most {MOST_SHARDS}", self.shards));
        }
        if !(1..=MOST_OFFLOAD_THREADS).contains(&self.offload_threads) {
            let threads = self.offload_threads;
            return Err(format!("{threads} threads for offloaded work: must be 1 to {MOST_OFFLOAD_THREADS}"));
        }
        #[cfg(feature = "tokio")]
        if self.simulated && self.runtime.is_some() {
            return Err("a simulated server cannot use a tokio runtime, whose sockets and clock are real; \
                leave out `Builder::tokio`"
                .into());
        }
        if self.listeners.len() > MOST_LISTENERS {
            return Err(format!("{} addresses to listen on: must be at most {MOST_LISTENERS}", self.listeners.len()));
        }
        #[cfg(feature = "websocket")]
        {
            let framings =
                |listener: &Listener| listener.framing(false).map_or(0, |codec| 1 + compressing(&codec).len());
            if self.listeners.iter().map(framings).sum::<usize>() > MOST_LISTENERS {
                return Err(format!(
                    "too many addresses with WebSockets that compress: each counts as three of {MOST_LISTENERS}"
                ));
            }
        }
        if self.flight_events > MOST_EVENTS {
            let events = self.flight_events;
            return Err(format!("a flight recorder of {events} events: must be at most {MOST_EVENTS}"));
        }
        self.codec.check()?;
        let (most, most_accepted) = (self.most_of_shard(), self.most_accepted());
        self.limits.check(most_accepted, 4 * self.driver.packet_bytes())?;
        let most_bytes = self.driver.packet_bytes().saturating_sub(DATAGRAM_HEAD);
        self.listeners.iter().try_for_each(|listener| listener.check(most_accepted, most_bytes))?;
        // Outbound sessions stay on the shard that asked for them.
        self.outbound.check(most)?;
        self.timeouts.check()?;
        // Last: a place that is taken stays so.
        self.cluster.as_ref().map_or(Ok(()), |node| node.take(self.simulated))
    }

    /// Sessions that one shard has sockets for.
    fn most_of_shard(&self) -> usize {
        // The first shard also has sockets for the listeners and for refused connections.
        let listening: usize = self.binds.iter().map(|bind| bind.addresses.len()).sum();
        self.driver.most_sockets().saturating_sub(listening + MOST_REFUSING)
    }

    fn most_accepted(&self) -> usize {
        // A connection goes to the shard with the fewest sessions, so none has more than its part.
        self.most_of_shard().saturating_mul(self.shards)
    }

    /// What all shards share.
    pub(super) fn directory(&self, made: Vec<Made>) -> Arc<Directory> {
        // A simulated network has no names.
        let resolver = (!self.simulated).then(Resolver::new);
        let named = self.listeners.iter().zip(made.iter().flat_map(|shard| &shard.first_addresses)).enumerate();
        let info = |(index, (listener, at)): (usize, (&Listener, &Address))| {
            ListenerInfo::new(index, &listener.name, at.clone())
        };
        let listeners = named.map(info).collect();
        let began = made.iter().map(|shard| shard.began).min().unwrap_or(Time::ZERO);
        let node = self.cluster.as_ref().map(|place| {
            let shards = made.iter().map(|shard| shard.entry.wake_handle()).collect();
            let inboxes: Vec<Sender<Mail>> = made.iter().map(|shard| shard.entry.inbox()).collect();
            // All mail of a node goes to one shard, which keeps its order.
            let deliver = move |mail: NodeMail| {
                let shard = mail.from % inboxes.len().max(1) as u64;
                inboxes.get(shard as usize).is_some_and(|inbox| inbox.send(Mail::FromNode(mail)).is_ok())
            };
            Node::new(place, shards, Box::new(deliver))
        });
        let (shards, notifiers) = made.into_iter().map(|shard| (shard.entry, shard.notifier)).unzip();
        let domain = Domain::new(notifiers, self.framings().0, self.limits.outbox_bytes);
        #[cfg(feature = "websocket")]
        let domain = domain.with_clients(self.simulated);
        let own = self.listeners.iter().map(|listener| listener.limits.admission()).collect();
        let admission = Admission::of_listeners(self.limits.admission, own);
        let admissions = (admission, self.most_accepted(), self.outbound.admission());
        let directory = Arc::new(Directory::new(shards, admissions, resolver, domain, listeners, began).of_node(node));
        if let Some(keys) = directory.key_directory() {
            let own: Arc<dyn Local> = directory.clone();
            keys.serve(Arc::downgrade(&own));
        }
        directory
    }

    /// The server's framings: its codec, then those that listeners have instead. And which of them
    /// the sessions of each listener have.
    fn framings(&self) -> (Vec<Framing>, Vec<u8>) {
        let mut framings = vec![self.codec.clone()];
        let of_listener = |listener: &Listener| {
            let Some(codec) = listener.framing(self.simulated) else { return 0 };
            let known = framings.iter().position(|framing| framing.is_same(&codec));
            let index = known.unwrap_or_else(|| {
                let index = framings.len();
                #[cfg(feature = "websocket")]
                let compressing = compressing(&codec);
                framings.push(codec);
                #[cfg(feature = "websocket")]
                framings.extend(compressing);
                index
            });
            u8::try_from(index).expect("there are at most 255 listeners")
        };
        let of_listeners = self.listeners.iter().map(of_listener).collect();
        (framings, of_listeners)
    }

    /// A key that nobody can guess; in a simulation, one of its seed.
    fn secret(&self, driver: &mut Driver) -> [u64; 2] {
        match self.simulated {
            true => [(); 2].map(|()| driver.random()),
            // The standard library has its keys from the system.
            false => [(); 2].map(|()| RandomState::new().hash_one(0)),
        }
    }

    fn meter(&self) -> Meter {
        self.metered.then(|| Arc::new(ShardMeter::new(self.listeners.len())))
    }

    fn flight(&self, shard: u16) -> Flight {
        let is_wanted = self.flight_events > 0 || self.traced.is_some();
        is_wanted.then(|| Arc::new(Recorder::new(shard, self.flight_events, self.traced)))
    }

    fn profiles(&self) -> Profiles {
        let profile = |(listener, framing): (&Listener, u8)| ListenerProfile {
            codec: listener.framing(self.simulated).unwrap_or_else(|| self.codec.clone()),
            framing,
            rates: listener.limits.rates().or(self.limits.rates()),
            own_rates: listener.limits.rates(),
            proxy_protocol: listener.proxy_protocol.clone(),
            #[cfg(feature = "tls")]
            tls: listener.tls.clone(),
            resume: listener.resume.clone(),
            #[cfg(feature = "websocket")]
            tunnel: listener.tunnel(self.simulated),
        };
        let outbound = ListenerProfile {
            codec: self.codec.clone(),
            framing: 0,
            rates: self.limits.rates(),
            own_rates: Rates::default(),
            proxy_protocol: None,
            #[cfg(feature = "tls")]
            tls: None,
            resume: None,
            #[cfg(feature = "websocket")]
            tunnel: None,
        };
        let (_, framings) = self.framings();
        Profiles { listeners: self.listeners.iter().zip(framings).map(profile).collect(), outbound }
    }

    /// Makes a shard, on the thread that will turn it.
    pub(super) fn make_shard<H: Handler>(&self, index: usize, handler: H) -> Result<(NewShard<H>, Made), ServerError> {
        let profiles = self.profiles();
        let longest_frame = profiles.listeners.iter().map(|profile| profile.codec.max_bytes()).max().unwrap_or(0);
        let limits = SessionLimits {
            outbox: self.limits.outbox_bytes,
            // One packet, and a full pool: what may be on its way when a receive is cancelled.
            leftover: longest_frame.max(self.codec.max_bytes()) + self.driver.pool_bytes(),
            bytes_per_turn: 512 * 1024,
            linger: self.timeouts.linger,
            slow: self.slow,
        };
        let config = ShardConfig {
            shard: index as u16,
            limits,
            spans: self.timeouts.spans,
            profiles,
            connect_timeout: self.outbound.connect_timeout,
            stream: self.outbound.stream(),
        };
        let mut driver = Driver::new(self.driver.clone())?;
        let mut acceptor = match index {
            0 => {
                // Those of the listeners are found out when they are made.
                driver.check_options(&self.outbound.stream())?;
                // A simulated network frees an address at once, and its clock is not this one.
                let patience = if self.simulated { Duration::ZERO } else { ADDRESS_PATIENCE };
                let refusal = |listener: &Listener| match listener.tells_refused() {
                    true => listener.limits.refusal_or(&self.limits),
                    false => Bytes::new(),
                };
                let rules = self.listeners.iter().map(|listener| Rules {
                    refusal: refusal(listener),
                    is_forwarded: listener.proxy_protocol.is_some(),
                });
                let places = Places { binds: &self.binds, inherited: &self.inherited, patience, shards: self.shards };
                Some(Acceptor::listen(&mut driver, &places, rules.collect())?)
            }
            _ => None,
        };
        let (mail, inbox): (Sender<Mail>, _) = mailbox(MAILBOX, driver.wake_handle());
        let flight = self.flight(index as u16);
        let made = Made {
            index,
            began: driver.now(),
            entry: ShardEntry::new(mail, driver.wake_handle(), self.limits.inbox_messages, self.meter(), flight),
            notifier: Notifier::new(driver.wake_handle()),
            addresses: acceptor.as_ref().map(|acceptor| acceptor.addresses().to_vec()).unwrap_or_default(),
            first_addresses: acceptor.as_ref().map(Acceptor::first_addresses).unwrap_or_default(),
            report: driver.report().clone(),
            ports: acceptor.as_mut().map(|acceptor| acceptor.take_ports(self.shards)).unwrap_or_default(),
            held: acceptor.as_mut().map(Acceptor::take_held).unwrap_or_default(),
        };
        let secret = self.secret(&mut driver);
        let offload = self.offload.clone();
        let shard = move |directory, ports| {
            let mut shard = Shard::new(driver, config, handler, acceptor, inbox, offload, directory);
            shard.take_ports(ports, secret);
            shard
        };
        Ok((Box::new(shard), made))
    }
}

/// Makes a shard whole that does not know the other shards yet, and has not been given its datagram
/// sockets.
pub(super) type NewShard<H> = Box<dyn FnOnce(Arc<Directory>, Vec<PortSocket>) -> Shard<H>>;

/// What the server and the other shards are told of a new shard.
pub(super) struct Made {
    pub(super) index: usize,
    began: Time,
    entry: ShardEntry,
    notifier: Notifier,
    pub(super) addresses: Vec<Address>,
    /// The first address of each listener.
    first_addresses: Vec<Address>,
    pub(super) report: Report,
    /// Of the first shard: the datagram sockets of all, and duplicates of them to be kept.
    pub(super) ports: Vec<Vec<PortSocket>>,
    pub(super) held: Vec<Stream>,
}
/// The framings of the sessions of a WebSocket listener that compress.
#[cfg(feature = "websocket")]
pub(crate) fn compressing(codec: &Framing) -> Vec<Framing> {
    let Framing::WebSocket(websocket) = codec else { return Vec::new() };
    let compressing = websocket.compressing().into_iter().flatten();
    compressing.map(|websocket| Framing::WebSocket(Box::new(websocket))).collect()
}
