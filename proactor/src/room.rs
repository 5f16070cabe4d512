//! A group, as one shard sees it: the log's records, how far they have been counted, and which of the shard's sessions are members.
//! Knows no socket.

use std::sync::atomic::{AtomicU64, Ordering};

use overlapped::log::LogReader;

use crate::group::Group;
use crate::session::SessionId;

/// What a record of a group's log carries besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Where it stands among all that the server's groups have sent. Stamps only go up, in each log and from one log to another: what was issued
    /// after something else has the higher one.
    pub(crate) stamp: u64,
    /// The member that it is not for.
    pub(crate) except: Option<SessionId>,
}

/// What stamps are taken from: one for the whole server. It goes on by the room in a log that each broadcast takes, so that two stamps also say how much was broadcast
/// between them.
///
/// Whoever reads a stamp sees all that was done before the stamp was given, on whatever thread: what was published with a lower one, and what was mailed.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    /// The next stamp, for something of so many bytes.
    pub(crate) fn tick(&self, bytes: usize) -> u64 {
        let bytes = bytes.max(LEAST_ROOM) as u64;
        self.0.fetch_add(bytes, Ordering::AcqRel) + bytes
    }

    /// The latest stamp.
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// What a short record takes of a segment: its index has room for one in so many bytes.
const LEAST_ROOM: usize = 64;

/// A shard's view of a group.
pub(crate) struct Room {
    pub(crate) reader: LogReader<Mark>,
    /// Records before this one are counted in the outboxes of the members that they are for.
    pub(crate) counted: u64,
    /// The slots of the shard's sessions that are members.
    pub(crate) members: Vec<u32>,
    /// Of the news, those that one member is not to get.
    excepted: Vec<Excepted>,
}

/// A record that is not for one member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excepted {
    pub(crate) id: SessionId,
    pub(crate) bytes: usize,
}

/// What has come into a log since the last time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct News {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Bytes of these records.
    pub(crate) bytes: usize,
}

impl Room {
    /// A view from the reader's present end on.
    pub(crate) fn new(reader: LogReader<Mark>) -> Room {
        let counted = reader.end();
        Room { reader, counted, members: Vec::new(), excepted: Vec::new() }
    }

    /// Fetches what has come, and counts it up to the records of stamp `limit`. The records that are not for one of its members are
    /// found in [`excepted`](Room::excepted) until the next time.
    pub(crate) fn look(&mut self, limit: u64) -> News {
        self.reader.refresh();
        self.excepted.clear();
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
                self.excepted.push(Excepted { id, bytes: record.bytes });
            }
        }
        self.counted = news.to;
        news
    }

    /// The first record issued after `stamp`, which is no earlier than the last look.
    pub(crate) fn position_after(&mut self, stamp: u64) -> u64 {
        self.reader.refresh();
        // The end before the search: a record that is appended meanwhile is later.
        let end = self.reader.end();
        let from = self.counted.max(self.reader.front());
        let later = self.reader.records(from..end).find(|record| record.mark.stamp > stamp);
        later.map_or(end, |record| record.number)
    }

    /// The stamp up to which what can be seen of the log is counted.
    pub(crate) fn counted_upto(&mut self) -> u64 {
        self.reader.refresh();
        let from = self.counted.max(self.reader.front());
        self.reader.records(from..u64::MAX).next().map_or(u64::MAX, |record| record.mark.stamp - 1)
    }

    /// Those of the latest news that one member is not to get.
    pub(crate) fn excepted(&self) -> &[Excepted] {
        &self.excepted
    }
}

/// All groups of which the shard has members.
#[derive(Default)]
pub(crate) struct Rooms {
    rooms: Vec<Option<(Room, Group)>>,
    free: Vec<u32>,
}

impl Rooms {
    pub(crate) fn insert(&mut self, room: Room, group: Group) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.rooms.push(None);
            self.rooms.len() as u32 - 1
        });
        self.rooms[index as usize] = Some((room, group));
        index
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.rooms.len()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Room> {
        self.rooms.get(index as usize)?.as_ref().map(|(room, _)| room)
    }

    pub(crate) fn group(&self, index: u32) -> Option<&Group> {
        self.rooms.get(index as usize)?.as_ref().map(|(_, group)| group)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Room> {
        self.rooms.get_mut(index as usize)?.as_mut().map(|(room, _)| room)
    }

    pub(crate) fn remove(&mut self, index: u32) {
        if self.rooms.get_mut(index as usize).and_then(Option::take).is_some() {
            self.free.push(index);
        }
    }
}
