//! From the groups' news to the members' sends: a shard's rooms, which of its sessions are in them, and how those join and leave.

use std::sync::Arc;
use std::time::Duration;

use overlapped::Time;
use overlapped::log::Gather;

use crate::close::CloseReason;
use crate::error::JoinError;
use crate::group::{Group, NONE};
use crate::handle::Shared;
use crate::outbox::Outbox;
use crate::room::{Mark, Room, Rooms};
use crate::session::{Core, Session, SessionId};
use crate::slow::SlowConsumer;

/// Groups that one session may be a member of.
const MOST_GROUPS: usize = 64;

/// How long a shard's handlers are held back at most because another shard is late.
const LONGEST_HELD: Duration = Duration::from_millis(100);

/// What a shard has for its sessions' groups.
pub(crate) struct Delivery {
    /// The server, once the shard knows the others.
    pub(crate) server: Option<Arc<Shared>>,
    /// The groups that sessions of this shard are members of.
    pub(crate) rooms: Rooms,
    /// The stamp up to which their news have been looked at.
    pub(crate) seen: u64,
    /// Rooms that have news.
    news: Vec<u32>,
    /// Rooms that had some which were issued after `seen`.
    unseen: Vec<u32>,
    /// Sessions that have much queued.
    to_meet: Vec<u32>,
    /// Rooms that may be able to let go of old segments.
    to_trim: Vec<u32>,
    /// Bytes that the shard's handlers have broadcast since the last look.
    grown: u64,
    /// The stamp up to which they are counted.
    counted: u64,
    /// How many that may be.
    allowed: u64,
    /// Since when they may be none, because another shard is late.
    held: Option<Time>,
    /// Memory for sends of many pieces.
    pub(crate) gathers: Vec<Gather<Mark>>,
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery {
            server: None,
            rooms: Rooms::default(),
            seen: 0,
            news: Vec::new(),
            unseen: Vec::new(),
            to_meet: Vec::new(),
            to_trim: Vec::new(),
            grown: 0,
            counted: 0,
            allowed: u64::MAX,
            held: None,
            gathers: Vec::new(),
        }
    }
}

impl Delivery {
    /// The latest stamp.
    pub(crate) fn now(&self) -> u64 {
        self.server.as_ref().map_or(0, |server| server.clock.now())
    }

    /// Bytes that the shard's handlers may broadcast until the next look: few enough that all shards together do not bring a member near the end of its outbox before it has been
    /// sent something. While a shard is late to look at what there is they are none; but not for long, lest a handler that blocks its shard stops all.
    fn allowance(&mut self, outbox: usize, now: Time) -> u64 {
        let Some(server) = &self.server else { return u64::MAX };
        let late = server.posts.iter().map(|post| post.bell.since()).min().unwrap_or(u64::MAX);
        if self.seen.saturating_sub(late) <= outbox as u64 {
            self.held = None;
        } else if now.since(*self.held.get_or_insert(now)) < LONGEST_HELD {
            return 0;
        }
        (outbox / (2 * (server.posts.len() + 1))) as u64
    }

    /// Makes room in an outbox for so many bytes, if that can be done by dropping what is queued.
    #[inline(never)]
    pub(crate) fn make_room(&self, outbox: &mut Outbox, id: SessionId, bytes: usize, limit: usize) {
        let before = outbox.dropped();
        outbox.make_room(id, bytes, limit, &self.rooms);
        self.count_dropped(outbox.dropped() - before);
    }

    fn count_dropped(&self, packets: u64) {
        if let Some(server) = self.server.as_ref().filter(|_| packets > 0) {
            server.stats().dropped += packets;
        }
    }
}

