//! Accepting and connecting.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use socket2::{SockAddr, SockRef};

use crate::address::Address;

use super::super::op::{Failure, Outcome};
use super::super::{handle::Handle, socket::address_from};

/// How far a connect has come.
pub(super) enum Connecting {
    Done(Result<Outcome, Failure>),
    UnderWay,
    /// The listener's backlog is full. Only Unix sockets are told that.
    Later,
}

fn borrowed(fd: &RawFd) -> BorrowedFd<'_> {
    // SAFETY: operations come for sockets that are attached, and a socket is closed only after its
    // last operation has ended.
    unsafe { BorrowedFd::borrow_raw(*fd) }
}

fn code_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Makes calls on the socket wait or not. One call; `fcntl` would take two.
pub(super) fn set_nonblocking(fd: RawFd, nonblocking: bool) {
    let mut on = libc::c_int::from(nonblocking);
    // SAFETY: it reads the one number. It fails only if this is not a descriptor.
    unsafe { libc::ioctl(fd, libc::FIONBIO, &raw mut on) };
}

/// Takes one connection from the backlog. `Err` is the system's code.
pub(super) fn accept(fd: RawFd) -> Result<(Handle, Address), i32> {
    let fd = borrowed(&fd);
    // On Linux one call, which sets close-on-exec and tells the peer's address.
    let (socket, peer) = SockRef::from(&fd).accept().map_err(|error| code_of(&error))?;
    let peer = address_from(&peer);
    Ok((Handle::accepted_from(socket.into(), &peer), peer))
}

/// Begins to connect.
pub(super) fn connect(fd: RawFd, address: &SockAddr) -> Connecting {
    let fd = borrowed(&fd);
    match SockRef::from(&fd).connect(address) {
        Ok(()) => Connecting::Done(Ok(Outcome::Connected)),
        Err(error) => match code_of(&error) {
            libc::EINPROGRESS | libc::EINTR => Connecting::UnderWay,
            libc::EAGAIN => Connecting::Later,
            code => Connecting::Done(Err(Failure::Code(code))),
        },
    }
}

/// The socket has become ready: has it connected?
///
/// On Linux only another `connect` says so and takes the socket out of its attempt: after a failure
/// it is as it was before, and after a success the next one is refused.
#[cfg(target_os = "linux")]
pub(super) fn go_on(fd: RawFd, address: &SockAddr) -> Connecting {
    match connect(fd, address) {
        Connecting::Done(Err(Failure::Code(libc::EALREADY))) => Connecting::UnderWay,
        connecting => connecting,
    }
}

/// The socket has become ready: has it connected?
#[cfg(not(target_os = "linux"))]
pub(super) fn go_on(fd: RawFd, _: &SockAddr) -> Connecting {
    let fd = borrowed(&fd);
    let socket = SockRef::from(&fd);
    match socket.take_error() {
        Ok(None) => {}
        Ok(Some(error)) | Err(error) => return Connecting::Done(Err(Failure::Code(code_of(&error)))),
    }
    match socket.peer_addr() {
        Ok(_) => Connecting::Done(Ok(Outcome::Connected)),
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => Connecting::UnderWay,
        Err(error) => Connecting::Done(Err(Failure::Code(code_of(&error)))),
    }
}

/// Ends an attempt to connect.
#[cfg(target_os = "linux")]
pub(super) fn disconnect(handle: &Handle) {
    super::super::socket::unix::disconnect(&handle.system().socket);
}

/// Only Linux can do that to a socket: elsewhere a new one takes its place.
#[cfg(not(target_os = "linux"))]
pub(super) fn disconnect(_: &Handle) {}

/// The address that it is bound to: the unspecified one if it is not.
pub(super) fn local_addr(fd: RawFd) -> Option<SockAddr> {
    let fd = borrowed(&fd);
    SockRef::from(&fd).local_addr().ok()
}
