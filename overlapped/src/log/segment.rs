//! The memory of a log: segments of records, and the slices that sends read from.

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::buf::SendBuf;

/// A segment's index has room for one record in so many bytes. If records are shorter, a segment
/// ends before it is full.
const BYTES_PER_RECORD: usize = 64;

/// Where a record ends in its segment, and its mark.
#[derive(Clone, Copy)]
pub(super) struct Record<M> {
    pub(super) end: u32,
    pub(super) mark: M,
}

/// A part of the log. Everything below `published` is written, and stays unchanged until nobody
/// else holds the segment.
pub(super) struct Segment<M> {
    /// The number of the segment, and of its first record.
    pub(super) number: u64,
    pub(super) first: u64,
    pub(super) bytes: Box<[MaybeUninit<UnsafeCell<u8>>]>,
    records: Box<[MaybeUninit<UnsafeCell<Record<M>>>]>,
    /// Records that are complete. The appending thread stores it with release; readers load it with
    /// acquire.
    pub(super) published: AtomicUsize,
    live: Arc<AtomicUsize>,
}

// SAFETY: the cells from `published` on are written only by the thread that holds the log's lock,
// and read by nobody. Those below are read by any thread and written by none. The release store and
// acquire load of `published` order reads after writes.
unsafe impl<M: Send + Sync> Sync for Segment<M> {}

impl<M: Copy> Segment<M> {
    pub(super) fn new(size: usize, live: &Arc<AtomicUsize>) -> Segment<M> {
        let bytes = Box::new_uninit_slice(size);
        let records = Box::new_uninit_slice(size.div_ceil(BYTES_PER_RECORD));
        let segment =
            Segment { number: 0, first: 0, bytes, records, published: AtomicUsize::new(0), live: Arc::clone(live) };
        live.fetch_add(segment.memory(), Ordering::Relaxed);
        segment
    }

    pub(super) fn published(&self) -> usize {
        self.published.load(Ordering::Acquire)
    }

    /// A record that is published.
    pub(super) fn record(&self, index: usize) -> Record<M> {
        assert!(index < self.published(), "the record is published");
        // SAFETY: below `published`, so it was initialised before and nobody writes to it.
        unsafe { *self.records[index].assume_init_ref().get() }
    }

    /// Where a record begins, or the last published one ends.
    pub(super) fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.record(before).end as usize)
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let published = self.published();
        published < self.records.len() && bytes <= self.bytes.len() - self.start(published)
    }

    /// Appends one record.
    ///
    /// # Safety
    /// No other thread appends to this segment at the same time.
    pub(super) unsafe fn append(&self, parts: &[&[u8]], mark: impl FnOnce() -> M) {
        let index = self.published();
        let mut at = self.start(index);
        for part in parts {
            assert!(part.len() <= self.bytes.len() - at, "the segment has room for the record");
            let place: *mut u8 = UnsafeCell::raw_get(self.bytes[at..].as_ptr().cast());
            // SAFETY: there is room from `at` on, above what is published, where nobody reads.
            // Nobody else writes, as the caller says. The part does not overlap: no reference to
            // this memory exists beyond what is published.
            unsafe { place.copy_from_nonoverlapping(part.as_ptr(), part.len()) };
            at += part.len();
        }
        let record = Record { end: at as u32, mark: mark() };
        // SAFETY: above what is published, and nobody else writes.
        unsafe { UnsafeCell::raw_get(self.records[index].as_ptr()).write(record) };
        self.published.store(index + 1, Ordering::Release);
    }

    /// The bytes of some published records.
    pub(super) fn slice(self: &Arc<Segment<M>>, from: usize, to: usize) -> LogSlice<M> {
        let start = self.start(from);
        LogSlice { start: start as u32, len: (self.start(to) - start) as u32, segment: Arc::clone(self) }
    }
}

impl<M> Segment<M> {
    /// Bytes of memory it takes.
    fn memory(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.records)
    }
}

impl<M> Drop for Segment<M> {
    fn drop(&mut self) {
        self.live.fetch_sub(self.memory(), Ordering::Relaxed);
    }
}

/// Bytes of one or more records, in the log's own memory: a part of a send. It keeps its segment
/// alive.
pub struct LogSlice<M> {
    segment: Arc<Segment<M>>,
    start: u32,
    len: u32,
}

impl<M> LogSlice<M> {
    /// How many bytes it is.
    #[expect(clippy::len_without_is_empty, reason = "records have at least one byte, and slices at least one record")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    fn pointer(&self) -> *const u8 {
        self.segment.bytes[self.start as usize..].as_ptr().cast()
    }

    /// Extends it by a slice that is right behind it.
    pub(super) fn join(&mut self, next: &LogSlice<M>) -> bool {
        let joins = Arc::ptr_eq(&self.segment, &next.segment) && self.start + self.len == next.start;
        if joins {
            self.len += next.len;
        }
        joins
    }
}

/// The same bytes: a clone holds their segment too.
impl<M> Clone for LogSlice<M> {
    fn clone(&self) -> LogSlice<M> {
        LogSlice { segment: Arc::clone(&self.segment), start: self.start, len: self.len }
    }
}

impl<M> AsRef<[u8]> for LogSlice<M> {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a slice is made of published records only: initialised, and not written to while
        // the segment is held by anyone.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.len()) }
    }
}

// SAFETY: the bytes are those of published records, on the heap, and stay as they are for as long
// as the segment is held, which this does.
unsafe impl<M: 'static> SendBuf for LogSlice<M> {
    fn parts(&self) -> usize {
        1
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        assert_eq!(i, 0, "a slice of a log is one part");
        (self.pointer(), self.len())
    }
}

impl<M> fmt::Debug for LogSlice<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSlice({} bytes)", self.len)
    }
}
