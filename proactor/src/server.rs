//! Making a server, and running it: one thread a shard.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use overlapped::address::AddressError;
use overlapped::mailbox::{Mailbox, Sender, mailbox};
use overlapped::report::{Backend, Report};
use overlapped::sim::Network;
use overlapped::{Address, Driver, DriverConfig};

use crate::acceptor::{Acceptor, MOST_REFUSING};
use crate::codec::{Codec, Framing};
use crate::connector::Resolver;
use crate::error::ServerError;
use crate::group::Bell;
use crate::handle::{Handle, Mail, Post, Shared};
use crate::handler::Handler;
use crate::session::{Core, OPERATIONS_PER_SOCKET, SessionLimits};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::simulation::Simulation;
use crate::slow::SlowConsumer;
use crate::task::offload::Offload;
use crate::task::{AsyncSession, TaskOutput, Tasks};

/// Messages a shard's mailbox holds.
const MAILBOX: usize = 1 << 16;
const MOST_SHARDS: usize = 256;
const MOST_OFFLOAD_THREADS: usize = 512;

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Builder {
    binds: Vec<Address>,
    no_address: Option<AddressError>,
    pub(crate) shards: usize,
    driver: DriverConfig,
    outbox_bytes: usize,
    pub(crate) settings: Settings,
    linger: Duration,
    codec: Framing,
    slow: SlowConsumer,
    offload_threads: usize,
    offload: Option<Offload>,
}

impl Builder {
    /// Listens on an address too: `127.0.0.1:7777`, `[::1]:7777`, `unix:/run/server.sock`; port 0 takes a free one. May be called more than once, and must be
    /// called at least once. What is no address is an error of the start.
    pub fn bind(mut self, address: impl TryInto<Address, Error: Into<AddressError>>) -> Builder {
        match address.try_into() {
            Ok(address) => self.binds.push(address),
            Err(error) => self.no_address = Some(error.into()),
        }
        self
    }

    /// How many shards, each with a thread: at most 256. 0, the default, is one for every core.
    pub fn shards(mut self, shards: usize) -> Builder {
        self.shards = shards;
        self
    }

    /// The backend; `None`, the default, takes the best that works here.
    pub fn backend(mut self, backend: Option<Backend>) -> Builder {
        self.driver = self.driver.backend(backend);
        self
    }

    /// Keeps sessions as [direct descriptors](DriverConfig::direct_descriptors), which the limit of open files does not count: each shard can have as many of them as that limit
    /// says, and ordinary ones beside. Off unless said otherwise. A connection is an ordinary descriptor from its acceptance until its shard takes it over, so a server with it needs few.
    ///
    /// io_uring only, and Linux 6.8 or newer: where they cannot be had the server does not start.
    pub fn direct_descriptors(mut self, direct: bool) -> Builder {
        self.driver = self.driver.direct_descriptors(direct);
        self
    }

    /// Bytes that may be queued for one session, in flight and what it is behind in its groups included: 256 KiB unless said otherwise, and at least four receive buffers
    /// (64 KiB). At half of it the session is handed no more packets, at a quarter again.
    pub fn outbox_bytes(mut self, bytes: usize) -> Builder {
        self.outbox_bytes = bytes;
        self
    }

    /// How a session is met whose peer does not take what is sent to it: its reads pause, unless said otherwise.
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Builder {
        self.slow = policy;
        self
    }

    /// How long a graceful close waits for the peer to take what was sent and to end its stream: 5 s unless said otherwise.
    pub fn linger(mut self, linger: Duration) -> Builder {
        self.linger = linger;
        self
    }

    /// How packets lie in the streams of sessions, both ways; each session has a clone. [`Raw`](crate::codec::Raw) unless said otherwise. A codec's limits are checked at
    /// the start.
    ///
    /// ```
    /// use proactor::Server;
    /// use proactor::codec::Lines;
    ///
    /// let builder = Server::builder().bind("127.0.0.1:0").codec(Lines::new().max_line(512));
    /// # let _ = builder;
    /// ```
    pub fn codec(mut self, codec: impl Codec + Clone) -> Builder {
        self.codec = codec.into_framing();
        self
    }

    /// How many threads there may be for [work that blocks](AsyncSession::offload), of all shards together: 4 unless said otherwise, 1 to 512. They are started when
    /// there is work for them.
    pub fn offload_threads(mut self, threads: usize) -> Builder {
        self.offload_threads = threads;
        self
    }

