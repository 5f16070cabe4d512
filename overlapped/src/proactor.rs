//! The proactor: overlapped I/O for programs of many threads, or of one.

mod core;
mod slots;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::address::{Address, AddressError};
use crate::buf::PoolConfig;
use crate::driver::{Driver, DriverConfig, Live, Wait};
use crate::ending::Parcel;
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::Role;
use crate::id::OpId;
use crate::op::Start;
use crate::operation::Operation;
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};
use crate::park;
use crate::report::{Backend, Report};
use crate::socket::Socket;
use crate::sys::{Network, Stream, WakeHandle};
use crate::time::Time;

pub(crate) use self::core::Core;
use self::core::Limits;

/// Overlapped I/O for many threads: a thread of its own submits and collects, so that threads which start operations may come and go.
///
/// Clones are handles to the same proactor. When the last one is dropped, everything in flight ends with `Cancelled`, sockets are closed,
/// and the thread ends; dropping waits for that, except on the proactor's own thread (in a waker).
///
/// ```
/// use overlapped::{Event, Proactor};
/// use overlapped::driver::Wait;
/// use std::{io::Write, net::TcpStream};
///
/// let proactor = Proactor::new()?;
/// let listener = proactor.listen("127.0.0.1:0", &Default::default())?;
/// let mut client = TcpStream::connect(listener.local_addr()?).unwrap();
///
/// let mut accept = listener.accept().start()?;                     // an operation in flight ...
/// let socket = accept.result(Wait::Forever)?.socket;               // ... and its result
///
/// let event = Event::new();
/// let mut receive = socket.recv(vec![0; 1024]).event(&event).start()?;
/// client.write_all(b"hello").unwrap();
/// event.wait(Wait::Forever)?;                                      // told by an event
/// let received = receive.result(Wait::Poll)?;
/// assert_eq!(received.buf, b"hello");
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone)]
pub struct Proactor {
    core: Arc<Core>,
    /// Absent in a handle of a local proactor, which its owner keeps.
    _keeper: Option<Arc<Keeper>>,
}

/// Sets limits and the backend of a proactor: [`Proactor::builder`].
#[derive(Clone, Debug)]
pub struct ProactorBuilder {
    backend: Option<Backend>,
    network: Option<Network>,
    limits: Limits,
}

impl ProactorBuilder {
    /// The backend; without this the best that works here.
    pub fn backend(mut self, backend: Backend) -> ProactorBuilder {
        self.backend = Some(backend);
        self
    }

    /// The simulated network to be a host of; only for a [`local`](ProactorBuilder::local) proactor.
    pub fn network(mut self, network: &Network) -> ProactorBuilder {
        self.network = Some(network.clone());
        self
    }

    /// Operations that may be in flight, or ended and not yet asked for, at once. Without this 262,144.
    pub fn operations(mut self, limit: usize) -> ProactorBuilder {
        self.limits.operations = limit;
        self
    }

    /// Sockets there may be at once. Without this 262,144.
    pub fn sockets(mut self, limit: usize) -> ProactorBuilder {
        self.limits.sockets = limit;
        self
    }

    /// Receives, and likewise sends, that may be in flight on one socket. Without this 1,024.
    pub fn queue(mut self, limit: usize) -> ProactorBuilder {
        self.limits.queue = limit;
        self
    }

    fn driver(&self) -> Result<Driver, Error> {
        Driver::new(DriverConfig {
            backend: self.backend,
            network: self.network.clone(),
            // Every socket brings the operation that closes it, and the rest of a send that was begun on the spot.
            operations: self.limits.operations.saturating_add(self.limits.sockets.saturating_mul(2)),
            sockets: self.limits.sockets,
            queue: self.limits.queue,
            pool: PoolConfig { buffers: 2, buffer_bytes: 64 },
            ..DriverConfig::default()
        })
    }

