//! An operation, what it owns while it is in flight, and what comes of it.
//!
//! The same types go all the way down and up. A program starts an [`Op`]. The driver keeps its
//! [`OpKind`] in a table, and what it owns ([`Owned`]) beside it. A backend is shown both and makes
//! of them what its system wants. What comes of an operation is an [`Outcome`], from the backend's
//! [`Event`] up to the program.

mod check;
mod file;
mod offered;
mod outcome;

#[cfg(unix)]
use std::ptr::NonNull;

use crate::address::{Address, AddressError, IntoAddress};
use crate::buf::{AnyBuf, RecvBuf, SendBuf};
use crate::error::Action;
use crate::flags::{CloseMode, Direction, Flags, ShutdownHow};
use crate::id::SocketId;
use crate::time::Time;

use super::file::FileSend;
use super::rest::{Rest, skipping};

pub use outcome::Outcome;
pub(crate) use outcome::{Event, Failure};

/// An operation to start, with the buffers it will own: give it to
/// [`Driver::submit`](crate::Driver::submit).
#[derive(Debug)]
pub struct Op {
    pub(crate) kind: OpKind,
    /// [`Op::NO_SOCKET`] for a timer.
    pub(crate) socket: SocketId,
    /// When a timer ends. For a graceful close: how long it may take, counted from [`Time::ZERO`].
    /// If `has_deadline`: when the operation must have ended.
    pub(crate) at: Time,
    pub(crate) has_deadline: bool,
    pub(crate) owned: Owned,
}

/// What an operation does. It is small, because a driver keeps one for each idle session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpKind {
    Accept {
        multi: bool,
    },
    /// To the address that it owns.
    Connect,
    Recv {
        flags: Flags,
    },
    RecvMulti,
    Send {
        flags: Flags,
    },
    /// A range of the file that it owns, piece by piece.
    SendFile,
    RecvFrom {
        flags: Flags,
    },
    RecvFromMulti,
    /// To the address that it owns.
    SendTo,
    Shutdown {
        how: ShutdownHow,
    },
    Close {
        how: CloseHow,
    },
    /// Waits until a watched descriptor is ready.
    Ready {
        writable: bool,
    },
    /// Receives and throws away: a step of a graceful close, which only a driver starts.
    Discard,
    Timer,
    /// Ends when its driver is told the answer: see `Driver::answer`.
    LookUp,
}

/// A [`CloseMode`] without its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseHow {
    Now,
    Abort,
    Graceful,
}

/// What an operation owns, and how far it has come. Most operations of a server own nothing.
#[derive(Debug, Default)]
pub(crate) struct Owned {
    pub(crate) buf: Option<AnyBuf>,
    pub(crate) beside: Beside,
    /// Bytes moved so far.
    pub(crate) progress: u64,
    /// Bytes there are to move.
    pub(crate) total: u64,
}

/// What some operations own beside a buffer, each one thing at a time.
#[derive(Debug, Default)]
pub(crate) enum Beside {
    #[default]
    Nothing,
    /// Where to connect or to send. An error refuses the start.
    Address(Result<Address, AddressError>),
    /// It was tried without the driver, and the system has told what the driver must know.
    Tried(Tried),
    /// Once an operation with a buffer of many parts goes on.
    Rest(Box<Rest>),
    File(Box<FileSend>),
}

/// What the system told of a transfer that was tried directly, and tells only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// The end of the stream.
    Ended,
    /// The system's code.
    Failed(i32),
}

const _: () = assert!(size_of::<Beside>() == size_of::<Address>());
// It is moved several times on its way to the driver; what is larger is moved by a call.
#[cfg(target_os = "linux")]
const _: () = assert!(size_of::<Op>() <= 128);

