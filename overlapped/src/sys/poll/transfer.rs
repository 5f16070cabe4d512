//! The system calls that move bytes. None of them waits, whatever mode the socket is in, so a
//! connection can be taken over and given away as it is.

use std::io;
use std::os::fd::RawFd;

use super::super::{bare, message::Message};
use super::sockets::Part;

/// On macOS a socket option does this. `socket2` and the standard library set it on the sockets
/// that they make.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: i32 = 0;

/// With this, Linux throws bytes of a TCP connection away without a copy.
#[cfg(target_os = "linux")]
const NO_COPY: i32 = libc::MSG_TRUNC;
#[cfg(not(target_os = "linux"))]
const NO_COPY: i32 = 0;

/// How many bytes were moved, or the system's code.
pub(super) type Moved = Result<usize, i32>;

fn moved(result: isize) -> Moved {
    usize::try_from(result).map_err(|_| last_code())
}

fn last_code() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Whether the call would have had to wait. (`EWOULDBLOCK` is the same number on all these
/// systems.)
pub(super) fn would_wait(code: i32) -> bool {
    code == libc::EAGAIN
}

/// Whether a descriptor is ready for what is wanted (`POLLIN`, `POLLOUT`), or at its end or dead.
pub(super) fn is_ready(fd: RawFd, wanted: i16) -> Result<bool, i32> {
    let mut asked = libc::pollfd { fd, events: wanted, revents: 0 };
    // SAFETY: it is one `pollfd`, and the call does not wait.
    match unsafe { libc::poll(&raw mut asked, 1, 0) } {
        -1 => Err(last_code()),
        _ => Ok(asked.revents != 0),
    }
}

/// # Safety
/// The part may be written to, and nobody else uses it meanwhile.
pub(super) unsafe fn recv(fd: RawFd, part: Part, flags: i32) -> Moved {
    // SAFETY: as the caller says.
    moved(unsafe { bare::recv(fd, part.ptr.cast(), part.len, flags) })
}

/// # Safety
/// The part is initialised memory to which nobody writes meanwhile.
pub(super) unsafe fn send(fd: RawFd, part: Part, flags: i32) -> Moved {
    // SAFETY: as the caller says.
    moved(unsafe { bare::send(fd, part.ptr.cast(), part.len, flags | NO_SIGNAL) })
}

/// # Safety
/// As for `recv`, of all parts that the message names.
pub(super) unsafe fn recv_message(fd: RawFd, message: &mut Message, flags: i32) -> Moved {
    // SAFETY: as the caller says; a name, if there is one, is the message's own.
    moved(unsafe { libc::recvmsg(fd, &raw mut message.header, flags | libc::MSG_DONTWAIT) })
}

/// # Safety
/// As for `send`, of all parts that the message names.
pub(super) unsafe fn send_message(fd: RawFd, message: &Message, flags: i32) -> Moved {
    // SAFETY: as the caller says; a name, if there is one, is the message's own.
    moved(unsafe { libc::sendmsg(fd, &raw const message.header, flags | libc::MSG_DONTWAIT | NO_SIGNAL) })
}

/// Receives into `scratch`, which nothing reads.
pub(super) fn discard(fd: RawFd, scratch: &mut [u8]) -> Moved {
    let part = Part { ptr: scratch.as_mut_ptr(), len: scratch.len() };
    // SAFETY: the caller's own memory.
    unsafe { recv(fd, part, NO_COPY) }
}

/// Whether something can be received, if only an end or an error: `Ok` and `Err` as of a receive.
pub(super) fn look(fd: RawFd) -> Moved {
    let mut byte = 0u8;
    // SAFETY: a byte of our own.
    unsafe { recv(fd, Part { ptr: &raw mut byte, len: 1 }, libc::MSG_PEEK) }
}
