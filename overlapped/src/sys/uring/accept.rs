//! The peer's address, written by the multishot accept itself: that saves a call for most
//! connections.
//!
//! The request has one place for addresses, and each connection's is written over the one before.
//! So it is the address of the last connection that was accepted, and whoever has another behind it
//! is asked for by name. That is known, because with deferred task running nothing is accepted but
//! while this thread is in the kernel.

use io_uring::{IoUring, opcode, squeue, types::Fd};

use crate::sys::message::Message;

/// Byte offset of `ioprio` in `struct io_uring_sqe`, where an accept has its own flags, and that
/// which lets it go on (`IORING_ACCEPT_MULTISHOT`). The crate has no multishot accept with an
/// address.
const IOPRIO_OFFSET: usize = 2;
const MULTISHOT: u16 = 1;

/// A multishot accept that writes addresses into `name`. They have to be of one length, as those of
/// IP listeners are, for each is the limit of the next.
pub(super) fn multi(fd: Fd, name: &mut Message) -> squeue::Entry {
    name.take_name();
    let (address, len) = (name.header.msg_name.cast(), &raw mut name.header.msg_namelen);
    let entry = opcode::Accept::new(fd, address, len).flags(libc::SOCK_CLOEXEC).build();
    const { assert!(size_of::<squeue::Entry>() == 64) };
    // SAFETY: an entry is the 64 bytes of `struct io_uring_sqe` (`repr(C)`), any bytes of which are
    // valid.
    unsafe {
        let mut raw: [u8; 64] = std::mem::transmute(entry);
        raw[IOPRIO_OFFSET..IOPRIO_OFFSET + 2].copy_from_slice(&MULTISHOT.to_ne_bytes());
        std::mem::transmute(raw)
    }
}

/// Whether no completion of this request is waiting to be taken. (What the kernel keeps back,
/// because the queue was full, may be one.)
pub(super) fn is_last(ring: &mut IoUring, user_data: u64) -> bool {
    if ring.submission().cq_overflow() {
        return false;
    }
    // SAFETY: there is no other view of the queue.
    let mut waiting = unsafe { ring.completion_shared() };
    let last = !waiting.any(|entry| entry.user_data() == user_data);
    // They were only looked at. Dropping it would tell the kernel that they are taken.
    std::mem::forget(waiting);
    last
}
