//! What is queued for one peer: a list of runs, each of own bytes or of records in the logs of the groups that the session is a member of.
//! Knows no socket.
//!
//! Own bytes and records leave in the order in which the server issued them, which their stamps tell: a record has the next stamp of the server's
//! clock, own bytes have the clock's at the moment they were queued, and follow every record up to that. Records are counted when the shard has looked at a
//! group's news, and only those that are counted are taken.
//!
//! What is taken is whole packets, so that what is still queued can be dropped packet by packet and never cuts one of which a part is sent.

pub(crate) mod held;

use std::collections::VecDeque;

use overlapped::driver::OpId;
use overlapped::log::{Gather, LogSlice};

use crate::codec::Frame;
use crate::error::SendError;
use crate::room::{Excepted, Mark, News, Rooms};
use crate::session::SessionId;

/// Pieces of one send.
const MOST_PIECES: usize = 64;

/// What an outbox gives to be sent in one operation.
#[derive(Debug)]
pub(crate) enum Taken {
    Bytes(Vec<u8>),
    Slice(LogSlice<Mark>),
    Gather(Gather<Mark>),
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

/// Own bytes of one stamp; or one packet of them, where packets may be dropped.
#[derive(Clone, Copy, Debug)]
struct Run {
    stamp: u64,
    bytes: usize,
}

/// What [`Outbox::push`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// So many bytes are queued in addition.
    pub(crate) bytes: usize,
    /// The outbox has now so many.
    pub(crate) len: usize,
}

/// Where a session stands in the log of a group.
#[derive(Debug)]
pub(crate) struct Range {
    /// The group's room on the shard.
    pub(crate) room: u32,
    /// Its place among the room's members.
    seat: usize,
    /// The first record that is not taken.
    next: u64,
    /// Bytes of the records that are counted, not taken, and for it.
    behind: usize,
    /// Bytes of the news that are not for it.
    excepted: usize,
}

/// Bytes queued for a peer. What is in flight, and its own bytes, are never more than the limit. With what it is behind in groups it may have more only as long as nothing
/// is in flight: that its shard has not come round to sending is not the peer's fault, and the bytes are in the log whether it is behind or not.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Own bytes from `head` on.
    own: Vec<u8>,
    head: usize,
    /// How they are divided.
    runs: VecDeque<Run>,
    ranges: Vec<Range>,
    in_flight: usize,
    /// The send that is under way, and how far it had come when its owner last looked.
    pub(crate) send: Option<(OpId, u64)>,
    dropped: u64,
}

/// What there is for a member between two positions, and how much of it is not for it.
fn bytes_between(rooms: &Rooms, id: SessionId, room: u32, from: u64, to: u64) -> usize {
    let Some(room) = rooms.get(room) else { return 0 };
    let records = room.reader.records(from..to).filter(|record| record.mark.except != Some(id));
    records.map(|record| record.bytes).sum()
}

impl Range {
    /// Behind the last record that is counted.
    fn end(&self, rooms: &Rooms) -> u64 {
        rooms.get(self.room).map_or(0, |room| room.counted)
    }

    /// Records before `next`, so many bytes, are taken or dropped.
    fn advance(&mut self, next: u64, bytes: usize, rooms: &Rooms) {
        self.next = next;
        self.behind -= bytes;
        if self.behind == 0 {
            // What is left is not for it.
            self.next = next.max(self.end(rooms));
        }
    }

    /// The first record for the member, and its stamp.
    fn first(&self, id: SessionId, rooms: &Rooms) -> Option<(u64, u64)> {
        if self.behind == 0 {
            return None;
        }
        let reader = &rooms.get(self.room)?.reader;
        let record = reader.records(self.next..self.end(rooms)).find(|record| record.mark.except != Some(id))?;
        Some((record.number, record.mark.stamp))
    }
}

impl Outbox {
    const fn new() -> Outbox {
        Outbox {
            own: Vec::new(),
            head: 0,
            runs: VecDeque::new(),
            ranges: Vec::new(),
            in_flight: 0,
            send: None,
            dropped: 0,
        }
    }

