//! A new socket of the system in the place of an old one.
//!
//! Linux takes a connect back. On other systems a socket whose connect has failed, or goes on after
//! a cancel, does not serve again. But nobody outside this backend is to notice that: not the
//! program, which has lent the descriptor perhaps, and not the engine, which uses it directly. So
//! the new socket gets the old one's number.
#![cfg_attr(target_os = "linux", allow(dead_code, reason = "only tests use it there"))]

use std::io;
use std::os::fd::AsRawFd;

use libc::c_int;
use socket2::{Domain, SockAddr, Socket};

/// The largest value of these options: two numbers of the size of a pointer.
const ROOM: usize = 2 * size_of::<usize>();

/// What a program sets of a stream's socket.
const OPTIONS: [(c_int, c_int); 14] = [
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::SOL_SOCKET, libc::SO_LINGER),
    (libc::SOL_SOCKET, libc::SO_OOBINLINE),
    (libc::SOL_SOCKET, libc::SO_RCVBUF),
    (libc::SOL_SOCKET, libc::SO_SNDBUF),
    (libc::SOL_SOCKET, libc::SO_RCVLOWAT),
    (libc::SOL_SOCKET, libc::SO_REUSEADDR),
    (libc::SOL_SOCKET, libc::SO_REUSEPORT),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    #[cfg(not(any(target_os = "macos", target_os = "ios")))]
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    #[cfg(any(target_os = "macos", target_os = "ios"))]
    (libc::IPPROTO_TCP, libc::TCP_KEEPALIVE),
    (libc::IPPROTO_IP, libc::IP_TOS),
    (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
];

/// Puts a new socket into the place of this one, which had this address before it connected.
pub(super) fn renew(old: &Socket, local: &SockAddr) -> io::Result<()> {
    let family = Domain::from(c_int::from(local.family()));
    let new = Socket::new(family, old.r#type()?, None)?;
    for (level, name) in OPTIONS {
        // Not every socket knows every option.
        copy(old, &new, level, name);
    }
    // SAFETY: two open descriptors. Closing the old socket frees its address.
    if unsafe { libc::dup2(new.as_raw_fd(), old.as_raw_fd()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    old.set_cloexec(true)?;
    let bound = local.as_socket().map_or(local.as_pathname().is_some(), |local| local.port() != 0);
    if bound { old.bind(local) } else { Ok(()) }
}

fn copy(from: &Socket, to: &Socket, level: c_int, name: c_int) {
    let mut value = [0_u8; ROOM];
    let mut len = ROOM as libc::socklen_t;
    let ptr: *mut u8 = value.as_mut_ptr();
    // SAFETY: it writes at most so many bytes, within the call.
    if unsafe { libc::getsockopt(from.as_raw_fd(), level, name, ptr.cast(), &raw mut len) } == 0 {
        // SAFETY: it reads the bytes that were just written.
        unsafe { libc::setsockopt(to.as_raw_fd(), level, name, ptr.cast(), len) };
    }
}
