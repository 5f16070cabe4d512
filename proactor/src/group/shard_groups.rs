//! The groups of a shard: which have members here, which have news, and what may be broadcast.
//! Knows no socket and no session.

use std::sync::Arc;
use std::time::Duration;

use overlapped::Time;

use super::Group;
use super::domain::{Domain, Notifier, broadcast_by_thread, reset_broadcast_by_thread};
use super::local::{LocalGroup, LocalGroups};
use crate::outbox::Outbox;
use crate::session::id::SessionId;

pub(crate) struct ShardGroups {
    shard: u16,
    domain: Arc<Domain>,
    local: LocalGroups,
    /// The stamp up to which news are counted in this turn.
    upto: u64,
    /// Local groups with news.
    news: Vec<u32>,
    /// Local groups with news over that stamp: for the next turn.
    later: Vec<u32>,
    /// Memory for a list of slow members.
    pub(super) slow: Vec<u32>,
    /// Local groups whose logs may have segments to free.
    to_trim: Vec<u32>,
    /// Groups whose last member has left, which the logic has not been told.
    emptied: Vec<Group>,
    budget: Budget,
}

impl ShardGroups {
    pub(crate) fn new(shard: u16, domain: Arc<Domain>) -> ShardGroups {
        let budget = Budget::new(domain.outbox_bytes, domain.notifiers.len());
        ShardGroups {
            shard,
            domain,
            local: LocalGroups::default(),
            upto: 0,
            news: Vec::new(),
            later: Vec::new(),
            slow: Vec::new(),
            to_trim: Vec::new(),
            emptied: Vec::new(),
            budget,
        }
    }