    fn own_bytes(&self) -> usize {
        self.own.len() - self.head
    }

    #[inline]
    fn behind(&self) -> usize {
        if self.ranges.is_empty() { 0 } else { self.behind_in_all() }
    }

    #[inline(never)]
    fn behind_in_all(&self) -> usize {
        self.ranges.iter().map(|range| range.behind).sum()
    }

    /// Queued and in flight together: own bytes, and those of groups that have been counted.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.own_bytes() + self.behind() + self.in_flight
    }

    /// Whether a send is under way.
    pub(crate) fn is_sending(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether there are so many runs that they take as much memory as the bytes may: of very short packets.
    fn is_crowded(&self, limit: usize) -> bool {
        self.runs.len() * size_of::<Run>() >= limit
    }

    pub(crate) fn has_queued(&self) -> bool {
        self.own_bytes() > 0 || self.ranges.iter().any(|range| range.behind > 0)
    }

    /// Packets that were dropped because the peer was too slow.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Queues a copy of all of a frame or, if it does not fit, nothing. It is behind everything of a stamp up to its own.
    /// `spare` gives memory to an outbox that has none.
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
        // Before anything is written: it is to take no memory for what it has no room for.
        if pushed.len > limit && bytes > 0 {
            return Err(SendError::Full);
        }
        if bytes == 0 {
            return Ok(pushed);
        }
        if self.own.capacity() == 0 {
            self.own = spare();
        }
        frame.append_to(&mut self.own);
        match self.runs.back_mut() {
            Some(last) if last.stamp == stamp && !by_packet => last.bytes += bytes,
            _ => self.arrange(bytes, stamp, limit, by_packet)?,
        }
        Ok(pushed)
    }

    /// Queues a copy of a frame behind those that were queued last, if they are of the same stamp and there is memory for it, and if with it there are fewer than `high` bytes.
    /// Says whether it did.
    #[inline(always)]
    pub(crate) fn append(&mut self, frame: Frame<'_>, stamp: u64, high: usize) -> bool {
        let bytes = frame.len();
        if self.len() + bytes >= high || self.own.capacity() - self.own.len() < frame.written() {
            return false;
        }
        match self.runs.back_mut() {
            Some(last) if last.stamp == stamp => last.bytes += bytes,
            _ => return false,
        }
        frame.append_to(&mut self.own);
        true
    }

    /// Finds the place of the last so many own bytes among the runs, or takes them off if that would take one more of those than there may be.
    #[inline(never)]
    fn arrange(&mut self, bytes: usize, stamp: u64, limit: usize, by_packet: bool) -> Result<(), SendError> {
        let at = self.runs.partition_point(|run| run.stamp <= stamp);
        let joins = !by_packet && at.checked_sub(1).is_some_and(|before| self.runs[before].stamp == stamp);
        if !joins && self.is_crowded(limit) {
            self.own.truncate(self.own.len() - bytes);
            if self.own.is_empty() {
                self.own = Vec::new();
            }
            return Err(SendError::Full);
        }
        self.place(at, bytes, stamp, by_packet);
        Ok(())
    }

    /// The last so many own bytes belong before run `at`.
    fn place(&mut self, at: usize, bytes: usize, stamp: u64, by_packet: bool) {
        if at < self.runs.len() {
            // It was issued on another thread, before something that was faster.
            let start = self.head + self.runs.iter().take(at).map(|run| run.bytes).sum::<usize>();
            self.own[start..].rotate_right(bytes);
        }
        match at.checked_sub(1).map(|before| &mut self.runs[before]) {
            Some(run) if run.stamp == stamp && !by_packet => run.bytes += bytes,
            _ if bytes > 0 => self.runs.insert(at, Run { stamp, bytes }),
            _ => {}
        }
    }

    /// No longer in flight: so many bytes.
    pub(crate) fn done(&mut self, bytes: usize) {
        self.in_flight -= bytes;
    }

    /// Throws away the own bytes that are queued.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
        self.head = 0;
        self.runs.clear();
    }

    // ---- groups ----

    /// Becomes a member from record `next` of the room's log on.
    pub(crate) fn join(&mut self, room: u32, next: u64, seat: usize) {
        // Most are in one group.
        self.ranges.reserve_exact(1);
        self.ranges.push(Range { room, seat, next, behind: 0, excepted: 0 });
    }

    /// Its place among the room's members has changed.
    pub(crate) fn set_seat(&mut self, room: u32, seat: usize) {
        if let Some(range) = self.ranges.iter_mut().find(|range| range.room == room) {
            range.seat = seat;
        }
    }

    /// Where it stands in the room's log.
    pub(crate) fn position(&self, room: u32) -> Option<u64> {
        self.ranges.iter().find(|range| range.room == room).map(|range| range.next)
    }

    /// Whether nothing is queued of what its rooms have counted.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.behind() == 0
    }

    /// Whether it is a member.
    pub(crate) fn is_member(&self, room: u32) -> bool {
        self.ranges.iter().any(|range| range.room == room)
    }

    /// Is no member any more from what was issued after `stamp` on; gives back its seat. What came before is still sent: it is copied, so that the log is free
    /// of this member at once. What of it does not fit into the limit is dropped.
    pub(crate) fn leave(&mut self, id: SessionId, room: u32, stamp: u64, limit: usize, rooms: &Rooms) -> Option<usize> {
        let at = self.ranges.iter().position(|range| range.room == room)?;
        let range = self.ranges.swap_remove(at);
        let reader = &rooms.get(room)?.reader;
        self.dropped += reader.front().saturating_sub(range.next);
        let records = reader.records(range.next..u64::MAX).take_while(|record| record.mark.stamp <= stamp);
        for record in records.filter(|record| record.mark.except != Some(id)) {
            if record.bytes > limit.saturating_sub(self.len()) {
                self.dropped += 1;
                continue;
            }
            let at = self.runs.partition_point(|run| run.stamp < record.mark.stamp);
            for slice in reader.slices(record.number..record.number + 1) {
                self.own.extend_from_slice(slice.as_ref());
                self.place(at, slice.len(), record.mark.stamp, true);
            }
        }
        Some(range.seat)
    }

    /// Is no member any more, and what came is thrown away; gives back its seat.
    pub(crate) fn forget(&mut self, room: u32) -> Option<usize> {
        let at = self.ranges.iter().position(|range| range.room == room)?;
        Some(self.ranges.swap_remove(at).seat)
    }

    /// Before [`news`](Outbox::news): one of them is not for this member.
    pub(crate) fn except(&mut self, room: u32, news: &News, record: &Excepted) {
        let member = |range: &&mut Range| range.room == room && range.next <= news.from;
        if let Some(range) = self.ranges.iter_mut().find(member) {
            range.excepted += record.bytes;
        }
    }

    /// Counts what has come into a group's log.
    pub(crate) fn news(&mut self, id: SessionId, room: u32, news: &News, rooms: &Rooms) {
        let Some(range) = self.ranges.iter_mut().find(|range| range.room == room) else { return };
        let excepted = std::mem::take(&mut range.excepted);
        range.behind += match range.next <= news.from {
            true => news.bytes - excepted,
            // It joined in the middle of them.
            false => bytes_between(rooms, id, room, range.next, news.to),
        };
        range.advance(range.next, 0, rooms);
    }

    /// Whether a log has let go of records that were not taken.
    pub(crate) fn has_lost(&self, rooms: &Rooms) -> bool {
        let lost = |range: &Range| rooms.get(range.room).is_some_and(|room| range.next < room.reader.front());
        self.ranges.iter().any(lost)
    }

    /// Goes on behind the records that were lost, and counts them as dropped: those among them that were not for it too, for nobody knows any more.
    pub(crate) fn skip_lost(&mut self, id: SessionId, rooms: &Rooms) {
        for range in &mut self.ranges {
            let front = rooms.get(range.room).map_or(0, |room| room.reader.front());
            let end = range.end(rooms);
            if range.next < front {
                self.dropped += front - range.next;
                range.behind = bytes_between(rooms, id, range.room, front, end);
                range.advance(front, 0, rooms);
            }
        }
    }

    /// Drops the oldest packets that are queued until no more than `limit` bytes are left, with what is in flight. That may be more than
    /// the limit already.
    pub(crate) fn drop_oldest(&mut self, id: SessionId, limit: usize, rooms: &Rooms) {
        let mut excess = self.len().saturating_sub(limit);
        while excess > 0 {
            let own = self.runs.front().copied();
            let dropped = match (own, self.oldest(id, rooms)) {
                (own, Some((at, number, stamp))) if own.is_none_or(|own| stamp <= own.stamp) => {
                    let range = &mut self.ranges[at];
                    let bytes = bytes_between(rooms, id, range.room, number, number + 1);
                    range.advance(number + 1, bytes, rooms);
                    bytes
                }
                (Some(own), _) => {
                    self.runs.pop_front();
                    self.head += own.bytes;
                    own.bytes
                }
                (None, _) => break,
            };
            self.dropped += 1;
            excess = excess.saturating_sub(dropped);
        }
        if self.head * 2 > self.own.len() {
            self.own.drain(..self.head);
            self.head = 0;
        }
    }

    /// Makes room for so many bytes, if that can be done by dropping packets.
    pub(crate) fn make_room(&mut self, id: SessionId, bytes: usize, limit: usize, rooms: &Rooms) {
        if bytes > limit.saturating_sub(self.in_flight) {
            return;
        }
        self.drop_oldest(id, limit - bytes, rooms);
        while self.is_crowded(limit) {
            self.drop_oldest(id, self.len() - 1, rooms);
        }
    }

    /// Of the records that are queued the one issued first: its range, number and stamp.
    fn oldest(&self, id: SessionId, rooms: &Rooms) -> Option<(usize, u64, u64)> {
        let firsts = self.ranges.iter().enumerate().filter_map(|(at, range)| {
            let (number, stamp) = range.first(id, rooms)?;
            Some((at, number, stamp))
        });
        firsts.min_by_key(|(_, _, stamp)| *stamp)
    }

    /// Takes whole packets of what is queued and was issued up to a stamp, to be sent in one operation: no more than `most` bytes, unless the first packet has more,
    /// and no more than that has room for pieces.
    pub(crate) fn take(
        &mut self,
        id: SessionId,
        stamp: u64,
        most: usize,
        rooms: &Rooms,
        spare: impl FnOnce() -> Gather<Mark>,
        spare_bytes: impl FnOnce() -> Vec<u8>,
    ) -> Option<Taken> {
        self.take_some(id, stamp, (most, MOST_PIECES), rooms, spare, spare_bytes)
    }

    /// Takes all of what is queued that was issued up to a stamp, to be sent in one operation, however many pieces that has: of one who is to be closed.
    pub(crate) fn take_all(
        &mut self,
        id: SessionId,
        stamp: u64,
        rooms: &Rooms,
        spare: impl FnOnce() -> Gather<Mark>,
        spare_bytes: impl FnOnce() -> Vec<u8>,
    ) -> Option<Taken> {
        self.take_some(id, stamp, (usize::MAX, usize::MAX), rooms, spare, spare_bytes)
    }

    /// Takes no more than so many bytes, in so many pieces.
    fn take_some(
        &mut self,
        id: SessionId,
        stamp: u64,
        (most, pieces): (usize, usize),
        rooms: &Rooms,
        spare: impl FnOnce() -> Gather<Mark>,
        spare_bytes: impl FnOnce() -> Vec<u8>,
    ) -> Option<Taken> {
        let taken = if let Some(slice) = self.take_slice(stamp, most, rooms) {
            Taken::Slice(slice)
        } else if self.ranges.iter().any(|range| range.behind > 0) || self.head > 0 || !self.is_due(stamp) {
            let mut gather = spare();
            let at = self.gather(id, stamp, (most, pieces), rooms, &mut gather);
            if at < gather.own().len() {
                // Seldom anything: what is a piece too many, or was issued later.
                self.own = spare_bytes();
                self.own.extend_from_slice(&gather.own()[at..]);
            }
            Taken::Gather(gather)
        } else {
            self.runs.clear();
            Taken::Bytes(std::mem::take(&mut self.own))
        };
        self.in_flight += taken.len();
        (taken.len() > 0).then_some(taken)
    }

    /// Takes all that is queued, if that is one piece of the log of one group: what a member mostly is sent that says little itself.
    fn take_slice(&mut self, stamp: u64, most: usize, rooms: &Rooms) -> Option<LogSlice<Mark>> {
        let mut ranges = self.ranges.iter_mut().filter(|range| range.behind > 0);
        let range = ranges.next()?;
        if ranges.next().is_some() || range.behind > most || self.own.len() > self.head {
            return None;
        }
        let room = rooms.get(range.room)?;
        let last = room.reader.records(room.counted.checked_sub(1)?..room.counted).next()?;
        let mut slices = room.reader.slices(range.next..room.counted);
        let slice = slices.next()?;
        let is_whole = range.next >= room.reader.front() && slices.next().is_none();
        // If it has more bytes, some of them are not for this member.
        if !is_whole || slice.len() != range.behind || last.mark.stamp > stamp {
            return None;
        }
        (range.next, range.behind) = (room.counted, 0);
        Some(slice)
    }

    /// Whether all own bytes were issued by then.
    fn is_due(&self, stamp: u64) -> bool {
        self.runs.back().is_none_or(|run| run.stamp <= stamp)
    }

    /// Says how far the own bytes are taken.
    fn gather(
        &mut self,
        id: SessionId,
        limit: u64,
        (most, pieces): (usize, usize),
        rooms: &Rooms,
        gather: &mut Gather<Mark>,
    ) -> usize {
        gather.set_own(std::mem::take(&mut self.own));
        let mut at = std::mem::take(&mut self.head);
        let mut taken = 0;
        while gather.pieces() < pieces {
            let own = self.runs.front().map_or(u64::MAX, |run| run.stamp);
            let oldest = self.oldest(id, rooms).filter(|(_, _, stamp)| *stamp <= own.min(limit));
            if let Some((index, number, stamp)) = oldest {
                // As far as nothing else comes in between.
                let others = self.ranges.iter().enumerate().filter(|(other, _)| *other != index);
                let next = others.filter_map(|(_, range)| range.first(id, rooms)).map(|(_, stamp)| stamp - 1).min();
                let bound = own.min(limit).min(next.unwrap_or(u64::MAX)).max(stamp);
                let room = rooms.get(self.ranges[index].room).expect("it has given a record");
                let range = &mut self.ranges[index];
                let end = range.end(rooms);
                let mut to = number;
                let mut bytes = 0;
                for record in room.reader.records(number..end) {
                    let over = taken + bytes > 0 && taken + bytes + record.bytes > most;
                    if record.mark.except == Some(id) || record.mark.stamp > bound || over {
                        break;
                    }
                    to = record.number + 1;
                    bytes += record.bytes;
                }
                if to == number {
                    break;
                }
                room.reader.slices(number..to).for_each(|slice| gather.push_slice(slice));
                range.advance(to, bytes, rooms);
                taken += bytes;
            } else if let Some(run) =
                self.runs.front().filter(|run| run.stamp <= limit && (taken == 0 || taken + run.bytes <= most))
            {
                gather.push_own(at..at + run.bytes);
                at += run.bytes;
                taken += run.bytes;
                self.runs.pop_front();
            } else {
                break;
            }
        }
        at
    }
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox::new()
    }
}

#[cfg(test)]
mod tests;
