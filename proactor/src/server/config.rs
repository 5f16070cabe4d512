//! A server's whole description, checked, and the shards made of it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use overlapped::{Address, Driver, DriverConfig, ListenOptions, Mailbox, Report, Sender, mailbox};

use super::{Limits, Listener, Outbound, Timeouts};
use crate::acceptor::{Acceptor, MOST_REFUSING};
use crate::codec::{Codec, Framing};
use crate::connector::Resolver;
use crate::error::ServerError;
use crate::group::Bell;
use crate::handle::{Mail, Post, Shared};
use crate::handler::Handler;
use crate::session::{Core, OPERATIONS_PER_SOCKET, SessionLimits};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::slow::SlowConsumer;
use crate::task::offload::Offload;

/// Messages that a shard's mailbox holds.
const MAILBOX: usize = 1 << 16;
const MOST_SHARDS: usize = 256;
const MOST_OFFLOAD_THREADS: usize = 512;

/// What a server is made of.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(super) listeners: Vec<Listener>,
    pub(crate) shards: usize,
    pub(super) driver: DriverConfig,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) outbound: Outbound,
    pub(super) codec: Framing,
    pub(super) slow: SlowConsumer,
    pub(super) offload_threads: usize,
    /// Threads for blocking work; a simulation has none.
    pub(super) offload: Option<Offload>,
}

impl Config {
    pub(super) fn new() -> Config {
        let driver = DriverConfig::default();
        let operations = OPERATIONS_PER_SOCKET * driver.sockets;
        Config {
            listeners: Vec::new(),
            shards: 0,
            driver: DriverConfig { operations, ..driver },
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            outbound: Outbound::default(),
            codec: Framing::default(),
            slow: SlowConsumer::default(),
            offload_threads: 4,
            offload: None,
        }
    }

    /// Checks every setting, and sets the number of shards if it is 0.
    pub(super) fn check(&mut self) -> Result<(), ServerError> {
        self.find_fault().map_err(ServerError::Config)
    }

    fn find_fault(&mut self) -> Result<(), String> {
        self.addresses()?;
        if self.listeners.is_empty() {
            return Err("a server needs an address to listen on".into());
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
        self.codec.check()?;
        // The first shard also has sockets for the listeners and for refused connections.
        let most = self.driver.sockets.saturating_sub(self.listeners.len() + MOST_REFUSING);
        self.limits.check(most, 4 * self.driver.pool.buffer_bytes as usize)?;
        self.outbound.check(most)?;
        self.timeouts.check()
    }

    fn addresses(&self) -> Result<Vec<(Address, ListenOptions)>, String> {
        self.listeners.iter().map(Listener::checked).collect()
    }

    fn settings(&self) -> Settings {
        Settings {
            admission: self.limits.admission,
            refusal: self.limits.refusal.clone(),
            packet_rate: self.limits.packet_rate,
            byte_rate: self.limits.byte_rate,
            spans: self.timeouts.spans,
            outbound: self.outbound.admission(),
            stream: self.outbound.stream.clone(),
            connect_timeout: self.outbound.connect_timeout,
        }
    }

    /// What all shards share.
    pub(crate) fn share(&self, made: Vec<Made>) -> Shared {
        // A simulated network has no names.
        let resolver = self.driver.network.is_none().then(Resolver::new);
        let posts = made.into_iter().map(|shard| shard.post).collect();
        Shared::new(posts, &self.settings(), self.limits.outbox_bytes, self.codec.clone(), resolver)
    }

    /// Makes a shard, on the thread that will turn it.
    pub(crate) fn make_shard<H: Handler>(&self, index: usize, handler: H) -> Result<(NewShard<H>, Made), ServerError> {
        let limits = SessionLimits {
            outbox: self.limits.outbox_bytes,
            // One packet, and a full pool: what may be on its way when a receive is cancelled.
            leftover: self.codec.max_bytes()
                + usize::from(self.driver.pool.buffers) * self.driver.pool.buffer_bytes as usize,
            bytes_per_turn: 512 * 1024,
            linger: self.timeouts.linger,
            slow: self.slow,
        };
        let settings = self.settings();
        let mut driver = Driver::new(self.driver.clone())?;
        let acceptor = match index {
            0 => {
                let addresses = self.addresses().map_err(ServerError::Config)?;
                Some(Acceptor::listen(&mut driver, &addresses, &settings)?)
            }
            _ => None,
        };
        let (mail, inbox): (Sender<Mail>, _) = mailbox(MAILBOX, driver.wake_handle());
        let post = Post { mail, wake: driver.wake_handle(), load: Arc::new(AtomicUsize::new(0)), bell: Bell::new() };
        let addresses = acceptor.as_ref().map(|acceptor| acceptor.addresses.clone()).unwrap_or_default();
        let made = Made { index, post, addresses, report: driver.report().clone() };
        let core = Core::new(driver, index as u16, limits, &settings, self.codec.clone());
        if let Some(offload) = &self.offload {
            let _ = core.tasks.offload.set(offload.clone());
        }
        Ok((NewShard { core, handler, acceptor, inbox }, made))
    }
}

/// A shard that does not know the other shards yet.
pub(crate) struct NewShard<H> {
    core: Core,
    handler: H,
    acceptor: Option<Acceptor>,
    inbox: Mailbox<Mail>,
}

impl<H: Handler> NewShard<H> {
    pub(crate) fn introduce(self, shared: Arc<Shared>) -> Shard<H> {
        Shard::new(self.core, self.handler, self.acceptor, self.inbox, shared)
    }
}

/// What the server and the other shards are told of a new shard.
pub(crate) struct Made {
    pub(super) index: usize,
    pub(crate) post: Post,
    pub(crate) addresses: Vec<Address>,
    pub(crate) report: Report,
}
