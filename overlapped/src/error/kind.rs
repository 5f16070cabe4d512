//! What was being done when something failed, and what went wrong.

use std::fmt;
use std::io;

/// What a failed operation was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Making a driver and its ring, port or poller.
    Setup,
    /// Making a socket.
    Socket,
    /// Binding a listener to its address.
    Bind,
    /// Listening.
    Listen,
    /// Accepting a connection.
    Accept,
    /// Connecting to a peer.
    Connect,
    /// Receiving.
    Receive,
    /// Sending.
    Send,
    /// Shutting down one or both directions of a stream.
    Shutdown,
    /// Closing a socket.
    Close,
    /// Waiting for a timer.
    Timer,
    /// Waiting until a descriptor is ready.
    Readiness,
    /// Looking a host's name up.
    LookUp,
    /// Reading or setting an option of a socket.
    Option,
    /// Waiting for completions.
    Turn,
    /// Waiting for events, a completion port or an operation's result.
    Wait,
    /// Using an event or a set of events.
    Event,
    /// Using a completion port.
    Port,
    /// Queueing a routine to a thread.
    Routine,
}

impl Action {
    /// What stands between the action and its address.
    pub(super) fn before_address(self) -> &'static str {
        match self {
            Action::Socket => "for ",
            Action::Listen => "on ",
            Action::Accept | Action::Receive => "from ",
            Action::Send => "to ",
            Action::Option => "of ",
            _ => "",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Setup => "set up the driver",
            Action::Socket => "make a socket",
            Action::Bind => "bind",
            Action::Listen => "listen",
            Action::Accept => "accept a connection",
            Action::Connect => "connect",
            Action::Receive => "receive",
            Action::Send => "send",
            Action::Shutdown => "shut down",
            Action::Close => "close",
            Action::Timer => "wait for a timer",
            Action::Readiness => "wait until a descriptor is ready",
            Action::LookUp => "look a name up",
            Action::Option => "read or set a socket option",
            Action::Turn => "wait for completions",
            Action::Wait => "wait",
            Action::Event => "use an event",
            Action::Port => "use a completion port",
            Action::Routine => "queue a routine",
        })
    }
}

/// What went wrong, under the same name on every backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer reset the connection (`ECONNRESET`, or `EPIPE` where it means that; Winsock 10054,
    /// port 64), or this system gave it up by itself (`ECONNABORTED`; Winsock 10053, which Windows
    /// also reports of a send after a reset).
    Reset,
    /// Nobody listens there (`ECONNREFUSED`; Winsock 10061, port 1225).
    Refused,
    /// The peer or the network did not answer in time (`ETIMEDOUT`; Winsock 10060, port 121), or
    /// the operation had not ended at its deadline.
    TimedOut,
    /// The operation was cancelled, or its socket was closed under it (`ECANCELED`; Winsock 995).
    Cancelled,
    /// The address is in use (`EADDRINUSE`; Winsock 10048).
    InUse,
    /// The address does not belong to this machine (`EADDRNOTAVAIL`; Winsock 10049).
    AddressNotAvailable,
    /// The network or host cannot be reached (`ENETUNREACH`, `EHOSTUNREACH`; Winsock 10051, 10065).
    Unreachable,
    /// The system does not permit this (`EACCES`, `EPERM`; Winsock 10013).
    NotPermitted,
    /// The datagram was larger than the buffer (`MSG_TRUNC`; Winsock 10040, port 234), or, of a
    /// send, larger than can be sent (`EMSGSIZE`).
    Truncated,
    /// The socket is not connected, or a datagram has no destination (`ENOTCONN`, `EDESTADDRREQ`,
    /// `EPIPE` where it means that; Winsock 10057).
    NotConnected,
    /// This end has shut the stream down itself, so nothing can be sent any more (`EPIPE`; Winsock
    /// 10058). The peer has done nothing wrong.
    ShutDown,
    /// There is nothing at this path, or a directory of it is missing (`ENOENT`; on Windows 2, 3);
    /// or no address was found for a name (`getaddrinfo`; Winsock 11001, 11002, 11004).
    NotFound,
    /// The socket is connected already, and stays so (`EISCONN`; Winsock 10056, port 1230).
    AlreadyConnected,
    /// The process or the system is out of descriptors (`EMFILE`, `ENFILE`; Winsock 10024).
    TooManyFiles,
    /// The system is out of memory or buffers for this (`ENOMEM`, `ENOBUFS`; Winsock 10055).
    OutOfMemory,
    /// An argument is unusable; nothing was started.
    InvalidArgument,
    /// The handle is closed, is being closed, or never was one of this driver's; nothing was
    /// started.
    Closed,
    /// A limit of this driver is reached: a table or a queue is full; nothing was started.
    LimitReached,
    /// An earlier send on this stream ended with only some of its bytes written, so that later ones
    /// would follow a hole. The connection itself is alive. If it is not, later sends end with the
    /// kind of what ended it, such as `Reset`.
    BrokenStream,
    /// A file is shorter than the range of it that was to be sent (Windows 38).
    EndOfFile,
    /// The operation has not ended yet (Winsock 996, `WSA_IO_INCOMPLETE`).
    Incomplete,
    /// The wait could never be ended: the thread that would have to end it is the one that waits.
    WouldDeadlock,
    /// Neither this backend nor this system can do this.
    Unsupported,
    /// Anything else; [`Error::os_code`](super::Error::os_code) has what the system said.
    Other,
}

