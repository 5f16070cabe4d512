//! The driver: one thread, one completion queue.
//!
//! It owns every operation from its start to its end, in a table of slots with generations. It
//! keeps the order of each socket's receives and sends, re-arms multishot operations, resumes short
//! sends, and runs timers and the steps of a close. It asks little of a backend (`sys`): start this
//! operation, cancel it, wait, say what happened.
//!
//! What it promises:
//!
//! - **Ownership.** An operation owns its buffers from `submit` to its last completion.
//! - **One last completion** for every operation that was started, whatever happens.
//! - **Nothing runs inside `submit`, `cancel` or `turn`**: completions are taken with
//!   [`Driver::next`].
//! - **Order.** At most one receive and one send of a socket are with the kernel; the rest wait in
//!   the socket's queues.
//! - **Identity.** The kernel hands back slot and generation. A stale pair is dropped.
//! - **Dropping** a driver cancels everything, waits for it to end, and only then frees memory.

mod accept;
mod access;
mod at_once;
mod backlog;
mod cause;
mod close;
mod complete;
mod config;
mod connect;
mod datagrams;
mod file;
mod floods;
mod operations;
mod shutdown;
mod sockets;
mod submit;
#[cfg(test)]
mod tests;
mod timers;
mod turn;

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::address::{Address, IntoAddress};
use crate::buf::Pool;
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::Role;
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};
use crate::report::Report;
use crate::sys::{dispatch::AnyBackend, handle::Handle, maker::Maker, process::Process};
use crate::time::Time;

pub use crate::flags::{CloseMode, Flags, ShutdownHow};
pub use crate::id::{OpId, SocketId};
pub use crate::sys::datagrams::DatagramTo;
pub use crate::sys::descriptor::Descriptor;
pub use crate::sys::op::{Op, Outcome};
pub use crate::sys::stream::Stream;
pub use crate::wake::WakeHandle;
pub use config::DriverConfig;
pub use operations::Completion;

use operations::{BackendFailure, Operations, Ready, Stage};
use sockets::{Socket, Sockets};
use timers::Timers;

pub(crate) use operations::MOST_OPERATIONS;
pub(crate) use sockets::MOST_QUEUED;

/// How long a turn may wait for something to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does not wait.
    Poll,
    /// At most this long.
    For(Duration),
    /// At most until this moment of the driver's clock.
    Until(Time),
    /// Until something happens, or a [`WakeHandle`] is used.
    Forever,
}

/// What is in use at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Live {
    /// Operations whose last completion has not been taken.
    pub operations: usize,
    /// Buffers that operations own.
    pub buffers: usize,
    /// Sockets, including listeners.
    pub sockets: usize,
    /// Sockets that are [direct descriptors](DriverConfig::direct_descriptors).
    pub direct: usize,
    /// Pooled buffers held by packets.
    pub packets: usize,
}

/// Overlapped I/O for one thread: see [the crate](crate) for an example.
///
/// It stays on the thread that made it. Dropping it cancels what is in flight and waits until the
/// kernel has let go of every buffer.
///
/// It also stays in the process that made it. In a child that this process forks, whatever is asked
/// of it is refused with `Closed`, and dropping it leaves the parent's operations alone.
pub struct Driver {
    process: Process,
    backend: AnyBackend,
    operations: Operations,
    sockets: Sockets,
    timers: Timers,
    pool: Rc<Pool>,
    /// Operations that the backend has to start or to cancel. Each is in it at most once; some may
    /// have ended.
    listed: VecDeque<OpId>,
    /// Operations that ended without the backend.
    ready: VecDeque<Ready>,
    /// Multishot receives that wait for a pooled buffer, in order; some may have been cancelled.
    starved: VecDeque<OpId>,
    /// Multishot receives that have brought their share, in order; some may have been cancelled.
    floods: VecDeque<OpId>,
    /// When accepting goes on after it has run out of descriptors; zero if it has not.
    accepts_again: Time,
    /// Accepts that wait for that; some may have ended.
    paused: Vec<OpId>,
    /// Events of operations that were no longer there.
    stale: u64,
    starvations: u64,
    random: u64,
    queue_limit: usize,
    failure: Option<Box<BackendFailure>>,
    /// How many turns a test lets fail.
    #[cfg(test)]
    pub(crate) failures: u32,
    /// A test lets the next turn with an operation in flight panic.
    #[cfg(test)]
    pub(crate) panics: bool,
}

