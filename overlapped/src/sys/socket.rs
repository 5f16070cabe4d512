//! Sockets of the operating system, and their options. What differs between systems is in a file
//! for each of them.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
pub(super) mod windows;

use std::io;
#[cfg(unix)]
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::AsRawSocket;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};

use super::bound_path::{self, BoundPath};
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
use windows as os;

/// A socket of the operating system. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct SystemSocket {
    socket: Socket,
    /// The file that a Unix listener is bound to. It is removed with the listener.
    _bound: Option<BoundPath>,
    /// It is known to be an IP socket. `false` only means that this is not known.
    #[cfg(unix)]
    ip: bool,
    /// The system made it for us, and nobody can have made a second descriptor of it.
    #[cfg(unix)]
    sole: bool,
    /// What a listener's connections begin with: Windows does not hand it down.
    #[cfg(windows)]
    inherits: StreamOptions,
}

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

/// An address as the system gave it. Names without a path (Linux's abstract ones) are
/// [`Address::Unnamed`].
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

    /// A socket of the standard library, with its options as they are. Whether it blocks is the
    /// backend's affair from here on.
    pub(super) fn taken_over(socket: Socket) -> SystemSocket {
        // It fails only if this is not a socket. Everything that is done to it later fails too
        // then.
        let _ = os::set_mode(&socket);
        SystemSocket::with_mode_set(socket)
    }

    /// A duplicate of any descriptor, only to be watched. Its mode is its program's affair.
    #[cfg(unix)]
    pub(super) fn watched(descriptor: std::os::fd::BorrowedFd<'_>) -> Result<SystemSocket, Error> {
        let failed = |error: io::Error| Error::io(Action::Readiness, &error);
        let file = std::fs::File::from(descriptor.try_clone_to_owned().map_err(failed)?);
        let kind = file.metadata().map_err(failed)?.file_type();
        if kind.is_file() || kind.is_dir() {
            let why = "the system does not tell of the readiness of files; they are always ready";
            return Err(Error::new(Action::Readiness, ErrorKind::Unsupported).because(why));
        }
        Ok(SystemSocket::with_mode_set(OwnedFd::from(file).into()))
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
            inherits: StreamOptions::new(),
        }
    }

    /// A connection that the system has just made for us, and that blocks.
    #[cfg(unix)]
    pub(super) fn accepted(fd: OwnedFd) -> SystemSocket {
        SystemSocket { sole: true, ..SystemSocket::with_mode_set(fd.into()) }
    }

    /// The same; the peer's address is known already and says which family it is of.
    #[cfg(unix)]
    pub(super) fn accepted_from(fd: OwnedFd, peer: &Address) -> SystemSocket {
        SystemSocket { ip: peer.ip().is_some(), ..SystemSocket::accepted(fd) }
    }

    /// A connection that a listener has accepted, with the options that its connections begin with.
    #[cfg(windows)]
    pub(super) fn accepted(socket: Socket, inherits: &StreamOptions) -> io::Result<SystemSocket> {
        apply((&socket).into(), inherits, true)?;
        SystemSocket::of(socket)
    }

    /// What connections of this listener begin with.
    #[cfg(windows)]
    pub(super) fn inherits(&self) -> &StreamOptions {
        &self.inherits
    }

    /// Whether it is an IP socket; the system is asked only if that is not known.
    #[cfg(unix)]
    pub(super) fn is_ip(&self) -> bool {
        self.ip || self.socket.local_addr().is_ok_and(|name| name.is_ipv4() || name.is_ipv6())
    }

    /// Whether no other descriptor of it exists, so that closing this one ends all notifications.
    #[cfg(unix)]
    pub(super) fn is_sole(&self) -> bool {
        self.sole
    }

    #[cfg(unix)]
    pub(super) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    #[cfg(windows)]
    pub(super) fn raw_socket(&self) -> windows_sys::Win32::Networking::WinSock::SOCKET {
        self.socket.as_raw_socket() as _
    }

    /// A view of it, for calls that do not go through a driver.
    pub(super) fn view(&self) -> SystemView {
        // SAFETY: the view is used only while the gate of its socket is open. The gate is shut
        // before the socket is closed: see `View`.
        SystemView(unsafe { os::borrow(&self.socket) })
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
        apply(SockRef::from(&socket), &StreamOptions::new(), family_of.ip().is_some()).map_err(failed)?;
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

    /// The system's socket, for the caller to close. The path of a listener is removed.
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

    /// Makes closing reset the connection. It fails only on a socket that is not connected any
    /// more.
    pub(crate) fn reset_on_close(&self) {
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }
}

fn set_options(socket: SockRef<'_>, options: &StreamOptions) -> Result<(), Error> {
    let failed = |error: io::Error| Error::io(Action::Option, &error);
    let tcp = os::is_tcp(&socket).map_err(failed)?;
    apply(socket, options, tcp).map_err(failed)
}

/// A socket of the operating system that someone else owns: see [`View`](super::view::View).
#[derive(Debug)]
pub(crate) struct SystemView(os::Borrowed);

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

    /// Receives into `len` bytes at `ptr` without waiting. `None` if it would have to wait.
    ///
    /// # Safety
    /// The memory may be written to, and nobody else uses it meanwhile.
    pub(super) unsafe fn recv_now(&self, ptr: *mut u8, len: usize) -> Result<Option<usize>, i32> {
        // SAFETY: as the caller says.
        unsafe { os::recv_now(&self.0, ptr, len) }
    }

    /// Sends `len` bytes at `ptr` without waiting; perhaps not all. `None` if it would have to
    /// wait.
    ///
    /// # Safety
    /// The memory is initialised, and nobody writes to it meanwhile.
    pub(super) unsafe fn send_now(&self, ptr: *const u8, len: usize) -> Result<Option<usize>, i32> {
        // SAFETY: as the caller says.
        unsafe { os::send_now(&self.0, ptr, len) }
    }
}

fn address_of(address: io::Result<SockAddr>) -> Result<Address, Error> {
    Ok(address_from(&address.map_err(|error| Error::io(Action::Option, &error))?))
}
