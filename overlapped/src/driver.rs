//! The driver: one thread, one completion queue.
//!
//! It owns every operation from its start to its end, in a table of slots with generations; keeps the order of each
//! socket's receives and sends; re-arms multishot operations; resumes short sends; runs timers and the steps of a close. What
//! it asks of a backend (`sys`) is small: start this request, cancel it, wait, tell me what happened.
//!
//! What it promises, the contracts of the I/O floor:
//!
//! - **Ownership.** An operation owns its buffers from `submit` to its last completion.
//! - **One last completion** for every operation that was started, whatever happens.
//! - **Nothing runs inside `submit`, `cancel` or `turn`**: completions are taken with [`Driver::next`].
//! - **Order.** At most one receive and one send of a socket are with the kernel; the rest wait in its queue.
//! - **Identity.** What the kernel hands back is slot and generation; what is stale is dropped.
//! - **Dropping** a driver cancels everything, drains it, and only then frees memory.

mod closing;
mod dropping;
mod events;
mod failing;
mod handing_over;
mod slots;
mod sockets;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::address::{Address, AddressError};
use crate::buf::{AnyBuf, Pool, PoolConfig};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::{Direction, Role};
use crate::op::Start;
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};
use crate::report::{Backend, Report};
use crate::sys::{self, Handle, Network};
use crate::time::Time;

pub use crate::flags::{CloseMode, Flags, ShutdownHow};
pub use crate::id::{OpId, SocketId};
pub use crate::op::{Completion, Op, Outcome};
pub use crate::sys::{Stream, WakeHandle};

use failing::Failure;
use slots::{Cargo, MOST_SLOTS, NONE, Slots, Stage, What};
use sockets::Sockets;
use timers::Timers;

/// What a driver is made of, and its limits.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// The backend; `None` picks the best that works here.
    pub backend: Option<Backend>,
    /// The simulated network to be a host of, with `backend` then `None` or [`Backend::Sim`].
    pub network: Option<Network>,
    /// Operations that may be in flight at once: at most 2^24.
    pub operations: usize,
    /// Sockets there may be at once.
    pub sockets: usize,
    /// Receives, and likewise sends, that may be in flight on one socket.
    pub queue: usize,
    /// The pooled receive buffers.
    pub pool: PoolConfig,
    /// Entries of the submission queue; the system rounds it up to a power of two.
    pub submissions: u32,
    /// Bytes that one multishot receive may bring in one turn, where the kernel can be told so; more are fetched in the next
    /// turn. It keeps one flooding peer from taking every pooled buffer. 0 is no limit.
    pub turn_bytes: u32,
    /// Keeps streams as direct descriptors: in a table of the ring's, which the limit of open files (`RLIMIT_NOFILE`) does not count. Each driver has a table of
    /// as many as that limit, or as [`sockets`](DriverConfig::sockets) if that is less; what does not fit is an ordinary descriptor. They are for having more sockets than that limit, and cost
    /// a little for each connection, and nothing for what it sends and receives. io_uring only, and Linux 6.8 or newer: where they cannot be had, asking for them is
    /// an error of kind `Unsupported`.
    pub direct_descriptors: bool,
}

impl Default for DriverConfig {
    /// A million operations, 262,144 sockets, 1,024 operations in a socket's queue, 256 buffers of 16 KiB, 64 KiB for a receive
    /// in a turn.
    fn default() -> DriverConfig {
        DriverConfig {
            backend: None,
            network: None,
            operations: 1 << 20,
            sockets: 1 << 18,
            queue: 1024,
            pool: PoolConfig::default(),
            submissions: 1024,
            turn_bytes: 64 * 1024,
            direct_descriptors: false,
        }
    }
}

/// Datagrams are received into pooled buffers of so many bytes or more: the kernel may put an address before them.
const LEAST_DATAGRAM_BUFFER: u32 = 256;

/// How long a turn may wait for something to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    Poll,
    /// At most so long.
    For(Duration),
    /// At most until this moment of the driver's clock.
    Until(Time),
    /// Until something happens, or a [`WakeHandle`] is used.
    Forever,
}

/// What is in use at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Live {
    /// Operations that have not had their last completion taken.
    pub operations: usize,
    /// Buffers that operations own.
    pub buffers: usize,
    /// Sockets, listeners among them.
    pub sockets: usize,
    /// Of the sockets, those that are [direct descriptors](DriverConfig::direct_descriptors).
    pub direct: usize,
    /// Pooled buffers held by packets.
    pub packets: usize,
}

