//! Sockets of Unix systems.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::Address;

/// A socket that someone else owns.
pub(super) type Borrowed = BorrowedFd<'static>;

pub(super) fn new_unix_socket(kind: Type) -> io::Result<Socket> {
    Socket::new(Domain::UNIX, kind, None)
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

/// Whether a stream is a TCP connection and not a Unix socket.
pub(super) fn is_tcp(stream: &Socket) -> io::Result<bool> {
    Ok(stream.local_addr()?.as_socket().is_some())
}

/// Makes it block. `io_uring_enter(2)` allows a kernel to report EAGAIN of a non-blocking socket
/// instead of waiting for it. Linux 6.18 waits all the same, but a receive that is retried for ever
/// is not a risk to take.
pub(super) fn set_mode(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(false)
}

/// Lets a restarted server bind while old connections are still in TIME_WAIT. (It does not let two
/// listeners share a port.)
pub(super) fn claim_address(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
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
    moved(unsafe { libc::recv(socket.as_raw_fd(), ptr.cast(), len, libc::MSG_DONTWAIT) })
}

/// Sends `len` bytes at `ptr` without waiting; perhaps not all. `None` if it would have to wait.
///
/// # Safety
/// The memory is initialised, and nobody writes to it meanwhile.
pub(super) unsafe fn send_now(socket: &Borrowed, ptr: *const u8, len: usize) -> Result<Option<usize>, i32> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: as the caller says.
    moved(unsafe { libc::send(socket.as_raw_fd(), ptr.cast(), len, flags) })
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
