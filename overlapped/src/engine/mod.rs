//! Many threads: engines, their sockets and operations, and the four models.

mod at_once;
pub(crate) mod core;
mod direct;
pub(crate) mod ending;
pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod future;
mod limits;
mod look_up;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod notify;
pub(crate) mod operation;
pub(crate) mod overlapped;
pub(crate) mod park;
pub(crate) mod port;
pub(crate) mod routine;
pub(crate) mod socket;
mod tables;
#[cfg(test)]
mod tests;
mod thread;
mod turn;
pub(crate) mod watched;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use self::ending::{Ending, FileSent, Received, ReceivedFrom, Sent, Status};
pub use self::operation::Operation;
pub use self::overlapped::Overlapped;
pub use self::socket::{Accepted, Socket};
pub use self::watched::Watched;

use self::core::Core;
use self::limits::Limits;
use self::park::Turner;
use self::thread::EngineThread;
use crate::address::IntoAddress;
use crate::buf::{Crossing, PoolConfig};
use crate::driver::{Driver, DriverConfig, Live, MOST_QUEUED, Op, Stream, Wait};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::Role;
use crate::id::OpId;
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};
use crate::report::{Backend, Report};
use crate::sim::Network;
use crate::time::Time;
use crate::wake::WakeHandle;

/// Overlapped I/O for many threads. An engine has a thread of its own, which submits operations and
/// collects their completions, so the threads that start operations may come and go.
///
/// Clones are handles to the same engine. When the last one is dropped, operations in flight end
/// with `Cancelled`, sockets are closed, and the thread ends. Dropping waits for that, except on
/// the engine's own thread (in a waker).
///
/// An engine stays in the process that made it. In a child that this process forks, starts are
/// refused with `Closed`, results are not waited for, and dropping handles does nothing. The child
/// can make an engine of its own. It must not use events, ports or routine queues that other
/// threads of the parent used when it was forked: one of these threads may have held their lock.
///
/// ```
/// use overlapped::driver::Wait;
/// use overlapped::{Engine, Event};
/// use std::{io::Write, net::TcpStream};
///
/// let engine = Engine::new()?;
/// let listener = engine.listen("127.0.0.1:0", &Default::default())?;
/// let mut client = TcpStream::connect(listener.local_addr()?).unwrap();
///
/// let mut accept = listener.accept().start()?;                     // an operation in flight ...
/// let socket = accept.result(Wait::Forever)?.socket;               // ... and its result
///
/// let event = Event::new();
/// let mut receive = socket.recv(vec![0; 1024]).event(&event).start()?;
/// client.write_all(b"hello").unwrap();
/// event.wait(Wait::Forever)?;                                      // the event tells of its end
/// let received = receive.result(Wait::Poll)?;
/// assert_eq!(received.buf, b"hello");
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
    /// A local engine has none.
    _thread: Option<Arc<EngineThread>>,
}

/// Sets the limits and the backend of an engine: [`Engine::builder`].
#[derive(Clone, Debug)]
pub struct EngineBuilder {
    backend: Option<Backend>,
    network: Option<Network>,
    limits: Limits,
}

impl EngineBuilder {
    /// The backend. Without this: the best that works here.
    pub fn backend(mut self, backend: Backend) -> EngineBuilder {
        self.backend = Some(backend);
        self
    }

    /// The simulated network to join as a host; only for a [`local`](EngineBuilder::local)
    /// engine.
    pub fn network(mut self, network: &Network) -> EngineBuilder {
        self.network = Some(network.clone());
        self
    }

    /// How many operations there may be at once: in flight, or ended with a result that has not
    /// been taken. Without this: 262,144. At least 1, and at most 2^24 less three times the
    /// [sockets](EngineBuilder::sockets).
    ///
    /// A start beyond the limit is refused with `LimitReached`. The last eighth of it is kept for
    /// sockets that have nothing, so that a producer that starts whatever it can does not shut all
    /// others out:
    ///
    /// - a receive or an accept takes of it only on a socket that has no other one;
    /// - a send, a connect or a shutdown only on a socket that has no other one of these;
    /// - timers, which belong to no socket, take at most half of it;
    /// - a close takes nothing of the limit: there is always room for it.
    ///
    /// A limit of less than 8 keeps nothing back.
    ///
    /// ```
    /// # use overlapped::{Engine, ErrorKind};
    /// let engine = Engine::builder().operations(16).build()?;
    /// let listener = engine.listen("127.0.0.1:0", &Default::default())?;
    /// let flood: Vec<_> = std::iter::from_fn(|| listener.accept().start().ok()).collect();
    /// assert_eq!(flood.len(), 14);
    ///
    /// let other = engine.listen("127.0.0.1:0", &Default::default())?;
    /// let first = other.accept().start()?;
    /// assert_eq!(other.accept().start().unwrap_err().error.kind(), ErrorKind::LimitReached);
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn operations(mut self, limit: usize) -> EngineBuilder {
        self.limits.operations = limit;
        self
    }

