//! The memory that the system writes to while a request is with it.
//!
//! A block belongs to a slot and serves one request after the other. The packet that ends a request
//! leads to its block by a pointer. So a block is neither freed nor used again before that packet
//! has been taken from the port.

use std::ptr::NonNull;

use windows_sys::Win32::Foundation::{STATUS_PENDING, STATUS_SUCCESS};
use windows_sys::Win32::System::IO::OVERLAPPED;

#[repr(C)]
struct Layout {
    /// At the start, so that a pointer to it is a pointer to the block.
    overlapped: OVERLAPPED,
    /// In and out of a receive. The system may write it when the request ends, which is after the
    /// call.
    flags: u32,
    /// Bytes of a request that has ended within the call. Nothing reads it.
    bytes: u32,
    /// The slot that it belongs to; never written again.
    slot: u32,
}

/// A block. It is accessed by pointers only, never by a reference, because the system writes to it
/// at any time.
pub(super) struct Block(NonNull<Layout>);

impl Block {
    pub(super) fn new(slot: u32) -> Block {
        let layout = Layout { overlapped: OVERLAPPED::default(), flags: 0, bytes: 0, slot };
        Block(NonNull::from(Box::leak(Box::new(layout))))
    }

    /// Makes it ready for a request.
    ///
    /// # Safety
    /// No request has it: a packet is not to come.
    pub(super) unsafe fn prepare(&self, flags: u32) -> Parts {
        let layout = self.0.as_ptr();
        // SAFETY: the memory is this block's, and, by the caller, nobody else's at the moment.
        unsafe {
            (&raw mut (*layout).overlapped).write(OVERLAPPED::default());
            (&raw mut (*layout).flags).write(flags);
            (&raw mut (*layout).bytes).write(0);
            Parts {
                overlapped: &raw mut (*layout).overlapped,
                flags: &raw mut (*layout).flags,
                bytes: &raw mut (*layout).bytes,
            }
        }
    }

    /// The system's name of the request.
    pub(super) fn overlapped(&self) -> *mut OVERLAPPED {
        // SAFETY: within the block.
        unsafe { &raw mut (*self.0.as_ptr()).overlapped }
    }

    fn status(&self) -> usize {
        // SAFETY: within the block. The system may write it meanwhile; any value is a valid number.
        unsafe { (&raw const (*self.overlapped()).Internal).read_volatile() }
    }

    /// Whether the system still has the request.
    pub(super) fn is_pending(&self) -> bool {
        self.status() == STATUS_PENDING as usize
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.status() == STATUS_SUCCESS as usize
    }

    /// The bytes that a request has moved, after it has ended.
    pub(super) fn bytes(&self) -> u32 {
        // SAFETY: within the block. No request moves more than 32 bits hold.
        unsafe { (&raw const (*self.overlapped()).InternalHigh).read_volatile() as u32 }
    }

    /// The slot of the block that a packet leads to.
    ///
    /// # Safety
    /// The pointer came with a packet of a socket on which all requests were started with blocks,
    /// and no block is freed while a packet for it may come.
    pub(super) unsafe fn slot_of(overlapped: *mut OVERLAPPED) -> u32 {
        // SAFETY: by the caller it points to the start of a block. Its slot is not written.
        unsafe { (&raw const (*overlapped.cast::<Layout>()).slot).read() }
    }

    /// Leaks the memory: the system may still write to it.
    pub(super) fn leak(self) {
        std::mem::forget(self);
    }
}

/// Where the parts of a block are, for a call that starts a request.
pub(super) struct Parts {
    pub(super) overlapped: *mut OVERLAPPED,
    pub(super) flags: *mut u32,
    pub(super) bytes: *mut u32,
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: made from a box, and dropped only when no packet is to come for it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
