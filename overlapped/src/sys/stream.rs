//! Connections that belong to no driver.

use std::net::TcpStream;

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::options::StreamOptions;

use super::{handle::Handle, socket::SystemSocket};

/// A connection that belongs to no driver at the moment: it was just accepted, or released.
///
/// It may go to another thread. A driver takes it over with
/// [`Driver::adopt`](crate::Driver::adopt). Dropping it closes the connection.
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

    /// Makes dropping it reset the connection instead of ending it in order: for refusing a peer.
    pub fn reset_on_drop(&self) {
        self.0.reset_on_close();
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        Stream(Handle::System(SystemSocket::taken_over(stream.into())))
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixStream> for Stream {
    fn from(stream: std::os::unix::net::UnixStream) -> Stream {
        let descriptor = std::os::fd::OwnedFd::from(stream);
        Stream(Handle::System(SystemSocket::taken_over(descriptor.into())))
    }
}

impl TryFrom<Stream> for TcpStream {
    type Error = Error;
    /// Makes it a blocking connection of the standard library.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not a TCP connection, or a simulated one.
    fn try_from(stream: Stream) -> Result<TcpStream, Error> {
        let invalid = |why| Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        let Handle::System(system) = stream.0 else {
            return invalid("it is a connection of a simulated network, not of this system");
        };
        if system.view().local_addr()?.ip().is_none() {
            return invalid("it is not a TCP connection");
        }
        let socket = system.socket.into_inner();
        socket.set_nonblocking(false).map_err(|error| Error::io(Action::Option, &error))?;
        Ok(socket.into())
    }
}