    /// How many sockets there may be at once. Without this: 262,144. At least 1.
    pub fn sockets(mut self, limit: usize) -> EngineBuilder {
        self.limits.sockets = limit;
        self
    }

    /// How many receives may be in flight on one socket, and how many sends. Without this: 1,024.
    /// At least 1; more than 65,535 are as 65,535.
    pub fn queue(mut self, limit: usize) -> EngineBuilder {
        self.limits.queue = limit.min(MOST_QUEUED);
        self
    }

    fn driver(&self) -> Result<Driver, Error> {
        self.limits.check()?;
        // Accepted connections whose packets have not been taken are in no table of the engine.
        let sockets = match self.limits.sockets {
            0 => 0,
            sockets => sockets.max(sockets.saturating_add(self.limits.operations).min(1 << 30)),
        };
        let config = DriverConfig::new()
            .backend(self.backend)
            .network(self.network.clone())
            .operations(self.limits.with_own())
            .sockets(sockets)
            .queue(self.limits.queue)
            .pool(PoolConfig::new().buffers(2).buffer_bytes(64));
        Driver::new(config)
    }

    /// Makes an engine with a thread of its own.
    ///
    /// # Errors
    /// `InvalidArgument` for a limit that is out of range, which the text names, and for a
    /// simulated network: its clock moves only while the program's own thread waits. Any other
    /// error says why no backend could be set up or the thread could not be started.
    pub fn build(self) -> Result<Engine, Error> {
        if self.network.is_some() || self.backend == Some(Backend::Sim) {
            let why = "an engine on a simulated network is turned by the thread that waits: make it with `local`";
            return Err(Error::new(Action::Setup, ErrorKind::InvalidArgument).because(why));
        }
        let limits = self.limits;
        let (core, thread) = EngineThread::start(move || self.driver(), limits)?;
        Ok(Engine { core, _thread: Some(Arc::new(thread)) })
    }

    /// Makes an engine for this thread. The thread's waits turn it.
    ///
    /// # Errors
    /// As for [`build`](EngineBuilder::build); `LimitReached` if this thread has one already.
    pub fn local(self) -> Result<LocalEngine, Error> {
        let driver = self.driver()?;
        let core = Arc::new(Core::new(&driver, self.limits));
        core.unturned.store(true, Ordering::Relaxed);
        let driver = Rc::new(LocalDriver::new(Arc::clone(&core), driver));
        if !park::set_turner(Rc::clone(&driver) as Rc<dyn Turner>) {
            let why = "this thread has a local engine already";
            return Err(Error::new(Action::Setup, ErrorKind::LimitReached).because(why));
        }
        Ok(LocalEngine { handle: Engine { core, _thread: None }, driver, not_send: PhantomData })
    }
}

impl Engine {
    /// Makes an engine with a thread of its own, on the best backend that works here.
    ///
    /// # Errors
    /// As for [`EngineBuilder::build`].
    pub fn new() -> Result<Engine, Error> {
        Engine::builder().build()
    }

    /// Makes an engine for this thread.
    ///
    /// # Errors
    /// As for [`EngineBuilder::local`].
    pub fn local() -> Result<LocalEngine, Error> {
        Engine::builder().local()
    }

    /// Sets limits or a backend before making an engine.
    pub fn builder() -> EngineBuilder {
        let limits = Limits { operations: 1 << 18, sockets: 1 << 18, queue: 1024 };
        EngineBuilder { backend: None, network: None, limits }
    }

    /// Which backend this is, which features it uses, and why it does not use others.
    pub fn report(&self) -> &Report {
        &self.core.report
    }

    /// What is in use now. An operation counts until its result has been taken.
    pub fn live(&self) -> Live {
        self.core.live()
    }

    /// The present time on the engine's clock.
    pub fn now(&self) -> Time {
        self.core.maker.now()
    }

    /// Binds a listener to an IP address, or to a path of the file system
    /// (`unix:/run/server.sock`). The options also apply to the connections it accepts.
    ///
    /// At a path, a socket without a listener is replaced, and nothing else is. Closing the
    /// listener removes the file.
    ///
    /// # Errors
    /// With the address: `InvalidArgument` if it is none that can be listened on, such as a path
    /// that is too long; `InUse`, `AddressNotAvailable`, `NotPermitted`, `NotFound` (a directory of
    /// the path), `TooManyFiles`. An option that is refused (`InvalidArgument`, `Unsupported`) has
    /// the action [`Option`](crate::error::Action::Option), and the text names it. `LimitReached`;
    /// `Unsupported` for a path where there are no Unix sockets. `InvalidArgument` without it for
    /// something that is not an address.
    pub fn listen(&self, address: impl IntoAddress, options: &ListenOptions) -> Result<Socket, Error> {
        let address = Error::or_address(Action::Bind, address)?;
        let handle = self.core.maker.listen(&address, options)?;
        let local = handle.local_addr()?;
        Ok(Socket::insert(&self.core, Stream(handle), Role::Listener, None, Some(local))?)
    }