    pub(crate) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }

    fn notifier(&self) -> &Notifier {
        &self.domain.notifiers[usize::from(self.shard)]
    }

    /// Whether no session of the shard is in a group.
    pub(crate) fn is_empty(&self) -> bool {
        self.local.is_empty()
    }

    pub(crate) fn local(&self) -> &LocalGroups {
        &self.local
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut LocalGroup> {
        self.local.at_mut(slot)
    }

    /// The slot of a group that has members here.
    pub(crate) fn slot_of(&self, group: &Group) -> Option<u32> {
        group.local(self.shard).filter(|slot| self.local.at(*slot).is_some_and(|local| local.group == *group))
    }

    /// Adds a group that had no members here.
    pub(crate) fn insert(&mut self, mut local: LocalGroup) -> u32 {
        // From its first member on.
        local.presence = local.whole.presence().cloned();
        let group = local.group.clone();
        let slot = self.local.insert(local).slot();
        group.set_local(self.shard, Some(slot));
        slot
    }

    /// Adds a member, from what was issued after `stamp` on. Returns its position and its index
    /// among the members.
    pub(crate) fn add_member(&mut self, slot: u32, session: SessionId, stamp: u64) -> (u64, usize) {
        let local = &mut self.local[slot];
        local.group.count_in(&local.whole, session);
        let position = local.position_after(stamp);
        if local.has_records_from(position) {
            // The shard may not have been notified of these: it had no members until now.
            self.news.push(slot);
        }
        (position, local.add_member(session.slot()))
    }

    /// Removes a member. Returns the session that took its index, if one did. The group goes with
    /// its last member.
    pub(crate) fn remove_member(&mut self, slot: u32, member: usize) -> Option<u32> {
        let local = self.local.at_mut(slot)?;
        let moved = local.remove_member(member);
        if local.group.count_out(&local.whole, self.shard, member) {
            self.emptied.push(local.whole.clone());
        }
        if local.members().is_empty()
            && let Some(local) = self.local.remove_at(slot)
        {
            local.group.set_local(self.shard, None);
        }
        moved
    }

    /// Whether there are groups to tell the logic of.
    pub(crate) fn has_emptied(&self) -> bool {
        !self.emptied.is_empty()
    }

    /// Takes the groups whose last member has left.
    pub(crate) fn take_emptied(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.emptied)
    }

    /// The latest stamp.
    pub(crate) fn now(&self) -> u64 {
        self.domain.clock.now()
    }

    /// Takes down what has been issued up to now. Mail that was sent before any of it is in the
    /// shard's inbox from here on.
    #[inline]
    pub(crate) fn begin_delivery(&mut self) {
        if !self.is_empty() {
            self.upto = self.now();
        }
    }

    /// The stamp up to which news are counted in this turn.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }

    /// The stamp up to which what is queued may be sent. Outside of groups, all of it may.
    #[inline]
    pub(crate) fn sendable_upto(&self, outbox: &Outbox) -> u64 {
        if outbox.positions.is_empty() { u64::MAX } else { self.upto }
    }

    /// Takes the list of local groups with news, if the shard has members or was notified.
    pub(crate) fn take_news(&mut self) -> Option<Vec<u32>> {
        if self.is_empty() && self.news.is_empty() && !self.notifier().has_news() {
            return None;
        }
        let mut news = std::mem::take(&mut self.news);
        self.notifier().take(&mut news);
        Some(news)
    }

    /// Gives the memory of the list back. Groups with later news are in the next list.
    pub(crate) fn reuse_news(&mut self, mut memory: Vec<u32>) {
        memory.clear();
        memory.append(&mut self.later);
        self.news = memory;
    }

    /// The news of a group up to the stamp of this turn.
    pub(crate) fn news_of(&mut self, slot: u32) -> Option<super::local::News> {
        let local = self.local.at_mut(slot)?;
        local.group.lower_flag(self.shard);
        let news = local.count_news(self.upto);
        if local.has_uncounted() {
            self.later.push(slot);
        }
        Some(news)
    }

    /// Whether there are news for the next turn.
    pub(crate) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Whether the shard may wait. If so, it is woken when there are news.
    #[inline]
    pub(crate) fn may_wait(&self) -> bool {
        !self.has_news() && (self.is_empty() || self.notifier().may_wait())
    }

    /// Begins to count what this thread broadcasts.
    pub(crate) fn begin_turn(&self) {
        reset_broadcast_by_thread();
    }

    /// Whether the shard's handlers have broadcast so much that the members must be sent some
    /// before they go on.
    #[inline]
    pub(crate) fn is_budget_spent(&self) -> bool {
        self.budget.is_spent(broadcast_by_thread())
    }

    /// How much the shard's handlers may broadcast before that.
    #[inline]
    pub(crate) fn budget(&self) -> u64 {
        self.budget.allowed
    }

    /// Whether nothing may be broadcast now because another shard is late.
    pub(crate) fn is_held_back(&self) -> bool {
        self.budget.is_held()
    }

    /// The members have been sent for: renews what may be broadcast. If nothing was, no other
    /// shard is looked at.
    #[inline]
    pub(crate) fn renew_budget(&mut self, now: Time) {
        if reset_broadcast_by_thread() > 0 || self.budget.is_held() {
            let oldest = self.domain.notifiers.iter().map(Notifier::oldest).min().unwrap_or(u64::MAX);
            self.budget.renew(self.now().saturating_sub(oldest), now);
        }
    }

    /// Notes the groups of a session that has taken all of them: they may have segments to free.
    pub(crate) fn caught_up(&mut self, outbox: &Outbox) {
        let can_trim = |slot: &u32| self.local.at(*slot).is_some_and(|local| local.reader.segments() > 1);
        self.to_trim.extend(outbox.groups().filter(can_trim));
    }

    #[inline]
    pub(crate) fn has_to_trim(&self) -> bool {
        !self.to_trim.is_empty()
    }

    /// Takes the groups that may have segments to free, each once.
    pub(crate) fn take_to_trim(&mut self) -> Vec<u32> {
        let mut to_trim = std::mem::take(&mut self.to_trim);
        to_trim.sort_unstable();
        to_trim.dedup();
        to_trim
    }

    /// Gives the memory of that list back.
    pub(crate) fn reuse_to_trim(&mut self, mut memory: Vec<u32>) {
        memory.clear();
        self.to_trim = memory;
    }
}

/// The longest that a shard's handlers are held back because another shard is late. A handler that
/// blocks its shard must not stop all others.
const LONGEST_HELD: Duration = Duration::from_millis(100);

/// A limit on what a shard's handlers broadcast in one turn. Without it the packets of many
/// sessions, each broadcast to all the others, could fill the outbox of a member that has had no
/// chance to be sent anything.
#[derive(Debug)]
pub(crate) struct Budget {
    /// So few bytes that all shards together do not bring a member near the end of its outbox.
    usual: u64,
    outbox: u64,
    allowed: u64,
    /// Since when nothing is allowed, because another shard is late.
    held_since: Option<Time>,
}