impl Owned {
    /// Whether there is nothing to keep while the operation is in flight.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.buf.is_none() && matches!(self.beside, Beside::Nothing)
    }

    /// What the system told, if it was tried without the driver and the driver must know.
    #[inline]
    pub(crate) fn tried(&self) -> Option<Tried> {
        match self.beside {
            Beside::Tried(tried) => Some(tried),
            _ => None,
        }
    }

    /// What came of it, if it was tried without the driver and the driver must know.
    #[inline]
    pub(crate) fn take_tried(&mut self) -> Option<Result<Outcome, Failure>> {
        let tried = self.tried()?;
        self.beside = Beside::Nothing;
        Some(match tried {
            Tried::Ended => Ok(Outcome::Received(0)),
            Tried::Failed(code) => Err(Failure::Code(code)),
        })
    }

    /// Where to connect or to send.
    pub(crate) fn address(&self) -> Option<&Address> {
        match &self.beside {
            Beside::Address(given) => given.as_ref().ok(),
            _ => None,
        }
    }

    /// Sets the lengths of a receive's buffers to what was received: [`progress`](Owned::progress).
    pub(crate) fn set_received(&mut self) {
        if let Some(buf) = &mut self.buf {
            // SAFETY: `progress` is the sum of what the backend reported for this buffer, and
            // backends fill parts in order.
            unsafe { buf.set_received(self.progress as usize) }
        }
    }

    #[inline]
    fn buf_mut(&mut self) -> &mut AnyBuf {
        self.buf.as_mut().expect("what moves bytes owns a buffer")
    }

    /// All that is still to be moved, if one part holds it; `None` if several may.
    #[cfg(unix)]
    pub(super) fn single(&mut self) -> Option<(NonNull<u8>, usize)> {
        let progress = self.progress;
        if matches!(self.beside, Beside::Rest(_)) { None } else { self.buf_mut().single(progress) }
    }

    /// Calls `see` with the start and the length of each part, or rest of a part, that is still to
    /// be moved, in order, until it returns `false`. Leaves out empty ones.
    #[inline]
    pub(super) fn each_left(&mut self, see: &mut dyn FnMut(*mut u8, usize) -> bool) {
        if self.progress > 0 {
            return self.each_from_progress(see);
        }
        self.buf_mut().each(&mut |ptr, len| len == 0 || see(ptr, len));
    }

    #[inline(never)]
    fn each_from_progress(&mut self, see: &mut dyn FnMut(*mut u8, usize) -> bool) {
        let progress = self.progress;
        if matches!(self.beside, Beside::Nothing)
            && let Some(rest) = Rest::of(self.buf_mut())
        {
            self.beside = Beside::Rest(Box::new(rest));
        }
        match &mut self.beside {
            Beside::Rest(rest) => rest.each_from(progress, see),
            _ => self.buf_mut().each(&mut skipping(progress, see)),
        }
    }
}

impl OpKind {
    #[inline]
    pub(crate) fn action(self) -> Action {
        match self {
            OpKind::Accept { .. } => Action::Accept,
            OpKind::Connect => Action::Connect,
            OpKind::Recv { .. }
            | OpKind::RecvMulti
            | OpKind::RecvFrom { .. }
            | OpKind::RecvFromMulti
            | OpKind::Discard => Action::Receive,
            OpKind::Send { .. } | OpKind::SendFile | OpKind::SendTo => Action::Send,
            OpKind::Shutdown { .. } => Action::Shutdown,
            OpKind::Close { .. } => Action::Close,
            OpKind::Timer => Action::Timer,
            OpKind::LookUp => Action::LookUp,
            OpKind::Ready { .. } => Action::Readiness,
        }
    }

    /// The queue of its socket that it waits in.
    #[inline]
    pub(crate) fn direction(self) -> Option<Direction> {
        match self {
            OpKind::Accept { .. }
            | OpKind::Recv { .. }
            | OpKind::RecvMulti
            | OpKind::RecvFrom { .. }
            | OpKind::RecvFromMulti
            | OpKind::Ready { writable: false }
            | OpKind::Discard => Some(Direction::Receive),
            OpKind::Connect
            | OpKind::Send { .. }
            | OpKind::SendFile
            | OpKind::SendTo
            | OpKind::Shutdown { .. }
            | OpKind::Ready { writable: true } => Some(Direction::Send),
            OpKind::Close { .. } | OpKind::Timer | OpKind::LookUp => None,
        }
    }