    /// Makes a stream socket for connecting to addresses of the same family as `family_of`: an
    /// address, or a text or a pair that is one ([`IntoAddress`]).
    ///
    /// # Errors
    /// `InvalidArgument` if it is not an address; `TooManyFiles`, `LimitReached`; for options as
    /// [`Socket::set_options`]; `Unsupported` for a path on a system without Unix sockets.
    pub fn socket(&self, family_of: impl IntoAddress, options: &StreamOptions) -> Result<Socket, Error> {
        let family_of = Error::or_address(Action::Socket, family_of)?;
        let handle = self.core.maker.stream(&family_of)?;
        handle.set_options(options)?;
        Ok(Socket::insert(&self.core, Stream(handle), Role::Stream, None, None)?)
    }

    /// Makes a datagram socket (UDP) and binds it. Port 0 takes a free port.
    ///
    /// # Errors
    /// As for [`listen`](Engine::listen); `Unsupported` for a path, and on a simulated network.
    pub fn datagram(&self, address: impl IntoAddress, options: &DatagramOptions) -> Result<Socket, Error> {
        let address = Error::or_address(Action::Bind, address)?;
        let handle = self.core.maker.datagram(&address, options)?;
        Ok(Socket::insert(&self.core, Stream(handle), Role::Datagram, None, None)?)
    }

    /// Makes a socket overlapped: one of the standard library (`TcpStream`, `TcpListener`,
    /// `UdpSocket`, on Unix `UnixStream`, `UnixListener`), or one that a [`Driver`] or an engine
    /// gave away. It is what it was: a listener accepts, a datagram socket sends and receives
    /// datagrams. Its options stay as they are. See [`Stream`].
    ///
    /// # Errors
    /// `LimitReached`; the socket is given back.
    pub fn adopt(&self, stream: impl Into<Stream>) -> Result<Socket, Failed<Stream>> {
        let stream = stream.into();
        let (role, _) = stream.0.role();
        let listening = match role {
            Role::Listener => stream.local_addr().ok(),
            Role::Stream | Role::Datagram | Role::Watched => None,
        };
        Socket::insert(&self.core, stream, role, None, listening)
    }

    /// Watches a descriptor of any kind for readiness: a pipe, a terminal, an `eventfd`, a socket
    /// of another library. The engine has a duplicate of it, and changes no setting of it.
    ///
    /// # Errors
    /// `Unsupported` for files and directories, which are always ready, on a simulated network, and
    /// on Windows, which tells of ended operations only. `LimitReached`, `TooManyFiles`. A
    /// descriptor that this system cannot watch ends the first wait with the system's error.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use overlapped::driver::Wait;
    /// use overlapped::Engine;
    /// use std::io::Write;
    ///
    /// let engine = Engine::new()?;
    /// let (reader, mut writer) = std::io::pipe().unwrap();
    /// let watched = engine.watch(&reader)?;
    /// let mut readable = watched.readable().start()?;
    /// writer.write_all(b"x").unwrap();
    /// readable.result(Wait::Forever)?;
    /// # }
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn watch(&self, descriptor: &impl std::os::fd::AsFd) -> Result<Watched, Error> {
        let handle = self.core.maker.watch(descriptor.as_fd())?;
        Ok(Watched::new(Socket::insert(&self.core, Stream(handle), Role::Watched, None, None)?))
    }

    /// `Unsupported`: Windows tells of ended operations, not of readiness. On a stream, a receive
    /// into an empty buffer ends when there is something to receive.
    #[cfg(windows)]
    pub fn watch(&self, _: &impl std::os::windows::io::AsSocket) -> Result<Watched, Error> {
        let why = "this system tells of ended operations, not of readiness";
        Err(Error::new(Action::Readiness, ErrorKind::Unsupported).because(why))
    }

