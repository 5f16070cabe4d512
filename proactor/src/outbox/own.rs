//! The bytes of private sends that wait for a peer, in the order of their stamps.

use std::collections::VecDeque;
use std::ops::Range;

use crate::codec::Frame;
use crate::error::SendError;

/// Bytes of one stamp; or of one packet, where packets may be dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) stamp: u64,
    pub(super) bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct OwnBytes {
    bytes: Vec<u8>,
    /// Bytes before this one are taken or dropped.
    head: usize,
    runs: VecDeque<Run>,
}

impl OwnBytes {
    pub(super) const fn new() -> OwnBytes {
        OwnBytes { bytes: Vec::new(), head: 0, runs: VecDeque::new() }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Whether there are so many runs that they take as much memory as the bytes may. Very short
    /// packets do that.
    pub(super) fn is_crowded(&self, limit: usize) -> bool {
        self.runs.len() * size_of::<Run>() >= limit
    }

    /// Whether it holds no memory that is worth keeping elsewhere.
    pub(super) fn is_small(&self, most_runs: usize) -> bool {
        self.bytes.capacity() == 0 && self.runs.capacity() <= most_runs
    }

    pub(super) fn first(&self) -> Option<Run> {
        self.runs.front().copied()
    }

    /// The highest stamp.
    #[inline(always)]
    pub(super) fn last_stamp(&self) -> Option<u64> {
        self.runs.back().map(|run| run.stamp)
    }

    /// Bytes that can be written without taking memory.
    #[inline]
    pub(super) fn memory_left(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Appends a frame to the last run, which [`extend_last`](OwnBytes::extend_last) tells later.
    #[inline(always)]
    pub(super) fn append(&mut self, frame: Frame<'_>) {
        frame.append_to(&mut self.bytes);
    }

    /// The last run has so many more bytes.
    #[inline]
    pub(super) fn extend_last(&mut self, bytes: usize) {
        if bytes > 0
            && let Some(last) = self.runs.back_mut()
        {
            last.bytes += bytes;
        }
    }

    /// Puts a frame behind everything of a stamp up to its own. `spare` gives memory if there is
    /// none.
    ///
    /// # Errors
    /// `Full`: it would be one run more than there may be.
    #[inline(always)]
    pub(super) fn push(
        &mut self,
        frame: Frame<'_>,
        stamp: u64,
        limit: usize,
        by_packet: bool,
        spare: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), SendError> {
        self.prepare(spare);
        frame.append_to(&mut self.bytes);
        match self.runs.back_mut() {
            Some(last) if last.stamp == stamp && !by_packet => {
                last.bytes += frame.len();
                Ok(())
            }
            None => {
                self.runs.push_back(Run { stamp, bytes: frame.len() });
                Ok(())
            }
            _ => self.arrange(frame.len(), stamp, limit, by_packet),
        }
    }

    /// Takes memory if it has none.
    #[inline(always)]
    pub(super) fn prepare(&mut self, spare: impl FnOnce() -> Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = spare();
        }
    }

    /// Puts a frame that was within the limit already behind everything of a stamp up to its own.
    pub(super) fn push_behind(&mut self, frame: &[u8], stamp: u64, by_packet: bool) {
        let at = self.runs.partition_point(|run| run.stamp <= stamp);
        self.bytes.extend_from_slice(frame);
        self.place(at, frame.len(), stamp, by_packet);
    }

    /// Finds the place of the last so many bytes among the runs, or takes them off if that would
    /// make one run too many.
    #[inline(never)]
    fn arrange(&mut self, bytes: usize, stamp: u64, limit: usize, by_packet: bool) -> Result<(), SendError> {
        let at = self.runs.partition_point(|run| run.stamp <= stamp);
        let joins = !by_packet && at.checked_sub(1).is_some_and(|before| self.runs[before].stamp == stamp);
        if !joins && self.is_crowded(limit) {
            self.bytes.truncate(self.bytes.len() - bytes);
            if self.bytes.is_empty() {
                self.bytes = Vec::new();
            }
            return Err(SendError::Full);
        }
        self.place(at, bytes, stamp, by_packet);
        Ok(())
    }

    /// Copies a packet of a group's log in, before everything of its stamp and later ones.
    pub(super) fn insert(&mut self, slices: impl Iterator<Item: AsRef<[u8]>>, stamp: u64) {
        let at = self.runs.partition_point(|run| run.stamp < stamp);
        for slice in slices {
            self.bytes.extend_from_slice(slice.as_ref());
            self.place(at, slice.as_ref().len(), stamp, true);
        }
    }

    /// Moves the last so many bytes before run `at`.
    fn place(&mut self, at: usize, bytes: usize, stamp: u64, by_packet: bool) {
        if at < self.runs.len() {
            // It was issued on another thread, before something that arrived earlier.
            let start = self.head + self.runs.iter().take(at).map(|run| run.bytes).sum::<usize>();
            self.bytes[start..].rotate_right(bytes);
        }
        match at.checked_sub(1).map(|before| &mut self.runs[before]) {
            Some(run) if run.stamp == stamp && !by_packet => run.bytes += bytes,
            _ if bytes > 0 => self.runs.insert(at, Run { stamp, bytes }),
            _ => {}
        }
    }

    /// Drops the first run. Its memory is freed by [`compact`](OwnBytes::compact).
    pub(super) fn drop_first(&mut self) -> usize {
        let bytes = self.runs.pop_front().map_or(0, |run| run.bytes);
        self.head += bytes;
        bytes
    }

    pub(super) fn compact(&mut self) {
        if self.head * 2 > self.bytes.len() {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
    }

    /// All bytes, if there are some and they begin their buffer.
    #[inline]
    pub(super) fn whole(&self) -> Option<&[u8]> {
        if self.head == 0 && !self.bytes.is_empty() { Some(&self.bytes) } else { None }
    }

    /// Takes all bytes if they begin their buffer and none has a stamp over `stamp`.
    pub(super) fn take_whole(&mut self, stamp: u64) -> Option<Vec<u8>> {
        if self.head > 0 || self.runs.back().is_some_and(|run| run.stamp > stamp) {
            return None;
        }
        Some(self.take_all())
    }

    /// Takes all bytes, which begin their buffer.
    #[inline]
    pub(super) fn take_all(&mut self) -> Vec<u8> {
        self.runs.clear();
        std::mem::take(&mut self.bytes)
    }

    /// Takes the buffer out, and returns where the first run begins in it. The runs stay.
    pub(super) fn take_buffer(&mut self) -> (Vec<u8>, usize) {
        (std::mem::take(&mut self.bytes), std::mem::take(&mut self.head))
    }

    /// Takes the first run out of a buffer that was taken: its range, which begins at `at`.
    pub(super) fn take_first(&mut self, at: usize) -> Range<usize> {
        at..at + self.runs.pop_front().map_or(0, |run| run.bytes)
    }

    /// After [`take_buffer`](OwnBytes::take_buffer): puts back what is left.
    pub(super) fn put_back(&mut self, rest: &[u8], mut memory: Vec<u8>) {
        memory.extend_from_slice(rest);
        self.bytes = memory;
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.head = 0;
        self.runs.clear();
    }
}
