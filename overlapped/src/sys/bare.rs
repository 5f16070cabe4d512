//! `recv` and `send` of the system, without what glibc does around them.
//!
//! There they are points at which a thread can be cancelled (`pthread_cancel`). In a process of
//! several threads each call pays for that with two locked instructions and thirty others. A call
//! that does not wait has nothing to cancel.

use std::os::fd::RawFd;

use libc::c_void;

/// # Safety
/// `len` bytes from `ptr` on may be written to, and nobody else uses them meanwhile.
pub(super) unsafe fn recv(fd: RawFd, ptr: *mut c_void, len: usize, flags: i32) -> isize {
    let flags = flags | libc::MSG_DONTWAIT;
    // SAFETY: as the caller says. No address is asked for.
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    return unsafe { libc::syscall(libc::SYS_recvfrom, fd, ptr, len, flags, NO_ADDRESS, NO_ADDRESS) as isize };
    // SAFETY: as the caller says.
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    unsafe {
        libc::recv(fd, ptr, len, flags)
    }
}

/// # Safety
/// The `len` bytes from `ptr` on are initialised, and nobody writes to them meanwhile.
pub(super) unsafe fn send(fd: RawFd, ptr: *const c_void, len: usize, flags: i32) -> isize {
    let flags = flags | libc::MSG_DONTWAIT;
    // SAFETY: as the caller says. The address is the one that the socket is connected to.
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    return unsafe { libc::syscall(libc::SYS_sendto, fd, ptr, len, flags, NO_ADDRESS, 0usize) as isize };
    // SAFETY: as the caller says.
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    unsafe {
        libc::send(fd, ptr, len, flags)
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
const NO_ADDRESS: *const c_void = std::ptr::null();
