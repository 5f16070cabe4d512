//! A group, as one shard sees it: its log, how far broadcasts have been counted, and its members.
//! Knows no socket.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use overlapped::{
    log::{LogReader, LogSlice},
    table::Table,
};

use super::{Group, domain::BroadcastHeader, presence::Presence};
use crate::session::id::SessionId;

/// A group on one shard.
pub(crate) struct LocalGroup {
    pub(crate) group: Group,
    /// The group that this one belongs to, if it is one of another framing, or the same: kept while
    /// there are members, so that its name stays its own.
    pub(crate) whole: Group,
    pub(crate) reader: LogReader<BroadcastHeader>,
    /// Records before this one are counted in the outboxes of the members that get them.
    counted: u64,
    /// The stamp of the last that is counted.
    counted_stamp: u64,
    /// The latest news in one piece, and the number of their first record: what most members are
    /// sent. Later news take its place, so that it holds no more memory than they do.
    latest: Option<(u64, LogSlice<BroadcastHeader>)>,
    /// The slots of the shard's sessions that are members.
    members: Vec<u32>,
    /// Of the latest news, those that one member does not get.
    pub(crate) withheld: Vec<Withheld>,
    /// A member that was furthest behind when that was last looked for, and its position.
    furthest_behind: Option<(u32, u64)>,
    /// If the group is watched, and the members here are counted there.
    pub(super) presence: Option<Arc<Presence>>,
    /// Another thread had a session join.
    _awaited: Option<Awaited>,
}

/// A member is awaited: it may join the group, and its shard has not heard of it.
struct Awaited(Group);

impl Awaited {
    fn new(group: &Group) -> Awaited {
        group.inner.awaited.fetch_add(1, Ordering::Relaxed);
        Awaited(group.clone())
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.inner.awaited.fetch_sub(1, Ordering::Release);
    }
}

/// A record that one member does not get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withheld {
    pub(crate) id: SessionId,
    pub(crate) bytes: usize,
}

/// What has come into a log since it was last counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct News {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Bytes of these records.
    pub(crate) bytes: usize,
}

impl LocalGroup {
    /// A view from the reader's present end on.
    pub(crate) fn new(group: Group, reader: LogReader<BroadcastHeader>) -> LocalGroup {
        let counted = reader.end();
        let whole = group.clone();
        LocalGroup {
            group,
            whole,
            reader,
            counted,
            counted_stamp: 0,
            latest: None,
            members: Vec::new(),
            withheld: Vec::new(),
            furthest_behind: None,
            presence: None,
            _awaited: None,
        }
    }

    /// As the local group of a session that another thread has join.
    pub(crate) fn awaiting(self) -> LocalGroup {
        LocalGroup { _awaited: Some(Awaited::new(&self.group)), ..self }
    }

    /// As the local group of another framing, which belongs to this group.
    pub(crate) fn within(self, whole: &Group) -> LocalGroup {
        LocalGroup { whole: whole.clone(), ..self }
    }

    /// The name of the group, if it has one.
    pub(crate) fn name(&self) -> Option<Bytes> {
        self.whole.inner.name.as_ref().map(|name| name.bytes.clone())
    }

    /// The number of the record behind the last that is counted.
    pub(crate) fn counted(&self) -> u64 {
        self.counted
    }

    /// The highest stamp that is counted, as far as there are such records.
    pub(crate) fn counted_stamp(&self) -> u64 {
        self.counted_stamp
    }

    /// The bytes from a record to the last that is counted, if they are all there, and in one
    /// piece.
    pub(crate) fn slice_from(&self, first: u64) -> Option<LogSlice<BroadcastHeader>> {
        match &self.latest {
            Some((from, slice)) if *from == first => Some(slice.clone()),
            _ => one_piece(&self.reader, first..self.counted),
        }
    }

    /// Bytes between two records that a member gets.
    pub(crate) fn bytes_for(&self, id: SessionId, range: Range<u64>) -> usize {
        let records = self.reader.records(range).filter(|record| record.mark.except != Some(id));
        records.map(|record| record.bytes).sum()
    }

    /// Packets between two records that a member gets.
    pub(crate) fn packets_for(&self, id: SessionId, range: Range<u64>) -> u64 {
        self.reader.records(range).filter(|record| record.mark.except != Some(id)).count() as u64
    }

    /// Reads what is new, and counts it up to the records of stamp `limit`. The records that one
    /// member does not get are in [`withheld`](LocalGroup::withheld) until the next call.
    pub(crate) fn count_news(&mut self, limit: u64) -> News {
        self.reader.refresh();
        self.withheld.clear();
        // What was lost was never counted.
        let from = self.counted.max(self.reader.front());
        let mut news = News { from, to: from, bytes: 0 };
        for record in self.reader.records(from..u64::MAX) {
            if record.mark.stamp > limit {
                break;
            }
            news.to = record.number + 1;
            news.bytes += record.bytes;
            self.counted_stamp = record.mark.stamp;
            if let Some(id) = record.mark.except {
                self.withheld.push(Withheld { id, bytes: record.bytes });
            }
        }
        self.counted = news.to;
        self.latest = one_piece(&self.reader, news.from..news.to).map(|slice| (news.from, slice));
        news
    }

    /// Whether there are records that were not counted, because their stamps were over the limit.
    pub(crate) fn has_uncounted(&self) -> bool {
        self.reader.end() > self.counted
    }

