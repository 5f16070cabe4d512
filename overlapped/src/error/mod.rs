//! The one error type: what failed, at which address, the system's code, and a kind that is the
//! same on every system.

pub(crate) mod code;
mod kind;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fmt;
use std::io;
use std::num::NonZeroI32;

use crate::address::{Address, AddressError, IntoAddress};

pub use kind::{Action, ErrorKind};

/// An error of this crate.
///
/// It is two words in size, so that results of successful operations stay small. It allocates only
/// if there is more to say than the kind and the code.
///
/// ```
/// # use overlapped::{Address, Driver, DriverConfig, ErrorKind};
/// # use overlapped::options::ListenOptions;
/// # let mut driver = Driver::new(DriverConfig::new()).unwrap();
/// let address: Address = "203.0.113.1:80".parse().unwrap();
/// let error = driver.listen(&address, &ListenOptions::new()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::AddressNotAvailable);
/// assert_eq!(error.address(), Some(&address));
/// assert!(error.to_string().starts_with("could not bind 203.0.113.1:80: "));
/// ```
pub struct Error {
    kind: ErrorKind,
    action: Action,
    code: Option<NonZeroI32>,
    /// Absent for the most frequent error: a peer that reset its connection.
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

    /// An error with the operating system's code.
    pub(crate) fn os(action: Action, code: i32) -> Error {
        Error { code: NonZeroI32::new(code), ..Error::new(action, code::kind_of(code)) }
    }

    /// Something that was given as an address is not one.
    pub(crate) fn not_an_address(action: Action, error: &AddressError) -> Error {
        Error::new(action, ErrorKind::InvalidArgument).because(error.to_string())
    }

    /// The address that was given for this action.
    pub(crate) fn or_address(action: Action, given: impl IntoAddress) -> Result<Address, Error> {
        given.into_address().map_err(|error| Error::not_an_address(action, &error))
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

    /// The same failure, of another action.
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

    /// A datagram was larger than its buffers, which hold this many bytes of it.
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

    /// The peer, or the local address, if it is known.
    pub fn address(&self) -> Option<&Address> {
        self.more.as_ref()?.address.as_ref()
    }

    /// The operating system's code, if the error came from it.
    pub fn os_code(&self) -> Option<i32> {
        self.code.map(NonZeroI32::get)
    }

    /// For a send (or a wait-all receive) that ended early: bytes moved before it did. For a
    /// datagram that was truncated: bytes of it that fit.
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
            write!(f, " (os error {code}: {})", code::describe(code))?;
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

/// A start that was refused: why, and what was handed over.
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
    fn an_error_says_what_was_attempted_what_failed_and_how_far_it_came() {
        let error =
            Error::new(Action::Send, ErrorKind::Cancelled).at(std::net::SocketAddr::from(([127, 0, 0, 1], 9))).after(3);
        assert_eq!(error.to_string(), "could not send 127.0.0.1:9: cancelled after 3 bytes");
        assert_eq!(size_of::<Error>(), 2 * size_of::<usize>());
    }
}