    fn check(&mut self) -> Result<(), ServerError> {
        let config = |what: String| Err(ServerError::Config(what));
        if let Some(error) = &self.no_address {
            return config(error.to_string());
        }
        if self.binds.is_empty() {
            return config("a server needs an address to listen on".into());
        }
        if self.shards == 0 {
            self.shards = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_SHARDS);
        }
        if self.shards > MOST_SHARDS {
            return config(format!("{} shards: at most {MOST_SHARDS}", self.shards));
        }
        if !(1..=MOST_OFFLOAD_THREADS).contains(&self.offload_threads) {
            return config(format!("{} threads for offloaded work: 1 to {MOST_OFFLOAD_THREADS}", self.offload_threads));
        }
        self.codec.check().map_err(ServerError::Config)?;
        let least = 4 * self.driver.packet_bytes();
        if self.outbox_bytes < least {
            return config(format!("an outbox of {} bytes: at least {least}", self.outbox_bytes));
        }
        // Beside its sessions the first shard has the listeners, and those who are being told why they are turned away.
        let most = self.driver.most_sockets().saturating_sub(self.binds.len() + MOST_REFUSING);
        self.settings.check(most).or_else(config)
    }

    /// Binds, listens and starts the shards' threads.
    ///
    /// # Errors
    /// A setting that is out of range; an address that cannot be listened on; a backend that cannot be set up. Nothing is left running.
    pub fn start<H: Handler>(mut self, handler: H) -> Result<Server, ServerError> {
        self.check()?;
        self.offload = Some(Offload::new(self.offload_threads));
        // Each driver is made on the thread it stays on; when all are there, all learn of each other.
        let (up, mut made) = mpsc::channel();
        let mut threads = Vec::new();
        let mut introduce = Vec::new();
        let mut failed = None;
        for index in 0..self.shards {
            let (introduction, introduced) = mpsc::channel();
            introduce.push(introduction);
            let (builder, handler, up) = (self.clone(), handler.clone(), up.clone());
            let body = move || builder.shard_thread(index, handler, up, &introduced);
            match std::thread::Builder::new().name(format!("shard-{index}")).spawn(body) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    let why = format!("could not start the thread of shard {index}: {error}");
                    failed = Some(ServerError::Thread(why));
                    break;
                }
            }
        }
        drop(up);
        let arrived = match failed.map_or_else(|| gather(&mut made, self.shards), Err) {
            Ok(arrived) => arrived,
            Err(error) => {
                // Without an introduction the others end; their listeners are closed when this returns.
                drop(introduce);
                for thread in threads {
                    let _ = thread.join();
                }
                return Err(error);
            }
        };
        let (addresses, report) = (arrived[0].addresses.clone(), arrived[0].report.clone());
        let shared = Arc::new(self.share(arrived));
        for introduction in introduce {
            // A thread that is gone by now is found out by `wait`.
            let _ = introduction.send(Arc::clone(&shared));
        }
        Ok(Server { threads, handle: Handle { shared }, addresses, report })
    }

    /// Starts a server whose logic is an async function, run for each session: [`start`](Builder::start) with [`Tasks`]. The module [`task`](crate::task) has an
    /// example.
    ///
    /// # Errors
    /// As for [`start`](Builder::start).
    pub fn serve<F, Fut>(self, function: F) -> Result<Server, ServerError>
    where
        F: FnMut(AsyncSession) -> Fut + Clone + Send + 'static,
        Fut: Future<Output: TaskOutput> + 'static,
    {
        self.start(Tasks::new(function))
    }

    /// Makes the server on a simulated network, with all shards on this thread: a value that is turned, instead of threads that run. Without a number of
    /// [`shards`](Builder::shards) it has one.
    ///
    /// # Errors
    /// A setting that is out of range; an address that cannot be listened on.
    pub fn simulate<H: Handler>(mut self, network: &Network, handler: H) -> Result<Simulation<H>, ServerError> {
        // How many cores this machine has is not to make a difference.
        self.shards = self.shards.max(1);
        self.driver = self.driver.network(network.clone());
        self.check()?;
        Simulation::new(&self, network, &handler)
    }

    /// [`start`](Builder::start), then [`wait`](Server::wait).
    ///
    /// # Errors
    /// As both.
    pub fn run<H: Handler>(self, handler: H) -> Result<(), ServerError> {
        self.start(handler)?.wait()
    }

    /// What all shards share.
    pub(crate) fn share(&self, arrived: Vec<Arrived>) -> Shared {
        // A simulated network has no names.
        let resolver = (!self.driver.is_simulated()).then(Resolver::new);
        let posts = arrived.into_iter().map(|shard| shard.post).collect();
        Shared::new(posts, &self.settings, self.outbox_bytes, self.codec.clone(), resolver)
    }

    /// Makes a shard, on the thread that is to turn it.
    pub(crate) fn make_shard<H: Handler>(
        &self,
        index: usize,
        handler: H,
    ) -> Result<(NewShard<H>, Arrived), ServerError> {
        let limits = SessionLimits {
            outbox: self.outbox_bytes,
            // A packet, and as much as the pool holds: what a paused session has coming before its receive is cancelled.
            leftover: self.codec.max_bytes() + self.driver.pool_bytes(),
            bytes_per_turn: 512 * 1024,
            linger: self.linger,
            slow: self.slow,
        };
        let mut driver = Driver::new(self.driver.clone())?;
        let acceptor = match index {
            0 => Some(Acceptor::listen(&mut driver, &self.binds, &self.settings)?),
            _ => None,
        };
        let (mail, inbox): (Sender<Mail>, _) = mailbox(MAILBOX, driver.wake_handle());
        let post = Post { mail, wake: driver.wake_handle(), load: Arc::new(AtomicUsize::new(0)), bell: Bell::new() };
        let addresses = acceptor.as_ref().map(|acceptor| acceptor.addresses.clone()).unwrap_or_default();
        let arrived = Arrived { index, post, addresses, report: driver.report().clone() };
        let core = Core::new(driver, index as u16, limits, &self.settings, self.codec.clone());
        if let Some(offload) = &self.offload {
            let _ = core.tasks.offload.set(offload.clone());
        }
        Ok((NewShard { core, handler, acceptor, inbox }, arrived))
    }

    /// A shard's thread: the only place that knows that a shard is turned by one.
    fn shard_thread<H: Handler>(
        self,
        index: usize,
        handler: H,
        up: mpsc::Sender<Result<Arrived, ServerError>>,
        introduced: &mpsc::Receiver<Arc<Shared>>,
    ) -> Result<(), ServerError> {
        let (shard, arrived) = match self.make_shard(index, handler) {
            Ok(made) => made,
            Err(error) => {
                let _ = up.send(Err(error));
                return Ok(());
            }
        };
        let _ = up.send(Ok(arrived));
        // That nobody has it any more is how it is known that a shard has been lost before it could say so.
        drop(up);
        // Without an introduction, another shard could not be made and the server does not come to be.
        let Ok(shared) = introduced.recv() else { return Ok(()) };
        let _guard = StopOnPanic(Arc::clone(&shared));
        let mut shard = shard.introduce(Arc::clone(&shared));
        let ended = loop {
            match shard.turn() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if ended.is_err() {
            // A server that has lost a shard ends as a whole, rather than go on by halves.
            shared.tell(crate::handle::STOPPING);
        }
        ended
    }
}