    #[inline]
    pub(crate) fn flags(self) -> Flags {
        match self {
            OpKind::Recv { flags } | OpKind::Send { flags } | OpKind::RecvFrom { flags } => flags,
            _ => Flags::NONE,
        }
    }
}

impl Op {
    /// The socket of an operation that has none, or not yet.
    pub(crate) const NO_SOCKET: SocketId = SocketId::NONE;

    #[inline]
    fn new(kind: OpKind, socket: SocketId) -> Op {
        Op::owning(kind, socket, Owned::default())
    }

    #[inline]
    fn owning(kind: OpKind, socket: SocketId, owned: Owned) -> Op {
        Op { kind, socket, at: Time::ZERO, has_deadline: false, owned }
    }

    #[inline]
    fn with_buf(kind: OpKind, socket: SocketId, mut buf: AnyBuf) -> Op {
        let total = buf.total();
        Op::owning(kind, socket, Owned { buf: Some(buf), beside: Beside::Nothing, progress: 0, total })
    }

    fn parts(&self) -> Option<usize> {
        self.owned.buf.as_ref().map(AnyBuf::parts)
    }

    /// Accepts one connection. Ends with [`Outcome::Accepted`].
    ///
    /// A client that has reset its connection meanwhile is delivered too, with what it sent, and
    /// then `Reset`. (Windows, macOS and FreeBSD may drop it themselves.) If its address is not
    /// known any more, it is [`Address::Unnamed`].
    ///
    /// Out of descriptors, an accept waits until there is a client, and then ends with
    /// `TooManyFiles`. The client stays in the backlog. The next accept pauses for 100 ms.
    pub fn accept(listener: SocketId) -> Op {
        Op::new(OpKind::Accept { multi: false }, listener)
    }

    /// Accepts connections until it is cancelled. Each comes as an [`Outcome::Accepted`] with
    /// [`Completion::more`](crate::driver::Completion::more) set.
    ///
    /// When there is a client and no descriptor for it, an error of kind `TooManyFiles` comes, also
    /// with `more` set, at most ten times a second. Accepting pauses, the waiting peers stay in the
    /// listener's backlog, and it goes on by itself.
    pub fn accept_multi(listener: SocketId) -> Op {
        Op::new(OpKind::Accept { multi: true }, listener)
    }

    /// Connects. Sends that are started after it wait for it, and so do receives that are started
    /// while it is in flight.
    ///
    /// If it fails or is cancelled, it is over, in the system too: what waits for it ends with
    /// `NotConnected`, and the next connect of the socket is a fresh attempt. A socket that is
    /// connected refuses it with `AlreadyConnected`, and its connection goes on.
    ///
    /// On a datagram socket it names the peer that [`send`](Op::send) sends to. After it, datagrams
    /// of other peers are not received.
    ///
    /// A text that is not an [address](IntoAddress), a path that is too long, or that no file can
    /// have, is refused at the start (`InvalidArgument`), as is an address without a name.
    pub fn connect(socket: SocketId, address: impl IntoAddress) -> Op {
        let owned = Owned { beside: Beside::Address(address.into_address()), ..Owned::default() };
        Op::owning(OpKind::Connect, socket, owned)
    }

    /// Receives what has come, or waits until something does. Fills one buffer or, part after part,
    /// several. Ends with [`Outcome::Received`]; zero bytes mean the end of the stream, or that the
    /// buffers have no room. A receive without room waits until there is something; on a datagram
    /// socket it is refused, because it would lose the datagram.
    ///
    /// Receives on one socket are filled in the order in which they were started.
    /// [`BufExt`](crate::buf::BufExt) names a part of a buffer.
    pub fn recv(socket: SocketId, buf: impl RecvBuf) -> Op {
        Op::recv_with(socket, buf, Flags::NONE)
    }

    /// As [`recv`](Op::recv), with flags.
    pub fn recv_with(socket: SocketId, buf: impl RecvBuf, flags: Flags) -> Op {
        Op::with_buf(OpKind::Recv { flags }, socket, AnyBuf::to_recv(buf))
    }

