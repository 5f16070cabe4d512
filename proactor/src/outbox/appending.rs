//! The later packets of a burst: appended behind the one that was queued before.

use super::Outbox;
use crate::codec::Frame;

/// Half of what the count of appended bytes may be.
const MOST_APPENDABLE: usize = (u32::MAX / 2) as usize;

impl Outbox {
    /// A private send was queued just now: more of them may be [appended](Outbox::append) until
    /// fewer than `high` bytes would not be queued any more, or something else happens. In a group
    /// they have stamps of their own.
    #[inline]
    pub(crate) fn allow_appending(&mut self, high: usize) {
        if self.positions.is_empty() {
            let room = self.own.memory_left().min(high.saturating_sub(self.len() + 1));
            // What was appended since the last push is still to be counted.
            let appended = self.appendable_before - self.appendable;
            self.appendable = room.min(MOST_APPENDABLE) as u32;
            self.appendable_before = self.appendable + appended;
        }
    }

    /// What is queued next is no second packet of a burst.
    #[inline]
    pub(crate) fn end_appending(&mut self) {
        let appended = self.appendable_before - self.appendable;
        (self.appendable, self.appendable_before) = (0, 0);
        self.own.extend_last(appended as usize);
    }

    /// Queues a copy of a frame behind the last private send, as a part of it, if that
    /// [may be done](Outbox::allow_appending). Says whether it was.
    #[inline(always)]
    pub(crate) fn append(&mut self, frame: Frame<'_>) -> bool {
        let (bytes, may_append) = (frame.len() as u32, frame.written() <= self.appendable as usize);
        if may_append {
            self.appendable -= bytes;
            self.appended = self.appended.wrapping_add(1);
            self.own.append(frame);
        }
        may_append
    }
}
