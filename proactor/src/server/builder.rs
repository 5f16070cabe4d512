//! The description of a server, setting by setting.

use std::num::NonZeroU32;

use overlapped::driver::Stream;
use overlapped::{report::Backend, sim::Network};

use super::config::Config;
use super::inherited::{Giver, Inherited};
use super::limits::Limits;
use super::listener::Listener;
use super::outbound::Outbound;
use super::run::{self, Server};
use super::simulation::Simulation;
use super::timeouts::Timeouts;
use crate::cluster::ClusterNode;
use crate::codec::Codec;
use crate::error::ServerError;
use crate::handler::Handler;
use crate::limits::SlowConsumer;
use crate::task::{AsyncSession, TaskOutput, Tasks};

/// Describes a server, then starts it. Made by [`Server::builder`].
///
/// ```no_run
/// use std::time::Duration;
///
/// use proactor::codec::Lines;
/// use proactor::{Flow, Handler, Limits, NoMessage, Server, Session, Timeouts};
///
/// #[derive(Clone)]
/// struct Echo;
///
/// impl Handler for Echo {
///     type State = ();
///     type Message = NoMessage;
///     fn connected(&mut self, _: &Session) {}
///     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
///         session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
///     }
/// }
///
/// # fn main() -> Result<(), proactor::ServerError> {
/// Server::builder()
///     .listen("0.0.0.0:7777")
///     .codec(Lines::new())
///     .limits(Limits::new().sessions(20_000).sessions_per_ip(100))
///     .timeouts(Timeouts::new().idle(Duration::from_secs(300)))
///     .run(Echo)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    config: Config,
}

impl Server {
    /// Describes a server.
    pub fn builder() -> Builder {
        Builder { config: Config::new() }
    }
}

impl Builder {
    /// Listens on an address, a name and a port, or a [`Listener`] with TCP options. Call it at
    /// least once; call it again to listen on several addresses.
    pub fn listen(mut self, listener: impl Into<Listener>) -> Builder {
        self.config.listeners.push(listener.into());
        self
    }

    /// Uses sockets that listen already, such as those of a supervisor that started this process,
    /// instead of binding new ones. A [listener](Builder::listen) uses the sockets of its
    /// addresses; if it has any, its other addresses are not bound. One with port 0 uses a socket
    /// of its IP. The connections have the options of the listener. A path is left where it is at
    /// the end.
    ///
    /// Each is a `TcpListener`, on Unix a `UnixListener`, or a
    /// [`Stream`](overlapped::driver::Stream), which may be
    /// [inherited](overlapped::driver::Stream::inherited) by number. The first server that is
    /// started has them; the start fails if no listener has the address of one.
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// use proactor::{AsyncSession, Server};
    ///
    /// async fn idle(session: AsyncSession) {
    ///     while session.next().await.is_some() {}
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let socket = TcpListener::bind("127.0.0.1:0")?;
    /// let address = socket.local_addr()?;
    /// let server = Server::builder().listen(address).inherit([socket]).serve(idle)?;
    /// assert_eq!(server.local_addrs()[0].ip(), Some(address));
    /// # Ok(())
    /// # }
    /// ```
    pub fn inherit<S: Into<Stream>>(mut self, sockets: impl IntoIterator<Item = S>) -> Builder {
        self.config.inherited = Inherited::new(sockets.into_iter().map(Into::into).collect(), Giver::Parent);
        self
    }

    /// As [`inherit`](Builder::inherit), for sockets on which another server accepts until this one
    /// takes its place. Those that this server does not listen on are closed, with a line in the
    /// log. Both must use the same kind of backend, because they share the mode of the sockets: a
    /// server with another does not start. Take them with
    /// [`Stream::inherited`](overlapped::driver::Stream::inherited), which does not change the
    /// mode.
    pub fn take_over(mut self, sockets: impl IntoIterator<Item = Stream>) -> Builder {
        self.config.inherited = Inherited::new(sockets.into_iter().collect(), Giver::Predecessor);
        self
    }

    /// Number of shards, each with one thread: at most 256. 0, the default, means one per core.
    pub fn shards(mut self, shards: usize) -> Builder {
        self.config.shards = shards;
        self
    }

    /// I/O backend. `None`, the default, takes the best that works on this machine.
    pub fn backend(mut self, backend: Option<Backend>) -> Builder {
        self.config.driver = self.config.driver.backend(backend);
        self
    }

