//! A ring of provided buffers: the kernel takes them from its head, the program puts them back at its tail. Where the
//! kernel can (6.12), what is received fills a buffer bit by bit, so that small messages lie side by side; otherwise
//! each has a buffer of its own.

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use rustix::io::Errno;

const PAGE_BYTES: usize = 4096;
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;
pub(crate) const GROUP: u16 = 0;

/// `IOU_PBUF_RING_INC`
const INCREMENTAL: u16 = 2;

/// Never freed: the kernel may write to it for as long as the process runs.
pub(crate) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    states: Vec<State>,
    tail: u16,
    /// Buffers in the kernel's hands.
    free: usize,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Bytes that the kernel has filled.
    filled: u32,
    /// Runs of them that are in use.
    runs: u32,
    /// The kernel fills it no more.
    taken: bool,
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
        let register = |flags| {
            // SAFETY: both areas are page-aligned, as large as announced, and never freed.
            unsafe { submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, count, GROUP, flags) }
        };
        match register(INCREMENTAL) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => register(0)?,
            registered => registered?,
        }
        let mut buffers = Self { entries, memory, states: vec![State::default(); count.into()], tail: 0, free: 0 };
        for id in 0..count {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The kernel has put `length` bytes into this buffer, and goes on filling it if there is `more`.
    pub(crate) fn received(&mut self, buffer: u16, length: u32, more: bool) -> Run {
        let state = &mut self.states[usize::from(buffer)];
        let offset = state.filled;
        state.filled += length;
        state.runs += 1;
        if !more {
            state.taken = true;
            self.free -= 1;
        }
        Run { buffer, offset, length }
    }

    /// These bytes are of no more use. The kernel sees what it is given back after the next [`publish`](Self::publish).
    pub(crate) fn release(&mut self, buffer: u16) {
        let state = &mut self.states[usize::from(buffer)];
        state.runs -= 1;
        if state.taken && state.runs == 0 {
            self.give_back(buffer);
        }
    }

    fn give_back(&mut self, id: u16) {
        self.states[usize::from(id)] = State::default();
        let address = self.memory.as_ptr().wrapping_add(usize::from(id) * BUFFER_BYTES);
        let place = usize::from(self.tail) & (self.states.len() - 1);
        // SAFETY: `place` is below the number of entries, and the kernel does not read an entry past the tail.
        let entry = unsafe { self.entries.add(place).as_mut() };
        entry.set_addr(address as u64);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.free += 1;
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
        self.free > 0
    }

    /// Where a run lies, until it is released.
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