    /// Receives into the driver's pooled buffers until the stream ends or fails, or it is
    /// cancelled. Each piece comes as an [`Outcome::Packet`] with
    /// [`Completion::more`](crate::driver::Completion::more) set; the end of the stream is
    /// `Outcome::Received(0)`. An empty pool is back-pressure: receiving waits until a packet is
    /// dropped.
    pub fn recv_multi(socket: SocketId) -> Op {
        Op::new(OpKind::RecvMulti, socket)
    }

    /// Sends every byte of one buffer or, one after the other, of several. Ends once, with
    /// [`Outcome::Sent`] of all bytes, or with an error that says how many were written
    /// ([`Error::transferred`](crate::Error::transferred)).
    ///
    /// Sends on one socket leave whole and in the order in which they were started. After a send
    /// that was cut short, the later ones end with `BrokenStream`, or, if the connection was lost,
    /// with the kind of that, such as `Reset`. After a [`shutdown`](Op::shutdown) they end with
    /// `ShutDown`.
    pub fn send(socket: SocketId, buf: impl SendBuf) -> Op {
        Op::send_with(socket, buf, Flags::NONE)
    }

    /// As [`send`](Op::send), with flags.
    pub fn send_with(socket: SocketId, buf: impl SendBuf, flags: Flags) -> Op {
        Op::with_buf(OpKind::Send { flags }, socket, AnyBuf::to_send(buf))
    }

    /// Sends the rest of a buffer whose first `sent` bytes [have left
    /// already](crate::Driver::send_at_once). Ends as a [`send`](Op::send) of all of it. Only a
    /// stream has a rest: a datagram socket refuses another `sent` than 0 (`InvalidArgument`).
    pub fn send_rest(socket: SocketId, buf: impl SendBuf, sent: usize) -> Op {
        let mut op = Op::send(socket, buf);
        op.owned.progress = (sent as u64).min(op.owned.total);
        op
    }

    /// Receives one datagram, and where it came from. Ends with [`Outcome::ReceivedFrom`].
    ///
    /// A datagram that is larger than the buffers ends it with `Truncated`: what fits is in the
    /// buffers, the error says [how much](crate::Error::transferred) and
    /// [from where](crate::Error::address), the rest is lost. Buffers without any room are refused
    /// (`InvalidArgument`).
    pub fn recv_from(socket: SocketId, buf: impl RecvBuf) -> Op {
        Op::recv_from_with(socket, buf, Flags::NONE)
    }

    pub(crate) fn recv_from_with(socket: SocketId, buf: impl RecvBuf, flags: Flags) -> Op {
        Op::with_buf(OpKind::RecvFrom { flags }, socket, AnyBuf::to_recv(buf))
    }

    /// Receives datagrams into the driver's pooled buffers until it fails or is cancelled. Each
    /// comes as an [`Outcome::Datagram`] with
    /// [`Completion::more`](crate::driver::Completion::more) set.
    ///
    /// In place of a datagram that is larger than a pooled buffer (on io_uring, less 144 bytes) an
    /// error of kind `Truncated` comes, also with `more` set. Pooled buffers of less than 256 bytes
    /// are an invalid argument. An empty pool is back-pressure: datagrams then wait in the socket's
    /// own buffer, as far as that goes.
    pub fn recv_from_multi(socket: SocketId) -> Op {
        Op::new(OpKind::RecvFromMulti, socket)
    }

    /// Sends one datagram, made of one buffer or, one after the other, of several. Ends with
    /// [`Outcome::Sent`]. A text that is not an address refuses the start with `InvalidArgument`:
    /// see [`IntoAddress`].
    pub fn send_to(socket: SocketId, buf: impl SendBuf, address: impl IntoAddress) -> Op {
        let mut op = Op::with_buf(OpKind::SendTo, socket, AnyBuf::to_send(buf));
        op.owned.beside = Beside::Address(address.into_address());
        op
    }