/// # The driver itself
impl Driver {
    /// Makes a driver.
    ///
    /// # Errors
    /// `InvalidArgument` names a setting that is out of range. Any other error says which backend
    /// could not be set up, and why.
    pub fn new(config: DriverConfig) -> Result<Driver, Error> {
        config.check()?;
        let pool = Pool::new(config.pool);
        let backend = AnyBackend::new(config.backend, config.network.as_ref(), &config.options, &pool)?;
        let random = backend.seed();
        Ok(Driver {
            process: Process::this(),
            backend,
            operations: Operations::new(config.operations),
            sockets: Sockets::with_limit(config.options.sockets),
            timers: Timers::default(),
            pool,
            listed: VecDeque::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            floods: VecDeque::new(),
            accepts_again: Time::ZERO,
            paused: Vec::new(),
            stale: 0,
            starvations: 0,
            random,
            queue_limit: config.queue.min(MOST_QUEUED),
            failure: None,
            #[cfg(test)]
            failures: 0,
            #[cfg(test)]
            panics: false,
        })
    }

    /// Which backend this is, which features it uses, and why it does not use others.
    pub fn report(&self) -> &Report {
        self.backend.report()
    }

    /// A handle with which any thread can end this driver's wait.
    pub fn wake_handle(&self) -> WakeHandle {
        self.backend.wake_handle()
    }

    /// What makes sockets for this driver, on any thread.
    pub(crate) fn maker(&self) -> Maker {
        self.backend.maker()
    }

    /// This moment on the driver's clock.
    pub fn now(&self) -> Time {
        self.backend.now()
    }

    /// A number from the driver's random source: for spreading and sampling, not for secrets.
    pub fn random(&mut self) -> u64 {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// What is in use at this moment.
    pub fn live(&self) -> Live {
        Live {
            operations: self.operations.len() - self.failure.as_ref().map_or(0, |failure| failure.orphans),
            buffers: self.operations.buffers(),
            sockets: self.sockets.len(),
            direct: self.backend.direct(),
            packets: self.pool.lent(),
        }
    }

    /// How many events came for operations that were no longer there, and were dropped.
    pub fn stale(&self) -> u64 {
        self.stale
    }

    /// How often a multishot receive found no buffer in the pool, and waited for one: a count that
    /// grows says that the pool is too small for what the program keeps of it.
    pub fn starvations(&self) -> u64 {
        self.starvations
    }
}

/// # Sockets
impl Driver {
    /// Binds a listener: to an IP address, or to a path of the file system
    /// (`unix:/run/server.sock`). The connections that it accepts begin with its options.
    ///
    /// At a path, a socket that nothing listens on any more is replaced. Anything else there is
    /// left alone, and is an error; a server that listens there does not notice. The file is
    /// removed when the listener is closed.
    ///
    /// # Errors
    /// With the address: `InvalidArgument` if it is none that can be listened on, such as a path
    /// that is too long; `InUse`, `AddressNotAvailable`, `NotPermitted`, `NotFound` (a directory of
    /// the path), `TooManyFiles`. An option that is refused (`InvalidArgument`, `Unsupported`) has
    /// the action [`Option`](crate::error::Action::Option), and the text names it. `LimitReached`;
    /// `Unsupported` for a path where there are no Unix sockets. `InvalidArgument` without it for
    /// something that is not an address.
    pub fn listen(&mut self, address: impl IntoAddress, options: &ListenOptions) -> Result<SocketId, Error> {
        let address = Error::or_address(Action::Bind, address)?;
        let handle = self.backend.maker().listen(&address, options)?;
        Ok(self.insert(handle, Action::Listen)?)
    }

    /// Makes a stream socket for connecting to addresses of the same family as `family_of`: an
    /// address, or a text or a pair that is one ([`IntoAddress`]).
    ///
    /// # Errors
    /// `InvalidArgument` if it is not an address; `TooManyFiles`, `LimitReached`; `Unsupported` for
    /// a path where there are no Unix sockets.
    pub fn socket(&mut self, family_of: impl IntoAddress) -> Result<SocketId, Error> {
        let family_of = Error::or_address(Action::Socket, family_of)?;
        let handle = self.backend.maker().stream(&family_of)?;
        Ok(self.insert(handle, Action::Socket)?)
    }