    /// Makes a proactor with a thread of its own.
    ///
    /// # Errors
    /// `InvalidArgument` names a limit that is out of range, or says that there is a simulated network: its clock moves in the waits of the program's own thread. Any
    /// other error says which backend could not be set up, and why, or that the thread could not be started.
    pub fn build(self) -> Result<Proactor, Error> {
        if self.network.is_some() || self.backend == Some(Backend::Sim) {
            let why = "a proactor on a simulated network is turned by the thread that waits: make it with `local`";
            return Err(Error::new(Action::Setup, ErrorKind::InvalidArgument).because(why));
        }
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        // Made on the thread that will use it: the kernel lets no other submit.
        let run = move || {
            let driver = match self.driver() {
                Ok(driver) => RefCell::new(driver),
                Err(error) => return drop(tell.send(Err(error))),
            };
            park::serve();
            let core = Arc::new(Core::new(&driver.borrow(), self.limits));
            let _ = tell.send(Ok(Arc::clone(&core)));
            while core.is_open() {
                if let Err(error) = core.turn(&driver, Wait::Forever) {
                    tracing::error!("a proactor ends because of its backend: {error}");
                    break;
                }
            }
            core.shut_down(&driver);
        };
        let thread = std::thread::Builder::new().name("proactor".into()).spawn(run);
        let thread = thread.map_err(|error| Error::io(Action::Setup, &error))?;
        match told.recv() {
            Ok(Ok(core)) => {
                let keeper = Keeper { core: Arc::clone(&core), thread: Some(thread) };
                Ok(Proactor { core, _keeper: Some(Arc::new(keeper)) })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(Action::Setup, ErrorKind::Other).because("its thread panicked")),
        }
    }

    /// Makes a proactor for this thread, which is turned by the thread's waits.
    ///
    /// # Errors
    /// As for [`build`](ProactorBuilder::build); `LimitReached` if this thread has one already.
    pub fn local(self) -> Result<LocalProactor, Error> {
        let driver = self.driver()?;
        let core = Arc::new(Core::new(&driver, self.limits));
        let turn =
            Rc::new(LocalTurn { core: Arc::clone(&core), driver: RefCell::new(driver), ended: Cell::new(false) });
        if !park::set_local(&turn) {
            let why = "this thread has a local proactor already";
            return Err(Error::new(Action::Setup, ErrorKind::LimitReached).because(why));
        }
        Ok(LocalProactor { handle: Proactor { core, _keeper: None }, turn, stays: PhantomData })
    }
}

impl Proactor {
    /// Makes a proactor with a thread of its own, on the best backend that works here.
    ///
    /// # Errors
    /// As for [`ProactorBuilder::build`].
    pub fn new() -> Result<Proactor, Error> {
        Proactor::builder().build()
    }

    /// Makes a proactor for this thread.
    ///
    /// # Errors
    /// As for [`ProactorBuilder::local`].
    pub fn local() -> Result<LocalProactor, Error> {
        Proactor::builder().local()
    }

    /// A proactor with other limits, or on a backend of choice.
    pub fn builder() -> ProactorBuilder {
        let limits = Limits { operations: 1 << 18, sockets: 1 << 18, queue: 1024 };
        ProactorBuilder { backend: None, network: None, limits }
    }

    /// Which backend this is, which features it uses, and why it does not use others.
    pub fn report(&self) -> &Report {
        self.core.report()
    }

    /// What is in use at this moment. An operation counts until its result has been taken.
    pub fn live(&self) -> Live {
        self.core.live()
    }

    /// This moment on the proactor's clock.
    pub fn now(&self) -> Time {
        self.core.maker().now()
    }

    /// Binds a listener: to an IP address, or to a path of the file system (`unix:/run/server.sock`). Its options hold for the connections it accepts.
    ///
    /// At a path, a socket that nobody listens on any more is replaced, and nothing else is; the file is removed when the listener is closed.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no address; `InUse`, `AddressNotAvailable`, `NotPermitted`, `TooManyFiles`, with the address; `LimitReached`; `Unsupported` for a path where there are
    /// no Unix sockets.
    pub fn listen(
        &self,
        address: impl TryInto<Address, Error: Into<AddressError>>,
        options: &ListenOptions,
    ) -> Result<Socket, Error> {
        let address = address.try_into().map_err(Error::not_an_address)?;
        let handle = self.core.maker().listen(&address, options)?;
        let local = handle.local_addr()?;
        Ok(Core::insert(&self.core, Stream(handle), Role::Listener, None, Some(local))?)
    }

    /// Makes a stream socket for connecting to addresses of the same family as `family_of`.
    ///
    /// # Errors
    /// `TooManyFiles`, `LimitReached`; `Unsupported` for a path where there are no Unix sockets.
    pub fn socket(&self, family_of: impl Into<Address>, options: &StreamOptions) -> Result<Socket, Error> {
        let handle = self.core.maker().stream(&family_of.into())?;
        handle.set_options(options)?;
        Ok(Core::insert(&self.core, Stream(handle), Role::Stream, None, None)?)
    }

