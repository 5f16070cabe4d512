//! A ring of provided buffers: the kernel takes them from its head, the program puts them back at its tail.

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
    /// Buffers that the program holds at the moment.
    out: u16,
}

impl Buffers {
    /// Registers `count` buffers, a power of two.
    pub(crate) fn register(submitter: &Submitter<'_>, count: u16) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel asks for a power of two");
        let entries = pages(usize::from(count) * size_of::<BufRingEntry>()).cast();
        let memory = pages(usize::from(count) * BUFFER_BYTES);
        // SAFETY: both areas are page-aligned, as large as announced, and never freed.
        unsafe {
            submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, count, GROUP, 0)?;
        }
        let mut buffers = Self { entries, memory, count, tail: 0, out: count };
        for id in 0..count {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The kernel has filled this buffer and left it to the program.
    pub(crate) fn taken(&mut self, id: u16) {
        assert!(id < self.count, "the kernel names a buffer it was given");
        self.out += 1;
    }

    /// Puts a buffer back; the kernel sees it after the next [`publish`](Self::publish).
    pub(crate) fn give_back(&mut self, id: u16) {
        let address = self.address(id, 0) as u64;
        let place = usize::from(self.tail & (self.count - 1));
        // SAFETY: `place` is below the number of entries, and the kernel does not read an entry past the tail.
        let entry = unsafe { self.entries.add(place).as_mut() };
        entry.set_addr(address);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.out -= 1;
    }

    /// Shows the kernel what was given back.
    pub(crate) fn publish(&mut self) {
        // SAFETY: the first entry of a registered ring holds the tail, aligned for a u16; only this program
        // writes it, and the kernel reads it atomically.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail)
        };
        tail.store(self.tail, Ordering::Release);
    }

    pub(crate) fn has_free(&self) -> bool {
        self.out < self.count
    }

    /// Where the byte at `offset` of a buffer lies.
    pub(crate) fn address(&self, id: u16, offset: usize) -> *const u8 {
        assert!(id < self.count && offset < BUFFER_BYTES, "within a buffer");
        let at = usize::from(id) * BUFFER_BYTES + offset;
        self.memory.as_ptr().wrapping_add(at)
    }
}

/// Zeroed memory in whole pages, for good.
fn pages(bytes: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(bytes.next_multiple_of(PAGE_BYTES), PAGE_BYTES)
        .expect("a few megabytes are a valid layout");
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc::alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}
