//! One option of a socket: its name, and how it is read and set.

use std::fmt;

use socket2::{SockRef, Socket};

use crate::error::{Action, Error, ErrorKind};

use super::super::descriptor::Descriptor;
use super::fault::Fault;
#[cfg(unix)]
use super::unix as os;
use super::value::{MOST_ROOM, OptionValue};
#[cfg(windows)]
use super::windows as os;

/// An option of a socket, whose value is a `T`: one of the constants of [`sockopt`](crate::sockopt)
/// or, by level and number, any option that the system has.
///
/// ```
/// use overlapped::sockopt::{self, SocketOption};
/// use overlapped::Engine;
///
/// let engine = Engine::new()?;
/// let socket = engine.socket("127.0.0.1:0", &Default::default())?;
/// socket.set_option(sockopt::TTL, 5)?;
/// assert_eq!(socket.option(sockopt::TTL)?, 5);
///
/// # #[cfg(target_os = "linux")] {
/// /// `SO_PRIORITY` of Linux.
/// const PRIORITY: SocketOption<i32> = SocketOption::new(1, 12);
/// socket.set_option(PRIORITY, 3)?;
/// assert_eq!(socket.option(PRIORITY)?, 3);
/// # }
/// # Ok::<(), overlapped::Error>(())
/// ```
pub struct SocketOption<T>(Access<T>);

enum Access<T> {
    Known { label: &'static str, get: Get<T>, set: Set<T> },
    Bytes { level: i32, name: i32, room: usize, read: fn(&[u8]) -> Option<T>, write: fn(&T) -> Vec<u8> },
}

type Get<T> = fn(&Socket) -> Result<T, Fault>;
type Set<T> = fn(&Socket, &T) -> Result<(), Fault>;

impl<T: OptionValue> SocketOption<T> {
    /// The option with this level and this number, as the system's headers have them:
    /// `SocketOption::<i32>::new(libc::SOL_SOCKET, libc::SO_PRIORITY)`.
    ///
    /// The value is what the system reads and writes. If the type does not fit the option, reading
    /// it fails with `InvalidArgument`, and what the system makes of a value that is set is the
    /// system's affair. An option that changes how the socket blocks or tells of its events takes
    /// it away from its driver: leave those alone.
    pub const fn new(level: i32, name: i32) -> SocketOption<T> {
        SocketOption(Access::Bytes { level, name, room: T::ROOM, read: T::from_bytes, write: T::to_bytes })
    }
}

impl<T> SocketOption<T> {
    /// An option with a name of its own.
    pub(super) const fn known(label: &'static str, get: Get<T>, set: Set<T>) -> SocketOption<T> {
        SocketOption(Access::Known { label, get, set })
    }

    /// Its value on a socket.
    pub(crate) fn get(&self, socket: Result<Descriptor<'_>, Error>) -> Result<T, Error> {
        let socket = socket.map_err(|error| self.lacking(&error))?;
        self.read(&SockRef::from(&socket)).map_err(|fault| failed(&self.to_string(), fault))
    }

    pub(super) fn read(&self, socket: &Socket) -> Result<T, Fault> {
        match self.0 {
            Access::Known { get, .. } => get(socket),
            Access::Bytes { level, name, room, read, .. } => {
                let mut bytes = [0; MOST_ROOM];
                // Some providers of Windows do not say how long the value is.
                let room = if cfg!(windows) { room.min(MOST_ROOM) } else { MOST_ROOM };
                let len = os::get(socket, level, name, &mut bytes[..room])?;
                read(&bytes[..len]).ok_or(Fault::Invalid("the system's value does not fit the type"))
            }
        }
    }

    pub(super) fn write(&self, socket: &Socket, value: &T) -> Result<(), Fault> {
        match self.0 {
            Access::Known { set, .. } => set(socket, value),
            Access::Bytes { level, name, write, .. } => Ok(os::set(socket, level, name, &write(value))?),
        }
    }

    /// The socket has no descriptor.
    fn lacking(&self, error: &Error) -> Error {
        error.of(Action::Option).because(format!("{self}: the socket has no options of the system"))
    }
}

impl<T: fmt::Debug> SocketOption<T> {
    /// Sets it on a socket.
    pub(crate) fn set(&self, socket: Result<Descriptor<'_>, Error>, value: &T) -> Result<(), Error> {
        self.apply(&SockRef::from(&socket.map_err(|error| self.lacking(&error))?), value)
    }

    /// The same, on the system's socket.
    pub(in super::super) fn apply(&self, socket: &Socket, value: &T) -> Result<(), Error> {
        self.write(socket, value).map_err(|fault| failed(&format!("{self} {value:?}"), fault))
    }

    /// The same, if there is a value.
    pub(in super::super) fn apply_some(&self, socket: &Socket, value: Option<T>) -> Result<(), Error> {
        value.map_or(Ok(()), |value| self.apply(socket, &value))
    }
}

/// The error of an option. It names the option, and the value that was to be set.
fn failed(what: &str, fault: Fault) -> Error {
    match fault {
        Fault::Io(error) => Error::io(Action::Option, &error).because(what),
        Fault::Unsupported(why) => Error::new(Action::Option, ErrorKind::Unsupported).because(format!("{what}: {why}")),
        Fault::Invalid(why) => Error::new(Action::Option, ErrorKind::InvalidArgument).because(format!("{what}: {why}")),
    }
}

impl<T> Clone for SocketOption<T> {
    fn clone(&self) -> SocketOption<T> {
        *self
    }
}

impl<T> Copy for SocketOption<T> {}

impl<T> Clone for Access<T> {
    fn clone(&self) -> Access<T> {
        *self
    }
}

impl<T> Copy for Access<T> {}

/// Its name, or its level and number.
impl<T> fmt::Display for SocketOption<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Access::Known { label, .. } => f.write_str(label),
            Access::Bytes { level, name, .. } => write!(f, "option {name} of level {level}"),
        }
    }
}

impl<T> fmt::Debug for SocketOption<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketOption({self})")
    }
}