impl Core {
    /// Makes a session a member from what was issued after `stamp` on. A room made when that was issued is used if the group has none on the shard.
    pub(crate) fn join(
        &mut self,
        id: SessionId,
        group: &Group,
        stamp: u64,
        room: Option<Box<Room>>,
    ) -> Result<(), JoinError> {
        let server = self.delivery.server.as_ref().map(Arc::clone).ok_or(JoinError::Closed)?;
        let entry = self.open(id).filter(|entry| entry.ends.takes_more() && entry.partner.is_none());
        let outbox = &entry.ok_or(JoinError::Closed)?.outbox;
        let home = group.home(&server).ok_or(JoinError::OtherServer)?;
        let hall = &home.halls[usize::from(id.shard)];
        if hall.room() != NONE && outbox.is_member(hall.room()) {
            return Ok(());
        }
        if outbox.ranges().len() >= MOST_GROUPS {
            return Err(JoinError::TooMany);
        }
        let Delivery { rooms, news, .. } = &mut self.delivery;
        if hall.room() == NONE {
            let room = room.map_or_else(|| Room::new(home.log.reader()), |room| *room);
            hall.set_room(rooms.insert(room, group.clone()));
        }
        group.count_in(id.shard);
        let index = hall.room();
        let room = rooms.get_mut(index).expect("a hall's room is there");
        let (position, seat) = (room.position_after(stamp), room.members.len());
        if position < room.reader.end() {
            // Nobody may have told the shard of these, which had no members until now.
            news.push(index);
        }
        room.members.push(id.slot);
        let entry = self.entries[id.slot as usize].as_mut().expect("it was there just now");
        entry.outbox.provide(&mut self.outboxes).join(index, position, seat);
        Ok(())
    }

    /// Makes a session no member from what was issued after `stamp` on, which is no earlier than the last look.
    pub(crate) fn leave(&mut self, id: SessionId, group: &Group, stamp: u64) {
        let Some(room) = group.hall(self.shard).map(|hall| hall.room()) else { return };
        if self.open(id).is_some() && self.delivery.rooms.group(room) == Some(group) {
            let limit = self.limits.outbox;
            if self.open(id).is_some_and(|entry| entry.outbox.len() > limit) {
                // Of what it is behind, as much as can be sent need not be copied.
                let complete = self.complete_upto(id.slot);
                self.send_upto(id.slot, stamp.min(complete));
            }
            self.leave_room(id.slot, room, Some(stamp));
            self.meet(id.slot);
        }
    }

    /// The stamp up to which nothing is missing among what is queued for a session. The last look does not say that: a record that was being appended then may have a lower one,
    /// and what was queued since may have been issued after it.
    pub(crate) fn complete_upto(&mut self, slot: u32) -> u64 {
        let Some(entry) = self.entries[slot as usize].as_ref() else { return u64::MAX };
        let rooms = &mut self.delivery.rooms;
        let counted = entry.outbox.ranges().iter().filter_map(|range| Some(rooms.get_mut(range.room)?.counted_upto()));
        counted.min().unwrap_or(u64::MAX)
    }

    /// A session is no member of any group any more. What was issued up to a stamp is queued for it; without one everything is thrown away.
    pub(crate) fn leave_all(&mut self, slot: u32, upto: Option<u64>) {
        while let Some(room) = self.entry(slot).and_then(|entry| Some(entry.outbox.ranges().first()?.room)) {
            self.leave_room(slot, room, upto);
        }
    }

    fn leave_room(&mut self, slot: u32, index: u32, upto: Option<u64>) {
        let (limit, shard) = (self.limits.outbox, self.shard);
        let Some(id) = self.id(slot) else { return };
        let rooms = &mut self.delivery.rooms;
        let Some(room) = rooms.get_mut(index) else { return };
        room.reader.refresh();
        let Some(entry) = self.entries[slot as usize].as_mut() else { return };
        let before = entry.outbox.dropped();
        let seat = match upto {
            Some(stamp) => entry.outbox.leave(id, index, stamp, limit, rooms),
            None => entry.outbox.forget(index),
        };
        let Some(seat) = seat else { return };
        let dropped = entry.outbox.dropped() - before;
        if !entry.sending && entry.outbox.has_queued() && !std::mem::replace(&mut entry.dirty, true) {
            self.dirty.push(slot);
        }
        entry.outbox.put_away(&mut self.outboxes);
        let room = rooms.get_mut(index).expect("seen just now");
        room.members.swap_remove(seat);
        let moved = room.members.get(seat).copied();
        let last = room.members.is_empty();
        if let Some(group) = rooms.group(index) {
            group.count_out(shard);
            if last {
                if let Some(hall) = group.hall(shard) {
                    hall.set_room(NONE);
                }
                rooms.remove(index);
            }
        }
        if let Some(entry) = moved.and_then(|slot| self.entry(slot)) {
            entry.outbox.set_seat(index, seat);
        }
        self.delivery.count_dropped(dropped);
        if dropped > 0 && self.limits.slow != SlowConsumer::DropOldest {
            self.begin_close(slot, CloseReason::TooSlow);
        }
    }

