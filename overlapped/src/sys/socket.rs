//! Sockets of the operating system, and their options. What systems do differently is in a file for each.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
pub(super) mod windows;

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};

use super::bound_path::{self, BoundPath};
use super::handle::Handle;
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
use windows as os;

/// A socket of the operating system. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct SystemSocket {
    socket: Socket,
    /// The file that a Unix listener is bound to, which goes with it.
    _bound: Option<BoundPath>,
    /// It is known to be of IP. If not, it may be all the same.
    #[cfg(unix)]
    ip: bool,
    /// The system has made it for us, and nobody has had a chance to make a second descriptor of it.
    #[cfg(unix)]
    sole: bool,
    /// What a listener's connections begin with, where the system does not hand it down.
    #[cfg(windows)]
    inherits: StreamOptions,
}

/// A connection that belongs to no driver at the moment: just accepted, or released. It may go to another thread; a driver
/// takes it over with [`Driver::adopt`](crate::Driver::adopt). Dropping it closes the connection.
#[derive(Debug)]
pub struct Stream(pub(crate) Handle);

fn apply(socket: SockRef<'_>, options: &StreamOptions, tcp: bool) -> io::Result<()> {
    if tcp {
        socket.set_tcp_nodelay(options.nodelay)?;
        match options.keep_alive {
            Some(idle) => socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(idle))?,
            None => socket.set_keepalive(false)?,
        }
        os::set_user_timeout(&socket, options.user_timeout)?;
    }
    set_buffers(socket, options.receive_buffer, options.send_buffer)
}

fn set_buffers(socket: SockRef<'_>, receive: Option<usize>, send: Option<usize>) -> io::Result<()> {
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = send {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

fn new_socket(family_of: &Address, kind: Type) -> io::Result<Socket> {
    match family_of {
        Address::Ip(address) => {
            let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
            Socket::new(Domain::for_address(*address), kind, Some(protocol))
        }
        Address::Unix(_) | Address::Unnamed => os::new_unix_socket(kind),
    }
}

/// An address as the system wants it.
pub(super) fn sock_addr(address: &Address) -> io::Result<SockAddr> {
    match address {
        Address::Ip(address) => Ok((*address).into()),
        Address::Unix(path) => SockAddr::unix(path),
        Address::Unnamed => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "an unnamed socket cannot be listened on or connected to"))
        }
    }
}

/// An address as the system gave it. Names without a path (Linux's abstract ones) are [`Address::Unnamed`].
pub(super) fn address_from(address: &SockAddr) -> Address {
    match address.as_socket() {
        Some(address) => Address::Ip(address),
        None => os::unix_address(address),
    }
}

impl SystemSocket {
    /// The system's socket, in the mode in which backends use it.
    pub(super) fn of(socket: Socket) -> io::Result<SystemSocket> {
        os::set_mode(&socket)?;
        Ok(SystemSocket::with_mode_set(socket))
    }

    fn with_mode_set(socket: Socket) -> SystemSocket {
        SystemSocket {
            socket,
            _bound: None,
            #[cfg(unix)]
            ip: false,
            #[cfg(unix)]
            sole: false,
            #[cfg(windows)]
            inherits: StreamOptions::default(),
        }
    }

    pub(crate) fn listen(address: &Address, options: &ListenOptions) -> Result<SystemSocket, Error> {
        let at = |action| move |error: io::Error| Error::io(action, &error).at(address);
        let bound = bound_path::prepare(address)?;
        let name = sock_addr(address).map_err(at(Action::Bind))?;
        let socket = new_socket(address, Type::STREAM).map_err(at(Action::Socket))?;
        if let Address::Ip(ip) = address {
            if ip.is_ipv6() {
                socket.set_only_v6(options.only_v6).map_err(at(Action::Option))?;
            }
            os::claim_address(&socket).map_err(at(Action::Option))?;
        }
        apply(SockRef::from(&socket), &options.stream, address.ip().is_some()).map_err(at(Action::Option))?;
        socket.bind(&name).map_err(at(Action::Bind))?;
        let bound = bound.map(BoundPath::made);
        socket.listen(options.backlog).map_err(at(Action::Listen))?;
        let mut handle = SystemSocket::of(socket).map_err(at(Action::Option))?;
        handle._bound = bound;
        #[cfg(windows)]
        handle.inherits.clone_from(&options.stream);
        Ok(handle)
    }

