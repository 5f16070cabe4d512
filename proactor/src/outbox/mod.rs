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

pub(crate) mod latest;
pub(crate) mod lazy;
pub(crate) mod memory;
pub(crate) mod own;
pub(crate) mod positions;

use overlapped::buf::Packet;
use overlapped::driver::OpId;
use overlapped::log::{Gather, LogSlice};

use self::latest::Latest;
use self::memory::SendMemory;
use self::own::OwnBytes;
use self::positions::Positions;
use crate::codec::Frame;
use crate::error::SendError;
use crate::group::domain::BroadcastHeader;
use crate::group::local::{LocalGroups, News};
use crate::session::id::SessionId;

/// What an outbox gives to be sent in one operation.
#[derive(Debug)]
pub(crate) enum Taken {
    Bytes(Vec<u8>),
    Packet(Packet),
    Packets(Vec<Packet>),
    Slice(LogSlice<BroadcastHeader>),
    Gather(Gather<BroadcastHeader>),
}

impl Taken {
    pub(crate) fn len(&self) -> usize {
        match self {
            Taken::Bytes(bytes) => bytes.len(),
            Taken::Packet(packet) => packet.len(),
            Taken::Packets(packets) => packets.iter().map(|packet| packet.len()).sum(),
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
    received: Vec<Packet>,
    latest: Option<Box<Latest>>,
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
            received: Vec::new(),
            latest: None,
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

    /// Whether a send is in flight.
    pub(crate) fn is_sending(&self) -> bool {
        self.in_flight > 0
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

    /// Whether received packets can be queued as they are: nothing that was issued earlier may go
    /// behind them.
    pub(crate) fn takes_received(&self) -> bool {
        self.own.len() == 0 && self.positions.is_empty() && self.latest.is_none()
    }

    /// Queues a received packet as it is, or nothing if it does not fit. Only while the outbox
    /// [takes](Outbox::takes_received) such packets.
    pub(crate) fn push_received(&mut self, packet: Packet, limit: usize) -> Result<Pushed, SendError> {
        let bytes = packet.len();
        let pushed = Pushed { bytes, len: self.len() + bytes };
        if pushed.len > limit {
            return Err(SendError::Full);
        }
        self.apart += bytes;
        let apart = match self.received.last_mut() {
            Some(last) => last.join(packet).err(),
            None => Some(packet),
        };
        self.received.extend(apart);
        Ok(pushed)
    }

    fn take_received(&mut self, memory: &mut SendMemory) -> Taken {
        if self.received.len() == 1
            && let Some(packet) = self.received.pop()
        {
            return Taken::Packet(packet);
        }
        Taken::Packets(std::mem::replace(&mut self.received, memory.packets()))
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
        if self.has_apart() && !self.received.is_empty() {
            let taken = self.take_received(memory);
            // They are counted already.
            self.in_flight += taken.len();
            return Some(taken);
        }
        let taken = if let Some(slice) = take_slice(&self.own, &mut self.positions, limits, groups) {
            Taken::Slice(slice)
        } else if self.positions.behind() == 0
            && let Some(bytes) = self.own.take_whole(limits.stamp)
        {
            Taken::Bytes(bytes)
        } else {
            let mut gather = memory.gather();
            let at = take_gather(&mut self.own, &mut self.positions, id, limits, groups, &mut gather);
            if at < gather.own().len() {
                // Seldom: a piece too many, or bytes that were issued later.
                self.own.put_back(&gather.own()[at..], memory.buffer());
            }
            Taken::Gather(gather)
        };
        self.in_flight += taken.len();
        self.apart += taken.len();
        (taken.len() > 0).then_some(taken)
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
        self.own.clear();
        self.received.clear();
        self.latest = None;
        self.apart = self.in_flight;
    }

    /// The first record of the group's log that is not taken.
    pub(crate) fn position(&self, group: u32) -> Option<u64> {
        Some(self.positions.in_group(group)?.next)
    }

    /// The groups that it is a member of.
    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> {
        self.positions.iter().map(|position| position.group)
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
        self.dropped += group.reader.front().saturating_sub(position.next);
        let records = group.reader.records(position.next..u64::MAX).take_while(|record| record.mark.stamp <= stamp);
        for record in records.filter(|record| record.mark.except != Some(id)) {
            if record.bytes > limit.saturating_sub(self.len()) {
                self.dropped += 1;
            } else {
                self.own.insert(group.reader.slices(record.number..record.number + 1), record.mark.stamp);
            }
        }
        Some(position.member)
    }

    /// Queues the news of a group, by counting them: the records stay in the group's log.
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

/// Pieces of one send.
const MOST_PIECES: usize = 64;

/// How much one send takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakeLimits {
    /// Only what was issued up to this stamp.
    stamp: u64,
    /// Bytes, unless the first packet alone has more.
    bytes: usize,
    pieces: usize,
}

impl TakeLimits {
    pub(crate) fn new(stamp: u64, bytes: usize) -> TakeLimits {
        TakeLimits { stamp, bytes, pieces: MOST_PIECES }
    }

    /// All that was issued up to a stamp, for a session that closes.
    pub(crate) fn all(stamp: u64) -> TakeLimits {
        TakeLimits { stamp, bytes: usize::MAX, pieces: usize::MAX }
    }
}

/// Takes all that is queued if it is one piece of the log of one group. A member that says little
/// is mostly sent that.
fn take_slice(
    own: &OwnBytes,
    positions: &mut Positions,
    limits: TakeLimits,
    groups: &LocalGroups,
) -> Option<LogSlice<BroadcastHeader>> {
    let mut behind = positions.behind_mut();
    let position = behind.next()?;
    if behind.next().is_some() || position.behind > limits.bytes || own.len() > 0 {
        return None;
    }
    let group = groups.at(position.group)?;
    let counted = group.counted();
    let last = group.reader.records(counted.checked_sub(1)?..counted).next()?;
    let mut slices = group.reader.slices(position.next..counted);
    let slice = slices.next()?;
    let is_whole = position.next >= group.reader.front() && slices.next().is_none();
    // If it has more bytes, some of them are withheld from this member.
    if !is_whole || slice.len() != position.behind || last.mark.stamp > limits.stamp {
        return None;
    }
    position.advance(counted, slice.len(), groups);
    Some(slice)
}

/// Takes private bytes and records in the order of their stamps. Returns how far the private bytes
/// in the gather are taken.
fn take_gather(
    own: &mut OwnBytes,
    positions: &mut Positions,
    id: SessionId,
    limits: TakeLimits,
    groups: &LocalGroups,
    gather: &mut Gather<BroadcastHeader>,
) -> usize {
    let (buffer, mut at) = own.take_buffer();
    gather.set_own(buffer);
    let mut taken = 0;
    while gather.pieces() < limits.pieces {
        let own_stamp = own.first().map_or(u64::MAX, |run| run.stamp);
        let limit = own_stamp.min(limits.stamp);
        let oldest = positions.oldest(id, groups).filter(|first| first.stamp <= limit);
        if let Some(first) = oldest {
            // As far as nothing else comes in between.
            let next = positions.oldest_elsewhere(first.at, id, groups).map_or(u64::MAX, |stamp| stamp - 1);
            let bound = limit.min(next).max(first.stamp);
            let position = positions.at_mut(first.at);
            let group = groups.at(position.group).expect("it gave a record just now");
            let mut to = first.number;
            let mut bytes = 0;
            for record in group.reader.records(first.number..group.counted()) {
                let over = taken + bytes > 0 && taken + bytes + record.bytes > limits.bytes;
                if record.mark.except == Some(id) || record.mark.stamp > bound || over {
                    break;
                }
                to = record.number + 1;
                bytes += record.bytes;
            }
            if to == first.number {
                break;
            }
            group.reader.slices(first.number..to).for_each(|slice| gather.push_slice(slice));
            position.advance(to, bytes, groups);
            taken += bytes;
        } else if let Some(run) =
            own.first().filter(|run| run.stamp <= limits.stamp && (taken == 0 || taken + run.bytes <= limits.bytes))
        {
            let range = own.take_first(at);
            at = range.end;
            gather.push_own(range);
            taken += run.bytes;
        } else {
            break;
        }
    }
    at
}