    /// Takes down what has been issued up to now. What was mailed before any of it is in the mail from here on.
    pub(crate) fn begin_look(&mut self) {
        self.delivery.seen = self.delivery.now();
    }

    /// The handler, or a task, is about to be called.
    pub(crate) fn begin_call(&mut self) {
        self.delivery.counted = self.delivery.now();
    }

    /// It was, and counts what it has broadcast.
    pub(crate) fn end_call(&mut self) {
        let now = self.delivery.now();
        self.delivery.grown += now - std::mem::replace(&mut self.delivery.counted, now);
    }

    /// Whether so much has been broadcast by the shard's handlers that the members have to be sent some before it goes on. Without that a turn's worth of packets from many
    /// sessions, each for all the others, could fill the outbox of a member that has had no chance to be sent anything.
    pub(crate) fn has_grown(&self) -> bool {
        self.delivery.grown >= self.delivery.allowed
    }

    /// Whether nothing may be broadcast now because another shard is late: there is no use in asking again at once.
    pub(crate) fn is_held_back(&self) -> bool {
        self.delivery.allowed == 0
    }

    /// Looks at the news of the groups that have some. Says whether there was any.
    pub(crate) fn look(&mut self) -> bool {
        let Some(server) = self.delivery.server.as_ref() else { return false };
        let bell = &server.posts[usize::from(self.shard)].bell;
        let mut any = false;
        // Without members there is nothing to be in time for, and a bell that has just been rung is heard in the next turn.
        if !self.delivery.rooms.is_empty() || bell.is_rung() || !self.delivery.news.is_empty() {
            let mut news = std::mem::take(&mut self.delivery.news);
            bell.take(&mut news);
            any = !news.is_empty();
            for index in news.drain(..) {
                self.look_at_room(index);
            }
            // What was issued meanwhile is for the next turn.
            news.append(&mut self.delivery.unseen);
            self.delivery.news = news;
        }
        self.delivery.grown = 0;
        self.delivery.allowed = self.delivery.allowance(self.limits.outbox, self.watch.now);
        any
    }

    /// Whether something is left to be looked at, or to be sent after the next look.
    pub(crate) fn has_unseen(&self) -> bool {
        !self.dirty.is_empty() || !self.delivery.news.is_empty()
    }

    /// Whether there is nothing to be looked at or sent now; then the shard is woken when there is.
    pub(crate) fn may_wait(&self) -> bool {
        let bell = self.delivery.server.as_ref().map(|server| &server.posts[usize::from(self.shard)].bell);
        !self.has_unseen() && (self.delivery.rooms.is_empty() || bell.is_none_or(|bell| bell.wait()))
    }

    fn look_at_room(&mut self, index: u32) {
        let (shard, high) = (self.shard, self.limits.high());
        let Delivery { rooms, seen, unseen, to_meet, .. } = &mut self.delivery;
        if let Some(hall) = rooms.group(index).and_then(|group| group.hall(shard)) {
            hall.lower_flag();
        }
        let Some(room) = rooms.get_mut(index) else { return };
        let news = room.look(*seen);
        if room.reader.end() > room.counted {
            unseen.push(index);
        }
        let members = std::mem::take(&mut room.members);
        let room = rooms.get(index).expect("seen just now");
        for record in room.excepted().iter().filter(|record| record.id.shard == shard) {
            let entry = self.entries.get_mut(record.id.slot as usize).and_then(Option::as_mut);
            let entry = entry.filter(|entry| entry.generation == record.id.generation);
            if let Some(outbox) = entry.and_then(|entry| entry.outbox.get()) {
                outbox.except(index, &news, record);
            }
        }
        let mut keep = room.counted;
        for slot in &members {
            let Some(entry) = self.entries[*slot as usize].as_mut() else { continue };
            let id = SessionId { shard, slot: *slot, generation: entry.generation };
            entry.outbox.news(id, index, &news, rooms);
            if !entry.sending && entry.outbox.has_queued() && !std::mem::replace(&mut entry.dirty, true) {
                self.dirty.push(*slot);
            }
            if entry.outbox.len() >= high || entry.outbox.has_lost(rooms) {
                to_meet.push(*slot);
            }
            keep = keep.min(entry.outbox.position(index).unwrap_or(keep));
        }
        let room = rooms.get_mut(index).expect("seen just now");
        room.members = members;
        room.reader.trim(keep);
        let mut to_meet = std::mem::take(&mut self.delivery.to_meet);
        for slot in to_meet.drain(..) {
            self.meet(slot);
        }
        self.delivery.to_meet = to_meet;
    }

