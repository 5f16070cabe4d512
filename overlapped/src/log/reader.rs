//! Reading a log: one reader for the positions of many connections on one thread.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::segment::{LogSlice, Segment};
use super::shared::Shared;

/// A record, as a reader finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord<M> {
    /// Its number, counted from the log's beginning.
    pub number: u64,
    /// Its length in bytes, never zero.
    pub bytes: usize,
    /// Its mark.
    pub mark: M,
}

/// Reads a [`Log`](crate::log::Log), for any number of positions. A position is just the number of
/// a record; its owner keeps it.
///
/// It holds the segments from [`front`](LogReader::front) on; its owner drops them with
/// [`trim`](LogReader::trim). It sees at once what is appended to a segment that it holds, and new
/// segments after [`refresh`](LogReader::refresh).
pub struct LogReader<M> {
    shared: Arc<Shared<M>>,
    /// Its place in the log's list of what is fetched.
    index: usize,
    segments: VecDeque<Arc<Segment<M>>>,
}

impl<M: Copy> LogReader<M> {
    pub(super) fn new(shared: Arc<Shared<M>>) -> LogReader<M> {
        let mut writer = shared.lock();
        let newest = Arc::clone(writer.newest());
        let index = writer.fetched.iter().position(Option::is_none).unwrap_or(writer.fetched.len());
        if index == writer.fetched.len() {
            writer.fetched.push(None);
        }
        writer.fetched[index] = Some(newest.number);
        drop(writer);
        LogReader { shared, index, segments: VecDeque::from([newest]) }
    }

    /// Fetches the segments that were begun since. If there are none it takes no lock.
    ///
    /// Segments that the log has dropped are lost, and so are those that this reader holds beyond
    /// [`LogConfig::log_bytes`](crate::log::LogConfig::log_bytes): then [`front`](LogReader::front)
    /// has moved on.
    pub fn refresh(&mut self) {
        let last = self.newest().number;
        if self.shared.newest.load(Ordering::Acquire) == last {
            return;
        }
        let mut writer = self.shared.lock();
        let oldest = writer.segments.front().expect("a log has a segment").number;
        let known = (last + 1).saturating_sub(oldest) as usize;
        if oldest > last + 1 {
            // The segments that it holds must be without a gap.
            self.segments.clear();
        }
        self.segments.extend(writer.segments.iter().skip(known).cloned());
        writer.fetched[self.index] = Some(writer.newest().number);
        drop(writer);
        let mut held: usize = self.segments.iter().map(|segment| segment.bytes.len()).sum();
        while held > self.shared.config.log_bytes && self.segments.len() > 1 {
            held -= self.segments.pop_front().map_or(0, |segment| segment.bytes.len());
        }
    }

    fn newest(&self) -> &Arc<Segment<M>> {
        self.segments.back().expect("a reader holds the newest segment it has fetched")
    }

    /// The first record it still holds. A position before it has lost the records between.
    pub fn front(&self) -> u64 {
        self.segments.front().map_or(0, |segment| segment.first)
    }

    /// The position behind the last record that can be seen.
    pub fn end(&self) -> u64 {
        self.newest().first + self.newest().published() as u64
    }

    /// Drops the segments that are wholly before a position.
    pub fn trim(&mut self, position: u64) {
        while self.segments.len() > 1 && self.segments[1].first <= position {
            self.segments.pop_front();
        }
    }

    /// How many segments it holds, at least one.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The records of a range of positions, as far as they are held and can be seen.
    pub fn records(&self, range: Range<u64>) -> impl Iterator<Item = LogRecord<M>> + '_ {
        self.stretches(range).flat_map(|(segment, from, to)| {
            let mut start = segment.start(from);
            (from..to).map(move |index| {
                let record = segment.record(index);
                let bytes = record.end as usize - start;
                start = record.end as usize;
                LogRecord { number: segment.first + index as u64, bytes, mark: record.mark }
            })
        })
    }

    /// The bytes of a range of positions, as far as they are held and can be seen: one slice for
    /// each segment.
    pub fn slices(&self, range: Range<u64>) -> impl Iterator<Item = LogSlice<M>> + '_ {
        self.stretches(range).map(|(segment, from, to)| segment.slice(from, to))
    }

    /// The segments that a range of positions touches, each with the range of its records.
    fn stretches(&self, range: Range<u64>) -> impl Iterator<Item = (&Arc<Segment<M>>, usize, usize)> + '_ {
        let first = self.segments.partition_point(|segment| segment.first <= range.start).saturating_sub(1);
        self.segments
            .range(first..)
            .map_while(move |segment| {
                let published = segment.published() as u64;
                let from = range.start.saturating_sub(segment.first).min(published);
                let to = range.end.saturating_sub(segment.first).min(published);
                (range.end > segment.first).then_some((segment, from as usize, to as usize))
            })
            .filter(|(_, from, to)| from < to)
    }
}

impl<M> Drop for LogReader<M> {
    fn drop(&mut self) {
        self.segments.clear();
        let mut writer = self.shared.lock();
        writer.fetched[self.index] = None;
        if writer.fetched.iter().all(Option::is_none) {
            // There are no readers: the next one begins at the end.
            let newest = writer.segments.len() - 1;
            writer.segments.drain(..newest);
            writer.spare.clear();
        }
    }
}

impl<M> fmt::Debug for LogReader<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogReader of {} segments", self.segments.len())
    }
}
