//! What is queued for one peer: bytes of private sends, and records in the logs of the groups that
//! the session is a member of. Knows no socket.
//!
//! Both leave in the order of their stamps. A record has the next stamp of the server's clock. A
//! private send has the latest stamp of the moment in which it was issued, and follows every record
//! up to that. Records are counted when the shard has read a group's news, and only counted ones
//! are taken.
//!
//! Received packets that are sent on as they lie in their buffers go first: they are queued only
//! while nothing else is.
//!
//! Packets that a newer one of their key replaces wait apart from the others, and are put behind
//! them when a send starts.
//!
//! Only whole packets are taken. So the rest can be dropped packet by packet, and a packet that is
//! partly sent is never cut.

mod appending;
pub(crate) mod latest;
pub(crate) mod lazy;
pub(crate) mod memory;
mod metering;
pub(crate) mod own;
pub(crate) mod positions;
mod received;
mod take;

use overlapped::buf::Packet;
use overlapped::driver::OpId;
use overlapped::log::Gather;

use self::latest::Latest;
use self::memory::SendMemory;
use self::own::OwnBytes;
use self::positions::Positions;
use self::received::Received;
pub(crate) use self::take::{TakeLimits, Taken};
use crate::codec::Frame;
use crate::error::SendError;
use crate::group::domain::BroadcastHeader;
use crate::group::local::{LocalGroups, News};
use crate::session::id::SessionId;

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
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    own: OwnBytes,
    /// Where it stands in the logs of its groups.
    pub(crate) positions: Positions,
    in_flight: usize,
    /// Bytes in flight, of received packets, and of the latest packets that wait: all that is
    /// queued elsewhere than in `own` and the logs. One number, so that those packets cost the
    /// others nothing.
    apart: usize,
    /// Received packets that are sent on, before everything else.
    received: Option<Box<Received>>,
    latest: Option<Box<Latest>>,
    /// A frame of so many bytes may be [appended](Outbox::append) without another look at what is
    /// queued: there is memory for it, and it stays below the high watermark.
    appendable: u32,
    /// What that was when appending was allowed: the difference was appended, and is not counted in
    /// the last run of `own` yet.
    appendable_before: u32,
    /// Packets that were appended and that no meter has counted. Wraps if there is none.
    appended: u32,
    /// Bytes in it when its meter was last told.
    told: usize,
    /// The send in flight, and its progress when that was last asked for.
    pub(crate) send: Option<(OpId, u64)>,
    dropped: u64,
}

impl Outbox {
    const fn new() -> Outbox {
        Outbox {
            own: OwnBytes::new(),
            positions: Positions::new(),
            in_flight: 0,
            apart: 0,
            received: None,
            latest: None,
            appendable: 0,
            appendable_before: 0,
            appended: 0,
            told: 0,
            send: None,
            dropped: 0,
        }
    }