    /// Makes a datagram socket (UDP) and binds it; port 0 takes a free one.
    ///
    /// # Errors
    /// As for [`listen`](Proactor::listen); `Unsupported` for a path, and on a simulated network.
    pub fn datagram(
        &self,
        address: impl TryInto<Address, Error: Into<AddressError>>,
        options: &DatagramOptions,
    ) -> Result<Socket, Error> {
        let address = address.try_into().map_err(Error::not_an_address)?;
        let handle = self.core.maker().datagram(&address, options)?;
        Ok(Core::insert(&self.core, Stream(handle), Role::Datagram, None, None)?)
    }

    /// Makes a connection overlapped: one of the standard library, or one that a [`Driver`] gave away.
    ///
    /// # Errors
    /// `LimitReached`; the connection is given back.
    pub fn adopt(&self, stream: impl Into<Stream>) -> Result<Socket, Failed<Stream>> {
        Core::adopt(&self.core, stream.into(), None)
    }

    /// An operation that ends when the clock has reached `at`.
    pub fn timer(&self, at: Time) -> Operation<'_, ()> {
        Operation::new(&self.core, None, Parcel::plain(Start::Timer { at }))
    }

    /// An operation that ends after a while, counted from now.
    pub fn sleep(&self, duration: Duration) -> Operation<'_, ()> {
        self.timer(self.now() + duration)
    }

    /// Asks an operation to end early, by the name that [`on_complete`](Operation::on_complete) or [`to_port`](Operation::to_port) gave. It still
    /// ends once, with `Cancelled` or with what it had already brought. `false` if it has ended, or was never there.
    pub fn cancel(&self, id: OpId) -> bool {
        self.core.cancel(id)
    }
}

impl fmt::Debug for Proactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proactor").field("backend", &self.report().backend).field("live", &self.live()).finish()
    }
}

/// Ends the thread of a proactor when the last handle is gone.
struct Keeper {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.core.close();
        let thread = self.thread.take().expect("dropped once");
        // On its own thread it cannot wait for itself; it ends when it returns.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the thread of a proactor panicked");
        }
    }
}

/// A [`Proactor`] for one thread: the thread's waits turn it, and it needs no second thread.
///
/// It stays on its thread; its handles do not: [`Proactor`] (to which it dereferences), [`Socket`]s and operations may be used by any thread, but
/// operations begin and end only while the local proactor's thread waits: in [`Event::wait`](crate::Event::wait) and the other waits for events,
/// alertable waits, [`CompletionPort::get`](crate::CompletionPort::get), [`Overlapped::result`](crate::Overlapped::result) or
/// [`block_on`](crate::future::block_on), whatever it is that they wait for. A thread has at most one.
///
/// Dropping it ends everything in flight with `Cancelled`.
pub struct LocalProactor {
    handle: Proactor,
    turn: Rc<LocalTurn>,
    stays: PhantomData<*const ()>,
}

impl LocalProactor {
    /// Starts what was started, waits as `wait` says for something to end, and tells of what has.
    ///
    /// # Errors
    /// Only if the backend itself fails.
    pub fn turn(&self, wait: Wait) -> Result<(), Error> {
        self.turn.turn(park::deadline(wait))
    }
}

impl Deref for LocalProactor {
    type Target = Proactor;
    fn deref(&self) -> &Proactor {
        &self.handle
    }
}

impl Drop for LocalProactor {
    fn drop(&mut self) {
        park::clear_local();
        self.turn.ended.set(true);
        self.turn.core.shut_down(&self.turn.driver);
    }
}

impl fmt::Debug for LocalProactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// What a thread's waits know of its local proactor.
pub(crate) struct LocalTurn {
    core: Arc<Core>,
    driver: RefCell<Driver>,
    ended: Cell<bool>,
}

impl LocalTurn {
    pub(crate) fn turn(&self, until: Option<Time>) -> Result<(), Error> {
        if self.ended.get() {
            return Ok(());
        }
        self.core.turn(&self.driver, until.map_or(Wait::Forever, Wait::Until))
    }

    pub(crate) fn wake_handle(&self) -> WakeHandle {
        self.core.wake_handle().clone()
    }

    pub(crate) fn now(&self) -> Time {
        self.driver.borrow().now()
    }
}
