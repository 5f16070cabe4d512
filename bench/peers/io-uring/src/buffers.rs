//! A ring of provided buffers: the kernel takes them from its head, the program puts them back at
//! its tail. Each receive has one to itself. Filled bit by bit (`IOU_PBUF_RING_INC`) they would be
//! cut at their ends: measured, that is no faster with small messages, and a quarter slower with
//! bursts.

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

const PAGE_BYTES: usize = 4096;
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;
pub(crate) const GROUP: u16 = 0;

/// Never freed: the kernel may write to it for as long as the process runs.
pub(crate) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    count: u16,
    tail: u16,
    /// Buffers in the kernel's hands.
    free: u16,
}

/// Bytes received.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) buffer: u16,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl Buffers {
    /// Registers `count` buffers, a power of two.
    pub(crate) fn register(submitter: &Submitter<'_>, count: u16) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel asks for a power of two");
        let entries = pages(usize::from(count) * size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        let memory = pages(usize::from(count) * BUFFER_BYTES);
        // SAFETY: both areas are page-aligned, as large as announced, and never freed.
        unsafe {
            submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, count, GROUP, 0)?;
        }
        let mut buffers = Self { entries, memory, count, tail: 0, free: 0 };
        for id in 0..count {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The kernel has put `length` bytes into this buffer and left it to the program.
    pub(crate) fn received(&mut self, buffer: u16, length: u32) -> Run {
        assert!(buffer < self.count, "the kernel names a buffer it was given");
        self.free -= 1;
        Run { buffer, offset: 0, length }
    }

    /// Puts a buffer back; the kernel sees it after the next [`publish`](Self::publish).
    pub(crate) fn give_back(&mut self, id: u16) {
        let address = self.memory.as_ptr().wrapping_add(usize::from(id) * BUFFER_BYTES);
        let place = usize::from(self.tail & (self.count - 1));
        // SAFETY: `place` is below the number of entries, and the kernel does not read an entry
        // past the tail.
        let entry = unsafe { self.entries.add(place).as_mut() };
        entry.set_addr(address as u64);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.free += 1;
    }

    /// Shows the kernel what was given back.
    pub(crate) fn publish(&mut self) {
        // SAFETY: the first entry of a registered ring holds the tail, aligned for a u16; only this
        // program writes it, and the kernel reads it atomically.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail)
        };
        tail.store(self.tail, Ordering::Release);
    }

    pub(crate) fn has_free(&self) -> bool {
        self.free > 0
    }

    /// Where a run lies, until its buffer is given back.
    pub(crate) fn address(&self, run: Run) -> *const u8 {
        debug_assert!((run.offset + run.length) as usize <= BUFFER_BYTES, "within a buffer");
        self.memory.as_ptr().wrapping_add(usize::from(run.buffer) * BUFFER_BYTES + run.offset as usize)
    }
}

/// Zeroed memory in whole pages, for good.
pub(crate) fn pages(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes.next_multiple_of(PAGE_BYTES), PAGE_BYTES)
        .expect("a few megabytes are a valid layout");
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc::alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}