    /// Meets a session of which much is queued, by the policy.
    pub(crate) fn meet(&mut self, slot: u32) {
        let (limit, high, slow) = (self.limits.outbox, self.limits.high(), self.limits.slow);
        let Some(id) = self.id(slot) else { return };
        let rooms = &self.delivery.rooms;
        let Some(entry) = self.entries[slot as usize].as_mut().filter(|entry| entry.reason.is_none()) else { return };
        // Who is sent nothing at this moment has had no chance to be quicker.
        let sending = entry.outbox.is_sending();
        let over = sending && entry.outbox.len() > limit || entry.outbox.has_lost(rooms);
        if over && slow != SlowConsumer::DropOldest {
            return self.begin_close(slot, CloseReason::TooSlow);
        }
        if over {
            let before = entry.outbox.dropped();
            entry.outbox.skip_lost(id, rooms);
            if sending {
                entry.outbox.drop_oldest(id, limit, rooms);
            }
            let dropped = entry.outbox.dropped() - before;
            self.delivery.count_dropped(dropped);
        } else if slow == SlowConsumer::PauseReading
            && sending
            && entry.outbox.len() >= high
            && !std::mem::replace(&mut entry.throttled, true)
        {
            self.stop_receiving(slot);
        }
    }

    /// Of what is queued for a session, what its groups' logs have let go of is dropped.
    pub(crate) fn skip_lost(&mut self, slot: u32) {
        let Some(id) = self.id(slot) else { return };
        let entry = self.entries[slot as usize].as_mut();
        let Some(outbox) = entry.and_then(|entry| entry.outbox.get()) else { return };
        let before = outbox.dropped();
        outbox.skip_lost(id, &self.delivery.rooms);
        let dropped = outbox.dropped() - before;
        self.delivery.count_dropped(dropped);
    }

    /// A session has taken what there was of its groups: they may be able to let go of it.
    pub(crate) fn caught_up(&mut self, slot: u32) {
        let Delivery { rooms, to_trim, .. } = &mut self.delivery;
        let Some(entry) = self.entries[slot as usize].as_ref().filter(|entry| entry.outbox.has_caught_up()) else {
            return;
        };
        let long = |room: &u32| rooms.get(*room).is_some_and(|room| room.reader.segments() > 1);
        to_trim.extend(entry.outbox.ranges().iter().map(|range| range.room).filter(long));
    }

    /// Lets go of what all members have taken.
    pub(crate) fn trim_rooms(&mut self) {
        if self.delivery.to_trim.is_empty() {
            return;
        }
        let mut to_trim = std::mem::take(&mut self.delivery.to_trim);
        to_trim.sort_unstable();
        to_trim.dedup();
        for index in to_trim.drain(..) {
            let Some(room) = self.delivery.rooms.get_mut(index) else { continue };
            let positions = room.members.iter();
            let positions = positions.filter_map(|slot| self.entries[*slot as usize].as_ref()?.outbox.position(index));
            let keep = positions.min().unwrap_or(room.counted).min(room.counted);
            room.reader.trim(keep);
        }
        self.delivery.to_trim = to_trim;
    }
}

impl Session {
    /// Becomes a member of a group: gets what is broadcast to it from now on. Does nothing if it is one.
    ///
    /// # Errors
    /// `Closed` if the session is closed, or takes no packets: its stream is [shut down](Session::shutdown), or it is [paired](Session::pair); `TooMany` if it is a member of 64 groups, `OtherServer` if the group has had members of another server.
    pub fn join(&self, group: &Group) -> Result<(), JoinError> {
        let mut core = self.core.borrow_mut();
        let stamp = core.delivery.now();
        core.join(self.id, group, stamp, None)
    }

    /// Is no member of a group any more; does nothing if it is none. What was broadcast before is still sent.
    pub fn leave(&self, group: &Group) {
        let mut core = self.core.borrow_mut();
        let stamp = core.delivery.now();
        core.leave(self.id, group, stamp);
    }

    /// Packets for it that were dropped, because it did not take what was sent ([`SlowConsumer::DropOldest`](crate::SlowConsumer)). If broadcasts came faster than
    /// its shard could look at them, some of those that it was excepted from may be among them.
    pub fn dropped(&self) -> u64 {
        self.core.borrow_mut().open(self.id).map_or(0, |entry| entry.outbox.dropped())
    }
}
