//! A group, as one shard sees it: its log, how far broadcasts have been counted, and its members.
//! Knows no socket.

use std::ops::Range;

use overlapped::{log::LogReader, table::Table};

use super::{Group, domain::BroadcastHeader};
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
    /// The slots of the shard's sessions that are members.
    members: Vec<u32>,
    /// Of the latest news, those that one member does not get.
    pub(crate) withheld: Vec<Withheld>,
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
        LocalGroup { group, whole, reader, counted, members: Vec::new(), withheld: Vec::new() }
    }

    /// As the local group of another framing, which belongs to this group.
    pub(crate) fn within(self, whole: &Group) -> LocalGroup {
        LocalGroup { whole: whole.clone(), ..self }
    }

    /// The number of the record behind the last that is counted.
    pub(crate) fn counted(&self) -> u64 {
        self.counted
    }

    /// Bytes between two records that a member gets.
    pub(crate) fn bytes_for(&self, id: SessionId, range: Range<u64>) -> usize {
        let records = self.reader.records(range).filter(|record| record.mark.except != Some(id));
        records.map(|record| record.bytes).sum()
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
            if let Some(id) = record.mark.except {
                self.withheld.push(Withheld { id, bytes: record.bytes });
            }
        }
        self.counted = news.to;
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

/// The groups that have members on a shard.
pub(crate) type LocalGroups = Table<LocalGroup>;
