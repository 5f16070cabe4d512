//! Sockets of Unix systems.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::{Domain, SockAddr, Socket, Type};

use super::super::bare;
use crate::address::Address;
use crate::options::check::Target;

/// A socket that someone else owns.
pub(super) type Borrowed = BorrowedFd<'static>;

pub(super) fn new_unix_socket(kind: Type) -> io::Result<Socket> {
    Socket::new(Domain::UNIX, kind, None)
}

/// A count that the system keeps of a socket.
fn count(socket: &Socket, request: libc::c_ulong) -> Option<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: the system writes one `int`, and there is room for it.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut count) };
    if result == 0 { usize::try_from(count).ok() } else { None }
}

/// Bytes that have arrived and that nothing has received.
pub(super) fn unread(socket: &Socket) -> Option<usize> {
    count(socket, libc::FIONREAD)
}

/// Bytes that were sent and that the peer has not confirmed.
#[cfg(target_os = "linux")]
pub(super) fn unsent(socket: &Socket) -> Option<usize> {
    count(socket, libc::TIOCOUTQ)
}

/// The same: `FIONWRITE` of FreeBSD, which `libc` does not have.
#[cfg(target_os = "freebsd")]
pub(super) fn unsent(socket: &Socket) -> Option<usize> {
    count(socket, 0x4004_6677)
}

/// The same, which is an option here.
#[cfg(target_vendor = "apple")]
pub(super) fn unsent(socket: &Socket) -> Option<usize> {
    let (mut count, mut len) = (0 as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
    let (level, name) = (libc::SOL_SOCKET, libc::SO_NWRITE);
    // SAFETY: the system writes at most `len` bytes, and there is room for so many.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut count).cast(), &raw mut len) };
    if result == 0 { usize::try_from(count).ok() } else { None }
}

/// Other systems do not say.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple")))]
pub(super) fn unsent(_: &Socket) -> Option<usize> {
    None
}

/// An address that is not an IP address.
pub(super) fn unix_address(address: &SockAddr) -> Address {
    match address.as_pathname() {
        Some(path) => Address::Unix(path.to_owned()),
        None => Address::Unnamed,
    }
}

pub(super) fn local_addr(socket: &Socket) -> io::Result<SockAddr> {
    socket.local_addr()
}

/// What a socket's options are set on.
pub(super) fn target(socket: &Socket) -> io::Result<Target> {
    Ok(match socket.local_addr()?.as_socket() {
        None => Target::UnixSocket,
        Some(_) if socket.r#type()? == Type::DGRAM => Target::Datagrams,
        Some(_) => Target::Tcp,
    })
}

/// Makes it block. `io_uring_enter(2)` allows a kernel to report EAGAIN of a non-blocking socket
/// instead of waiting for it. Linux 6.18 waits all the same, but a receive that is retried for ever
/// is not a risk to take.
pub(super) fn set_mode(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(false)
}

/// What `connect` with no family's address does on Linux: the socket is as before its connect. An
/// attempt in the kernel ends, and a connection that it has led to is reset.
#[cfg(target_os = "linux")]
pub(in super::super) static NO_ADDRESS: libc::sockaddr =
    libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };

/// Ends an attempt to connect: see [`NO_ADDRESS`].
#[cfg(target_os = "linux")]
pub(in super::super) fn disconnect(socket: &Socket) {
    // SAFETY: it reads the address, which has this size. It fails on a Unix socket, which has no
    // attempt that goes on in the kernel.
    unsafe { libc::connect(socket.as_raw_fd(), &raw const NO_ADDRESS, size_of_val(&NO_ADDRESS) as libc::socklen_t) };
    // The kernel leaves a reset for the next call to report.
    let _ = socket.take_error();
}

/// Whether a client is in a listener's backlog. If that cannot be found out, one may be.
pub(super) fn has_client(listener: &Socket) -> bool {
    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: it writes the one structure that it is given, and does not wait.
    unsafe { libc::poll(&raw mut poll, 1, 0) != 0 }
}

/// The address of a peer that has reset its connection, which `getpeername` does not tell.
#[cfg(target_os = "linux")]
pub(super) fn peer_that_has_gone(socket: &Socket) -> io::Result<SockAddr> {
    // The kernel wants to know the length of the address. Both ends are of one family.
    let known = socket.local_addr()?.len();
    // SAFETY: it writes at most as many bytes as there is room for, and says how many.
    let ((), peer) = unsafe {
        SockAddr::try_init(|address, len| {
            *len = known.min(*len);
            match libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERNAME, address.cast(), len) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        })?
    };
    Ok(peer)
}

/// A view of a socket that someone else owns.
///
/// # Safety
/// The socket is not closed while the view is used.
pub(super) unsafe fn borrow(socket: &Socket) -> Borrowed {
    // SAFETY: as the caller says.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}

/// Receives into `len` bytes at `ptr` without waiting. `None` if it would have to wait.
///
/// # Safety
/// The memory may be written to, and nobody else uses it meanwhile.
pub(super) unsafe fn recv_now(socket: &Borrowed, ptr: *mut u8, len: usize) -> Result<Option<usize>, i32> {
    // SAFETY: as the caller says.
    moved(unsafe { bare::recv(socket.as_raw_fd(), ptr.cast(), len, 0) })
}

/// Sends `len` bytes at `ptr` without waiting; perhaps not all. `None` if it would have to wait.
///
/// # Safety
/// The memory is initialised, and nobody writes to it meanwhile.
pub(super) unsafe fn send_now(socket: &Borrowed, ptr: *const u8, len: usize) -> Result<Option<usize>, i32> {
    // SAFETY: as the caller says.
    moved(unsafe { bare::send(socket.as_raw_fd(), ptr.cast(), len, libc::MSG_NOSIGNAL) })
}

fn moved(result: isize) -> Result<Option<usize>, i32> {
    if let Ok(bytes) = usize::try_from(result) {
        return Ok(Some(bytes));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
        _ => Err(error.raw_os_error().unwrap_or_default()),
    }
}
