//! Sockets of the operating system, and their options. What differs between systems is in a file
//! for each of them.

mod apply;
mod facts;
mod linger;
mod sharing;
#[cfg(unix)]
pub(super) mod unix;
#[cfg(windows)]
pub(super) mod windows;

use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, AsSocket};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::address::Address;
use crate::error::{Action, Error, ErrorKind};
use crate::flags::Role;
use crate::options::check::Target;
use crate::options::{DatagramOptions, ListenOptions, StreamOptions};

use super::bound_path::{self, BoundPath};
use super::datagrams::{self, DatagramTo};
use super::descriptor::Descriptor;
use facts::Mark;
use linger::Closing;
use sharing::Sharing;
#[cfg(unix)]
use unix as os;
#[cfg(windows)]
use windows as os;

/// A socket of the operating system. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct SystemSocket {
    pub(super) socket: Closing,
    /// What a listener's connections begin with: Windows does not hand all of it down. `None`
    /// leaves it to Windows.
    #[cfg(windows)]
    pub(super) inherits: Option<Box<StreamOptions>>,
}

// Each connection of a server is one.
#[cfg(all(unix, target_pointer_width = "64"))]
const _: () = assert!(size_of::<SystemSocket>() == 16);

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
        let taken = SystemSocket::with_mode_set(socket).of_role(role);
        taken.lent();
        taken
    }

    /// A socket that this process was started with. Whether it blocks is not changed: another
    /// process may be using it.
    #[cfg(unix)]
    pub(super) fn inherited(socket: Socket, role: Role) -> SystemSocket {
        let inherited = SystemSocket::with_mode_set(socket).of_role(role);
        inherited.lent();
        inherited
    }

    /// Whether calls on a socket wait.
    #[cfg(unix)]
    pub(super) fn is_blocking(descriptor: Descriptor<'_>) -> Result<bool, Error> {
        let nonblocking = SockRef::from(&descriptor).nonblocking();
        nonblocking.map(|nonblocking| !nonblocking).map_err(|error| Error::io(Action::Option, &error))
    }

    #[cfg(unix)]
    pub(super) fn set_blocking(descriptor: Descriptor<'_>, blocking: bool) -> Result<(), Error> {
        let set = SockRef::from(&descriptor).set_nonblocking(!blocking);
        set.map_err(|error| Error::io(Action::Option, &error))
    }

    /// Whether the path of a listener is removed with its last descriptor here.
    #[cfg(unix)]
    pub(super) fn owns_path(&self) -> bool {
        self.socket.sharing.as_ref().is_some_and(|sharing| sharing.owns_path())
    }

    /// The path of a listener is removed with its last descriptor here from now on.
    #[cfg(unix)]
    pub(super) fn own_path(mut self) -> SystemSocket {
        if let Some(free) = self.view().local_addr().ok().as_ref().and_then(bound_path::of) {
            self.socket.sharing = Some(Arc::new(Sharing::new(BoundPath::made(free))));
        }
        self
    }

    #[cfg(unix)]
    pub(super) fn leave_path(&self) {
        if let Some(sharing) = &self.socket.sharing {
            sharing.leave_path();
        }
    }

    #[cfg(unix)]
    pub(super) fn reclaim_path(&self) {
        if let Some(sharing) = &self.socket.sharing {
            sharing.reclaim_path();
        }
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
        Ok(SystemSocket::with_mode_set(OwnedFd::from(file).into()).of_role(Role::Watched))
    }

    /// Another descriptor of it.
    pub(super) fn duplicate(&self) -> Result<SystemSocket, Error> {
        self.lent();
        self.view().duplicate()
    }

    /// A second descriptor, after the driver has given the first one up.
    pub(super) fn alone(self) -> SystemSocket {
        // The first may have been a listener that did not block.
        let _ = os::set_mode(&self.socket);
        self.marked(Mark::Shared, false)
    }

    fn with_mode_set(socket: Socket) -> SystemSocket {
        SystemSocket::with_sharing(socket, None)
    }

    fn with_sharing(socket: Socket, sharing: Option<Arc<Sharing>>) -> SystemSocket {
        SystemSocket {
            socket: Closing::new(socket, sharing),
            #[cfg(windows)]
            inherits: None,
        }
    }

    fn of_role(mut self, role: Role) -> SystemSocket {
        self.socket.facts.role = role;
        self
    }

    fn marked(mut self, mark: Mark, has: bool) -> SystemSocket {
        self.socket.facts.set(mark, has);
        self
    }

    pub(super) fn role(&self) -> Role {
        self.socket.facts.role
    }

    /// It has, or had, a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.socket.facts.has(Mark::Connected)
    }

    pub(super) fn set_connected(&mut self, connected: bool) {
        self.socket.facts.set(Mark::Connected, connected);
    }

    /// A connection that the system has just made for us, and that blocks.
    #[cfg(unix)]
    pub(super) fn accepted(fd: OwnedFd) -> SystemSocket {
        SystemSocket::with_mode_set(fd.into()).marked(Mark::Ours, true)
    }

    /// The same; the peer's address is known already and says which family it is of.
    #[cfg(unix)]
    pub(super) fn accepted_from(fd: OwnedFd, peer: &Address) -> SystemSocket {
        SystemSocket::accepted(fd).marked(Mark::Ip, peer.ip().is_some())
    }

    /// A connection that a listener has accepted, with the options that its connections begin with.
    #[cfg(windows)]
    pub(super) fn accepted(socket: Socket, inherits: Option<&StreamOptions>) -> io::Result<SystemSocket> {
        // It fails if the peer has reset the connection. There may be bytes to receive even so.
        let _ = inherits.map(|inherits| apply::to_stream(&socket, inherits, Target::Tcp));
        SystemSocket::of(socket)
    }

    /// Whether it is an IP socket; the system is asked only if that is not known.
    #[cfg(unix)]
    pub(super) fn is_ip(&self) -> bool {
        self.socket.facts.has(Mark::Ip) || self.socket.local_addr().is_ok_and(|name| name.is_ipv4() || name.is_ipv6())
    }

    /// Whether no other descriptor of it can exist, so that closing this one ends all
    /// notifications.
    #[cfg(unix)]
    pub(super) fn is_sole(&self) -> bool {
        self.socket.facts.has(Mark::Ours) && !self.is_lent()
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
        // SAFETY: the view is used only while its socket is borrowed, or while the gate of its
        // socket is open. The gate is shut before the socket is closed: see `View`.
        let socket = unsafe { os::borrow(&self.socket) };
        SystemView { socket, sharing: self.socket.sharing.clone(), role: self.role() }
    }

    /// A view that is kept, and that tells the socket when it is lent.
    pub(super) fn kept_view(&mut self) -> SystemView {
        self.socket.sharing.get_or_insert_default();
        self.view()
    }

    pub(super) fn descriptor(&self) -> Descriptor<'_> {
        #[cfg(unix)]
        return self.socket.as_fd();
        #[cfg(windows)]
        return self.socket.as_socket();
    }

    pub(crate) fn listen(address: &Address, options: &ListenOptions) -> Result<SystemSocket, Error> {
        let at = |action| move |error: io::Error| Error::io(action, &error).at_given(address);
        Error::check_address(Action::Bind, address)?;
        let target = if address.ip().is_some() { Target::Tcp } else { Target::UnixSocket };
        // Before anything is done to the path.
        options.check(target).map_err(|error| error.at(address))?;
        let bound = bound_path::prepare(address)?;
        let name = sock_addr(address).map_err(at(Action::Bind))?;
        let socket = new_socket(address, Type::STREAM).map_err(at(Action::Socket))?;
        apply::to_listener(&socket, options, address).map_err(|error| error.at(address))?;
        apply::to_stream(&socket, &options.stream, target).map_err(|error| error.at(address))?;
        socket.bind(&name).map_err(at(Action::Bind))?;
        let sharing = bound.map(|bound| Arc::new(Sharing::new(BoundPath::made(bound))));
        socket.listen(options.backlog).map_err(at(Action::Listen))?;
        os::set_mode(&socket).map_err(at(Action::Option))?;
        let listener = SystemSocket::with_sharing(socket, sharing).of_role(Role::Listener);
        #[cfg(windows)]
        let listener = SystemSocket { inherits: Some(Box::new(options.stream.clone())), ..listener };
        // Its connections begin with its linger.
        if options.stream.linger.is_some() {
            listener.lent();
        }
        Ok(listener)
    }

    pub(crate) fn stream(family_of: &Address) -> Result<SystemSocket, Error> {
        let failed = |error: io::Error| Error::io(Action::Socket, &error);
        let socket = new_socket(family_of, Type::STREAM).map_err(failed)?;
        let target = if family_of.ip().is_some() { Target::Tcp } else { Target::UnixSocket };
        apply::to_stream(&socket, &StreamOptions::new(), target)?;
        let handle = SystemSocket::of(socket).map_err(failed)?;
        Ok(handle.marked(Mark::Connected, false))
    }

    pub(crate) fn datagram(address: &Address, options: &DatagramOptions) -> Result<SystemSocket, Error> {
        let at = |action| move |error: io::Error| Error::io(action, &error).at_given(address);
        if address.ip().is_none() {
            let why = "datagrams are sent between IP addresses";
            return Err(Error::new(Action::Socket, ErrorKind::Unsupported).at(address).because(why));
        }
        let socket = new_socket(address, Type::DGRAM).map_err(at(Action::Socket))?;
        apply::to_unbound_datagrams(&socket, options).map_err(|error| error.at(address))?;
        let name = sock_addr(address).map_err(at(Action::Bind))?;
        socket.bind(&name).map_err(at(Action::Bind))?;
        apply::to_datagrams(&socket, options).map_err(|error| error.at(address))?;
        let handle = SystemSocket::of(socket).map_err(at(Action::Option))?;
        Ok(handle.of_role(Role::Datagram))
    }

    pub(super) fn send_datagrams(&self, batch: &[DatagramTo<'_>]) -> Result<usize, i32> {
        #[cfg(unix)]
        let socket = self.socket.as_raw_fd();
        #[cfg(windows)]
        let socket = self.socket.as_raw_socket();
        match datagrams::send(socket, batch) {
            Err(code) if datagrams::would_wait(code) => Ok(0),
            result => result,
        }
    }

    /// Others have the socket too from here on, and may set its options.
    pub(super) fn lent(&self) {
        self.socket.lent();
    }

    /// Whether others have, or have had, the socket.
    pub(super) fn is_lent(&self) -> bool {
        self.socket.is_lent()
    }

    /// The system's socket, for the standard library: it blocks, unless a driver has it as well.
    /// The path of a listener is left where it is.
    pub(super) fn into_std(self) -> Result<Socket, Error> {
        if !self.socket.facts.has(Mark::Shared) {
            self.socket.set_nonblocking(false).map_err(|error| Error::io(Action::Option, &error))?;
        }
        if let Some(sharing) = &self.socket.sharing {
            sharing.leave_path();
        }
        Ok(self.socket.into_inner())
    }

    /// Sees to it that closing it does not wait, for a caller that does not drop it.
    #[cfg(target_os = "linux")]
    pub(super) fn hasten_close(&self) {
        self.socket.hasten();
    }

    /// Whether a client is in this listener's backlog.
    pub(super) fn has_client(&self) -> bool {
        os::has_client(&self.socket)
    }

    /// The peer of a connection that has just been accepted. It may have gone by now.
    #[cfg(target_os = "linux")]
    pub(super) fn accepted_peer(&self) -> Address {
        let peer = self.socket.peer_addr().or_else(|_| os::peer_that_has_gone(&self.socket));
        peer.map_or(Address::Unnamed, |peer| address_from(&peer))
    }

    /// Bytes that have arrived and that nothing has received, if the system says.
    pub(crate) fn unread(&self) -> Option<usize> {
        os::unread(&self.socket)
    }

    /// Bytes that were sent and that the peer has not confirmed, if the system says.
    pub(crate) fn unsent(&self) -> Option<usize> {
        os::unsent(&self.socket)
    }

    /// Makes closing reset the connection. It fails only on a socket that is not connected any
    /// more.
    pub(crate) fn reset_on_close(&self) {
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }
}

