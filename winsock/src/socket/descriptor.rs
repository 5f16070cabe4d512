//! New descriptors of the system, with what is Winsock's default and not the system's.

use std::os::fd::{FromRawFd, OwnedFd};

use crate::error::system::last_wsa;

pub(crate) fn descriptor(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd, u32> {
    // SAFETY: a system call without memory.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(last_wsa());
    }
    if family == libc::AF_INET6 {
        let yes = 1i32;
        // SAFETY: it reads one `int`.
        unsafe { libc::setsockopt(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, (&raw const yes).cast(), 4) };
    }
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