    /// Bytes queued and in flight, private and broadcast.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.own.len() + self.positions.behind() + self.apart
    }

    pub(crate) fn has_queued(&self) -> bool {
        self.own.len() > 0 || self.positions.behind() > 0 || self.has_apart()
    }

    /// Whether something waits elsewhere than in `own` and the logs.
    #[inline(always)]
    fn has_apart(&self) -> bool {
        self.apart > self.in_flight
    }

    /// Whether packets wait that a newer one of their key can replace.
    #[inline(always)]
    pub(crate) fn has_latest(&self) -> bool {
        self.has_apart() && self.latest.is_some()
    }

    /// Whether all that is queued, or will be in this turn, are broadcasts of one group.
    #[inline]
    pub(crate) fn is_of_one_group(&self) -> bool {
        self.positions.len() == 1 && self.own.len() == 0 && !self.has_apart()
    }

    /// Bytes of sends in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
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
        self.end_appending();
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

    /// Whether received packets can be queued as they are: nothing that was issued earlier may go
    /// behind them.
    pub(crate) fn takes_received(&self) -> bool {
        self.own.len() == 0 && self.positions.is_empty() && self.latest.is_none()
    }

    /// Queues a received packet as it is, or nothing if it does not fit. Only while the outbox
    /// [takes](Outbox::takes_received) such packets.
    pub(crate) fn push_received(&mut self, packet: Packet, limit: usize) -> Result<Pushed, SendError> {
        self.end_appending();
        let bytes = packet.len();
        let pushed = Pushed { bytes, len: self.len() + bytes };
        if pushed.len > limit {
            return Err(SendError::Full);
        }
        self.apart += bytes;
        self.received.get_or_insert_default().push(packet);
        Ok(pushed)
    }

    /// Takes whole packets, to be sent in one operation.
    #[inline]
    pub(crate) fn take(
        &mut self,
        id: SessionId,
        limits: TakeLimits,
        groups: &LocalGroups,
        memory: &mut SendMemory,
    ) -> Option<Taken> {
        self.end_appending();
        if self.has_apart()
            && let Some(taken) = self.received.as_mut().and_then(|received| received.take(memory))
        {
            // They are counted already.
            self.in_flight += taken.len();
            return Some(taken);
        }
        let taken = if let Some(slice) = take::slice(&self.own, &mut self.positions, limits, groups) {
            Taken::Slice(slice)
        } else if self.positions.behind() == 0
            && let Some(bytes) = self.own.take_whole(limits.stamp)
        {
            Taken::Bytes(bytes)
        } else {
            Taken::Gather(self.take_pieces(id, limits, groups, memory))
        };
        self.in_flight += taken.len();
        self.apart += taken.len();
        (taken.len() > 0).then_some(taken)
    }

    #[inline(never)]
    fn take_pieces(
        &mut self,
        id: SessionId,
        limits: TakeLimits,
        groups: &LocalGroups,
        memory: &mut SendMemory,
    ) -> Gather<BroadcastHeader> {
        let mut gather = memory.gather();
        let at = take::gather(&mut self.own, &mut self.positions, id, limits, groups, &mut gather);
        if at < gather.own().len() {
            // Seldom: a piece too many, or bytes that were issued later.
            self.own.put_back(&gather.own()[at..], memory.buffer());
        }
        gather
    }

    /// Whether all that is queued are private packets that no newer one can replace, and nothing is
    /// in flight.
    pub(crate) fn is_own(&self) -> bool {
        self.in_flight == 0 && self.positions.is_empty() && self.latest.is_none()
    }

    /// Its private bytes, if they are all that is queued, nothing is in flight, and the session is
    /// in no group.
    #[inline]
    pub(crate) fn only_own(&self) -> Option<&[u8]> {
        if self.apart == 0 && self.positions.is_empty() { self.own.whole() } else { None }
    }

    /// All of [those](Outbox::only_own) were sent. Returns their memory.
    #[inline]
    pub(crate) fn own_sent(&mut self) -> Vec<u8> {
        self.end_appending();
        self.own.take_all()
    }

    /// So many bytes are no longer in flight.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.in_flight -= bytes;
        self.apart -= bytes;
    }

    /// Bytes of the latest packet that waits under a key.
    pub(crate) fn latest_bytes(&self, key: u64) -> usize {
        self.latest.as_ref().and_then(|latest| latest.bytes_of(key)).unwrap_or(0)
    }

    /// Whether a latest packet may wait under a key: there are not as many other keys as there may
    /// be.
    pub(crate) fn takes_latest(&self, key: u64) -> bool {
        self.latest.as_ref().is_none_or(|latest| latest.takes(key))
    }

    /// Has a copy of a frame wait as the newest of its key, in place of the one that waits, or
    /// changes nothing if it does not fit. One that is not longer always does. Returns how many
    /// bytes are queued now. An empty frame is none.
    pub(crate) fn put_latest(
        &mut self,
        key: u64,
        frame: Frame<'_>,
        stamp: u64,
        limit: usize,
    ) -> Result<Pushed, SendError> {
        self.end_appending();
        let (before, bytes) = (self.latest_bytes(key), frame.len());
        let len = self.len() - before + bytes;
        if bytes == 0 {
            return Ok(Pushed { bytes, len: self.len() });
        }
        if bytes > before && len > limit {
            return Err(SendError::Full);
        }
        self.latest.get_or_insert_default().put(key, frame, stamp);
        self.apart = self.apart - before + bytes;
        Ok(Pushed { bytes, len })
    }

    /// A send is to take what was issued up to `upto`: queues the latest packets whose keys came up
    /// to that, behind everything else of such a stamp.
    #[inline(never)]
    pub(crate) fn settle_latest(&mut self, upto: u64, by_packet: bool, spare: impl FnOnce() -> Vec<u8>) {
        if self.latest.is_none() {
            return;
        }
        self.end_appending();
        let Some(latest) = &mut self.latest else { return };
        let own = &mut self.own;
        // Outside of groups the clock is not read, and all stamps are those of sends. In a group
        // the stamp of the last send may be lower than that of a broadcast that waits.
        let stamp = if self.positions.is_empty() { own.last_stamp().unwrap_or(0) } else { upto };
        own.prepare(spare);
        self.apart -= latest.take_upto(upto, |frame| own.push_behind(frame, stamp, by_packet));
        if latest.is_empty() {
            self.latest = None;
        }
    }

    /// Discards the private bytes that are queued.
    pub(crate) fn clear(&mut self) {
        self.end_appending();
        self.own.clear();
        self.received = None;
        self.latest = None;
        self.apart = self.in_flight;
    }

    /// Becomes a member of a group from record `next` on. `member` is its index among the group's
    /// members.
    pub(crate) fn join(&mut self, group: u32, next: u64, member: usize) {
        self.end_appending();
        self.positions.join(group, next, member);
    }

    /// The first record of the group's log that is not taken.
    pub(crate) fn position(&self, group: u32) -> Option<u64> {
        Some(self.positions.in_group(group)?.next)
    }

    /// The groups that it is a member of.
    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> {
        self.positions.iter().map(|position| position.group())
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
        self.end_appending();
        let position = self.positions.remove(group)?;
        let Some(stamp) = upto else { return Some(position.member()) };
        let group = groups.at(group)?;
        self.dropped += group.reader.front().saturating_sub(position.next);
        let records = group.reader.records(position.next..u64::MAX).take_while(|record| record.mark.stamp <= stamp);
        for record in records.filter(|record| record.mark.except != Some(id)) {
            if record.bytes > limit.saturating_sub(self.len()) {
                self.dropped += 1;
            } else {
                self.own.insert(group.reader.slices(record.number..record.number + 1), record.mark.stamp);
            }
        }
        Some(position.member())
    }

    /// Queues the news of a group, by counting them: the records stay in the group's log.
    #[inline]
    pub(crate) fn queue_news(&mut self, id: SessionId, group: u32, news: &News, groups: &LocalGroups) {
        self.positions.count(id, group, news, groups);
    }

    /// Skips the records that logs have forgotten, and counts them as dropped.
    pub(crate) fn skip_lost(&mut self, id: SessionId, groups: &LocalGroups) {
        self.dropped += self.positions.skip_lost(id, groups);
    }

    /// Drops the oldest queued packets until no more than `limit` bytes are left, with what is in
    /// flight and the latest packets that wait. Those alone may be more: they are not dropped.
    pub(crate) fn drop_oldest(&mut self, id: SessionId, limit: usize, groups: &LocalGroups) {
        self.end_appending();
        let mut excess = self.len().saturating_sub(limit);
        while excess > 0 {
            let own = self.own.first();
            let dropped = match (own, self.positions.oldest(id, groups)) {
                (own, Some(first)) if own.is_none_or(|own| first.stamp <= own.stamp) => {
                    let position = self.positions.at_mut(first.at);
                    let record = first.number..first.number + 1;
                    let bytes = groups.at(position.group()).map_or(0, |group| group.bytes_for(id, record));
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
        if bytes > limit.saturating_sub(self.apart) {
            return;
        }
        self.drop_oldest(id, limit - bytes, groups);
        while self.own.is_crowded(limit) {
            self.drop_oldest(id, self.len() - 1, groups);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
