//! A shard's sessions: what is kept of each, and which ones have something to do.

use std::rc::Rc;

use overlapped::{Address, driver::SocketId, table::Table};

use super::peers::{Peer, Peers};
use super::{ends::Ends, holds::Holds, id::SessionId, reason::CloseReason, timers::Activity};
use crate::codec::{Assembly, Framing};
use crate::connect::Origin;
use crate::outbox::lazy::LazyOutbox;
use crate::task::link::Link;

/// One session. It is small, because most of a server's sessions are idle: what few have is behind
/// a pointer, or in a table of its own.
pub(crate) struct Record {
    pub(crate) socket: SocketId,
    peer: Peer,
    pub(crate) outbox: LazyOutbox,
    /// A receive is in flight.
    pub(crate) receiving: bool,
    /// Set when it begins to close.
    pub(crate) reason: Option<CloseReason>,
    /// Why it is not read from.
    pub(crate) holds: Holds,
    pub(crate) ends: Ends,
    /// A send is in flight.
    pub(crate) sending: bool,
    /// It is in the list of sessions to send for.
    dirty: bool,
    /// It is in the list of sessions to resume.
    resuming: bool,
    rare: Option<Box<Rare>>,
    /// The turn in which it was last handed a packet, and how many bytes it was handed in that.
    turn: u32,
    handed: u32,
    pub(crate) codec: Framing,
    /// The beginning of a packet, or what arrived while it was held.
    pub(crate) assembly: Assembly,
    pub(crate) activity: Activity,
    /// Shared with its task, if it has one.
    pub(crate) link: Option<Rc<Link>>,
}

/// What few sessions have.
struct Rare {
    origin: Origin,
    /// The slot of the session that it is paired with.
    partner: Option<u32>,
    /// Connections that it has asked for and that are being made.
    attempts: u32,
}

impl Default for Rare {
    fn default() -> Rare {
        Rare { origin: Origin::Accepted, partner: None, attempts: 0 }
    }
}

// Only the generation is added in the table.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(Table::<Record>::BYTES_PER_VALUE <= 120);

impl Record {
    pub(crate) fn new(socket: SocketId, codec: Framing, origin: Origin, activity: Activity) -> Record {
        let rare = (origin != Origin::Accepted).then(|| Box::new(Rare { origin, ..Rare::default() }));
        Record {
            socket,
            peer: Peer::UNKNOWN,
            outbox: LazyOutbox::default(),
            receiving: false,
            reason: None,
            holds: Holds::default(),
            ends: Ends::default(),
            sending: false,
            dirty: false,
            resuming: false,
            rare,
            turn: 0,
            handed: 0,
            codec,
            assembly: Assembly::new(),
            activity,
            link: None,
        }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.rare.as_ref().map_or(Origin::Accepted, |rare| rare.origin)
    }

    /// The slot of the session that it is paired with.
    #[inline]
    pub(crate) fn partner(&self) -> Option<u32> {
        self.rare.as_ref().and_then(|rare| rare.partner)
    }

    pub(crate) fn set_partner(&mut self, partner: u32) {
        self.rare.get_or_insert_default().partner = Some(partner);
    }

    pub(crate) fn take_partner(&mut self) -> Option<u32> {
        self.rare.as_mut().and_then(|rare| rare.partner.take())
    }