    /// Keeps sessions as [direct descriptors](overlapped::DriverConfig::direct_descriptors), which
    /// do not count against the limit of open files. Each shard then has room for as many sessions
    /// as that limit. Off by default. A connection is an ordinary descriptor until its shard takes
    /// it over, so such a server needs few ordinary ones.
    ///
    /// Needs io_uring and Linux 6.8 or newer; elsewhere the server does not start.
    pub fn direct_descriptors(mut self, direct: bool) -> Builder {
        self.config.driver = self.config.driver.direct_descriptors(direct);
        self
    }

    /// Limits on sessions, rates and memory.
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.config.limits = limits;
        self
    }

    /// Timeouts and heartbeats.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Builder {
        self.config.timeouts = timeouts;
        self
    }

    /// Limits and options of outbound connections.
    pub fn outbound(mut self, outbound: Outbound) -> Builder {
        self.config.outbound = outbound;
        self
    }

    /// What happens to a session whose peer does not take what is sent to it. By default the server
    /// stops reading from it.
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Builder {
        self.config.slow = policy;
        self
    }

    /// How packets are framed, in both directions; each session has a clone.
    /// [`Raw`](crate::codec::Raw) by default. The limits of a codec are checked at the start.
    ///
    /// ```
    /// use proactor::Server;
    /// use proactor::codec::Lines;
    ///
    /// let builder = Server::builder().listen("127.0.0.1:0").codec(Lines::new().max_line(512));
    /// # let _ = builder;
    /// ```
    pub fn codec(mut self, codec: impl Codec + Clone) -> Builder {
        self.config.codec = codec.into_framing();
        self
    }

    /// Makes the server a node of a [cluster](crate::cluster): its [groups with a
    /// name](crate::Handle::group) are the cluster's. None by default; a server without it pays
    /// nothing.
    pub fn cluster(mut self, node: ClusterNode) -> Builder {
        self.config.cluster = Some(node);
        self
    }

    /// Threads for [blocking work](AsyncSession::offload), for all shards together: 4 by default, 1
    /// to 512. They are started when there is work.
    pub fn offload_threads(mut self, threads: usize) -> Builder {
        self.config.offload_threads = threads;
        self
    }

    /// Whether the shards count what [`Handle::registry`](crate::Handle::registry) has for
    /// Prometheus. Off by default. The module [`metrics`](crate::metrics) says what is counted and
    /// what it costs.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, metered: bool) -> Builder {
        self.config.metered = metered;
        self
    }

    /// Has each shard keep its last events in memory, for the question of what happened before:
    /// sessions that began, were held or closed, and why; refusals; turns that took long. So many
    /// of what happens once in a session's life, and as many of what happens again and again
    /// (holds, drops, waits for buffers). 0, the default, keeps none; at most 65,536.
    ///
    /// [`Handle::flight_events`](crate::Handle::flight_events) returns them on any thread and at
    /// any time, also while a shard hangs in its logic. When the logic panics, the last events of
    /// the session are in the log. [`Signals::on_quit`](crate::Signals::on_quit) can have them
    /// printed.
    ///
    /// It takes 80 bytes for each, on each shard. Recording costs a read of the clock for a turn,
    /// and some stores for an event; none is on the way of a packet. A server without it pays one
    /// branch a turn, and one where something happens.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// use proactor::{AsyncSession, FlightKind, Server};
    ///
    /// async fn greet(session: AsyncSession) {
    ///     let _ = session.send("hello").await;
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = Server::builder().listen("127.0.0.1:0").shards(1);
    /// let server = builder.flight_recorder(512).serve(greet)?;
    /// # let mut said = String::new();
    /// # std::net::TcpStream::connect(&server.local_addrs()[0])?.read_to_string(&mut said)?;
    /// let events = server.handle().flight_events().unwrap();
    /// assert_eq!(events[0].kind(), FlightKind::Accepted);
    /// println!("{}", events[0]); // 0.002315 s, session 0.0.0: accepted, at 127.0.0.1:41203
    /// # Ok(())
    /// # }
    /// ```
    pub fn flight_recorder(mut self, events: usize) -> Builder {
        self.config.flight_events = events;
        self
    }

    /// Gives sessions a span of [`tracing`], one in so many: 1 is all of them, 0, the default, is
    /// none. On each shard the first session has one, and every so many after it.
    ///
    /// The span is called `session`, of the target `proactor::session` and the level `INFO`, with
    /// the fields `id`, `peer`, `listener` and, from its close on, `reason`. In it are events for
    /// what happens to the session, as the [flight recorder](Builder::flight_recorder) has them:
    /// holds at `DEBUG`, the rest at `INFO`. What a handler logs in a call for the session is in
    /// the span too. For an async function, `tracing` has the means: call
    /// `logic(session).instrument(Span::current())` where the future is made. No byte of a packet
    /// is in a span or an event.
    ///
    /// A session without a span costs a lookup a call; a server without this, or a program without
    /// a subscriber, pays a branch.
    pub fn trace_sessions(mut self, one_in: u32) -> Builder {
        self.config.traced = NonZeroU32::new(one_in);
        self
    }

    /// Lets the logic use what is written for tokio: its clients, sockets, timers and
    /// `tokio::spawn`. They find this runtime on the threads of the shards, as if each call and
    /// each poll were inside it: [`tokio::runtime::Handle::enter`] is called once per shard. None
    /// by default; a server without it pays nothing.
    ///
    /// Such a client does its I/O on the runtime's threads and wakes the session's task, so the
    /// runtime must run: it is multi-threaded, or a thread of its own is in its `block_on`. It must
    /// outlive the server. Futures of the logic run on the shards all the same. The module
    /// [`task`](crate::task) says more.
    ///
    /// Not on a simulated network, which has sockets and a clock of its own: the server is refused
    /// there.
    ///
    /// ```
    /// # use std::io::Read;
    /// use std::time::Duration;
    ///
    /// use proactor::{AsyncSession, Server};
    ///
    /// async fn late(session: AsyncSession) {
    ///     tokio::time::sleep(Duration::from_millis(5)).await;
    ///     let _ = session.send("good morning").await;
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut runtime = tokio::runtime::Builder::new_multi_thread();
    /// let runtime = runtime.worker_threads(1).enable_all().build()?;
    /// let builder = Server::builder().listen("127.0.0.1:0").shards(1);
    /// let server = builder.tokio(runtime.handle().clone()).serve(late)?;
    /// # let mut said = String::new();
    /// # std::net::TcpStream::connect(&server.local_addrs()[0])?.read_to_string(&mut said)?;
    /// # assert_eq!(said, "good morning");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tokio")]
    pub fn tokio(mut self, runtime: tokio::runtime::Handle) -> Builder {
        self.config.runtime = Some(runtime);
        self
    }

    /// Binds, listens and starts the threads of the shards. Names to listen on are looked up, which
    /// may take seconds. An address that is in use is tried again for one second, for the kernel
    /// may not have let go yet of one whose process was killed; nobody who listens there notices.
    ///
    /// # Errors
    /// A setting is out of range, an address cannot be listened on, or the backend cannot be set
    /// up. Nothing is left running.
    pub fn start<H: Handler>(mut self, handler: H) -> Result<Server<H::Message>, ServerError> {
        self.config.check()?;
        run::start(self.config, handler)
    }

    /// Starts a server that runs an async function for each session: [`start`](Builder::start) with
    /// [`Tasks`]. The module [`task`](crate::task) has an example.
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

    /// As [`serve`](Builder::serve), for sessions that take messages: any thread may
    /// [post](crate::Handle::post) them, and [`AsyncSession::message`] or [`AsyncSession::event`]
    /// waits for them.
    ///
    /// ```no_run
    /// use proactor::{AsyncSession, Server};
    ///
    /// async fn ticker(session: AsyncSession<String>) {
    ///     while let Some(news) = session.message().await {
    ///         let _ = session.send(news).await;
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), proactor::ServerError> {
    /// let builder = Server::builder().listen("127.0.0.1:7777");
    /// let server: Server<String> = builder.serve_with_messages(ticker)?;
    /// # server.wait()
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`start`](Builder::start).
    pub fn serve_with_messages<M, F, Fut>(self, function: F) -> Result<Server<M>, ServerError>
    where
        M: Send + 'static,
        F: FnMut(AsyncSession<M>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output: TaskOutput> + 'static,
    {
        self.start(Tasks::with_messages(function))
    }

    /// [`start`](Builder::start), then [`wait`](Server::wait). Signals end the process as by
    /// default; [`run_until`](Server::run_until) drains on them.
    ///
    /// # Errors
    /// As for both.
    pub fn run<H: Handler>(self, handler: H) -> Result<(), ServerError> {
        self.start(handler)?.wait()
    }

    /// Makes the server on a simulated network, with all shards on this thread: a value that you
    /// turn, instead of threads. It has one shard unless [`shards`](Builder::shards) says
    /// otherwise.
    ///
    /// # Errors
    /// A setting is out of range, or an address cannot be listened on.
    pub fn simulate<H: Handler>(mut self, network: &Network, handler: H) -> Result<Simulation<H>, ServerError> {
        // The number of cores of this machine must make no difference.
        self.config.shards = self.config.shards.max(1);
        self.config.driver = self.config.driver.network(network.clone());
        self.config.simulated = true;
        self.config.check()?;
        Simulation::new(&self.config, network, &handler)
    }
}
