//! What was being done when something failed, and what went wrong.

use std::fmt;

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
    /// The peer reset the connection (`ECONNRESET`, `EPIPE`; Winsock 10054, port 64).
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
    /// The datagram was larger than the buffer (`MSG_TRUNC`; Winsock 10040, port 234).
    Truncated,
    /// The socket is not connected (`ENOTCONN`; Winsock 10057).
    NotConnected,
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
    /// would follow a hole.
    BrokenStream,
    /// The operation has not ended yet (Winsock 996, `WSA_IO_INCOMPLETE`).
    Incomplete,
    /// The wait could never be ended: the thread that would have to end it is the one that waits.
    WouldDeadlock,
    /// No address was found for a host's name (`getaddrinfo`; Winsock 11001, 11004), or it could
    /// not be asked for now (11002).
    NotFound,
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
            ErrorKind::TooManyFiles => "too many open files",
            ErrorKind::OutOfMemory => "out of memory or buffers",
            ErrorKind::InvalidArgument => "invalid argument",
            ErrorKind::Closed => "the handle is closed",
            ErrorKind::LimitReached => "a limit is reached",
            ErrorKind::BrokenStream => "an earlier send on this stream was cut short",
            ErrorKind::Incomplete => "the operation has not ended yet",
            ErrorKind::WouldDeadlock => "this wait could never end",
            ErrorKind::NotFound => "no address was found",
            ErrorKind::Unsupported => "not supported here",
            ErrorKind::Other => "the system reported an error",
        }
    }
}