    pub(crate) fn stream(family_of: &Address) -> Result<SystemSocket, Error> {
        let failed = |error: io::Error| Error::io(Action::Socket, &error);
        let socket = new_socket(family_of, Type::STREAM).map_err(failed)?;
        apply(SockRef::from(&socket), &StreamOptions::default(), family_of.ip().is_some()).map_err(failed)?;
        SystemSocket::of(socket).map_err(failed)
    }

    pub(crate) fn datagram(address: &Address, options: &DatagramOptions) -> Result<SystemSocket, Error> {
        let at = |action| move |error: io::Error| Error::io(action, &error).at(address);
        if address.ip().is_none() {
            let why = "datagrams are sent between IP addresses";
            return Err(Error::new(Action::Socket, ErrorKind::Unsupported).at(address).because(why));
        }
        let socket = new_socket(address, Type::DGRAM).map_err(at(Action::Socket))?;
        socket.set_broadcast(options.broadcast).map_err(at(Action::Option))?;
        set_buffers(SockRef::from(&socket), options.receive_buffer, options.send_buffer).map_err(at(Action::Option))?;
        #[cfg(windows)]
        os::report_unreachable(&socket, false).map_err(at(Action::Option))?;
        let name = sock_addr(address).map_err(at(Action::Bind))?;
        socket.bind(&name).map_err(at(Action::Bind))?;
        SystemSocket::of(socket).map_err(at(Action::Option))
    }

    /// The system's socket.
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The system's socket, to be closed by whoever takes it. The path of a listener is gone with this.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        address_of(os::local_addr(&self.socket))
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        address_of(self.socket.peer_addr())
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        set_options(SockRef::from(&self.socket), options)
    }

    /// Closing will reset the connection. A socket for which this cannot be set is not connected any more.
    pub(crate) fn reset_on_close(&self) {
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }
}

fn set_options(socket: SockRef<'_>, options: &StreamOptions) -> Result<(), Error> {
    let failed = |error: io::Error| Error::io(Action::Option, &error);
    let tcp = os::is_tcp(&socket).map_err(failed)?;
    apply(socket, options, tcp).map_err(failed)
}

/// A look at a socket of the operating system: see [`View`](super::View).
#[derive(Debug)]
pub(crate) struct SystemView(os::Borrowed);

/// How a transfer went that was tried without waiting.
#[derive(Debug)]
pub(crate) enum Tried {
    /// Not, or not wholly: it has to be started.
    WouldBlock,
    Received(usize),
    Sent(u64),
    Failed(i32),
}

impl SystemView {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.0)
    }

    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        address_of(os::local_addr(&self.socket()))
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        address_of(self.socket().peer_addr())
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        set_options(self.socket(), options)
    }
}

fn address_of(address: io::Result<SockAddr>) -> Result<Address, Error> {
    Ok(address_from(&address.map_err(|error| Error::io(Action::Option, &error))?))
}

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
    pub fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        self.0.set_options(options)
    }

    /// Makes dropping it reset the connection rather than end it in order: for turning a peer away.
    pub fn reset_on_drop(&self) {
        self.0.reset_on_close();
    }
}

impl Stream {
    /// Takes over a connection of the standard library, with its options as they are; whether it blocks is the driver's
    /// affair from here on.
    fn taken_over(socket: Socket) -> Stream {
        // It fails only on what is no socket, which everything after it will say too.
        let _ = os::set_mode(&socket);
        Stream(Handle::System(SystemSocket::with_mode_set(socket)))
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        Stream::taken_over(stream.into())
    }
}

impl TryFrom<Stream> for TcpStream {
    type Error = Error;
    /// Makes it a blocking connection of the standard library.
    ///
    /// # Errors
    /// `InvalidArgument` if it is a connection of another kind, or a simulated one.
    fn try_from(stream: Stream) -> Result<TcpStream, Error> {
        let invalid = |why| Err(Error::new(Action::Socket, ErrorKind::InvalidArgument).because(why));
        let Handle::System(system) = stream.0 else {
            return invalid("it is a connection of a simulated network, which the system knows nothing of");
        };
        if system.local_addr()?.ip().is_none() {
            return invalid("it is not a TCP connection");
        }
        let socket = system.into_socket();
        socket.set_nonblocking(false).map_err(|error| Error::io(Action::Option, &error))?;
        Ok(socket.into())
    }
}
