//! Sockets that belong to no driver.

use std::fmt;
use std::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, OwnedSocket, RawSocket};

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::flags::Role;
use crate::options::{DatagramOptions, StreamOptions};

use super::descriptor::Descriptor;
use super::handle::Handle;
use super::socket::SystemSocket;
use super::sockopt::option::SocketOption;

/// A socket that belongs to no driver at the moment: a connection that was just accepted, a socket
/// that was released or duplicated, or one of the standard library.
///
/// It may go to another thread. A driver takes it over with
/// [`Driver::adopt`](crate::Driver::adopt), an engine with
/// [`Engine::adopt`](crate::Engine::adopt). Dropping it closes the socket.
///
/// # The standard library
///
/// It is made of a `TcpStream`, a `TcpListener`, a `UdpSocket`, and on Unix of a `UnixStream` or a
/// `UnixListener`, with their options as they are. That is also how to listen on a socket that was
/// inherited from another process. `TryFrom` makes it one of these again, or an `OwnedFd` or
/// `OwnedSocket`, which blocks as usual.
///
/// A listener's path (`unix:/run/server.sock`) is removed when this crate closes the listener that
/// it has bound. The path of a listener that was adopted, or that was made one of the standard
/// library, is left where it is.
///
/// ```
/// use std::net::TcpListener;
/// use overlapped::Engine;
/// use overlapped::driver::Stream;
///
/// let engine = Engine::new()?;
/// let inherited = TcpListener::bind("127.0.0.1:0").unwrap();
/// let listener = engine.adopt(inherited)?;
/// // ... accept, and when nothing is in flight:
/// let stream: Stream = listener.release()?;
/// let listener = TcpListener::try_from(stream)?;
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream(pub(crate) Handle);

impl Stream {
    /// The address of the peer.
    pub fn peer_addr(&self) -> Result<Address, Error> {
        self.0.peer_addr()
    }

    /// The address of this end.
    pub fn local_addr(&self) -> Result<Address, Error> {
        self.0.local_addr()
    }

    /// Sets options.
    ///
    /// # Errors
    /// `InvalidArgument` or `Unsupported`, with the name and the value of an option that is refused
    /// (see [`StreamOptions`]); those before it are set.
    pub fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        self.0.set_options(options)
    }

    /// Sets options of a datagram socket: as
    /// [`Driver::set_datagram_options`](crate::Driver::set_datagram_options).
    pub fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        self.0.set_datagram_options(options)
    }

    /// The value of an option: as [`Driver::option`](crate::Driver::option).
    pub fn option<T>(&self, option: SocketOption<T>) -> Result<T, Error> {
        option.get(self.0.descriptor())
    }

    /// Sets an option: as [`Driver::set_option`](crate::Driver::set_option).
    pub fn set_option<T: fmt::Debug>(&self, option: SocketOption<T>, value: T) -> Result<(), Error> {
        self.0.lent();
        option.set(self.0.descriptor(), &value)
    }

    /// The system's descriptor.
    ///
    /// # Errors
    /// `Unsupported` for a socket of a simulated network, which has none.
    pub fn descriptor(&self) -> Result<Descriptor<'_>, Error> {
        self.0.lent();
        self.0.descriptor()
    }

    /// Makes dropping it reset the connection instead of ending it cleanly: for refusing a peer.
    pub fn reset_on_drop(&self) {
        self.0.reset_on_close();
    }

    /// A duplicate whose first descriptor is being closed.
    pub(crate) fn alone(self) -> Stream {
        match self.0 {
            Handle::System(system) => Stream(Handle::System(system.alone())),
            other => Stream(other),
        }
    }

    fn of(socket: impl Into<socket2::Socket>, role: Role) -> Stream {
        Stream(Handle::System(SystemSocket::taken_over(socket.into(), role)))
    }

    /// The system's socket, if it is one and `is` says so.
    fn into_system(self, what: &str, is: impl FnOnce(Role, &Address) -> bool) -> Result<socket2::Socket, Error> {
        let invalid = |why: &str| Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        let Handle::System(system) = self.0 else {
            return invalid("it is a socket of a simulated network, not of this system");
        };
        match is(system.role(), &system.view().local_addr()?) {
            true => system.into_std(),
            false => invalid(&format!("it is not {what}")),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        Stream::of(stream, Role::Stream)
    }
}

