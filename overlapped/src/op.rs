//! What can be started, and what comes back.

use crate::address::Address;
use crate::buf::{AnyBuf, Packet, RecvBuf, SendBuf};
use crate::error::{Action, Error, ErrorKind};
use crate::flags::{CloseMode, Direction, Flags, Role, ShutdownHow};
use crate::id::{OpId, SocketId};
use crate::sys::Stream;
use crate::time::Time;

/// An operation to start, with the buffers it will own: hand it to [`Driver::submit`](crate::Driver::submit).
#[derive(Debug)]
pub struct Op(pub(crate) Start);

#[derive(Debug)]
pub(crate) enum Start {
    Accept {
        listener: SocketId,
        multi: bool,
    },
    Connect {
        socket: SocketId,
        address: Address,
    },
    Recv {
        socket: SocketId,
        buf: AnyBuf,
        flags: Flags,
    },
    RecvMulti {
        socket: SocketId,
    },
    /// `done` bytes have been sent already.
    Send {
        socket: SocketId,
        buf: AnyBuf,
        flags: Flags,
        done: u64,
    },
    RecvFrom {
        socket: SocketId,
        buf: AnyBuf,
        flags: Flags,
    },
    RecvFromMulti {
        socket: SocketId,
    },
    SendTo {
        socket: SocketId,
        buf: AnyBuf,
        address: Address,
    },
    Shutdown {
        socket: SocketId,
        how: ShutdownHow,
    },
    Close {
        socket: SocketId,
        mode: CloseMode,
    },
    Timer {
        at: Time,
    },
}

/// The most buffers that every system takes for one datagram (`IOV_MAX`).
const MOST_PARTS_OF_A_DATAGRAM: usize = 1024;

impl Start {
    pub(crate) fn action(&self) -> Action {
        match self {
            Start::Accept { .. } => Action::Accept,
            Start::Connect { .. } => Action::Connect,
            Start::Recv { .. } | Start::RecvMulti { .. } | Start::RecvFrom { .. } | Start::RecvFromMulti { .. } => {
                Action::Receive
            }
            Start::Send { .. } | Start::SendTo { .. } => Action::Send,
            Start::Shutdown { .. } => Action::Shutdown,
            Start::Close { .. } => Action::Close,
            Start::Timer { .. } => Action::Timer,
        }
    }

    pub(crate) fn direction(&self) -> Option<Direction> {
        match self {
            Start::Accept { .. }
            | Start::Recv { .. }
            | Start::RecvMulti { .. }
            | Start::RecvFrom { .. }
            | Start::RecvFromMulti { .. } => Some(Direction::Receive),
            Start::Connect { .. } | Start::Send { .. } | Start::SendTo { .. } | Start::Shutdown { .. } => {
                Some(Direction::Send)
            }
            Start::Close { .. } | Start::Timer { .. } => None,
        }
    }

    pub(crate) fn socket(&self) -> Option<SocketId> {
        match self {
            Start::Accept { listener: socket, .. }
            | Start::Connect { socket, .. }
            | Start::Recv { socket, .. }
            | Start::RecvMulti { socket }
            | Start::Send { socket, .. }
            | Start::RecvFrom { socket, .. }
            | Start::RecvFromMulti { socket }
            | Start::SendTo { socket, .. }
            | Start::Shutdown { socket, .. }
            | Start::Close { socket, .. } => Some(*socket),
            Start::Timer { .. } => None,
        }
    }

    pub(crate) fn set_socket(&mut self, id: SocketId) {
        match self {
            Start::Accept { listener: socket, .. }
            | Start::Connect { socket, .. }
            | Start::Recv { socket, .. }
            | Start::RecvMulti { socket }
            | Start::Send { socket, .. }
            | Start::RecvFrom { socket, .. }
            | Start::RecvFromMulti { socket }
            | Start::SendTo { socket, .. }
            | Start::Shutdown { socket, .. }
            | Start::Close { socket, .. } => *socket = id,
            Start::Timer { .. } => {}
        }
    }

    pub(crate) fn flags(&self) -> Flags {
        match self {
            Start::Recv { flags, .. } | Start::Send { flags, .. } | Start::RecvFrom { flags, .. } => *flags,
            _ => Flags::NONE,
        }
    }

    pub(crate) fn has_buf(&self) -> bool {
        self.buf().is_some()
    }

    fn buf(&self) -> Option<&AnyBuf> {
        match self {
            Start::Recv { buf, .. }
            | Start::Send { buf, .. }
            | Start::RecvFrom { buf, .. }
            | Start::SendTo { buf, .. } => Some(buf),
            _ => None,
        }
    }