impl Budget {
    pub(crate) fn new(outbox_bytes: usize, shards: usize) -> Budget {
        let usual = (outbox_bytes / (2 * (shards + 1))) as u64;
        Budget { usual, outbox: outbox_bytes as u64, allowed: usual, held_since: None }
    }

    /// Whether so many broadcast bytes are all that is allowed.
    #[inline]
    pub(crate) fn is_spent(&self, broadcast: u64) -> bool {
        broadcast >= self.allowed
    }

    /// Whether nothing is allowed at all: there is no use in asking again at once.
    pub(crate) fn is_held(&self) -> bool {
        self.allowed == 0
    }

    /// Sets what is allowed next. `backlog` is how much was broadcast since the news that the
    /// latest shard has not taken.
    pub(crate) fn renew(&mut self, backlog: u64, now: Time) {
        self.allowed = self.usual;
        if backlog <= self.outbox {
            self.held_since = None;
        } else if now.since(*self.held_since.get_or_insert(now)) < LONGEST_HELD {
            self.allowed = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;
    use overlapped::{Driver, DriverConfig};

    use super::*;
    use crate::codec::Framing;

    fn groups(shards: usize) -> (Driver, ShardGroups) {
        let driver = Driver::new(DriverConfig::new()).unwrap();
        let notifiers = (0..shards).map(|_| Notifier::new(driver.wake_handle())).collect();
        (driver, ShardGroups::new(0, Arc::new(Domain::new(notifiers, vec![Framing::default()], 64 * 1024))))
    }

    fn join(groups: &mut ShardGroups, group: &Group, session: u32) -> u32 {
        let reader = group.reader(groups.domain()).unwrap();
        let slot = groups.slot_of(group);
        let slot = slot.unwrap_or_else(|| groups.insert(LocalGroup::new(group.clone(), reader)));
        groups.add_member(slot, SessionId::new(0, Key::new(session, 0)), groups.now());
        slot
    }

    #[test]
    fn a_shard_without_groups_takes_no_news_and_may_wait() {
        let (_driver, mut groups) = groups(1);
        groups.begin_turn();
        groups.begin_delivery();
        assert!(groups.take_news().is_none());
        assert!(groups.may_wait() && !groups.is_budget_spent());
    }

    #[test]
    fn a_broadcast_is_news_once_and_the_group_goes_with_its_last_member() {
        let (_driver, mut groups) = groups(1);
        let group = Group::new();
        let slot = join(&mut groups, &group, 5);
        assert_eq!((join(&mut groups, &group, 7), group.len()), (slot, 2));
        group.broadcast(b"one").unwrap();
        group.broadcast(b"two").unwrap();
        assert!(!groups.may_wait());
        groups.begin_delivery();
        let news = groups.take_news().unwrap();
        assert_eq!(news, [slot], "two broadcasts, one notification");
        assert_eq!(groups.news_of(slot).map(|news| news.bytes), Some(6));
        groups.reuse_news(news);
        assert!(groups.may_wait());
        assert_eq!(groups.remove_member(slot, 0), Some(7), "the last member took the index");
        assert_eq!(groups.remove_member(slot, 0), None);
        assert!(groups.is_empty() && group.is_empty() && groups.slot_of(&group).is_none());
    }

    #[test]
    fn what_handlers_may_broadcast_is_renewed_when_it_is_delivered() {
        let (_driver, mut groups) = groups(1);
        let group = Group::new();
        join(&mut groups, &group, 5);
        groups.begin_turn();
        while !groups.is_budget_spent() {
            group.broadcast(&[0; 1024]).unwrap();
        }
        groups.renew_budget(Time::ZERO);
        assert!(!groups.is_budget_spent() && !groups.is_held_back());
    }

    #[test]
    fn a_late_shard_holds_the_others_back_for_a_while() {
        let mut budget = Budget::new(64 * 1024, 3);
        assert!(!budget.is_spent(8191) && budget.is_spent(8192));
        budget.renew(64 * 1024 + 1, Time::ZERO);
        assert!(budget.is_held() && budget.is_spent(0));
        budget.renew(64 * 1024 + 1, Time::ZERO + LONGEST_HELD);
        assert!(!budget.is_held(), "a shard that is blocked must not stop all others");
        budget.renew(64 * 1024, Time::ZERO + LONGEST_HELD);
        budget.renew(64 * 1024 + 1, Time::ZERO + LONGEST_HELD);
        assert!(budget.is_held(), "it has caught up meanwhile, and is late again");
    }
}
