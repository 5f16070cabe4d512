//! What the handles and the readers of a log share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{config::LogConfig, segment::Segment};

/// Segments that are kept to be used again.
pub(super) const SPARE_SEGMENTS: usize = 4;

pub(super) struct Shared<M> {
    pub(super) config: LogConfig,
    pub(super) writer: Mutex<Writer<M>>,
    /// The number of the newest segment.
    pub(super) newest: AtomicU64,
    /// Bytes of memory of all segments, also of those that only slices hold.
    pub(super) live: Arc<AtomicUsize>,
}

pub(super) struct Writer<M> {
    /// The segments that some reader has not fetched, and the newest. Their numbers are
    /// consecutive.
    pub(super) segments: VecDeque<Arc<Segment<M>>>,
    /// Segments that are not needed any more, or will not be soon.
    pub(super) spare: Vec<Arc<Segment<M>>>,
    /// For each reader, the newest segment it has fetched.
    pub(super) fetched: Vec<Option<u64>>,
}

impl<M> Shared<M> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Writer<M>> {
        // Only the caller's mark can panic under the lock, before the record is published.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Copy> Shared<M> {
    /// Begins a new segment, with room for `len` bytes.
    pub(super) fn roll(&self, writer: &mut Writer<M>, len: usize) {
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

    /// Drops what every reader has fetched, and the oldest segments beyond what a log may hold.
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
                // If there are enough, the one that has waited longest goes.
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
    pub(super) fn newest(&self) -> &Arc<Segment<M>> {
        self.segments.back().expect("a log has a segment")
    }

    /// A segment that nobody holds any more. `Arc::get_mut` checks that with acquire, so all reads
    /// of what is now overwritten came before.
    fn take_spare(&mut self, size: usize) -> Option<Arc<Segment<M>>> {
        let free = |segment: &mut Arc<Segment<M>>| segment.bytes.len() == size && Arc::get_mut(segment).is_some();
        let at = self.spare.iter_mut().position(free)?;
        Some(self.spare.remove(at))
    }
}
