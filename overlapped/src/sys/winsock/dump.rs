//! Memory that many requests write to and nothing reads: bytes that are discarded, addresses that
//! are asked for in another way, the bytes of a peek that only waits.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Bytes in it: more than any datagram has, so that a peek never truncates one.
pub(super) const DUMP_BYTES: u32 = 64 * 1024;

const LAYOUT: Layout = match Layout::from_size_align(DUMP_BYTES as usize, 4096) {
    Ok(layout) => layout,
    Err(_) => panic!("a size that is a multiple of the alignment"),
};

pub(super) struct Dump(NonNull<u8>);

impl Dump {
    pub(super) fn new() -> Dump {
        // SAFETY: the size is not zero.
        match NonNull::new(unsafe { alloc(LAYOUT) }) {
            Some(memory) => Dump(memory),
            None => handle_alloc_error(LAYOUT),
        }
    }

    /// Never make a reference of it: requests write to it at any time.
    pub(super) fn as_ptr(&self) -> *mut u8 {
        self.0.as_ptr()
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and dropped only when no request is with the system.
        unsafe { dealloc(self.0.as_ptr(), LAYOUT) }
    }
}