    /// Whether its arguments make sense, whatever it is started on.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |why: &str| Err(Error::new(self.action(), ErrorKind::InvalidArgument).because(why));
        if self.buf().is_some_and(|buf| buf.parts() == 0) {
            return invalid("an empty list of buffers");
        }
        match self {
            Start::Recv { flags, .. }
                if flags.contains(Flags::WAIT_ALL)
                    && (flags.contains(Flags::OUT_OF_BAND) || flags.contains(Flags::PEEK)) =>
            {
                invalid("WAIT_ALL does not go with OUT_OF_BAND or PEEK")
            }
            Start::RecvFrom { flags, .. } if flags.contains(Flags::WAIT_ALL) || flags.contains(Flags::OUT_OF_BAND) => {
                invalid("WAIT_ALL and OUT_OF_BAND are flags of streams")
            }
            Start::Send { flags, .. } if flags.contains(Flags::PEEK) || flags.contains(Flags::WAIT_ALL) => {
                invalid("PEEK and WAIT_ALL are flags of receives")
            }
            _ => Ok(()),
        }
    }

    /// Whether it can be started on a socket that is this.
    pub(crate) fn check_role(&self, role: Role) -> Result<(), Error> {
        let invalid = |why: &str| Err(Error::new(self.action(), ErrorKind::InvalidArgument).because(why));
        let of_datagrams = matches!(self, Start::RecvFrom { .. } | Start::RecvFromMulti { .. } | Start::SendTo { .. });
        match (self, role) {
            (Start::Close { .. } | Start::Timer { .. }, _) => Ok(()),
            (Start::Accept { .. }, Role::Listener) => Ok(()),
            (Start::Accept { .. }, _) => invalid("not a listener"),
            (_, Role::Listener) => invalid("a listener can only accept and be closed"),
            (_, Role::Stream) if of_datagrams => invalid("not a datagram socket"),
            // A stream goes on behind what the system took; a datagram would be cut.
            (_, Role::Datagram) if self.buf().is_some_and(|buf| buf.parts() > MOST_PARTS_OF_A_DATAGRAM) => {
                invalid("a datagram of more than 1024 parts")
            }
            (Start::RecvMulti { .. }, Role::Datagram) => invalid("datagrams are received with `recv_from_multi`"),
            (Start::Recv { flags, .. } | Start::Send { flags, .. }, Role::Datagram)
                if flags.contains(Flags::WAIT_ALL) || flags.contains(Flags::OUT_OF_BAND) =>
            {
                invalid("WAIT_ALL and OUT_OF_BAND are flags of streams")
            }
            _ => Ok(()),
        }
    }
}

impl Op {
    /// Accepts one connection. Ends with [`Outcome::Accepted`].
    pub fn accept(listener: SocketId) -> Op {
        Op(Start::Accept { listener, multi: false })
    }

    /// Accepts connections until it is cancelled. Each comes as an [`Outcome::Accepted`] with [`Completion::more`] set. When descriptors
    /// run out an error of kind `TooManyFiles` comes, also with `more` set: accepting pauses, the waiting peers stay in the
    /// listener's backlog, and it goes on by itself.
    pub fn accept_multi(listener: SocketId) -> Op {
        Op(Start::Accept { listener, multi: true })
    }

    /// Connects. Sends started after this one wait for it.
    ///
    /// On a datagram socket it names the peer that [`send`](Op::send) sends to, and from which alone datagrams come.
    pub fn connect(socket: SocketId, address: impl Into<Address>) -> Op {
        Op(Start::Connect { socket, address: address.into() })
    }

    /// Receives what has come, or waits until something does, into one buffer or, part after part, into several. Ends with
    /// [`Outcome::Received`]; zero bytes mean the end of the stream (or that the buffers have no room).
    ///
    /// Receives on one socket are filled in the order in which they were started.
    pub fn recv(socket: SocketId, buf: impl RecvBuf) -> Op {
        Op::recv_with(socket, buf, Flags::NONE)
    }

    /// As [`recv`](Op::recv), with flags.
    pub fn recv_with(socket: SocketId, buf: impl RecvBuf, flags: Flags) -> Op {
        Op(Start::Recv { socket, buf: AnyBuf::to_recv(buf), flags })
    }

    /// Receives into the driver's pooled buffers until the stream ends, fails, or this is cancelled. Each piece comes as an
    /// [`Outcome::Packet`] with [`Completion::more`] set; the end of the stream is `Outcome::Received(0)`. An empty pool is
    /// back-pressure: receiving waits until a packet is dropped.
    pub fn recv_multi(socket: SocketId) -> Op {
        Op(Start::RecvMulti { socket })
    }

