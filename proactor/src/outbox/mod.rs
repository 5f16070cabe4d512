//! What is queued for one peer: bytes of private sends, and records in the logs of the groups that
//! the session is a member of. Knows no socket.
//!
//! Both leave in the order of their stamps. A record has the next stamp of the server's clock. A
//! private send has the latest stamp of the moment in which it was issued, and follows every record
//! up to that. Records are counted when the shard has read a group's news, and only counted ones
//! are taken.
//!
//! Only whole packets are taken. So the rest can be dropped packet by packet, and a packet that is
//! partly sent is never cut.

pub(crate) mod lazy;
pub(crate) mod memory;
pub(crate) mod own;
pub(crate) mod positions;
pub(crate) mod slow;
pub(crate) mod take;

use overlapped::driver::OpId;
use overlapped::log::{Gather, LogSlice};

use self::memory::SendMemory;
use self::own::OwnBytes;
use self::positions::Positions;
use self::take::TakeLimits;
use crate::codec::Frame;
use crate::error::SendError;
use crate::group::clock::BroadcastHeader;
use crate::group::local::{LocalGroups, News, Withheld};
use crate::session::id::SessionId;

/// What an outbox gives to be sent in one operation.
#[derive(Debug)]
pub(crate) enum Taken {
    Bytes(Vec<u8>),
    Slice(LogSlice<BroadcastHeader>),
    Gather(Gather<BroadcastHeader>),
}

impl Taken {
    pub(crate) fn len(&self) -> usize {
        match self {
            Taken::Bytes(bytes) => bytes.len(),
            Taken::Slice(slice) => slice.len(),
            Taken::Gather(gather) => gather.len(),
        }
    }
}

/// What [`Outbox::push`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// So many bytes were queued.
    pub(crate) bytes: usize,
    /// The outbox has now so many.
    pub(crate) len: usize,
}

/// What is queued and in flight for a peer.
///
/// Private bytes and what is in flight are never more than the limit. With broadcasts there may be
/// more only while nothing is in flight: if its shard has not come round to sending, that is not
/// the peer's fault, and the bytes are in the log anyway.
#[derive(Debug)]
pub(crate) struct Outbox {
    own: OwnBytes,
    positions: Positions,
    in_flight: usize,
    /// The send in flight, and its progress when that was last asked for.
    send: Option<(OpId, u64)>,
    dropped: u64,
}

impl Outbox {
    const fn new() -> Outbox {
        Outbox { own: OwnBytes::new(), positions: Positions::new(), in_flight: 0, send: None, dropped: 0 }
    }