    /// An operation that ends when the clock reaches `at`. As any operation, it ends in one of the
    /// four ways; a timer has no socket, so a completion port is named with
    /// [`post_to`](Operation::post_to).
    pub fn timer(&self, at: Time) -> Operation<'_, ()> {
        Operation::new(&self.core, None, Crossing::new(Op::timer(at)))
    }

    /// An operation that ends after `duration`, counted from now.
    pub fn sleep(&self, duration: Duration) -> Operation<'_, ()> {
        self.timer(self.now() + duration)
    }

    /// An operation that looks a host and a port up: `example.org:80`, `127.0.0.1:80`, `[::1]:80`.
    /// Its result are the addresses, at least one, the preferred ones first; pass each to
    /// [`Socket::connect`] until one connects. As any operation, it ends in one of the four ways,
    /// can be cancelled, and takes a [time limit](Operation::timeout).
    ///
    /// The system's `getaddrinfo` is asked, so its settings count (`/etc/hosts`, search domains).
    /// That call blocks and cannot be cancelled. Up to 4 threads make it, which the engine starts
    /// when they are needed; at most 4,096 more lookups wait. A lookup that has ended leaves
    /// that queue; one that has begun keeps its thread until the system answers. Addresses are
    /// answered without asking anyone. On a simulated network there are no names.
    ///
    /// # Errors
    /// The start: `InvalidArgument` if it is not a name or an address with a port, `LimitReached`
    /// if too many wait. The result: `NotFound` if the name has no address or nobody could be
    /// asked, with the name and the system's words; `Unsupported` for a name on a simulated
    /// network.
    ///
    /// ```
    /// use overlapped::driver::Wait;
    /// use overlapped::Engine;
    /// use std::time::Duration;
    ///
    /// let engine = Engine::new()?;
    /// let mut look_up = engine.lookup("127.0.0.1:80").timeout(Duration::from_secs(5)).start()?;
    /// let addresses = look_up.result(Wait::Forever)?;
    /// assert_eq!(addresses[0].port(), 80);
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn lookup(&self, host: impl Into<String>) -> Operation<'_, Vec<SocketAddr>> {
        Operation::new(&self.core, None, Crossing::new(Op::look_up(host.into())))
    }

    /// Asks an operation to end early, by the id that [`on_complete`](Operation::on_complete) or
    /// [`to_port`](Operation::to_port) returned. It still ends once: with `Cancelled`, or with what
    /// it had done by then. `false` if it has ended or never existed.
    pub fn cancel(&self, id: OpId) -> bool {
        self.core.cancel(id)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("backend", &self.report().backend).field("live", &self.live()).finish()
    }
}

/// An [`Engine`] for one thread: the thread's waits turn it, and it needs no second thread.
///
/// It stays on its thread. Its handles do not: any thread may use the [`Engine`] (to which it
/// dereferences), its [`Socket`]s and its operations. But operations begin and end only while the
/// local engine's thread waits, whatever it waits for: in [`Event::wait`](crate::Event::wait) and
/// the other waits for events, in alertable waits, in
/// [`CompletionPort::get`](crate::CompletionPort::get), in
/// [`Overlapped::result`](crate::Overlapped::result) or in [`block_on`](crate::future::block_on). A
/// thread has at most one local engine.
///
/// So another executor than `block_on` must call [`turn`](LocalEngine::turn) in its loop. A future
/// that it polls before anything has turned the engine fails with `WouldDeadlock`: otherwise it
/// would never be ready.
///
/// Dropping it closes its sockets as by [`CloseMode::Now`](crate::driver::CloseMode::Now), and ends
/// operations in flight.
pub struct LocalEngine {
    handle: Engine,
    driver: Rc<LocalDriver>,
    not_send: PhantomData<*const ()>,
}

impl LocalEngine {
    /// Submits the operations that were started, waits as `wait` says for one to end, and tells of
    /// those that have.
    ///
    /// # Errors
    /// Only if the backend itself fails.
    pub fn turn(&self, wait: Wait) -> Result<(), Error> {
        self.driver.turn(park::deadline(wait))
    }
}

impl Deref for LocalEngine {
    type Target = Engine;
    fn deref(&self) -> &Engine {
        &self.handle
    }
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        if !self.core.process.is_this() {
            return;
        }
        park::clear_turner();
        self.driver.shut_down();
    }
}

impl fmt::Debug for LocalEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

pub(crate) struct LocalDriver {
    core: Arc<Core>,
    pub(super) driver: RefCell<Driver>,
    ended: Cell<bool>,
}

impl LocalDriver {
    pub(super) fn new(core: Arc<Core>, driver: Driver) -> LocalDriver {
        LocalDriver { core, driver: RefCell::new(driver), ended: Cell::new(false) }
    }

    /// Ends every operation and closes every socket. Later turns do nothing.
    pub(super) fn shut_down(&self) {
        self.ended.set(true);
        self.core.shut_down(&self.driver);
    }
}

impl Turner for LocalDriver {
    fn turn(&self, until: Option<Time>) -> Result<(), Error> {
        if self.ended.get() {
            return Ok(());
        }
        self.core.unturned.store(false, Ordering::Relaxed);
        self.core.turn(&self.driver, until.map_or(Wait::Forever, Wait::Until))
    }

    fn wake_handle(&self) -> WakeHandle {
        self.core.wake.clone()
    }

    fn now(&self) -> Time {
        self.driver.borrow().now()
    }
}
