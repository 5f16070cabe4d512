//! Sockets of Unix systems.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::Address;
use crate::flags::Flags;
use crate::op::Start;

use super::super::set_received;
use super::{Stream, SystemSocket, SystemView, Tried};

/// A look at a socket that someone else owns.
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

/// Whether a stream is one of TCP, or one between processes.
pub(super) fn is_tcp(stream: &Socket) -> io::Result<bool> {
    Ok(stream.local_addr()?.as_socket().is_some())
}

/// Blocking, whatever it was. `io_uring_enter(2)` lets a kernel report EAGAIN of a non-blocking socket instead of waiting for it; Linux 6.18 waits
/// all the same, but a receive that is tried again and again is not a risk to take.
pub(super) fn set_mode(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(false)
}

/// So that a restarted server can bind while old connections are still in TIME_WAIT. (It does not let two listeners share a
/// port.)
pub(super) fn claim_address(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// How long sent bytes may go unacknowledged.
#[cfg(target_os = "linux")]
pub(super) fn set_user_timeout(stream: &Socket, timeout: Option<Duration>) -> io::Result<()> {
    // Zero milliseconds would mean the system's default.
    stream.set_tcp_user_timeout(timeout.map(|timeout| timeout.max(Duration::from_millis(1))))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn set_user_timeout(_: &Socket, timeout: Option<Duration>) -> io::Result<()> {
    timeout.map_or(Ok(()), |_| Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)))
}

impl SystemSocket {
    /// A connection that the system has just made for us, and that blocks.
    pub(in super::super) fn accepted(fd: OwnedFd) -> SystemSocket {
        SystemSocket { sole: true, ..SystemSocket::with_mode_set(fd.into()) }
    }

    /// Its peer's address, which has just been told, says of what family it is.
    pub(in super::super) fn accepted_from(fd: OwnedFd, peer: &Address) -> SystemSocket {
        SystemSocket { ip: peer.ip().is_some(), ..SystemSocket::accepted(fd) }
    }

    /// Whether it is a socket of IP; the system is asked only if that is not known.
    pub(in super::super) fn is_ip(&self) -> bool {
        self.ip || self.socket.local_addr().is_ok_and(|name| name.is_ipv4() || name.is_ipv6())
    }

    /// Whether closing its descriptor is all that has to be done to be told of it no more.
    pub(in super::super) fn is_sole(&self) -> bool {
        self.sole
    }

    pub(in super::super) fn raw_fd(&self) -> RawFd {
        self.socket().as_raw_fd()
    }

    pub(crate) fn view(&self) -> SystemView {
        // SAFETY: used while the gate is open, and the socket closed only after: see the type.
        SystemView(unsafe { BorrowedFd::borrow_raw(self.socket().as_raw_fd()) })
    }
}

impl SystemView {
    /// Tries a receive or a send without flags into or from one part. A send that is cut short remembers how far it came.
    pub(crate) fn try_now(&self, start: &mut Start) -> Tried {
        let result = match start {
            Start::Recv { buf, flags: Flags::NONE, .. } => match buf.single(0) {
                Some((ptr, len)) if len > 0 => {
                    // SAFETY: the buffer's own memory, which nobody else uses while the operation has it.
                    let moved = unsafe { libc::recv(self.0.as_raw_fd(), ptr.as_ptr().cast(), len, libc::MSG_DONTWAIT) };
                    if let Ok(bytes) = usize::try_from(moved) {
                        set_received(buf, bytes);
                        return Tried::Received(bytes);
                    }
                    moved
                }
                _ => return Tried::WouldBlock,
            },
            Start::Send { buf, flags: Flags::NONE, done, .. } => match buf.single(*done) {
                Some((ptr, len)) if len > 0 => {
                    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                    // SAFETY: the buffer's own memory, to which nobody writes while the operation has it.
                    let moved = unsafe { libc::send(self.0.as_raw_fd(), ptr.as_ptr().cast(), len, flags) };
                    if let Ok(bytes) = usize::try_from(moved) {
                        *done += bytes as u64;
                        return if bytes == len { Tried::Sent(*done) } else { Tried::WouldBlock };
                    }
                    moved
                }
                _ => return Tried::WouldBlock,
            },
            _ => return Tried::WouldBlock,
        };
        debug_assert!(result < 0);
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Tried::WouldBlock,
            _ => Tried::Failed(error.raw_os_error().unwrap_or_default()),
        }
    }
}

impl From<std::os::unix::net::UnixStream> for Stream {
    fn from(stream: std::os::unix::net::UnixStream) -> Stream {
        Stream::taken_over(OwnedFd::from(stream).into())
    }
}
