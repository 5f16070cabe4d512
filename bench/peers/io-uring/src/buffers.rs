//! A ring of provided buffers: the kernel takes them from its head, the program puts them back at
//! its tail. Each receive has one to itself, except for streams: there the kernel fills large ones
//! piece by piece (`IOU_PBUF_RING_INC`). Small messages would be cut at their ends: measured, that
//! is no faster, and a quarter slower with bursts.

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

const PAGE_BYTES: usize = 4096;
/// `IOU_PBUF_RING_INC`.
const PIECE_BY_PIECE: u16 = 2;
pub(crate) const GROUP: u16 = 0;

/// What buffers there are.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// A power of two.
    pub(crate) count: u16,
    /// Of each.
    pub(crate) bytes: usize,
    pub(crate) piece_by_piece: bool,
}

/// What of a buffer is in use.
#[derive(Clone, Copy, Default)]
struct Part {
    /// Bytes that runs were made of since the kernel got it.
    filled: u32,
    /// Runs, and one for the kernel.
    holders: u32,
}

/// Never freed: the kernel may write to it for as long as the process runs.
pub(crate) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    shape: Shape,
    parts: Vec<Part>,
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
    pub(crate) fn register(submitter: &Submitter<'_>, shape: Shape) -> io::Result<Self> {
        let count = shape.count;
        assert!(count.is_power_of_two(), "the kernel asks for a power of two");
        let entries = pages(usize::from(count) * size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        let memory = pages(usize::from(count) * shape.bytes);
        let flags = if shape.piece_by_piece { PIECE_BY_PIECE } else { 0 };
        // SAFETY: both areas are page-aligned, as large as announced, and never freed.
        unsafe {
            submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, count, GROUP, flags)?;
        }
        let mut buffers = Self { entries, memory, shape, parts: vec![Part::default(); count.into()], tail: 0, free: 0 };
        for id in 0..count {
            buffers.offer(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The kernel has put `length` bytes into this buffer. `goes_on` says if it keeps the rest.
    pub(crate) fn received(&mut self, buffer: u16, length: u32, goes_on: bool) -> Option<Run> {
        if goes_on && length == 0 {
            return None;
        }
        let part = &mut self.parts[usize::from(buffer)];
        let run = Run { buffer, offset: part.filled, length };
        part.filled += length;
        if goes_on {
            part.holders += 1;
        } else {
            // The run takes the kernel's place.
            self.free -= 1;
        }
        Some(run)
    }

    /// Joins two runs if the second lies behind the first.
    pub(crate) fn join(&mut self, first: &mut Run, second: Run) -> bool {
        let joins = first.buffer == second.buffer && first.offset + first.length == second.offset;
        if joins {
            first.length += second.length;
            self.give_back(second.buffer);
        }
        joins
    }

    /// A run is done with. The buffer of the last one is put back; the kernel sees it after the
    /// next [`publish`](Self::publish).
    pub(crate) fn give_back(&mut self, id: u16) {
        let part = &mut self.parts[usize::from(id)];
        part.holders -= 1;
        if part.holders == 0 {
            self.offer(id);
        }
    }

    fn offer(&mut self, id: u16) {
        self.parts[usize::from(id)] = Part { filled: 0, holders: 1 };
        let address = self.memory.as_ptr().wrapping_add(usize::from(id) * self.shape.bytes);
        let place = usize::from(self.tail & (self.shape.count - 1));
        // SAFETY: `place` is below the number of entries, and the kernel does not read an entry
        // past the tail.
        let entry = unsafe { self.entries.add(place).as_mut() };
        entry.set_addr(address as u64);
        entry.set_len(self.shape.bytes as u32);
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
        debug_assert!((run.offset + run.length) as usize <= self.shape.bytes, "within a buffer");
        self.memory.as_ptr().wrapping_add(usize::from(run.buffer) * self.shape.bytes + run.offset as usize)
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