/// A server that has lost a shard to a panic ends as a whole, as after an error.
struct StopOnPanic(Arc<Shared>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.tell(crate::handle::STOPPING);
        }
    }
}

/// A shard that has been made and does not know the others yet.
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

/// What the others and the server are told of a shard that has been made.
pub(crate) struct Arrived {
    index: usize,
    pub(crate) post: Post,
    pub(crate) addresses: Vec<Address>,
    pub(crate) report: Report,
}

fn gather(made: &mut mpsc::Receiver<Result<Arrived, ServerError>>, shards: usize) -> Result<Vec<Arrived>, ServerError> {
    let mut arrived = Vec::new();
    while arrived.len() < shards {
        match made.recv() {
            Ok(Ok(shard)) => arrived.push(shard),
            Ok(Err(error)) => return Err(error),
            Err(mpsc::RecvError) => return Err(ServerError::Thread("a shard's thread ended at once".into())),
        }
    }
    arrived.sort_by_key(|shard| shard.index);
    Ok(arrived)
}

/// A running server. Dropping it stops it at once and waits for its threads.
pub struct Server {
    threads: Vec<JoinHandle<Result<(), ServerError>>>,
    handle: Handle,
    addresses: Vec<Address>,
    report: Report,
}

impl Server {
    /// Begins the description of a server.
    pub fn builder() -> Builder {
        let driver = DriverConfig::new();
        let operations = OPERATIONS_PER_SOCKET * driver.most_sockets();
        Builder {
            binds: Vec::new(),
            no_address: None,
            shards: 0,
            driver: driver.operations(operations),
            outbox_bytes: 256 * 1024,
            settings: Settings::default(),
            linger: Duration::from_secs(5),
            codec: Framing::default(),
            slow: SlowConsumer::default(),
            offload_threads: 4,
            offload: None,
        }
    }

    /// The addresses it listens on, with their real ports, in the order of [`Builder::bind`].
    pub fn local_addrs(&self) -> &[Address] {
        &self.addresses
    }

    /// Which backend and features it runs on, and why.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How many shards it has.
    pub fn shards(&self) -> usize {
        self.threads.len()
    }

    /// The server, for any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the server has ended: until someone told it to [`stop`](Handle::stop) or [`drain`](Handle::drain), and it has.
    ///
    /// # Errors
    /// The first shard that failed.
    pub fn wait(mut self) -> Result<(), ServerError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), ServerError> {
        let mut result = Ok(());
        for (index, thread) in self.threads.drain(..).enumerate() {
            let ended = thread.join().unwrap_or_else(|_| {
                self.handle.stop();
                Err(ServerError::Thread(format!("shard {index} panicked")))
            });
            result = result.and(ended);
        }
        result
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.stop();
        let _ = self.join();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).field("shards", &self.shards()).finish()
    }
}