    /// Sends every byte of one buffer or, one after the other, of several. Ends once, with [`Outcome::Sent`] of all bytes, or
    /// with an error that says how many were written ([`Error::transferred`]). Sends on one socket leave whole and in the order in
    /// which they were started; after one that was cut short the later ones end with `BrokenStream`.
    pub fn send(socket: SocketId, buf: impl SendBuf) -> Op {
        Op::send_with(socket, buf, Flags::NONE)
    }

    /// As [`send`](Op::send), with flags.
    pub fn send_with(socket: SocketId, buf: impl SendBuf, flags: Flags) -> Op {
        Op(Start::Send { socket, buf: AnyBuf::to_send(buf), flags, done: 0 })
    }

    /// Receives one datagram, and where it came from. Ends with [`Outcome::ReceivedFrom`]; one that is larger than the buffers ends it with
    /// `Truncated`: what fits is in the buffers, the error says [how much](Error::transferred) and [from where](Error::address), the rest is lost.
    pub fn recv_from(socket: SocketId, buf: impl RecvBuf) -> Op {
        Op(Start::RecvFrom { socket, buf: AnyBuf::to_recv(buf), flags: Flags::NONE })
    }

    /// Receives datagrams into the driver's pooled buffers until it fails or is cancelled. Each comes as an [`Outcome::Datagram`] with
    /// [`Completion::more`] set; in place of one that is larger than a pooled buffer (on io_uring less 144 bytes) comes an error of kind `Truncated`,
    /// also with `more` set. Pooled buffers of less than 256 bytes are an invalid argument. An empty pool is back-pressure: datagrams then wait in the socket's own buffer, as far as that goes.
    pub fn recv_from_multi(socket: SocketId) -> Op {
        Op(Start::RecvFromMulti { socket })
    }

    /// Sends one datagram, made of one buffer or, one after the other, of several. Ends with [`Outcome::Sent`].
    pub fn send_to(socket: SocketId, buf: impl SendBuf, address: impl Into<Address>) -> Op {
        Op(Start::SendTo { socket, buf: AnyBuf::to_send(buf), address: address.into() })
    }

    /// Shuts down one or both directions, after the sends started before.
    pub fn shutdown(socket: SocketId, how: ShutdownHow) -> Op {
        Op(Start::Shutdown { socket, how })
    }

    /// Closes the socket. Whatever the outcome, when this has ended the socket is gone. From its start on no
    /// operation can be started on the socket; cancelling a graceful close makes it close at once.
    pub fn close(socket: SocketId, mode: CloseMode) -> Op {
        Op(Start::Close { socket, mode })
    }

    /// Ends with [`Outcome::Elapsed`] when the driver's clock has reached `at`.
    pub fn timer(at: Time) -> Op {
        Op(Start::Timer { at })
    }

    /// The buffer the operation was given.
    pub fn into_buf(self) -> Option<AnyBuf> {
        match self.0 {
            Start::Recv { buf, .. }
            | Start::Send { buf, .. }
            | Start::RecvFrom { buf, .. }
            | Start::SendTo { buf, .. } => Some(buf),
            _ => None,
        }
    }
}

/// What a successful operation, or one result of a multishot one, brought.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A connection and the address of its peer. Dropping the stream closes the connection.
    Accepted(Stream, Address),
    /// The socket is connected.
    Connected,
    /// So many bytes are in the operation's buffers; 0 is the end of the stream.
    Received(usize),
    /// Bytes in one of the driver's pooled buffers.
    Packet(Packet),
    /// A datagram of so many bytes, from this address, is in the operation's buffers.
    ReceivedFrom(usize, Address),
    /// A datagram in one of the driver's pooled buffers, and where it came from.
    Datagram(Packet, Address),
    /// All bytes, so many, are written.
    Sent(u64),
    /// The directions are shut down.
    ShutDown,
    /// The socket is closed; a graceful close saw the end of the peer's stream.
    Closed,
    /// The timer's moment has come.
    Elapsed,
}

/// How an operation ended, or one result of a multishot operation that goes on.
#[derive(Debug)]
pub struct Completion {
    /// The operation.
    pub id: OpId,
    /// What [`Driver::submit`](crate::Driver::submit) was given with it.
    pub token: u64,
    /// Whether more completions of this operation follow. The one without is its last; there is exactly one such for every operation.
    pub more: bool,
    /// What it brought, or why it failed.
    pub result: Result<Outcome, Error>,
    /// The buffer the operation was given, back again.
    pub buf: Option<AnyBuf>,
}