impl ErrorKind {
    /// The kind's name in plain words.
    pub const fn describe(self) -> &'static str {
        match self {
            ErrorKind::Reset => "the connection was reset by the peer",
            ErrorKind::Refused => "the connection was refused",
            ErrorKind::TimedOut => "timed out",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::InUse => "the address is already in use",
            ErrorKind::AddressNotAvailable => "the address does not belong to this machine",
            ErrorKind::Unreachable => "the network or host cannot be reached",
            ErrorKind::NotPermitted => "not permitted",
            ErrorKind::Truncated => "the datagram is larger than the buffer",
            ErrorKind::NotConnected => "the socket is not connected",
            ErrorKind::ShutDown => "this end has shut the stream down",
            ErrorKind::NotFound => "not found",
            ErrorKind::AlreadyConnected => "the socket is connected already",
            ErrorKind::TooManyFiles => "too many open files",
            ErrorKind::OutOfMemory => "out of memory or buffers",
            ErrorKind::InvalidArgument => "invalid argument",
            ErrorKind::Closed => "the handle is closed",
            ErrorKind::LimitReached => "a limit is reached",
            ErrorKind::BrokenStream => "an earlier send on this stream was cut short",
            ErrorKind::EndOfFile => "the file is too short",
            ErrorKind::Incomplete => "the operation has not ended yet",
            ErrorKind::WouldDeadlock => "this wait could never end",
            ErrorKind::Unsupported => "not supported here",
            ErrorKind::Other => "the system reported an error",
        }
    }

    /// The standard library's kind that comes closest.
    pub(super) fn to_std(self) -> io::ErrorKind {
        match self {
            ErrorKind::Reset => io::ErrorKind::ConnectionReset,
            ErrorKind::Refused => io::ErrorKind::ConnectionRefused,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::InUse => io::ErrorKind::AddrInUse,
            ErrorKind::AddressNotAvailable => io::ErrorKind::AddrNotAvailable,
            ErrorKind::Unreachable => io::ErrorKind::HostUnreachable,
            ErrorKind::NotPermitted => io::ErrorKind::PermissionDenied,
            ErrorKind::NotConnected => io::ErrorKind::NotConnected,
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::OutOfMemory => io::ErrorKind::OutOfMemory,
            ErrorKind::InvalidArgument => io::ErrorKind::InvalidInput,
            ErrorKind::ShutDown | ErrorKind::BrokenStream => io::ErrorKind::BrokenPipe,
            ErrorKind::EndOfFile => io::ErrorKind::UnexpectedEof,
            ErrorKind::Incomplete => io::ErrorKind::WouldBlock,
            ErrorKind::WouldDeadlock => io::ErrorKind::Deadlock,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        }
    }
}

/// The kind of an error that the standard library made without a code.
pub(super) fn of_std(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        io::ErrorKind::InvalidInput => ErrorKind::InvalidArgument,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::NotPermitted,
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}