    /// Makes a datagram socket (UDP) and binds it; port 0 takes a free one.
    ///
    /// # Errors
    /// As for [`listen`](Driver::listen); `Unsupported` for a path.
    pub fn datagram(&mut self, address: impl IntoAddress, options: &DatagramOptions) -> Result<SocketId, Error> {
        let address = Error::or_address(Action::Bind, address)?;
        let handle = self.backend.maker().datagram(&address, options)?;
        Ok(self.insert(handle, Action::Socket)?)
    }

    /// Takes over a socket that belongs to no driver: a connection that this or another driver
    /// accepted, a socket that was [released](Driver::release), or one of the standard library
    /// (`TcpStream`, `TcpListener`, `UdpSocket` and on Unix `UnixStream`, `UnixListener`:
    /// `driver.adopt(listener.into())`). It is what it was: a listener accepts, a datagram socket
    /// sends and receives datagrams. Its options stay as they are.
    ///
    /// # Errors
    /// `LimitReached` if the table of sockets is full; the system's error if it does not let the
    /// driver wait for the connection. The stream is given back.
    pub fn adopt(&mut self, stream: Stream) -> Result<SocketId, Failed<Stream>> {
        self.insert(stream.0, Action::Socket)
            .map_err(|failed| Failed { error: failed.error, given: Stream(failed.given) })
    }

    /// Watches a descriptor of any kind for readiness: see [`Op::readable`], [`Op::writable`]. The
    /// driver has a duplicate of it, and changes no setting of it. [`Op::close`] in any mode ends
    /// the watch.
    ///
    /// # Errors
    /// As for [`Engine::watch`](crate::Engine::watch).
    #[cfg(unix)]
    pub fn watch(&mut self, descriptor: &impl std::os::fd::AsFd) -> Result<SocketId, Error> {
        let watched = self.maker().watch(descriptor.as_fd())?;
        Ok(self.insert(watched, Action::Socket)?)
    }

    /// `Unsupported`: Windows tells of ended operations, not of readiness.
    #[cfg(windows)]
    pub fn watch(&mut self, _: &impl std::os::windows::io::AsSocket) -> Result<SocketId, Error> {
        let why = "this system tells of ended operations, not of readiness";
        Err(Error::new(Action::Readiness, ErrorKind::Unsupported).because(why))
    }

    fn insert(&mut self, handle: Handle, action: Action) -> Result<SocketId, Failed<Handle>> {
        if let Err(error) = self.process.check(action) {
            return Err(Failed { error, given: handle });
        }
        if self.sockets.is_full() {
            let error = Error::new(action, ErrorKind::LimitReached).because("the driver's table of sockets is full");
            return Err(Failed { error, given: handle });
        }
        let (role, connected) = handle.role();
        let slot = self.sockets.next_key().slot();
        match self.backend.attach(slot, &handle) {
            Ok(()) => {
                let handle = match role {
                    Role::Stream => self.backend.take_in(slot, handle),
                    Role::Listener | Role::Datagram | Role::Watched => handle,
                };
                Ok(SocketId(self.sockets.insert(Socket::new(handle, role, connected))))
            }
            Err(error) => Err(Failed { error, given: handle }),
        }
    }

    /// Gives a socket away, to another driver or to the standard library
    /// (`TcpListener::try_from(stream)`).
    ///
    /// # Errors
    /// `Closed` if there is no such socket; `InvalidArgument` while operations are in flight on it;
    /// `Unsupported` on Windows, where a socket stays with the completion port that it was given
    /// to. (There, [duplicate](Driver::duplicate) it for the standard library and close it.)
    pub fn release(&mut self, socket: SocketId) -> Result<Stream, Error> {
        self.process.check(Action::Socket)?;
        let Some((slot, entry)) = sockets::find(&mut self.sockets, socket) else {
            return Err(Error::new(Action::Socket, ErrorKind::Closed));
        };
        if !entry.is_idle() {
            let why = "only an idle socket can be released: operations are in flight on this one";
            return Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        }
        let connected = entry.is_connected();
        let handle = entry.handle.as_ref().expect("a socket that is not being closed has its handle");
        let descriptor = self.backend.descriptor_of(handle)?;
        self.backend.detach(slot, handle)?;
        let handle = self.sockets.remove_at(slot).and_then(|entry| entry.handle).expect("just found");
        Ok(Stream(descriptor.unwrap_or(handle).with_connected(connected)))
    }

