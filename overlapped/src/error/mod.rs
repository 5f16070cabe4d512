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

    /// Whether something can be bound or connected to an address.
    pub(crate) fn check_address(action: Action, address: &Address) -> Result<(), Error> {
        match address.fault() {
            None => Ok(()),
            Some(why) => Err(Error::new(action, ErrorKind::InvalidArgument).at(address).because(why)),
        }
    }

    /// An error at an address. What an invalid one lacks is said, as far as the address shows it.
    pub(crate) fn at_given(self, address: &Address) -> Error {
        match address.lacks_scope().filter(|_| self.kind == ErrorKind::InvalidArgument) {
            Some(why) => self.at(address).because(why),
            None => self.at(address),
        }
    }

    fn details(&mut self) -> &mut Details {
        self.more.get_or_insert_default()
    }

    pub(crate) fn io(action: Action, error: &io::Error) -> Error {
        match error.raw_os_error() {
            Some(code) => Error::os(action, code),
            None => Error::new(action, kind::of_std(error.kind())).because(error.to_string()),
        }
    }

    /// A name could not be looked up. Of the system's codes for that, few systems give any.
    pub(crate) fn not_found(name: &str, error: &io::Error) -> Error {
        let code = error.raw_os_error().and_then(NonZeroI32::new);
        let why = if code.is_some() { name.to_owned() } else { format!("{name}: {error}") };
        Error { code, ..Error::new(Action::LookUp, ErrorKind::NotFound).because(why) }
    }

    /// The same failure, of another action.
    pub(crate) fn of(&self, action: Action) -> Error {
        Error { code: self.code, ..Error::new(action, self.kind) }
    }

    /// The same failure, when more is known than its code says.
    pub(crate) fn meaning(self, kind: ErrorKind) -> Error {
        Error { kind, ..self }
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

    /// If it says that the operation was cancelled: it was, because its time had come.
    pub(crate) fn cancelled_by_deadline(mut self) -> Error {
        if self.kind == ErrorKind::Cancelled {
            (self.kind, self.code) = (ErrorKind::TimedOut, None);
        }
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

    /// The operating system's code, if the error came from it. It stays with the error on its way
    /// through [`std::io::Error`]: see the [conversion back](#impl-TryFrom<Error>-for-Error).
    pub fn os_code(&self) -> Option<i32> {
        self.code.map(NonZeroI32::get)
    }

    /// For a send (or a wait-all receive) that ended early: bytes moved before it did. For a
    /// datagram that was truncated: bytes of it that fit.
    pub fn transferred(&self) -> u64 {
        self.more.as_ref().map_or(0, |more| more.transferred)
    }
}

impl Error {
    /// What went wrong, in words that fit the action and the code.
    fn describe(&self) -> &'static str {
        match (self.kind, self.action, self.os_code()) {
            (ErrorKind::Truncated, Action::Send, _) => "the datagram is larger than can be sent",
            // On Windows it is the peer's address that cannot be connected to.
            (ErrorKind::AddressNotAvailable, Action::Connect, _) if cfg!(unix) => {
                "no address or port of this machine is free for it"
            }
            (ErrorKind::Reset, _, Some(code)) if code::is_aborted(code) => "the connection was aborted",
            (kind, ..) => kind.describe(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}", self.action)?;
        if let Some(address) = self.address() {
            write!(f, " {}{address}", self.action.before_address())?;
        }
        write!(f, ": {}", self.describe())?;
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
    /// Wraps the error, which says more than `io::Error` has room for. `raw_os_error` of the result
    /// is `None`, since only an error without a text can have one; the code is there after the [way
    /// back](#impl-TryFrom<Error>-for-Error).
    ///
    /// `Cancelled` becomes `Other`. The kinds that look closer are those that loops pass over in
    /// silence: `Interrupted` is tried again by `std` and tokio, and `ConnectionAborted` by servers
    /// that accept.
    fn from(error: Error) -> io::Error {
        let of_code = error.os_code().map(code::std_kind);
        let kind = match (error.kind(), of_code) {
            (ErrorKind::Reset, Some(io::ErrorKind::ConnectionAborted)) => io::ErrorKind::ConnectionAborted,
            (ErrorKind::Unreachable | ErrorKind::Other, Some(kind)) => kind,
            (kind, _) => kind.to_std(),
        };
        io::Error::new(kind, error)
    }
}

/// The way back: the error that an `io::Error` was made of, with its kind, code and address.
///
/// ```
/// # use overlapped::{Address, Driver, DriverConfig, Error};
/// # use overlapped::options::ListenOptions;
/// # let mut driver = Driver::new(DriverConfig::new()).unwrap();
/// let address: Address = "203.0.113.1:80".parse().unwrap();
/// let error = driver.listen(&address, &ListenOptions::new()).unwrap_err();
/// let code = error.os_code();
/// let error = std::io::Error::from(error);
/// assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
///
/// let error = Error::try_from(error).unwrap();
/// assert_eq!((error.os_code(), error.address()), (code, Some(&address)));
/// ```
impl TryFrom<io::Error> for Error {
    type Error = io::Error;
    /// # Errors
    /// The same `io::Error`, if it was not made of an [`Error`].
    fn try_from(error: io::Error) -> Result<Error, io::Error> {
        error.downcast()
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
        assert_eq!(error.to_string(), "could not send to 127.0.0.1:9: cancelled after 3 bytes");
        assert_eq!(size_of::<Error>(), 2 * size_of::<usize>());
    }

    /// `std` and tokio try again, and wait for readiness, without telling anybody.
    #[test]
    fn no_error_becomes_one_that_loops_try_again_in_silence() {
        for code in 1..12_000 {
            let error = io::Error::from(Error::os(Action::Receive, code));
            assert!(!matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock), "{error}");
        }
        let cancelled = io::Error::from(Error::new(Action::Receive, ErrorKind::Cancelled));
        assert_eq!(cancelled.kind(), io::ErrorKind::Other);

        struct Once(Option<io::Error>);
        impl io::Read for Once {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(self.0.take().expect("it is read once"))
            }
        }
        let error = io::Read::read_to_end(&mut Once(Some(cancelled)), &mut Vec::new()).unwrap_err();
        assert_eq!(Error::try_from(error).unwrap().kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn everything_an_error_says_survives_the_way_through_the_standard_library() {
        let address: Address = "127.0.0.1:9".parse().unwrap();
        for code in [code::RESET, code::REFUSED, 123] {
            let error = Error::os(Action::Connect, code).at(&address).because("why").after(7);
            let text = error.to_string();
            let there = io::Error::from(error);
            assert_eq!(there.to_string(), text);
            let back = Error::try_from(there).unwrap();
            assert_eq!((back.os_code(), back.address(), back.transferred()), (Some(code), Some(&address), 7));
            assert_eq!(back.to_string(), text);
        }
        let other = Error::try_from(io::Error::from_raw_os_error(code::RESET)).unwrap_err();
        assert_eq!(other.raw_os_error(), Some(code::RESET), "it is given back as it was");
    }

    #[test]
    fn kinds_of_the_standard_library_are_those_of_its_own_sockets() {
        for (code, kind) in [
            (code::RESET, io::ErrorKind::ConnectionReset),
            (code::REFUSED, io::ErrorKind::ConnectionRefused),
            (code::ABORTED, io::ErrorKind::ConnectionAborted),
            (code::UNREACHABLE, io::ErrorKind::NetworkUnreachable),
        ] {
            assert_eq!(io::Error::from(Error::os(Action::Send, code)).kind(), kind, "code {code}");
        }
        let own = io::Error::new(io::ErrorKind::InvalidInput, "a path with a zero");
        assert_eq!(Error::io(Action::Bind, &own).kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn words_fit_the_action_and_the_code() {
        let aborted = Error::os(Action::Receive, code::ABORTED);
        assert!(aborted.to_string().starts_with("could not receive: the connection was aborted ("), "{aborted}");
        let ports = Error::new(Action::Connect, ErrorKind::AddressNotAvailable);
        let none_free = "could not connect: no address or port of this machine is free for it";
        assert_eq!(ports.to_string() == none_free, cfg!(unix), "{ports}");
        let large = Error::new(Action::Send, ErrorKind::Truncated);
        assert_eq!(large.to_string(), "could not send: the datagram is larger than can be sent");
    }
}
