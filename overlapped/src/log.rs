//! An append-only log whose bytes are sent from where they lie.
//!
//! What goes out to many connections is written once, as a record of the log, and every connection's send reads that one copy. The log is a row of
//! segments; a record lies in one segment, so a range of records is one slice for each segment it touches. Segments are counted references: a
//! [`LogSlice`] that the kernel reads keeps its own, whatever becomes of the log meanwhile.
//!
//! One thread at a time appends, under a lock. Reading takes none: a [`LogReader`] holds the segments that its positions still need and sees what is
//! appended to the newest one through an atomic count of records; only for a new segment does it go to the log. A position is the number of a
//! record, counted from the log's beginning, so it is always a boundary between records.
//!
//! The log keeps what some reader has yet to fetch, readers keep what their positions need, slices keep what they are sent from, each of the first
//! two up to [`LogConfig::log_bytes`]. Beyond that the oldest segments are let go, and who was still there finds its position
//! before [`LogReader::front`]: it has lost exactly the records between.

#![allow(unsafe_code, reason = "the segments are memory that one thread appends to while others, and the kernel, read")]

mod gather;
mod reader;

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::buf::SendBuf;
use crate::error::{Action, Error, ErrorKind};

pub use gather::Gather;
pub use reader::{LogReader, LogRecord};

/// The sizes of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Bytes of records in a segment: 4 KiB to 16 MiB. The first segments are smaller, so that a quiet log stays small.
    pub segment_bytes: usize,
    /// The longest record, at most 16 MiB. One that is longer than a segment has a segment of its own.
    pub record_bytes: usize,
    /// Bytes of segments that the log holds for its readers, and that each reader holds for its positions: at least a segment
    /// and a longest record.
    pub log_bytes: usize,
}

impl Default for LogConfig {
    /// Segments and records of up to 64 KiB, 1 MiB of segments.
    fn default() -> LogConfig {
        LogConfig { segment_bytes: 64 * 1024, record_bytes: 64 * 1024, log_bytes: 1 << 20 }
    }
}

const LEAST_SEGMENT: usize = 4096;
const MOST_BYTES: usize = 16 << 20;

impl LogConfig {
    fn check(&self) -> Result<(), String> {
        if !(LEAST_SEGMENT..=MOST_BYTES).contains(&self.segment_bytes) {
            return Err(format!("segments of {} bytes: must be {LEAST_SEGMENT} to {MOST_BYTES}", self.segment_bytes));
        }
        if !(1..=MOST_BYTES).contains(&self.record_bytes) {
            return Err(format!("records of up to {} bytes: must be 1 to {MOST_BYTES}", self.record_bytes));
        }
        let least = self.segment_bytes + self.record_bytes;
        if self.log_bytes < least {
            return Err(format!("a log of {} bytes: at least {least}, a segment and a record", self.log_bytes));
        }
        Ok(())
    }
}

/// Bytes of a segment for which its index has room for one record. Where records are shorter a segment ends before it is full.
const BYTES_PER_RECORD: usize = 64;

/// Where a record ends in its segment, and its mark.
#[derive(Clone, Copy)]
struct Record<M> {
    end: u32,
    mark: M,
}

/// A stretch of the log. Everything below `published` is written and stays as it is until the segment is nobody else's.
struct Segment<M> {
    /// The number of the segment, and of its first record.
    number: u64,
    first: u64,
    bytes: Box<[MaybeUninit<UnsafeCell<u8>>]>,
    records: Box<[MaybeUninit<UnsafeCell<Record<M>>>]>,
    /// Records written whole. Stored with release by who appends, loaded with acquire by who reads.
    published: AtomicUsize,
    live: Arc<AtomicUsize>,
}

// SAFETY: the cells from `published` on are written by one thread at a time, that which holds the log's lock, and read by nobody; those below are
// read by any thread and written by none. The release store and acquire load of `published` order the one after the other.
unsafe impl<M: Send + Sync> Sync for Segment<M> {}

impl<M: Copy> Segment<M> {
    fn new(size: usize, live: &Arc<AtomicUsize>) -> Segment<M> {
        let bytes = Box::new_uninit_slice(size);
        let records = Box::new_uninit_slice(size.div_ceil(BYTES_PER_RECORD));
        let segment =
            Segment { number: 0, first: 0, bytes, records, published: AtomicUsize::new(0), live: Arc::clone(live) };
        live.fetch_add(segment.memory(), Ordering::Relaxed);
        segment
    }

    fn published(&self) -> usize {
        self.published.load(Ordering::Acquire)
    }