/// A socket of the operating system that someone else owns: see [`View`](super::view::View).
#[derive(Debug)]
pub(crate) struct SystemView {
    socket: os::Borrowed,
    sharing: Option<Arc<Sharing>>,
    pub(super) role: Role,
}

impl SystemView {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }

    /// Others have the socket too from here on, and may set its options.
    pub(crate) fn lent(&self) {
        if let Some(sharing) = &self.sharing {
            sharing.lend();
        }
    }

    /// It is about to be closed, which is not to wait.
    pub(crate) fn hasten_close(&self) {
        if self.sharing.as_ref().is_some_and(|sharing| sharing.is_lent()) {
            linger::hasten(&self.socket());
        }
    }

    pub(super) fn descriptor(&self) -> Descriptor<'_> {
        self.socket
    }

    /// Another descriptor of it.
    pub(super) fn duplicate(&self) -> Result<SystemSocket, Error> {
        let socket = self.socket().try_clone().map_err(|error| Error::io(Action::Socket, &error))?;
        self.lent();
        let connected = self.role != Role::Stream || socket.peer_addr().is_ok();
        let duplicate = SystemSocket::with_sharing(socket, self.sharing.clone());
        duplicate.lent();
        Ok(duplicate.of_role(self.role).marked(Mark::Shared, true).marked(Mark::Connected, connected))
    }

    pub(crate) fn local_addr(&self) -> Result<Address, Error> {
        address_of(os::local_addr(&self.socket()), OWN)
    }

    pub(crate) fn peer_addr(&self) -> Result<Address, Error> {
        address_of(self.socket().peer_addr(), PEERS)
    }

    pub(crate) fn set_options(&self, options: &StreamOptions) -> Result<(), Error> {
        let socket = self.socket();
        let target = os::target(&socket).map_err(|error| Error::io(Action::Option, &error))?;
        options.check(target)?;
        if options.linger.is_some() {
            self.lent();
        }
        apply::to_unbound(&socket, options)?;
        apply::to_stream(&socket, options, target)
    }

    pub(crate) fn set_datagram_options(&self, options: &DatagramOptions) -> Result<(), Error> {
        apply::to_datagrams(&self.socket(), options)
    }

    pub(crate) fn bind(&self, address: &Address) -> Result<(), Error> {
        Error::check_address(Action::Bind, address)?;
        let bound = sock_addr(address).and_then(|name| self.socket().bind(&name));
        bound.map_err(|error| Error::io(Action::Bind, &error).at_given(address))
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

/// Which address was asked for.
const OWN: &str = "it was asked for its address";
const PEERS: &str = "it was asked for the address of its peer";

fn address_of(address: io::Result<SockAddr>, asked: &str) -> Result<Address, Error> {
    Ok(address_from(&address.map_err(|error| Error::io(Action::Option, &error).because(asked))?))
}