    /// The address that a socket is bound to: for a listener on port 0, the real port.
    pub fn local_addr(&self, socket: SocketId) -> Result<Address, Error> {
        self.ask(socket, Handle::local_addr)
    }

    /// The address of a socket's peer.
    pub fn peer_addr(&self, socket: SocketId) -> Result<Address, Error> {
        self.ask(socket, Handle::peer_addr)
    }

    /// Sets options of a stream, or of a listener, whose connections then begin with them. A
    /// datagram socket takes those of the system's buffers.
    ///
    /// On Windows, connections begin with the options that their listener was made with. What is
    /// set on a listener later does not change those of its connections that are set there:
    /// `nodelay`, those of keep-alive, and what was asked for. Set them on each connection.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported`, with the name and the value of an option that is refused
    /// (see [`StreamOptions`]); those before it are set. `Closed`.
    pub fn set_options(&self, socket: SocketId, options: &StreamOptions) -> Result<(), Error> {
        self.ask(socket, |handle| handle.set_options(options))
    }

    /// Asks the system something about a socket.
    fn ask<T>(&self, socket: SocketId, ask: impl FnOnce(&Handle) -> Result<T, Error>) -> Result<T, Error> {
        self.ask_of(self.handle(socket, Action::Option)?, ask)
    }

    /// The handle of a socket that is not being closed.
    fn handle(&self, socket: SocketId, action: Action) -> Result<&Handle, Error> {
        self.process.check(action)?;
        let entry = self.sockets.get(socket.0).filter(|entry| !entry.is_closing());
        entry.and_then(|entry| entry.handle.as_ref()).ok_or_else(|| Error::new(action, ErrorKind::Closed))
    }

    /// Asks the system something about a socket that may have no ordinary descriptor.
    fn ask_of<T>(&self, handle: &Handle, ask: impl FnOnce(&Handle) -> Result<T, Error>) -> Result<T, Error> {
        let Some(descriptor) = self.backend.descriptor_of(handle)? else { return ask(handle) };
        let answer = ask(&descriptor);
        if descriptor.is_lent() {
            handle.lent();
        }
        descriptor.drop_duplicate();
        answer
    }
}

/// # Operations
impl Driver {
    /// Asks for an operation to end early. It still ends with one last completion: of kind
    /// `Cancelled` or, if it was faster, with what it brought. A graceful close that is cancelled
    /// closes at once. Any other close cannot be cancelled.
    ///
    /// Returns `false` if there is nothing to cancel: the operation has ended (its completion may
    /// still be waiting to be taken), or was never there.
    pub fn cancel(&mut self, id: OpId) -> bool {
        self.process.is_this() && self.operations.get(id).is_some() && self.cancel_slot(id.slot())
    }

    /// Bytes that an operation in flight has moved so far, as far as the system has told; `None` if
    /// it has ended. For finding out whether a peer takes anything at all of a large send.
    ///
    /// A readiness backend learns of every byte. With io_uring a send of at most 64 KiB is the
    /// kernel's until all of it is written, and with Winsock every send.
    pub fn progress(&self, id: OpId) -> Option<u64> {
        self.operations.get(id).filter(|operation| operation.stage != Stage::Orphaned)?;
        Some(self.operations.progress(id.slot()))
    }
}

/// # The loop
impl Driver {
    /// Hands over what was started, waits until something happens or the wait is over, and leaves
    /// what happened to be taken with [`next`](Driver::next). It does not wait while completions
    /// are there to be taken.
    ///
    /// # Errors
    /// Only if the backend itself fails, which no peer can cause. Then nothing more can be started,
    /// and every operation that had not ended ends with that error: their completions are there to
    /// be [taken](Driver::next). What the system may still have is not given back, and is kept
    /// until the driver is dropped.
    ///
    /// On a simulated network also `WouldDeadlock`, for a wait that nothing is going to end. The
    /// driver goes on after that.
    pub fn turn(&mut self, wait: Wait) -> Result<(), Error> {
        self.process.check(Action::Turn)?;
        if let Some(error) = self.backend_failure(Action::Turn) {
            return Err(error);
        }
        let turned = self.turn_backend(wait);
        if let Err(error) = &turned
            && error.kind() != ErrorKind::WouldDeadlock
        {
            self.fail(error);
        }
        turned
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("backend", &self.report().backend).field("live", &self.live()).finish()
    }
}