    /// A record that is published.
    fn record(&self, index: usize) -> Record<M> {
        assert!(index < self.published(), "the record is published");
        // SAFETY: below `published`, so it was initialised before and nobody writes to it.
        unsafe { *self.records[index].assume_init_ref().get() }
    }

    /// Where a record begins, or the last published one ends.
    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.record(before).end as usize)
    }

    fn has_room(&self, bytes: usize) -> bool {
        let published = self.published();
        published < self.records.len() && bytes <= self.bytes.len() - self.start(published)
    }

    /// Appends one record.
    ///
    /// # Safety
    /// No other thread appends to this segment at the same time.
    unsafe fn append(&self, parts: &[&[u8]], mark: impl FnOnce() -> M) {
        let index = self.published();
        let mut at = self.start(index);
        for part in parts {
            assert!(part.len() <= self.bytes.len() - at, "the segment has room for the record");
            let place: *mut u8 = UnsafeCell::raw_get(self.bytes[at..].as_ptr().cast());
            // SAFETY: there is room from `at` on, above what is published, where nobody reads; nobody else writes, as the caller says. The part is
            // none of this memory: no reference to it exists beyond what is published.
            unsafe { place.copy_from_nonoverlapping(part.as_ptr(), part.len()) };
            at += part.len();
        }
        let record = Record { end: at as u32, mark: mark() };
        // SAFETY: above what is published, and nobody else writes.
        unsafe { UnsafeCell::raw_get(self.records[index].as_ptr()).write(record) };
        self.published.store(index + 1, Ordering::Release);
    }

    /// The bytes of some published records.
    fn slice(self: &Arc<Segment<M>>, from: usize, to: usize) -> LogSlice<M> {
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

/// Bytes of one or more records, where they lie in the log: a part of a send. It keeps its segment.
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

    /// Takes what lies right behind it as well.
    fn join(&mut self, next: &LogSlice<M>) -> bool {
        let joins = Arc::ptr_eq(&self.segment, &next.segment) && self.start + self.len == next.start;
        if joins {
            self.len += next.len;
        }
        joins
    }
}

impl<M> AsRef<[u8]> for LogSlice<M> {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a slice is made of published records only: initialised, and not written to while the segment is held by anyone.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.len()) }
    }
}

// SAFETY: the bytes are those of published records, on the heap, and stay as they are for as long as the segment is held, which this does.
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

/// Segments that are kept to be used again.
const SPARE_SEGMENTS: usize = 4;

struct Shared<M> {
    config: LogConfig,
    writer: Mutex<Writer<M>>,
    /// The number of the newest segment.
    newest: AtomicU64,
    /// Bytes of memory of all segments there are, whoever holds them.
    live: Arc<AtomicUsize>,
}

struct Writer<M> {
    /// Those that some reader has not fetched, and the newest. Their numbers follow each other.
    segments: VecDeque<Arc<Segment<M>>>,
    /// Those that nobody needs any more, or will not soon.
    spare: Vec<Arc<Segment<M>>>,
    /// For each reader, the newest segment it has fetched.
    fetched: Vec<Option<u64>>,
}

/// A row of records, written once and sent to many from where they lie. Cheap to clone; all clones are the same log.
///
/// Records are appended from any thread and read through a [`LogReader`]. The log holds what some reader has yet to fetch, up to
/// [`LogConfig::log_bytes`]; a reader that falls further behind finds its positions before [`LogReader::front`].
///
/// `M` is a mark that each record carries, for its readers: whom it is not for, say.
///
/// # Example
///
/// ```
/// use overlapped::{Gather, Log, LogConfig};
///
/// let log = Log::new(LogConfig::default()).unwrap();
/// let mut reader = log.reader();
/// let from = reader.end();
/// log.append(&[b"one ", b"record"], || 1).unwrap();
/// log.append(&[b", another"], || 2).unwrap();
/// reader.refresh();
/// assert_eq!(reader.records(from..reader.end()).map(|record| record.mark).sum::<i32>(), 3);
///
/// // What a send takes: all of it is one part, for it lies in one piece.
/// let mut gather = Gather::default();
/// for slice in reader.slices(from..reader.end()) {
///     gather.push_slice(slice);
/// }
/// assert_eq!((gather.len(), overlapped::SendBuf::parts(&gather)), (19, 1));
/// ```
pub struct Log<M> {
    shared: Arc<Shared<M>>,
}

