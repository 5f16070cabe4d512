//! Sockets of the operating system, and their options. What differs between systems is in a file
//! for each of them.

mod apply;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
pub(super) mod windows;

use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, AsSocket};
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::flags::Role;
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};

use super::bound_path::{self, BoundPath};
use super::descriptor::Descriptor;
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
use windows as os;

/// A socket of the operating system. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct SystemSocket {
    socket: Socket,
    /// The file that a Unix listener is bound to. It is removed with the last descriptor of it
    /// here.
    bound: Option<BoundPath>,
    role: Role,
    /// It is a second descriptor of a socket that a driver has. Whether that blocks is the driver's
    /// affair.
    shared: bool,
    /// It is known to be an IP socket. `false` only means that this is not known.
    #[cfg(unix)]
    ip: bool,
    /// The system made it for us, and nobody can have made a second descriptor of it.
    #[cfg(unix)]
    sole: AtomicBool,
    /// What a listener's connections begin with: Windows does not hand all of it down. `None`
    /// leaves it to Windows.
    #[cfg(windows)]
    inherits: Option<Box<StreamOptions>>,
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
    pub(super) fn taken_over(socket: Socket, role: Role) -> SystemSocket {
        // It fails only if this is not a socket. Everything that is done to it later fails too
        // then.
        let _ = os::set_mode(&socket);
        SystemSocket { role, ..SystemSocket::with_mode_set(socket) }
    }

    /// Another descriptor of it.
    pub(super) fn duplicate(&self) -> Result<SystemSocket, Error> {
        let socket = duplicate(&self.socket)?;
        #[cfg(unix)]
        self.sole.store(false, Ordering::Relaxed);
        Ok(SystemSocket { role: self.role, ..SystemSocket::shared(socket, self.bound.clone()) })
    }

    fn shared(socket: Socket, bound: Option<BoundPath>) -> SystemSocket {
        SystemSocket { bound, shared: true, ..SystemSocket::with_mode_set(socket) }
    }

    /// A second descriptor, after the driver has given the first one up.
    pub(super) fn alone(self) -> SystemSocket {
        // The first may have been a listener that did not block.
        let _ = os::set_mode(&self.socket);
        SystemSocket { shared: false, ..self }
    }

    fn with_mode_set(socket: Socket) -> SystemSocket {
        SystemSocket {
            socket,
            bound: None,
            role: Role::Stream,
            shared: false,
            #[cfg(unix)]
            ip: false,
            #[cfg(unix)]
            sole: AtomicBool::new(false),
            #[cfg(windows)]
            inherits: None,
        }
    }

    /// A connection that the system has just made for us, and that blocks.
    #[cfg(unix)]
    pub(super) fn accepted(fd: OwnedFd) -> SystemSocket {
        SystemSocket { sole: AtomicBool::new(true), ..SystemSocket::with_mode_set(fd.into()) }
    }

    /// The same; the peer's address is known already and says which family it is of.
    #[cfg(unix)]
    pub(super) fn accepted_from(fd: OwnedFd, peer: &Address) -> SystemSocket {
        SystemSocket { ip: peer.ip().is_some(), ..SystemSocket::accepted(fd) }
    }

    /// A connection that a listener has accepted, with the options that its connections begin with.
    #[cfg(windows)]
    pub(super) fn accepted(socket: Socket, inherits: Option<&StreamOptions>) -> Result<SystemSocket, Error> {
        inherits.map_or(Ok(()), |inherits| apply::to_stream(&socket, inherits, true))?;
        SystemSocket::of(socket).map_err(|error| Error::io(Action::Accept, &error))
    }

    /// What connections of this listener begin with.
    #[cfg(windows)]
    pub(super) fn inherits(&self) -> Option<&StreamOptions> {
        self.inherits.as_deref()
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Whether it is an IP socket; the system is asked only if that is not known.
    #[cfg(unix)]
    pub(super) fn is_ip(&self) -> bool {
        self.ip || self.socket.local_addr().is_ok_and(|name| name.is_ipv4() || name.is_ipv6())
    }

    /// Whether no other descriptor of it exists, so that closing this one ends all notifications.
    #[cfg(unix)]
    pub(super) fn is_sole(&self) -> bool {
        self.sole.load(Ordering::Relaxed)
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
        // A view can be asked for another descriptor, of which the driver is not told.
        #[cfg(unix)]
        self.sole.store(false, Ordering::Relaxed);
        // SAFETY: the view is used only while the gate of its socket is open. The gate is shut
        // before the socket is closed: see `View`.
        let socket = unsafe { os::borrow(&self.socket) };
        SystemView { socket, bound: self.bound.clone(), role: self.role }
    }

    pub(super) fn descriptor(&self) -> Descriptor<'_> {
        // Another can be made of it.
        #[cfg(unix)]
        self.sole.store(false, Ordering::Relaxed);
        #[cfg(unix)]
        return self.socket.as_fd();
        #[cfg(windows)]
        return self.socket.as_socket();
    }

    pub(crate) fn listen(address: &Address, options: &ListenOptions) -> Result<SystemSocket, Error> {
        let at = |action| move |error: io::Error| Error::io(action, &error).at(address);
        let bound = bound_path::prepare(address)?;
        let name = sock_addr(address).map_err(at(Action::Bind))?;
        let socket = new_socket(address, Type::STREAM).map_err(at(Action::Socket))?;
        if let Address::Ip(ip) = address {
            apply::to_listener(&socket, options, ip.is_ipv6())?;
            os::claim_address(&socket).map_err(at(Action::Option))?;
        }
        apply::to_stream(&socket, &options.stream, address.ip().is_some())?;
        socket.bind(&name).map_err(at(Action::Bind))?;
        let bound = bound.map(BoundPath::made);
        socket.listen(options.backlog).map_err(at(Action::Listen))?;
        let mut handle = SystemSocket::of(socket).map_err(at(Action::Option))?;
        (handle.bound, handle.role) = (bound, Role::Listener);
        #[cfg(windows)]
        {
            handle.inherits = Some(Box::new(options.stream.clone()));
        }
        Ok(handle)
    }

    pub(crate) fn stream(family_of: &Address) -> Result<SystemSocket, Error> {
        let failed = |error: io::Error| Error::io(Action::Socket, &error);
        let socket = new_socket(family_of, Type::STREAM).map_err(failed)?;
        apply::to_stream(&socket, &StreamOptions::new(), family_of.ip().is_some())?;
        SystemSocket::of(socket).map_err(failed)
    }

    pub(crate) fn datagram(address: &Address, options: &DatagramOptions) -> Result<SystemSocket, Error> {
        let at = |action| move |error: io::Error| Error::io(action, &error).at(address);
        if address.ip().is_none() {
            let why = "datagrams are sent between IP addresses";
            return Err(Error::new(Action::Socket, ErrorKind::Unsupported).at(address).because(why));
        }
        let socket = new_socket(address, Type::DGRAM).map_err(at(Action::Socket))?;
        apply::to_unbound_datagram(&socket, options)?;
        let name = sock_addr(address).map_err(at(Action::Bind))?;
        socket.bind(&name).map_err(at(Action::Bind))?;
        apply::to_datagram(&socket, options)?;
        let handle = SystemSocket::of(socket).map_err(at(Action::Option))?;
        Ok(SystemSocket { role: Role::Datagram, ..handle })
    }

    /// The system's socket.
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The system's socket, for the caller to close. The path of a listener is removed.
    #[cfg(target_os = "linux")]
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// The system's socket, for the standard library: it blocks, unless a driver has it as well.
    /// The path of a listener is left where it is.
    pub(super) fn into_std(self) -> Result<Socket, Error> {
        if !self.shared {
            self.socket.set_nonblocking(false).map_err(|error| Error::io(Action::Option, &error))?;
        }
        if let Some(bound) = self.bound {
            bound.leave();
        }
        Ok(self.socket)
    }

    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        address_of(os::local_addr(&self.socket))
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        address_of(self.socket.peer_addr())
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        set_options(&self.socket, options)
    }

    pub(crate) fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        apply::to_datagram(&self.socket, options)
    }

    pub(crate) fn bind(&self, address: &Address) -> Result<(), Error> {
        bind(&self.socket, address)
    }

    /// Makes closing reset the connection. It fails only on a socket that is not connected any
    /// more.
    pub(crate) fn reset_on_close(&self) {
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }
}

