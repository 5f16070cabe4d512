//! The peer's address, written by the multishot accept itself. That saves a call for most
//! connections.
//!
//! The request has one place for addresses, and each connection's address overwrites the one
//! before. So it is the address of the last connection that was accepted; the others are asked for
//! theirs. Which is the last is known, because with deferred task running connections are accepted
//! only while this thread is in the kernel.

use io_uring::{IoUring, opcode, squeue, types::Fd};

use crate::sys::message::Message;

/// Byte offset of `ioprio` in `struct io_uring_sqe`, where an accept has its own flags, such as
/// `IORING_ACCEPT_MULTISHOT`. The crate has no multishot accept with an address.
const IOPRIO_OFFSET: usize = 2;
const MULTISHOT: u16 = 1;

/// A multishot accept that writes addresses into `name`. All must have the same length, as those of
/// an IP listener have: the length of one is the limit of the next.
pub(super) fn multi(fd: Fd, name: &mut Message) -> squeue::Entry {
    name.take_name();
    let (address, len) = (name.header.msg_name.cast(), &raw mut name.header.msg_namelen);
    let entry = opcode::Accept::new(fd, address, len).flags(libc::SOCK_CLOEXEC).build();
    const { assert!(size_of::<squeue::Entry>() == 64) };
    // SAFETY: an entry is the 64 bytes of `struct io_uring_sqe` (`repr(C)`), and any bytes are
    // valid.
    unsafe {
        let mut raw: [u8; 64] = std::mem::transmute(entry);
        raw[IOPRIO_OFFSET..IOPRIO_OFFSET + 2].copy_from_slice(&MULTISHOT.to_ne_bytes());
        std::mem::transmute(raw)
    }
}

/// Whether no other completion of this request is waiting. (If the queue has overflowed, the kernel
/// may hold one back.)
pub(super) fn is_last(ring: &mut IoUring, user_data: u64) -> bool {
    if ring.submission().cq_overflow() {
        return false;
    }
    // SAFETY: there is no other view of the queue.
    let mut waiting = unsafe { ring.completion_shared() };
    let last = !waiting.any(|entry| entry.user_data() == user_data);
    // Dropping the view would tell the kernel that the entries were taken.
    std::mem::forget(waiting);
    last
}