impl<M: Copy + Send + Sync + 'static> Log<M> {
    /// Makes a log.
    ///
    /// # Errors
    /// `InvalidArgument` names a size that is out of range.
    pub fn new(config: LogConfig) -> Result<Log<M>, Error> {
        config.check().map_err(|why| Error::new(Action::Setup, ErrorKind::InvalidArgument).because(why))?;
        let live = Arc::new(AtomicUsize::new(0));
        let first = Arc::new(Segment::new(LEAST_SEGMENT, &live));
        let writer = Writer { segments: VecDeque::from([first]), spare: Vec::new(), fetched: Vec::new() };
        Ok(Log { shared: Arc::new(Shared { config, writer: Mutex::new(writer), newest: AtomicU64::new(0), live }) })
    }

    /// Appends a record made of `parts`, one after the other; nothing if they are empty. `mark` is called while nobody else appends, so that marks
    /// taken from a counter are in the order of the records. It must be quick, and not use the log.
    ///
    /// Costs a copy of the bytes, whatever the number of readers; allocates nothing while old segments come free.
    ///
    /// # Errors
    /// `InvalidArgument` if it is longer than [`LogConfig::record_bytes`].
    pub fn append(&self, parts: &[&[u8]], mark: impl FnOnce() -> M) -> Result<(), Error> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len > self.shared.config.record_bytes {
            let why = format!("a record of {len} bytes: at most {}", self.shared.config.record_bytes);
            return Err(Error::new(Action::Send, ErrorKind::InvalidArgument).because(why));
        }
        if len == 0 {
            return Ok(());
        }
        let mut writer = self.shared.lock();
        if !writer.newest().has_room(len) {
            self.shared.roll(&mut writer, len);
        }
        // SAFETY: who appends holds the log's lock.
        unsafe { writer.newest().append(parts, mark) };
        Ok(())
    }

    /// A reader that begins at the log's present end.
    pub fn reader(&self) -> LogReader<M> {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// Bytes of memory that all segments take together, those among them that only a send in flight still holds.
    pub fn memory(&self) -> usize {
        self.shared.live.load(Ordering::Relaxed)
    }
}

impl<M> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, Writer<M>> {
        // What can panic under it is the caller's mark, before anything of the record counts.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Copy> Shared<M> {
    /// Begins a new segment, with room for `len` bytes.
    fn roll(&self, writer: &mut Writer<M>, len: usize) {
        let before = writer.newest();
        let (number, first) = (before.number + 1, before.first + before.published() as u64);
        let size = (before.bytes.len() * 2).min(self.config.segment_bytes).max(len);
        let mut segment = writer.take_spare(size).unwrap_or_else(|| Arc::new(Segment::new(size, &self.live)));
        let fresh = Arc::get_mut(&mut segment).expect("new, or found to be nobody else's");
        fresh.number = number;
        fresh.first = first;
        *fresh.published.get_mut() = 0;
        writer.segments.push_back(segment);
        self.trim(writer);
        self.newest.store(number, Ordering::Release);
    }

    /// Lets go of what every reader has fetched, and of the oldest beyond what a log may hold.
    fn trim(&self, writer: &mut Writer<M>) {
        let fetched = writer.fetched.iter().flatten().min().copied().unwrap_or(u64::MAX);
        let mut held: usize = writer.segments.iter().map(|segment| segment.bytes.len()).sum();
        while let Some(oldest) = writer.segments.front()
            && writer.segments.len() > 1
            && (oldest.number <= fetched || held > self.config.log_bytes)
        {
            held -= oldest.bytes.len();
            let oldest = writer.segments.pop_front().expect("seen just now");
            if oldest.bytes.len() == self.config.segment_bytes {
                // A full house gives up the one that has waited longest for who holds it.
                if writer.spare.len() == SPARE_SEGMENTS {
                    writer.spare.remove(0);
                }
                writer.spare.push(oldest);
            }
        }
        if writer.fetched.iter().all(Option::is_none) {
            writer.spare.clear();
        }
    }
}

impl<M> Writer<M> {
    fn newest(&self) -> &Arc<Segment<M>> {
        self.segments.back().expect("a log has a segment")
    }

    /// A segment that nobody holds any more. That nobody does is asked with acquire: all reads of what is now overwritten came before.
    fn take_spare(&mut self, size: usize) -> Option<Arc<Segment<M>>> {
        let free = |segment: &mut Arc<Segment<M>>| segment.bytes.len() == size && Arc::get_mut(segment).is_some();
        let at = self.spare.iter_mut().position(free)?;
        Some(self.spare.remove(at))
    }
}

impl<M> Clone for Log<M> {
    fn clone(&self) -> Log<M> {
        Log { shared: Arc::clone(&self.shared) }
    }
}

impl<M> fmt::Debug for Log<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("config", &self.shared.config).field("memory", &self.shared.live).finish()
    }
}

#[cfg(test)]
mod tests;
