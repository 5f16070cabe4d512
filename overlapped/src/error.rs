//! The one error type: what was being done, to whom, what the system said, and a kind that is the same everywhere.

use std::fmt;
use std::io;
use std::num::NonZeroI32;

use crate::address::Address;

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
    /// The peer or the network did not answer in time (`ETIMEDOUT`; Winsock 10060, port 121).
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
    /// The handle is closed, is being closed, or never was one of this driver's; nothing was started.
    Closed,
    /// A limit of this driver is reached: a table or a queue is full; nothing was started.
    LimitReached,
    /// An earlier send on this stream ended with only some of its bytes written, so that later ones would follow a hole.
    BrokenStream,
    /// The operation has not ended yet (Winsock 996, `WSA_IO_INCOMPLETE`).
    Incomplete,
    /// The wait could never be ended: the thread that would have to end it is the one that waits.
    WouldDeadlock,
    /// Neither this backend nor this system can do this.
    Unsupported,
    /// Anything else; [`Error::os_code`] has what the system said.
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
            ErrorKind::Unsupported => "not supported here",
            ErrorKind::Other => "the system reported an error",
        }
    }
}

/// An error of this crate.
///
/// Two words in size, so that results of successful operations stay small; memory is taken only for what there is to say beyond the kind and the code.
///
/// ```
/// # use overlapped::*;
/// # let mut driver = Driver::new(DriverConfig::default()).unwrap();
/// let address: Address = "203.0.113.1:80".parse().unwrap();
/// let error = driver.listen(&address, &ListenOptions::default()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::AddressNotAvailable);
/// assert_eq!(error.address(), Some(&address));
/// assert!(error.to_string().starts_with("could not bind 203.0.113.1:80: "));
/// ```
pub struct Error {
    kind: ErrorKind,
    action: Action,
    code: Option<NonZeroI32>,
    /// Peers that reset their connections are many, and of those there is nothing more to say.
    more: Option<Box<Details>>,
}

#[derive(Default)]
struct Details {
    address: Option<Address>,
    transferred: u64,
    text: Option<String>,
}

impl Error {
    pub(crate) fn new(action: Action, kind: ErrorKind) -> Error {
        Error { kind, action, code: None, more: None }
    }

    /// From what the operating system said.
    pub(crate) fn os(action: Action, code: i32) -> Error {
        Error { code: NonZeroI32::new(code), ..Error::new(action, crate::sys::kind_of(code)) }
    }

    fn details(&mut self) -> &mut Details {
        self.more.get_or_insert_default()
    }

    pub(crate) fn io(action: Action, error: &io::Error) -> Error {
        match error.raw_os_error() {
            Some(code) => Error::os(action, code),
            None => Error::new(action, ErrorKind::Other).because(error.to_string()),
        }
    }

    /// As this, of what else was, or is, to be done.
    pub(crate) fn of(&self, action: Action) -> Error {
        Error { code: self.code, ..Error::new(action, self.kind) }
    }

    pub(crate) fn at(mut self, address: impl Into<Address>) -> Error {
        self.details().address = Some(address.into());
        self
    }

    pub(crate) fn because(mut self, text: impl Into<String>) -> Error {
        self.details().text = Some(text.into());
        self
    }

    pub(crate) fn after(mut self, transferred: u64) -> Error {
        self.details().transferred = transferred;
        self
    }

    /// A datagram that was larger than its buffers, of which so many bytes fit.
    pub(crate) fn truncated(from: Address, bytes: u64) -> Error {
        Error::new(Action::Receive, ErrorKind::Truncated).at(from).after(bytes)
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was being done.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The peer or the local address it was being done to, where it is known.
    pub fn address(&self) -> Option<&Address> {
        self.more.as_ref()?.address.as_ref()
    }

    /// The operating system's code, where the error came from it.
    pub fn os_code(&self) -> Option<i32> {
        self.code.map(NonZeroI32::get)
    }

    /// For a send (or a wait-all receive) that ended early: bytes moved before it did. For a datagram that was truncated: bytes of it that fit.
    pub fn transferred(&self) -> u64 {
        self.more.as_ref().map_or(0, |more| more.transferred)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.action)?;
        if let Some(address) = self.address() {
            write!(f, " {address}")?;
        }
        write!(f, ": {}", self.kind.describe())?;
        if let Some(text) = self.more.as_ref().and_then(|more| more.text.as_ref()) {
            write!(f, ": {text}")?;
        }
        if self.transferred() > 0 {
            write!(f, " after {} bytes", self.transferred())?;
        }
        if let Some(code) = self.os_code() {
            write!(f, " (os error {code}: {})", crate::sys::describe(code))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind)
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.kind() {
            ErrorKind::Reset => io::ErrorKind::ConnectionReset,
            ErrorKind::Refused => io::ErrorKind::ConnectionRefused,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::Cancelled => io::ErrorKind::Interrupted,
            ErrorKind::InUse => io::ErrorKind::AddrInUse,
            ErrorKind::AddressNotAvailable => io::ErrorKind::AddrNotAvailable,
            ErrorKind::NotPermitted => io::ErrorKind::PermissionDenied,
            ErrorKind::NotConnected => io::ErrorKind::NotConnected,
            ErrorKind::OutOfMemory => io::ErrorKind::OutOfMemory,
            ErrorKind::InvalidArgument => io::ErrorKind::InvalidInput,
            ErrorKind::BrokenStream => io::ErrorKind::BrokenPipe,
            ErrorKind::Incomplete => io::ErrorKind::WouldBlock,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// A start that was refused, or an operation that failed: why, and what was handed over, given back.
pub struct Failed<T> {
    /// What went wrong.
    pub error: Error,
    /// What was handed over.
    pub given: T,
}

impl<T> fmt::Debug for Failed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failed").field(&self.error).finish()
    }
}

impl<T> fmt::Display for Failed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for Failed<T> {}

impl<T> From<Failed<T>> for Error {
    fn from(failed: Failed<T>) -> Error {
        failed.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_attempted_what_failed_and_how_far_it_came() {
        let error =
            Error::new(Action::Send, ErrorKind::Cancelled).at(std::net::SocketAddr::from(([127, 0, 0, 1], 9))).after(3);
        assert_eq!(error.to_string(), "could not send 127.0.0.1:9: cancelled after 3 bytes");
        assert_eq!(size_of::<Error>(), 2 * size_of::<usize>());
    }
}