fn set_options(socket: &Socket, options: &StreamOptions) -> Result<(), Error> {
    let tcp = os::is_tcp(socket).map_err(|error| Error::io(Action::Option, &error))?;
    apply::to_unbound(socket, options)?;
    apply::to_stream(socket, options, tcp)
}

fn bind(socket: &Socket, address: &Address) -> Result<(), Error> {
    let bound = sock_addr(address).and_then(|name| socket.bind(&name));
    bound.map_err(|error| Error::io(Action::Bind, &error).at(address))
}

fn duplicate(socket: &Socket) -> Result<Socket, Error> {
    socket.try_clone().map_err(|error| Error::io(Action::Socket, &error))
}

/// A socket of the operating system that someone else owns: see [`View`](super::view::View).
#[derive(Debug)]
pub(crate) struct SystemView {
    socket: os::Borrowed,
    bound: Option<BoundPath>,
    role: Role,
}

impl SystemView {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }

    pub(super) fn descriptor(&self) -> Descriptor<'_> {
        self.socket
    }

    /// Another descriptor of it.
    pub(super) fn duplicate(&self) -> Result<SystemSocket, Error> {
        let shared = SystemSocket::shared(duplicate(&self.socket())?, self.bound.clone());
        Ok(SystemSocket { role: self.role, ..shared })
    }

    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        address_of(os::local_addr(&self.socket()))
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        address_of(self.socket().peer_addr())
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        set_options(&self.socket(), options)
    }

    pub(crate) fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        apply::to_datagram(&self.socket(), options)
    }

    pub(crate) fn bind(&self, address: &Address) -> Result<(), Error> {
        bind(&self.socket(), address)
    }

    /// Receives into `len` bytes at `ptr` without waiting. `None` if it would have to wait.
    ///
    /// # Safety
    /// The memory may be written to, and nobody else uses it meanwhile.
    pub(super) unsafe fn recv_now(&self, ptr: *mut u8, len: usize) -> Result<Option<usize>, i32> {
        // SAFETY: as the caller says.
        unsafe { os::recv_now(&self.socket, ptr, len) }
    }

    /// Sends `len` bytes at `ptr` without waiting; perhaps not all. `None` if it would have to
    /// wait.
    ///
    /// # Safety
    /// The memory is initialised, and nobody writes to it meanwhile.
    pub(super) unsafe fn send_now(&self, ptr: *const u8, len: usize) -> Result<Option<usize>, i32> {
        // SAFETY: as the caller says.
        unsafe { os::send_now(&self.socket, ptr, len) }
    }
}

fn address_of(address: io::Result<SockAddr>) -> Result<Address, Error> {
    Ok(address_from(&address.map_err(|error| Error::io(Action::Option, &error))?))
}