    /// Whether records have come that the shard has not read, because the position is before them.
    pub(crate) fn has_records_from(&self, position: u64) -> bool {
        position < self.reader.end()
    }

    /// The first record issued after `stamp`, which is no earlier than the last count.
    pub(crate) fn position_after(&mut self, stamp: u64) -> u64 {
        self.reader.refresh();
        // The end before the search: a record that is appended meanwhile is later.
        let end = self.reader.end();
        let from = self.counted.max(self.reader.front());
        let later = self.reader.records(from..end).find(|record| record.mark.stamp > stamp);
        later.map_or(end, |record| record.number)
    }

    /// The stamp up to which all visible records are counted.
    pub(crate) fn counted_upto(&mut self) -> u64 {
        self.reader.refresh();
        let from = self.counted.max(self.reader.front());
        self.reader.records(from..u64::MAX).next().map_or(u64::MAX, |record| record.mark.stamp - 1)
    }

    /// Drops the records that every member has taken. `position_of` is the position of a member, by
    /// its slot.
    ///
    /// While the member that was last found furthest behind is where it was, nothing can be
    /// dropped, and the others are not looked at. So a member that never reads does not make every
    /// turn go through all members.
    pub(crate) fn trim(&mut self, position_of: impl Fn(u32) -> Option<u64>) {
        if self.furthest_behind.is_some_and(|(slot, position)| position_of(slot) == Some(position)) {
            return;
        }
        let positions = self.members.iter().filter_map(|slot| Some((*slot, position_of(*slot)?)));
        // The last of several: it is likely to be sent for last, too.
        let found = positions.reduce(|least, next| if next.1 <= least.1 { next } else { least });
        self.furthest_behind = found.filter(|(_, position)| *position < self.counted);
        self.reader.trim(found.map_or(self.counted, |(_, position)| position.min(self.counted)));
    }

    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }

    /// Adds a member, and returns its index among the members.
    pub(crate) fn add_member(&mut self, slot: u32) -> usize {
        self.members.push(slot);
        self.members.len() - 1
    }

    /// Removes a member. Returns the slot of the one that took its index, if one did.
    pub(crate) fn remove_member(&mut self, index: usize) -> Option<u32> {
        self.members.swap_remove(index);
        self.members.get(index).copied()
    }
}

/// The bytes of a range of records, if they are all there, and in one piece.
fn one_piece(reader: &LogReader<BroadcastHeader>, range: Range<u64>) -> Option<LogSlice<BroadcastHeader>> {
    let is_there = range.start >= reader.front();
    let mut slices = reader.slices(range);
    let slice = slices.next().filter(|_| is_there)?;
    slices.next().is_none().then_some(slice)
}

/// The groups that have members on a shard.
pub(crate) type LocalGroups = Table<LocalGroup>;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use overlapped::{Driver, DriverConfig};

    use super::*;
    use crate::codec::Framing;
    use crate::group::domain::{Domain, Notifier};

    /// A group of so many members, and what each has taken.
    struct Members {
        local: LocalGroup,
        positions: Vec<u64>,
        /// How often a member was looked at.
        looks: Cell<usize>,
    }

    impl Members {
        /// With `segments` full segments of broadcasts that nobody has taken.
        fn behind(members: u32) -> Members {
            let driver = Driver::new(DriverConfig::new()).unwrap();
            let notifiers = vec![Notifier::new(driver.wake_handle())];
            let domain = Arc::new(Domain::new(notifiers, vec![Framing::default()], 256 * 1024));
            let group = Group::new();
            let reader = group.reader(&domain).unwrap();
            let mut local = LocalGroup::new(group.clone(), reader);
            (0..members).for_each(|slot| _ = local.add_member(slot));
            local.group.set_local(0, Some(0));
            for _ in 0..3_000 {
                group.broadcast(&[7; 64]).unwrap();
            }
            local.count_news(u64::MAX);
            assert!(local.reader.segments() > 1);
            Members { local, positions: vec![0; members as usize], looks: Cell::new(0) }
        }

        /// A turn in which a member takes everything.
        fn takes(&mut self, member: usize) {
            self.positions[member] = self.local.counted();
            let (positions, looks) = (&self.positions, &self.looks);
            self.local.trim(|slot| {
                looks.set(looks.get() + 1);
                positions.get(slot as usize).copied()
            });
        }
    }

    #[test]
    fn a_member_that_never_takes_anything_costs_the_others_turns_nothing() {
        let mut members = Members::behind(10_000);
        for turn in 0..5_000 {
            // Number 7777 is the one.
            members.takes(turn);
        }
        let segments = members.local.reader.segments();
        assert!(segments > 1, "it is not dropped from under a member");
        let looks = members.looks.get();
        assert!(looks <= 2 * 10_000 + 5_000, "{looks} looks in 5,000 turns");
    }

    #[test]
    fn the_last_member_to_take_all_frees_the_log_whatever_the_order() {
        let mut members = Members::behind(1_000);
        // Each number once, in no order.
        for turn in 0..1_000 {
            members.takes(turn * 617 % 1_000);
        }
        assert_eq!(members.local.reader.segments(), 1);
        let looks = members.looks.get();
        assert!(looks <= 30 * 1_000, "{looks} looks at 1,000 members: a few times for each");
    }
}