    /// Shuts down one or both directions, after the sends that were started before.
    pub fn shutdown(socket: SocketId, how: ShutdownHow) -> Op {
        Op::new(OpKind::Shutdown { how }, socket)
    }

    /// Closes the socket. When this has ended the socket is gone, whatever the outcome. From its
    /// start on, no operation can be started on the socket. Cancelling a graceful close makes it
    /// close at once.
    pub fn close(socket: SocketId, mode: CloseMode) -> Op {
        let (how, at) = match mode {
            CloseMode::Now => (CloseHow::Now, Time::ZERO),
            CloseMode::Abort => (CloseHow::Abort, Time::ZERO),
            CloseMode::Graceful { linger } => (CloseHow::Graceful, Time::ZERO + linger),
        };
        Op { at, ..Op::new(OpKind::Close { how }, socket) }
    }

    /// Ends with [`Outcome::Elapsed`] when the driver's clock has reached `at`.
    pub fn timer(at: Time) -> Op {
        Op { at, ..Op::new(OpKind::Timer, Op::NO_SOCKET) }
    }

    /// Waits until a read of a [watched](crate::Driver::watch) descriptor would not wait: there is
    /// something to read, or the end, or an error. Ends with [`Outcome::Ready`], at once if that is
    /// so already.
    ///
    /// Waits on one descriptor end in the order in which they were started.
    pub fn readable(watched: SocketId) -> Op {
        Op::new(OpKind::Ready { writable: false }, watched)
    }

    /// Waits until a write to a [watched](crate::Driver::watch) descriptor would not wait.
    pub fn writable(watched: SocketId) -> Op {
        Op::new(OpKind::Ready { writable: true }, watched)
    }

    /// Looks a name up, which it owns as its buffer until it is started.
    pub(crate) fn look_up(name: String) -> Op {
        Op::with_buf(OpKind::LookUp, Op::NO_SOCKET, AnyBuf::to_send(name))
    }

    /// Ends the operation with `TimedOut` if it has not ended when the driver's clock has reached
    /// `at`. It is cancelled then, and everything is as after
    /// [`Driver::cancel`](crate::Driver::cancel) except for the kind of the error: there is one
    /// completion, the buffer comes back with it, and what the operation had done by then counts.
    /// So a send that had written some bytes says how many
    /// ([`Error::transferred`](crate::Error::transferred)) and breaks the stream; a wait-all
    /// receive that had taken some out of the stream ends with those, as success; and an operation
    /// that is faster than its cancellation ends as if it had no deadline.
    ///
    /// The deadline also counts while the operation waits behind others on its socket. At a moment
    /// that has passed, the operation ends without having been tried. A second deadline replaces
    /// the first.
    ///
    /// It costs one entry in the driver's timers, and nothing where it is not used.
    ///
    /// A timer and a close have times of their own, and a multishot operation goes on until it is
    /// cancelled: with a deadline they are refused with `InvalidArgument`.
    ///
    /// ```
    /// # use overlapped::{Driver, DriverConfig, ErrorKind, Op};
    /// # use overlapped::driver::Wait;
    /// # use std::time::Duration;
    /// # let mut driver = Driver::new(DriverConfig::new())?;
    /// let listener = driver.listen("127.0.0.1:0", &Default::default())?;
    /// let soon = driver.now() + Duration::from_millis(5);
    /// driver.submit(Op::accept(listener).with_deadline(soon), 1)?;
    /// let ended = loop {
    ///     driver.turn(Wait::Forever)?;
    ///     if let Some(completion) = driver.next() {
    ///         break completion;
    ///     }
    /// };
    /// assert_eq!(ended.result.unwrap_err().kind(), ErrorKind::TimedOut);
    /// assert!(driver.now() >= soon);
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn with_deadline(mut self, at: Time) -> Op {
        // A time of its own stays what it is; the start refuses the operation.
        if !matches!(self.kind, OpKind::Timer | OpKind::Close { .. }) {
            self.at = at;
        }
        self.has_deadline = true;
        self
    }

    /// The buffer that the operation was given.
    pub fn into_buf(self) -> Option<AnyBuf> {
        self.owned.buf
    }
}