    /// Bytes queued and in flight, private and broadcast.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.own.len() + self.positions.behind() + self.in_flight
    }

    pub(crate) fn has_queued(&self) -> bool {
        self.own.len() > 0 || self.positions.behind() > 0
    }

    /// Whether a send is in flight.
    pub(crate) fn is_sending(&self) -> bool {
        self.in_flight > 0
    }

    pub(crate) fn send(&self) -> Option<(OpId, u64)> {
        self.send
    }

    pub(crate) fn set_send(&mut self, send: Option<(OpId, u64)>) {
        self.send = send;
    }

    /// Packets that were dropped because the peer was too slow.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The stamp of a private send that is issued now, on the session's shard. Outside of groups
    /// only the order of private sends counts, and the clock is not read.
    #[inline(always)]
    pub(crate) fn stamp(&self, now: impl FnOnce() -> u64) -> u64 {
        if self.positions.is_empty() { self.own.last_stamp().unwrap_or(0) } else { now() }
    }

    /// Queues a copy of a frame or, if it does not fit, nothing. `spare` gives memory to an outbox
    /// that has none.
    #[inline]
    pub(crate) fn push(
        &mut self,
        frame: Frame<'_>,
        stamp: u64,
        limit: usize,
        by_packet: bool,
        spare: impl FnOnce() -> Vec<u8>,
    ) -> Result<Pushed, SendError> {
        let (len, bytes) = (self.len(), frame.len());
        let pushed = Pushed { bytes, len: len + bytes };
        // Before anything is written: what does not fit must not take memory.
        if pushed.len > limit && bytes > 0 {
            return Err(SendError::Full);
        }
        if bytes > 0 {
            self.own.push(frame, stamp, limit, by_packet, spare)?;
        }
        Ok(pushed)
    }

    /// Queues a copy of a frame behind the last private send, if that has the same stamp and
    /// memory for it, and if fewer than `high` bytes are queued then. Says whether it did.
    #[inline(always)]
    pub(crate) fn append(&mut self, frame: Frame<'_>, stamp: u64, high: usize) -> bool {
        self.len() + frame.len() < high && self.own.append(frame, stamp)
    }

    /// Takes whole packets, to be sent in one operation.
    pub(crate) fn take(
        &mut self,
        id: SessionId,
        limits: TakeLimits,
        groups: &LocalGroups,
        memory: &mut SendMemory,
    ) -> Option<Taken> {
        let taken = if let Some(slice) = take::slice(&self.own, &mut self.positions, limits, groups) {
            Taken::Slice(slice)
        } else if self.positions.behind() == 0
            && let Some(bytes) = self.own.take_whole(limits.stamp)
        {
            Taken::Bytes(bytes)
        } else {
            let mut gather = memory.gather();
            let at = take::gather(&mut self.own, &mut self.positions, id, limits, groups, &mut gather);
            if at < gather.own().len() {
                // Seldom: a piece too many, or bytes that were issued later.
                self.own.put_back(&gather.own()[at..], memory.buffer());
            }
            Taken::Gather(gather)
        };
        self.in_flight += taken.len();
        (taken.len() > 0).then_some(taken)
    }

    /// So many bytes are no longer in flight.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.in_flight -= bytes;
    }

    /// Whether it holds little enough memory to be kept for another session.
    fn is_small(&self, most_runs: usize) -> bool {
        self.own.is_small(most_runs)
    }

    /// Discards the private bytes that are queued.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
    }

    /// Becomes a member from record `next` on. `member` is its index among the group's members.
    pub(crate) fn join(&mut self, group: u32, next: u64, member: usize) {
        self.positions.add(group, next, member);
    }

    /// Its index among the group's members has changed.
    pub(crate) fn set_member(&mut self, group: u32, member: usize) {
        self.positions.set_member(group, member);
    }

    /// The first record of the group's log that is not taken.
    pub(crate) fn position(&self, group: u32) -> Option<u64> {
        Some(self.positions.in_group(group)?.next)
    }

    /// The groups that it is a member of.
    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> {
        self.positions.iter().map(|position| position.group)
    }

    pub(crate) fn group_count(&self) -> usize {
        self.positions.len()
    }

    /// Whether it has taken all that its groups have counted.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.positions.behind() == 0
    }

    /// Leaves a group, and returns the index that it had among the members. With a stamp, records
    /// up to that are still sent: they are copied, so that the log is free of this member at once.
    /// Records that do not fit into the limit are dropped. Without a stamp nothing is sent.
    pub(crate) fn leave(
        &mut self,
        id: SessionId,
        group: u32,
        upto: Option<u64>,
        limit: usize,
        groups: &LocalGroups,
    ) -> Option<usize> {
        let position = self.positions.remove(group)?;
        let Some(stamp) = upto else { return Some(position.member) };
        let group = groups.at(group)?;
        self.dropped += group.front().saturating_sub(position.next);
        let records = group.records(position.next..u64::MAX).take_while(|record| record.mark.stamp <= stamp);
        for record in records.filter(|record| record.mark.except != Some(id)) {
            if record.bytes > limit.saturating_sub(self.len()) {
                self.dropped += 1;
            } else {
                self.own.insert(group.slices(record.number..record.number + 1), record.mark.stamp);
            }
        }
        Some(position.member)
    }

    /// Before [`queue_news`](Outbox::queue_news): one of the news is withheld from this session.
    pub(crate) fn withhold(&mut self, group: u32, news: &News, record: &Withheld) {
        self.positions.withhold(group, news, record);
    }

    /// Queues the news of a group, by counting them: the records stay in the group's log.
    pub(crate) fn queue_news(&mut self, id: SessionId, group: u32, news: &News, groups: &LocalGroups) {
        self.positions.count(id, group, news, groups);
    }

    /// Whether a log has forgotten records that were not taken.
    pub(crate) fn has_lost(&self, groups: &LocalGroups) -> bool {
        self.positions.has_lost(groups)
    }

    /// Skips the records that logs have forgotten, and counts them as dropped.
    pub(crate) fn skip_lost(&mut self, id: SessionId, groups: &LocalGroups) {
        self.dropped += self.positions.skip_lost(id, groups);
    }

    /// Drops the oldest queued packets until no more than `limit` bytes are left, with what is in
    /// flight. That alone may be more.
    pub(crate) fn drop_oldest(&mut self, id: SessionId, limit: usize, groups: &LocalGroups) {
        let mut excess = self.len().saturating_sub(limit);
        while excess > 0 {
            let own = self.own.first();
            let dropped = match (own, self.positions.oldest(id, groups)) {
                (own, Some(first)) if own.is_none_or(|own| first.stamp <= own.stamp) => {
                    let position = self.positions.at_mut(first.at);
                    let record = first.number..first.number + 1;
                    let bytes = groups.at(position.group).map_or(0, |group| group.bytes_for(id, record));
                    position.advance(first.number + 1, bytes, groups);
                    bytes
                }
                (Some(_), _) => self.own.drop_first(),
                (None, _) => break,
            };
            self.dropped += 1;
            excess = excess.saturating_sub(dropped);
        }
        self.own.compact();
    }

    /// Makes room for so many bytes, if dropping packets can do that.
    pub(crate) fn make_room(&mut self, id: SessionId, bytes: usize, limit: usize, groups: &LocalGroups) {
        if bytes > limit.saturating_sub(self.in_flight) {
            return;
        }
        self.drop_oldest(id, limit - bytes, groups);
        while self.own.is_crowded(limit) {
            self.drop_oldest(id, self.len() - 1, groups);
        }
    }
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox::new()
    }
}

#[cfg(test)]
pub(crate) mod tests;
