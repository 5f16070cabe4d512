//! Where a session stands in the logs of its groups.

use std::num::NonZeroU32;

use crate::group::local::{LocalGroups, News, Withheld};
use crate::session::id::SessionId;

/// A session's position in the log of one group.
#[derive(Debug)]
pub(super) struct Position {
    /// One more than the slot of the local group, so that "no position" takes no space.
    group: NonZeroU32,
    /// The session's index among the group's members.
    member: u32,
    /// The first record that is not taken.
    pub(super) next: u64,
    /// Bytes of the records that are counted, not taken, and not withheld from it.
    pub(super) behind: usize,
    /// Bytes of the latest news that are withheld from it.
    withheld: usize,
}

/// The first record that is queued for a session in one of its groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    /// Which of the session's positions it is at.
    pub(super) at: usize,
    pub(super) number: u64,
    pub(super) stamp: u64,
}

impl Position {
    /// The slot of the local group.
    #[inline]
    pub(super) fn group(&self) -> u32 {
        self.group.get() - 1
    }

    /// The session's index among the group's members.
    pub(super) fn member(&self) -> usize {
        self.member as usize
    }

    /// Behind the last record that is counted.
    pub(super) fn end(&self, groups: &LocalGroups) -> u64 {
        groups.at(self.group()).map_or(0, |group| group.counted())
    }

    /// Records before `next`, so many bytes, are taken or dropped.
    pub(super) fn advance(&mut self, next: u64, bytes: usize, groups: &LocalGroups) {
        self.next = next;
        self.behind -= bytes;
        if self.behind == 0 {
            // The rest is withheld from it.
            self.next = next.max(self.end(groups));
        }
    }

    fn first(&self, id: SessionId, groups: &LocalGroups) -> Option<(u64, u64)> {
        if self.behind == 0 {
            return None;
        }
        let mut records = groups.at(self.group())?.reader.records(self.next..self.end(groups));
        let record = records.find(|record| record.mark.except != Some(id))?;
        Some((record.number, record.mark.stamp))
    }
}

/// A session's positions in all its groups. Most sessions are in one, and that position is looked
/// at for every broadcast: it lies within the outbox.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    first: Option<Position>,
    /// None if there is no first one. In a box, for few sessions have more than one.
    #[expect(clippy::box_collection, reason = "a member of one group pays for a pointer")]
    more: Option<Box<Vec<Position>>>,
}

impl Positions {
    pub(super) const fn new() -> Positions {
        Positions { first: None, more: None }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more().len()
    }

    #[inline]
    fn more(&self) -> &[Position] {
        self.more.as_ref().map_or(&[], |more| more)
    }

    /// Bytes that are queued in all groups.
    #[inline]
    pub(crate) fn behind(&self) -> usize {
        let first = self.first.as_ref().map_or(0, |position| position.behind);
        if self.more.is_none() { first } else { first + self.behind_in_others() }
    }

    #[cold]
    fn behind_in_others(&self) -> usize {
        self.more().iter().map(|position| position.behind).sum()
    }

    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Position> {
        self.first.iter().chain(self.more())
    }

    #[inline]
    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Position> {
        self.first.iter_mut().chain(self.more.iter_mut().flat_map(|more| more.iter_mut()))
    }

    /// The positions with something queued.
    pub(super) fn behind_mut(&mut self) -> impl Iterator<Item = &mut Position> {
        self.iter_mut().filter(|position| position.behind > 0)
    }

    pub(super) fn in_group(&self, group: u32) -> Option<&Position> {
        self.iter().find(|position| position.group() == group)
    }

    fn in_group_mut(&mut self, group: u32) -> Option<&mut Position> {
        self.iter_mut().find(|position| position.group() == group)
    }

    pub(super) fn at_mut(&mut self, at: usize) -> &mut Position {
        match (at, &mut self.first) {
            (0, Some(first)) => first,
            _ => &mut self.more.as_mut().expect("a position that was found")[at - 1],
        }
    }

    /// Becomes a member from record `next` on. `member` is its index among the group's members.
    pub(crate) fn join(&mut self, group: u32, next: u64, member: usize) {
        let group = NonZeroU32::MIN.saturating_add(group);
        let member = u32::try_from(member).expect("a shard's sessions have slots of 32 bits");
        let position = Position { group, member, next, behind: 0, withheld: 0 };
        match &mut self.first {
            first @ None => *first = Some(position),
            Some(_) => self.more.get_or_insert_default().push(position),
        }
    }

    pub(super) fn remove(&mut self, group: u32) -> Option<Position> {
        if self.first.as_ref().is_some_and(|position| position.group() == group) {
            return std::mem::replace(&mut self.first, self.more.as_mut().and_then(|more| more.pop()));
        }
        let at = self.more().iter().position(|position| position.group() == group)?;
        Some(self.more.as_mut()?.swap_remove(at))
    }

    pub(crate) fn set_member(&mut self, group: u32, member: usize) {
        if let Some(position) = self.in_group_mut(group) {
            position.member = u32::try_from(member).expect("a shard's sessions have slots of 32 bits");
        }
    }

    /// Before [`count`](Positions::count): one of the news is withheld from this session.
    pub(crate) fn withhold(&mut self, group: u32, news: &News, record: &Withheld) {
        if let Some(position) = self.in_group_mut(group).filter(|position| position.next <= news.from) {
            position.withheld += record.bytes;
        }
    }

    /// Counts the news of a group.
    #[inline]
    pub(super) fn count(&mut self, id: SessionId, group: u32, news: &News, groups: &LocalGroups) {
        let Some(position) = self.in_group_mut(group) else { return };
        let withheld = std::mem::take(&mut position.withheld);
        position.behind += match position.next <= news.from {
            true => news.bytes - withheld,
            // It joined in the middle of them.
            false => groups.at(group).map_or(0, |group| group.bytes_for(id, position.next..news.to)),
        };
        position.advance(position.next, 0, groups);
    }

    /// Whether a log has forgotten records that were not taken.
    #[inline]
    pub(crate) fn has_lost(&self, groups: &LocalGroups) -> bool {
        self.iter()
            .any(|position| groups.at(position.group()).is_some_and(|group| position.next < group.reader.front()))
    }

    /// Goes on behind the records that the logs have forgotten, and returns how many there were.
    /// Records that were withheld from the session count too: nobody knows any more.
    pub(super) fn skip_lost(&mut self, id: SessionId, groups: &LocalGroups) -> u64 {
        let mut lost = 0;
        for position in self.iter_mut() {
            let Some(group) = groups.at(position.group()) else { continue };
            let (front, end) = (group.reader.front(), group.counted());
            if position.next < front {
                lost += front - position.next;
                position.behind = group.bytes_for(id, front..end);
                position.advance(front, 0, groups);
            }
        }
        lost
    }

    /// The record that was issued first among those that are queued.
    pub(super) fn oldest(&self, id: SessionId, groups: &LocalGroups) -> Option<First> {
        let firsts = self.iter().enumerate().filter_map(|(at, position)| {
            let (number, stamp) = position.first(id, groups)?;
            Some(First { at, number, stamp })
        });
        firsts.min_by_key(|first| first.stamp)
    }

    /// The earliest stamp that is queued at other positions than this one.
    pub(super) fn oldest_elsewhere(&self, at: usize, id: SessionId, groups: &LocalGroups) -> Option<u64> {
        let others = self.iter().enumerate().filter(|(other, _)| *other != at);
        others.filter_map(|(_, position)| position.first(id, groups)).map(|(_, stamp)| stamp).min()
    }
}