    /// Whether connections that it has asked for are being made.
    pub(crate) fn has_attempts(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.attempts > 0)
    }

    pub(crate) fn attempt_began(&mut self) {
        self.rare.get_or_insert_default().attempts += 1;
    }

    pub(crate) fn attempt_ended(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.attempts -= 1;
        }
    }

    /// What it was handed in this turn.
    #[inline]
    pub(crate) fn handed_in(&self, turn: u32) -> usize {
        if self.turn == turn { self.handed as usize } else { 0 }
    }

    /// The turn in which it was last handed something.
    pub(crate) fn last_handed(&self) -> u32 {
        self.turn
    }

    pub(crate) fn is_resuming(&self) -> bool {
        self.resuming
    }

    pub(crate) fn set_handed(&mut self, turn: u32, bytes: usize) {
        (self.turn, self.handed) = (turn, u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Whether a send for it is in flight, or will be started in this turn.
    #[inline]
    pub(crate) fn will_send(&self) -> bool {
        self.dirty | self.sending
    }
}

/// The sessions of a shard.
pub(crate) struct Sessions {
    shard: u16,
    records: Table<Record>,
    peers: Peers,
    /// Sessions with something queued and no send in flight.
    dirty: Vec<u32>,
    /// Sessions that may be handed what was kept for them.
    to_resume: Vec<u32>,
}

impl Sessions {
    pub(crate) fn new(shard: u16) -> Sessions {
        Sessions { shard, records: Table::new(), peers: Peers::default(), dirty: Vec::new(), to_resume: Vec::new() }
    }

    pub(crate) fn insert(&mut self, record: Record, peer: Address) -> SessionId {
        let peer = self.peers.keep(peer);
        SessionId::new(self.shard, self.records.insert(Record { peer, ..record }))
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Record> {
        let record = self.records.remove_at(slot)?;
        self.peers.forget(&record.peer);
        Some(record)
    }

    /// A session that is not closing, and the address of its peer.
    #[inline]
    pub(crate) fn open_with_peer(&mut self, slot: u32) -> Option<(&mut Record, Address)> {
        let record = self.records.at_mut(slot).filter(|record| record.reason.is_none())?;
        let peer = self.peers.address(&record.peer);
        Some((record, peer))
    }

    pub(crate) fn peer_at(&self, slot: u32) -> Option<Address> {
        Some(self.peers.address(&self.records.at(slot)?.peer))
    }

    #[inline]
    pub(crate) fn at(&self, slot: u32) -> Option<&Record> {
        self.records.at(slot)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut Record> {
        self.records.at_mut(slot)
    }

    /// A session that may be closing.
    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Record> {
        self.records.get_mut(id.key())
    }

    /// A session that is not closing.
    #[inline]
    pub(crate) fn open(&mut self, id: SessionId) -> Option<&mut Record> {
        self.records.get_mut(id.key()).filter(|record| record.reason.is_none())
    }

    /// The session in a slot, if it is not closing.
    pub(crate) fn open_at(&mut self, slot: u32) -> Option<&mut Record> {
        self.records.at_mut(slot).filter(|record| record.reason.is_none())
    }

    pub(crate) fn id(&self, slot: u32) -> Option<SessionId> {
        Some(SessionId::new(self.shard, self.records.key_of(slot)?))
    }

    /// All slots, for going through the sessions while they change.
    pub(crate) fn slots(&self) -> std::ops::Range<u32> {
        self.records.slots()
    }

    /// Has what is queued for the session sent at the end of the turn.
    #[inline]
    pub(crate) fn send_later(&mut self, slot: u32) {
        if let Some(record) = self.records.at_mut(slot)
            && !std::mem::replace(&mut record.dirty, true)
        {
            self.dirty.push(slot);
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Takes the list of sessions to send for.
    pub(crate) fn take_dirty(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.dirty)
    }

    /// The session is being sent for: it is no longer in the list.
    pub(crate) fn unmark_dirty(&mut self, slot: u32) -> Option<&mut Record> {
        let record = self.records.at_mut(slot)?;
        record.dirty = false;
        Some(record)
    }

    /// Gives back the memory of a list of sessions to send for.
    pub(crate) fn reuse_dirty(&mut self, mut memory: Vec<u32>) {
        memory.clear();
        memory.append(&mut self.dirty);
        self.dirty = memory;
    }

    /// Has the session handed what was kept for it in the next turn, if nothing holds it then.
    pub(crate) fn resume_later(&mut self, slot: u32) {
        if let Some(record) = self.records.at_mut(slot)
            && !std::mem::replace(&mut record.resuming, true)
        {
            self.to_resume.push(slot);
        }
    }

    pub(crate) fn has_to_resume(&self) -> bool {
        !self.to_resume.is_empty()
    }

    /// Exchanges the list of sessions to resume for an empty one.
    pub(crate) fn swap_to_resume(&mut self, list: &mut Vec<u32>) {
        std::mem::swap(&mut self.to_resume, list);
    }

    /// The session is being resumed: it is no longer in the list.
    pub(crate) fn resumed(&mut self, slot: u32) -> bool {
        self.records.at_mut(slot).is_some_and(|record| std::mem::take(&mut record.resuming))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use overlapped::sim::Network;
    use overlapped::table::Key;
    use overlapped::{Driver, DriverConfig, Time};

    use super::super::timers::{Rates, Timers};
    use super::*;
    use crate::limits::Permit;
    use crate::session::deadlines::Spans;

    fn insert(sessions: &mut Sessions, driver: &mut Driver) -> SessionId {
        let timers = Timers::new(Spans { idle: Some(Duration::from_secs(1)), ..Spans::default() }, Time::ZERO);
        let peer: Address = "10.0.0.1:80".parse().unwrap();
        let socket = driver.socket(&peer).unwrap();
        let activity = timers.admit(Permit::alone(), true, Rates::default());
        sessions.insert(Record::new(socket, Framing::default(), Origin::Accepted, activity), peer)
    }

    #[test]
    fn an_id_finds_its_session_until_that_closes_and_never_a_later_one() {
        let network = Some(Network::new(1));
        let mut driver = Driver::new(DriverConfig::new().network(network)).unwrap();
        let mut sessions = Sessions::new(3);
        let id = insert(&mut sessions, &mut driver);
        assert_eq!((id.shard(), sessions.id(id.slot())), (3, Some(id)));
        sessions.open(id).unwrap().reason = Some(CloseReason::ByPeer);
        assert!(sessions.open(id).is_none() && sessions.open_at(id.slot()).is_none());
        assert!(sessions.get_mut(id).is_some(), "it is there until its close has completed");
        assert_eq!(sessions.peer_at(id.slot()), Some("10.0.0.1:80".parse().unwrap()));
        sessions.remove(id.slot());
        let next = insert(&mut sessions, &mut driver);
        assert_eq!(next.slot(), id.slot());
        assert!(sessions.get_mut(id).is_none() && sessions.get_mut(next).is_some());
        assert_ne!(next, SessionId::new(3, Key::new(id.slot(), id.key().generation())));
    }

    #[test]
    fn a_session_is_in_each_list_once() {
        let network = Some(Network::new(1));
        let mut driver = Driver::new(DriverConfig::new().network(network)).unwrap();
        let mut sessions = Sessions::new(0);
        let slot = insert(&mut sessions, &mut driver).slot();
        sessions.send_later(slot);
        sessions.send_later(slot);
        let dirty = sessions.take_dirty();
        assert_eq!(dirty, [slot]);
        sessions.unmark_dirty(slot);
        sessions.send_later(slot);
        sessions.reuse_dirty(dirty);
        assert_eq!(sessions.take_dirty(), [slot], "what is queued meanwhile is for the next turn");
        sessions.resume_later(slot);
        sessions.resume_later(slot);
        let mut list = Vec::new();
        sessions.swap_to_resume(&mut list);
        assert_eq!(list, [slot]);
        assert!(sessions.resumed(slot) && !sessions.resumed(slot) && !sessions.has_to_resume());
    }
}