/// Overlapped I/O for one thread: see [the crate](crate) for an example.
///
/// It stays on the thread that made it. Dropping it cancels what is in flight and waits until the kernel has let go of every buffer.
pub struct Driver {
    backend: sys::Backend,
    slots: Slots,
    sockets: Sockets,
    timers: Timers,
    pool: Rc<Pool>,
    /// Slots with something for the backend: a start, or a cancel. Each is in it at most once.
    listed: VecDeque<u32>,
    /// What ended without the backend.
    ready: VecDeque<(u32, Result<Outcome, Error>)>,
    /// Multishot receives that wait for a pooled buffer, first come first served; some of them may have been cancelled.
    starved: VecDeque<OpId>,
    /// Completions of what was no longer there.
    stale: u64,
    random: u64,
    queue_limit: usize,
    failure: Option<Box<Failure>>,
    /// Lets turns fail, so many.
    #[cfg(test)]
    pub(crate) failures: u32,
}

impl Driver {
    /// Makes a driver.
    ///
    /// # Errors
    /// `InvalidArgument` names a setting that is out of range. Any other error says which backend could not be set up, and why.
    pub fn new(config: DriverConfig) -> Result<Driver, Error> {
        let invalid = |what: String| Error::new(Action::Setup, ErrorKind::InvalidArgument).because(what);
        config.pool.check().map_err(invalid)?;
        if config.operations == 0 || config.operations > MOST_SLOTS {
            return Err(invalid(format!("{} operations: must be 1 to {MOST_SLOTS}", config.operations)));
        }
        if config.sockets == 0 || config.sockets >= NONE as usize {
            return Err(invalid(format!("{} sockets: must be 1 to {}", config.sockets, NONE - 1)));
        }
        if config.queue == 0 {
            return Err(invalid("a socket's queue of 0 operations: must be at least 1".into()));
        }
        if !(1..=32_768).contains(&config.submissions) {
            return Err(invalid(format!("{} submissions: must be 1 to 32768", config.submissions)));
        }
        let pool = Pool::new(config.pool);
        let backend = sys::Backend::new(&config, &pool)?;
        let random = backend.seed();
        Ok(Driver {
            backend,
            slots: Slots::new(config.operations),
            sockets: Sockets::new(config.sockets),
            timers: Timers::default(),
            pool,
            listed: VecDeque::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            stale: 0,
            random,
            queue_limit: config.queue,
            failure: None,
            #[cfg(test)]
            failures: 0,
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

    pub(crate) fn maker(&self) -> sys::Maker {
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
            operations: self.slots.live() - self.failure.as_ref().map_or(0, |failure| failure.orphans()),
            buffers: self.slots.buffers(),
            sockets: self.sockets.live(),
            direct: self.backend.direct(),
            packets: self.pool.lent(),
        }
    }

    /// How many completions came back for operations that were no longer there, and were dropped.
    pub fn stale(&self) -> u64 {
        self.stale
    }

    // ---- sockets ----

    fn insert(&mut self, handle: Handle, role: Role, action: Action) -> Result<SocketId, Failed<Handle>> {
        if self.sockets.is_full() {
            let error = Error::new(action, ErrorKind::LimitReached).because("the driver's table of sockets is full");
            return Err(Failed { error, given: handle });
        }
        match self.backend.attach(self.sockets.next_slot(), &handle) {
            Ok(()) => {
                let handle = match role {
                    Role::Stream => self.backend.take_in(self.sockets.next_slot(), handle),
                    Role::Listener | Role::Datagram => handle,
                };
                Ok(self.sockets.insert(handle, role))
            }
            Err(error) => Err(Failed { error, given: handle }),
        }
    }

    /// Binds a listener: to an IP address, or to a path of the file system (`unix:/run/server.sock`). Its options hold for the connections it accepts.
    ///
    /// At a path, a socket that nobody listens on any more is replaced, and nothing else is; the file is removed when the listener is closed.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no address; `InUse`, `AddressNotAvailable`, `NotPermitted`, `TooManyFiles`, with the address; `LimitReached`; `Unsupported` for a path where there are
    /// no Unix sockets.
    pub fn listen(
        &mut self,
        address: impl TryInto<Address, Error: Into<AddressError>>,
        options: &ListenOptions,
    ) -> Result<SocketId, Error> {
        let address = address.try_into().map_err(Error::not_an_address)?;
        let handle = self.backend.maker().listen(&address, options)?;
        Ok(self.insert(handle, Role::Listener, Action::Listen)?)
    }

    /// Makes a stream socket for connecting to addresses of the same family as `family_of`.
    ///
    /// # Errors
    /// `TooManyFiles`, `LimitReached`; `Unsupported` for a path where there are no Unix sockets.
    pub fn socket(&mut self, family_of: impl Into<Address>) -> Result<SocketId, Error> {
        let handle = self.backend.maker().stream(&family_of.into())?;
        Ok(self.insert(handle, Role::Stream, Action::Socket)?)
    }

    /// Makes a datagram socket (UDP) and binds it; port 0 takes a free one.
    ///
    /// # Errors
    /// As for [`listen`](Driver::listen); `Unsupported` for a path, and on a simulated network.
    pub fn datagram(
        &mut self,
        address: impl TryInto<Address, Error: Into<AddressError>>,
        options: &DatagramOptions,
    ) -> Result<SocketId, Error> {
        let address = address.try_into().map_err(Error::not_an_address)?;
        let handle = self.backend.maker().datagram(&address, options)?;
        Ok(self.insert(handle, Role::Datagram, Action::Socket)?)
    }

    /// Takes over a connection: one that was accepted, by whichever driver, or one made by the standard library.
    ///
    /// # Errors
    /// `LimitReached` if the table of sockets is full; what the system says if it does not let the driver wait for the connection. The stream
    /// is given back.
    pub fn adopt(&mut self, stream: Stream) -> Result<SocketId, Failed<Stream>> {
        self.adopt_as(stream, Role::Stream)
    }

    /// Takes over a connection, or another socket.
    pub(crate) fn adopt_as(&mut self, stream: Stream, role: Role) -> Result<SocketId, Failed<Stream>> {
        self.insert(stream.0, role, Action::Socket)
            .map_err(|failed| Failed { error: failed.error, given: Stream(failed.given) })
    }

    /// Gives a connection away, to another driver or to the standard library.
    ///
    /// # Errors
    /// `Closed` if there is no such stream; `InvalidArgument` while operations are in flight on it, or if it is not a stream; `Unsupported` on
    /// Windows, where a socket stays with the completion port that it was given to.
    pub fn release(&mut self, socket: SocketId) -> Result<Stream, Error> {
        let index = self.find(socket, Action::Socket)?;
        let entry = &self.sockets[index];
        if !entry.is_idle() || entry.role != Role::Stream {
            let why = "only an idle stream can be released: a listener cannot, nor one with operations in flight";
            return Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        }
        let handle = entry.handle.as_ref().expect("a socket that is not being closed has its handle");
        let descriptor = self.backend.descriptor_of(handle)?;
        self.backend.detach(index, handle)?;
        let handle = self.sockets.remove(index).expect("seen just now");
        Ok(Stream(descriptor.unwrap_or(handle)))
    }

    fn find(&self, socket: SocketId, action: Action) -> Result<u32, Error> {
        self.sockets.find(socket).ok_or_else(|| Error::new(action, ErrorKind::Closed))
    }

    /// Asks the system something about a socket.
    fn ask<T>(&self, socket: SocketId, ask: impl FnOnce(&Handle) -> Result<T, Error>) -> Result<T, Error> {
        let index = self.find(socket, Action::Option)?;
        let handle = self.sockets[index].handle.as_ref().expect("a socket that is not being closed has its handle");
        match self.backend.descriptor_of(handle)? {
            Some(descriptor) => ask(&descriptor),
            None => ask(handle),
        }
    }

    /// The address a socket is bound to: for a listener on port 0, the real port.
    pub fn local_addr(&self, socket: SocketId) -> Result<Address, Error> {
        self.ask(socket, Handle::local_addr)
    }

    /// The address of a socket's peer.
    pub fn peer_addr(&self, socket: SocketId) -> Result<Address, Error> {
        self.ask(socket, Handle::peer_addr)
    }

    /// Sets options of a stream.
    pub fn set_options(&self, socket: SocketId, options: &StreamOptions) -> Result<(), Error> {
        self.ask(socket, |handle| handle.set_options(options))
    }

    // ---- operations ----

    /// Starts an operation. It is handed to the system in the next [`turn`](Driver::turn); `token` comes back with its completions.
    ///
    /// # Errors
    /// Only what can be found out here, and the operation is given back: `Closed` (the socket is not there, or is being closed),
    /// `LimitReached` (the table or the socket's queue is full), `InvalidArgument` (no buffers; flags that make no sense
    /// together). Every error of the operating system is the operation's completion.
    pub fn submit(&mut self, op: Op, token: u64) -> Result<OpId, Failed<Op>> {
        match self.check(&op) {
            Ok(socket) => Ok(self.start(op.0, socket, token)),
            Err(error) => Err(Failed { error, given: op }),
        }
    }

    /// Whether an operation can be started, and its socket's entry.
    fn check(&mut self, op: &Op) -> Result<u32, Error> {
        op.0.check()?;
        let action = op.0.action();
        let Some(socket) = op.0.socket() else {
            self.check_room(action)?;
            return Ok(NONE);
        };
        let index = self.find(socket, action)?;
        self.check_room(action)?;
        let entry = &mut self.sockets[index];
        if let Some(direction) = op.0.direction() {
            op.0.check_role(entry.role)?;
            let bytes = self.pool.config().buffer_bytes;
            if matches!(op.0, Start::RecvFromMulti { .. }) && bytes < LEAST_DATAGRAM_BUFFER {
                let why = format!("pooled buffers of {bytes} bytes: datagrams need {LEAST_DATAGRAM_BUFFER}");
                return Err(Error::new(action, ErrorKind::InvalidArgument).because(why));
            }
            if entry.queue(direction).len() >= self.queue_limit {
                let why = format!("{} operations are waiting on this socket", self.queue_limit);
                return Err(Error::new(action, ErrorKind::LimitReached).because(why));
            }
        }
        Ok(index)
    }

    fn check_room(&self, action: Action) -> Result<(), Error> {
        match self.slots.is_full() {
            true => Err(self.failure(action).unwrap_or_else(|| {
                let why = format!("{} operations are in flight", self.slots.live());
                Error::new(action, ErrorKind::LimitReached).because(why)
            })),
            false => Ok(()),
        }
    }

    fn start(&mut self, op: Start, socket: u32, token: u64) -> OpId {
        let moves = |mut buf: AnyBuf, address, progress| {
            let total = buf.total();
            Some(Cargo { buf: Some(buf), address, progress, total })
        };
        let (direction, what, cargo) = match op {
            Start::Accept { multi, .. } => (Direction::Receive, What::Accept { multi }, None),
            Start::Connect { address, .. } => {
                (Direction::Send, What::Connect, Some(Cargo { address: Some(address), ..Cargo::default() }))
            }
            Start::Recv { buf, flags, .. } => (Direction::Receive, What::Recv { flags }, moves(buf, None, 0)),
            Start::RecvMulti { .. } => (Direction::Receive, What::RecvMulti, None),
            Start::RecvFrom { buf, flags, .. } => (Direction::Receive, What::RecvFrom { flags }, moves(buf, None, 0)),
            Start::RecvFromMulti { .. } => (Direction::Receive, What::RecvFromMulti, None),
            Start::SendTo { buf, address, .. } => (Direction::Send, What::SendTo, moves(buf, Some(address), 0)),
            Start::Send { buf, flags, done, .. } => (Direction::Send, What::Send { flags }, moves(buf, None, done)),
            Start::Shutdown { how, .. } => (Direction::Send, What::Shutdown { how }, None),
            Start::Close { mode, .. } => return self.start_close(socket, mode, token),
            Start::Timer { at } => return self.start_timer(at, token),
        };
        let slot = self.slots.insert(socket, token, what, cargo);
        let queue = self.sockets[socket].queue(direction);
        let first = queue.is_empty();
        queue.push(&mut self.slots, slot);
        self.slots[slot].stage = Stage::Queued;
        if first {
            self.begin(slot);
        }
        self.slots.id(slot)
    }

    fn start_timer(&mut self, at: Time, token: u64) -> OpId {
        let slot = self.slots.insert(NONE, token, What::Timer, None);
        self.slots[slot].stage = Stage::Parked;
        self.set_deadline(slot, at);
        self.slots.id(slot)
    }

    fn set_deadline(&mut self, slot: u32, at: Time) {
        self.clear_deadline(slot);
        // `MAX` is what says "no deadline", so the end of time is a nanosecond early.
        let at = at.min(Time::from_nanos(u64::MAX - 1));
        self.slots[slot].deadline = at;
        self.timers.insert(at, slot);
    }

    fn clear_deadline(&mut self, slot: u32) {
        let at = std::mem::replace(&mut self.slots[slot].deadline, Time::MAX);
        if at != Time::MAX {
            self.timers.remove(at, slot);
        }
    }

    /// An operation that has come to the head of its queue, or goes on: to the backend, before the next wait.
    fn begin(&mut self, slot: u32) {
        let entry = &mut self.slots[slot];
        if matches!(entry.what, What::Send { .. } | What::Shutdown { .. }) && self.sockets[entry.socket].broken {
            let action = entry.what.action();
            return self.end(slot, Err(Error::new(action, ErrorKind::BrokenStream)));
        }
        let (index, socket) = (entry.socket, &mut self.sockets[entry.socket]);
        match entry.what {
            What::Recv { .. } | What::RecvMulti if socket.deaf => {
                return self.end_cancelled(slot);
            }
            What::Shutdown { how } if how != ShutdownHow::Send && socket.role == Role::Stream => {
                socket.deaf = true;
                self.cancel_queue(index, Direction::Receive);
                if how == ShutdownHow::Receive {
                    return self.end(slot, Ok(Outcome::ShutDown));
                }
            }
            _ => {}
        }
        let entry = &mut self.slots[slot];
        entry.stage = Stage::Submitting;
        self.list(slot);
    }

    fn list(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.slots[slot].listed, true) {
            self.listed.push_back(slot);
        }
    }

    /// An operation has ended without the backend: its completion is taken in its turn, never from within a call.
    fn end(&mut self, slot: u32, result: Result<Outcome, Error>) {
        debug_assert!(!matches!(self.slots[slot].stage, Stage::Kernel | Stage::Ready | Stage::Orphaned | Stage::Free));
        self.clear_deadline(slot);
        self.slots[slot].stage = Stage::Ready;
        self.ready.push_back((slot, result));
    }

    /// Asks for an operation to end early. It still ends with one last completion, of kind `Cancelled` or, if it was faster, with what it
    /// brought. A graceful close that is cancelled closes at once; any other close cannot be cancelled.
    ///
    /// Returns `false` if there is nothing to cancel: the operation has ended (its completion may still be waiting to be taken), or was
    /// never there.
    pub fn cancel(&mut self, id: OpId) -> bool {
        let Some(slot) = self.slots.find(id) else { return false };
        self.cancel_slot(slot)
    }

    /// Bytes that an operation in flight has moved so far, as far as the system has told; `None` if it has ended. For finding out whether a peer takes
    /// anything at all of a large send.
    ///
    /// A readiness backend learns of every byte. With io_uring a send of at most 64 KiB is the kernel's until all of it is written, and with Winsock every send.
    pub fn progress(&self, id: OpId) -> Option<u64> {
        let slot = self.slots.find(id).filter(|slot| self.slots[*slot].stage != Stage::Orphaned)?;
        Some(self.slots.progress(slot))
    }

    fn cancel_slot(&mut self, slot: u32) -> bool {
        if let What::Close { step, .. } = self.slots[slot].what {
            return self.hasten(slot, step);
        }
        match self.slots[slot].stage {
            Stage::Free | Stage::Ready | Stage::Orphaned => false,
            Stage::Kernel => {
                self.slots[slot].cancelled = true;
                self.list(slot);
                true
            }
            Stage::Queued => {
                self.leave_queue(slot);
                self.end_cancelled(slot);
                true
            }
            Stage::Submitting | Stage::Parked => {
                self.end_cancelled(slot);
                true
            }
        }
    }

    /// It ends at once, out of the order of its queue; those before it keep theirs.
    fn leave_queue(&mut self, slot: u32) {
        let socket = &mut self.sockets[self.slots[slot].socket];
        let _ = socket.sends.remove(&mut self.slots, slot) || socket.receives.remove(&mut self.slots, slot);
    }

    fn end_cancelled(&mut self, slot: u32) {
        let result = self.cut_short(slot, Error::new(self.slots[slot].what.action(), ErrorKind::Cancelled));
        self.end(slot, result);
    }

    /// How an operation ends that fails after it has, perhaps, moved some bytes.
    fn cut_short(&mut self, slot: u32, error: Error) -> Result<Outcome, Error> {
        let (entry, progress) = (&self.slots[slot], self.slots.progress(slot));
        match entry.what {
            // What was taken out of the stream is delivered; the error will come again.
            What::Recv { .. } if progress > 0 => Ok(self.received(slot)),
            // It was not the program that cancelled it, but that nothing more is to be received.
            What::Recv { .. } | What::RecvMulti
                if error.kind() == ErrorKind::Cancelled && self.sockets[entry.socket].deaf =>
            {
                Ok(Outcome::Received(0))
            }
            What::Send { .. } if progress > 0 => {
                self.sockets[entry.socket].broken = true;
                Err(error.after(progress))
            }
            _ => Err(error),
        }
    }

    fn received(&mut self, slot: u32) -> Outcome {
        let cargo = self.slots.cargo(slot).expect("a receive owns a buffer");
        let bytes = cargo.progress as usize;
        if let Some(buf) = &mut cargo.buf {
            sys::set_received(buf, bytes);
        }
        Outcome::Received(bytes)
    }

    // ---- the loop ----

    /// Hands over what was started, waits until something happens or the wait is over, and leaves what happened to be taken with
    /// [`next`](Driver::next). Does not wait while completions are there to be taken.
    ///
    /// # Errors
    /// Only if the backend itself fails, which no peer can bring about. Then nothing more can be started, and every operation ends with that error, if it had not ended before: their
    /// completions are there to be [taken](Driver::next). What the system may still have in its hands is not given back, and is kept until the driver is dropped.
    ///
    /// On a simulated network also `WouldDeadlock`, for a wait that nothing is going to end; the driver goes on after that.
    pub fn turn(&mut self, wait: Wait) -> Result<(), Error> {
        if let Some(error) = self.failure(Action::Turn) {
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

    fn turn_backend(&mut self, wait: Wait) -> Result<(), Error> {
        #[cfg(test)]
        failing::on_demand(&mut self.failures)?;
        self.expire();
        self.feed_starved();
        self.flush()?;
        let limit = match wait {
            Wait::Poll => Some(Time::ZERO),
            Wait::For(duration) => Some(self.now() + duration),
            Wait::Until(at) => Some(at),
            Wait::Forever => None,
        };
        let limit = match (limit, self.timers.earliest()) {
            (Some(limit), Some(timer)) => Some(limit.min(timer)),
            (limit, timer) => limit.or(timer),
        };
        let limit = if self.ready.is_empty() && self.listed.is_empty() { limit } else { Some(Time::ZERO) };
        self.backend.set_alarm(self.timers.earliest());
        self.backend.turn(limit)?;
        self.expire();
        Ok(())
    }

    /// The next completion, if there is one now.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would hold the driver borrowed while completions are handled"
    )]
    pub fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some((slot, result)) = self.ready.pop_front() {
                return Some(self.finish(slot, result));
            }
            let Some(event) = self.backend.next() else {
                return self.failure.as_mut()?.next();
            };
            if let Some(completion) = self.handle_event(event) {
                return Some(completion);
            }
        }
    }

    fn expire(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let now = self.now();
        while let Some(slot) = self.timers.pop_due(now) {
            self.slots[slot].deadline = Time::MAX;
            match self.slots[slot].what {
                What::Timer => self.end(slot, Ok(Outcome::Elapsed)),
                What::Close { .. } => self.close_expired(slot),
                // An accept whose pause is over.
                _ => self.begin(slot),
            }
        }
    }

    /// A multishot receive waits for a pooled buffer.
    fn starve(&mut self, slot: u32) {
        self.slots[slot].stage = Stage::Parked;
        // As many as wait, and no more than as many again that were cancelled: looking for these costs no more than they themselves did.
        if self.starved.len() >= 2 * self.slots.live() {
            let slots = &self.slots;
            self.starved.retain(|id| slots.find(*id).is_some_and(|slot| slots[slot].stage == Stage::Parked));
        }
        self.starved.push_back(self.slots.id(slot));
    }

    fn feed_starved(&mut self) {
        // Not only when buffers have been returned since: they may be with the system again, which tells nobody.
        if self.starved.is_empty() || !self.pool.has_free() {
            return;
        }
        while let Some(id) = self.starved.pop_front() {
            if let Some(slot) = self.slots.find(id).filter(|slot| self.slots[*slot].stage == Stage::Parked) {
                self.begin(slot);
            }
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("backend", &self.report().backend).field("live", &self.live()).finish()
    }
}
