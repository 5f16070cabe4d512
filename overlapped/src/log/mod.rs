//! An append-only log whose bytes are sent from where they lie.
//!
//! Bytes for many connections are written once, as a record of the log, and every connection's send
//! reads that one copy. The log is a sequence of segments. A record lies in one segment, so a range
//! of records is one slice for each segment that it touches. Segments are reference-counted: a
//! [`LogSlice`] that the kernel reads keeps its segment alive, whatever happens to the log.
//!
//! One thread at a time appends, under a lock. Reading takes no lock: a [`LogReader`] holds the
//! segments that its positions still need, and sees appended records through the newest segment's
//! atomic count. It goes to the log only for a new segment. A position is the number of a record,
//! counted from the log's beginning, so it is always a boundary between records.
//!
//! The log keeps the segments that some reader has yet to fetch, and a reader those that its
//! positions need; each up to [`LogConfig::log_bytes`]. Beyond that the oldest segments are
//! dropped. A position in a dropped segment is before [`LogReader::front`]: exactly the records
//! between are lost.

#![allow(unsafe_code, reason = "the segments are memory that one thread appends to while others, and the kernel, read")]

mod config;
mod gather;
mod reader;
mod segment;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::error::{Action, Error, ErrorKind};

use config::LEAST_SEGMENT;
pub use config::LogConfig;
pub use gather::Gather;
pub use reader::{LogReader, LogRecord};
pub use segment::LogSlice;
use segment::Segment;
use shared::{Shared, Writer};

/// A sequence of records, written once and sent to many without a copy. Cheap to clone; all clones
/// are the same log.
///
/// Any thread appends records, and a [`LogReader`] reads them. The log holds what some reader has
/// yet to fetch, up to [`LogConfig::log_bytes`]. The positions of a reader that falls further
/// behind are before [`LogReader::front`].
///
/// `M` is a mark that each record carries for its readers: for example, a session that does not get
/// it.
///
/// # Example
///
/// ```
/// use overlapped::log::{Gather, Log, LogConfig};
///
/// let log = Log::new(LogConfig::new()).unwrap();
/// let mut reader = log.reader();
/// let from = reader.end();
/// log.append(&[b"one ", b"record"], || 1).unwrap();
/// log.append(&[b", another"], || 2).unwrap();
/// reader.refresh();
/// assert_eq!(reader.records(from..reader.end()).map(|record| record.mark).sum::<i32>(), 3);
///
/// // A send of it. The records are adjacent in memory, so they are one part.
/// let mut gather = Gather::default();
/// for slice in reader.slices(from..reader.end()) {
///     gather.push_slice(slice);
/// }
/// assert_eq!((gather.len(), overlapped::buf::SendBuf::parts(&gather)), (19, 1));
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

    /// Appends a record made of `parts`, one after the other; nothing if they are empty. `mark` is
    /// called while no other thread appends, so marks taken from a counter are in the order of the
    /// records. It must be quick, and must not use the log.
    ///
    /// Costs one copy of the bytes, whatever the number of readers. Allocates nothing while old
    /// segments become free.
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
        // SAFETY: this thread holds the log's lock.
        unsafe { writer.newest().append(parts, mark) };
        Ok(())
    }

    /// A reader that begins at the log's present end.
    pub fn reader(&self) -> LogReader<M> {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// Bytes of memory of all segments, including those that only a send in flight still holds.
    pub fn memory(&self) -> usize {
        self.shared.live.load(Ordering::Relaxed)
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