/// Its connections begin with the options of the listener, as far as the system hands them down.
impl From<TcpListener> for Stream {
    fn from(listener: TcpListener) -> Stream {
        Stream::of(listener, Role::Listener)
    }
}

impl From<UdpSocket> for Stream {
    fn from(socket: UdpSocket) -> Stream {
        Stream::of(socket, Role::Datagram)
    }
}

#[cfg(unix)]
impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Stream {
        Stream::of(OwnedFd::from(stream), Role::Stream)
    }
}

/// Its path is not removed when it is closed.
#[cfg(unix)]
impl From<UnixListener> for Stream {
    fn from(listener: UnixListener) -> Stream {
        Stream::of(OwnedFd::from(listener), Role::Listener)
    }
}

impl TryFrom<Stream> for TcpStream {
    type Error = Error;
    /// Makes it a blocking connection of the standard library.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not a TCP connection, or a simulated one.
    fn try_from(stream: Stream) -> Result<TcpStream, Error> {
        let is = |role, address: &Address| role == Role::Stream && address.ip().is_some();
        Ok(stream.into_system("a TCP connection", is)?.into())
    }
}

impl TryFrom<Stream> for TcpListener {
    type Error = Error;
    /// Makes it a blocking listener of the standard library.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not a TCP listener, or a simulated one.
    fn try_from(stream: Stream) -> Result<TcpListener, Error> {
        let is = |role, address: &Address| role == Role::Listener && address.ip().is_some();
        Ok(stream.into_system("a TCP listener", is)?.into())
    }
}

impl TryFrom<Stream> for UdpSocket {
    type Error = Error;
    /// Makes it a blocking datagram socket of the standard library.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not a datagram socket.
    fn try_from(stream: Stream) -> Result<UdpSocket, Error> {
        Ok(stream.into_system("a datagram socket", |role, _| role == Role::Datagram)?.into())
    }
}

#[cfg(unix)]
impl TryFrom<Stream> for UnixStream {
    type Error = Error;
    /// Makes it a blocking connection of the standard library.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not a connection over a Unix socket.
    fn try_from(stream: Stream) -> Result<UnixStream, Error> {
        let is = |role, address: &Address| role == Role::Stream && address.ip().is_none();
        Ok(OwnedFd::from(stream.into_system("a Unix connection", is)?).into())
    }
}

#[cfg(unix)]
impl TryFrom<Stream> for UnixListener {
    type Error = Error;
    /// Makes it a blocking listener of the standard library. Its path is left where it is.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not a listener on a Unix socket.
    fn try_from(stream: Stream) -> Result<UnixListener, Error> {
        let is = |role, address: &Address| role == Role::Listener && address.ip().is_none();
        Ok(OwnedFd::from(stream.into_system("a Unix listener", is)?).into())
    }
}

#[cfg(unix)]
impl TryFrom<Stream> for OwnedFd {
    type Error = Error;
    /// Makes it a descriptor that the caller owns and that blocks.
    ///
    /// # Errors
    /// `InvalidArgument` for a socket of a simulated network.
    fn try_from(stream: Stream) -> Result<OwnedFd, Error> {
        Ok(stream.into_system("a socket", |_, _| true)?.into())
    }
}

#[cfg(windows)]
impl TryFrom<Stream> for OwnedSocket {
    type Error = Error;
    /// Makes it a socket that the caller owns.
    ///
    /// # Errors
    /// `InvalidArgument` for a socket of a simulated network.
    fn try_from(stream: Stream) -> Result<OwnedSocket, Error> {
        Ok(stream.into_system("a socket", |_, _| true)?.into())
    }
}

/// [`Stream::descriptor`] for functions that want this trait.
///
/// # Panics
/// For a socket of a simulated network, which has no descriptor.
#[cfg(unix)]
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor().expect("a socket of the system")
    }
}

/// # Panics
/// For a socket of a simulated network, which has no descriptor.
#[cfg(unix)]
impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// [`Stream::descriptor`] for functions that want this trait.
///
/// # Panics
/// For a socket of a simulated network, which has no descriptor.
#[cfg(windows)]
impl AsSocket for Stream {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.descriptor().expect("a socket of the system")
    }
}

/// # Panics
/// For a socket of a simulated network, which has no descriptor.
#[cfg(windows)]
impl AsRawSocket for Stream {
    fn as_raw_socket(&self) -> RawSocket {
        self.as_socket().as_raw_socket()
    }
}
