//! A shard's sessions: what is kept of each, and which ones have something to do.

use std::rc::Rc;

use overlapped::{Address, driver::SocketId, table::Table};

use super::peers::{Peer, Peers};
use super::{ends::Ends, holds::Holds, id::SessionId, reason::CloseReason, timers::Activity};
#[cfg(feature = "websocket")]
use crate::codec::WebSocketFraming;
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
    /// It has a [transport](crate::transport), which may not be open yet.
    has_transport: bool,
    /// Its packets are datagrams.
    is_datagrams: bool,
}

impl Default for Rare {
    fn default() -> Rare {
        Rare { origin: Origin::Accepted, partner: None, attempts: 0, has_transport: false, is_datagrams: false }
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

    /// Its packets are messages from now on.
    #[cfg(feature = "websocket")]
    pub(crate) fn set_websocket(&mut self, framing: WebSocketFraming) {
        self.codec = Framing::WebSocket(Box::new(framing));
    }

    /// Whether what is received goes to its assembly as it is.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !(self.has_transport() | self.is_websocket())
    }

    /// Whether its packets are messages of a WebSocket.
    #[inline]
    pub(crate) fn is_websocket(&self) -> bool {
        self.codec.is_websocket()
    }

    #[inline]
    pub(crate) fn origin(&self) -> Origin {
        self.rare.as_ref().map_or(Origin::Accepted, |rare| rare.origin)
    }

    /// Whether it has a [transport](crate::transport), which may not be open yet.
    #[inline]
    pub(crate) fn has_transport(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.has_transport)
    }

    /// Whether its packets are datagrams, which a socket of the shard receives and sends. It counts
    /// as a session with a transport.
    pub(crate) fn is_datagrams(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.is_datagrams)
    }

    /// Its packets are datagrams.
    pub(crate) fn set_datagrams(&mut self) {
        let rare = self.rare.get_or_insert_default();
        (rare.has_transport, rare.is_datagrams) = (true, true);
        // The shard's socket receives for it.
        self.receiving = true;
    }

    pub(crate) fn set_transport(&mut self) {
        self.rare.get_or_insert_default().has_transport = true;
    }

    /// It has no transport any more. What few sessions have takes no memory if it has nothing else.
    #[cfg(feature = "websocket")]
    pub(crate) fn clear_transport(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        rare.has_transport = false;
        if rare.origin == Origin::Accepted && rare.partner.is_none() && rare.attempts == 0 {
            self.rare = None;
        }
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

    /// It is being sent for: it is no longer in the list.
    #[inline]
    pub(crate) fn unlist(&mut self) {
        self.dirty = false;
    }

    /// Whether its stream is open, nothing of its own is listed, and no send is in flight: what a
    /// group has for it can be sent without looking for more.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        !self.will_send() && self.reason.is_none() && !self.has_transport()
    }

    /// Whether a send for it is in flight, or will be started in this turn.
    #[inline]
    pub(crate) fn will_send(&self) -> bool {
        self.dirty | self.sending
    }
}

/// The sessions with something queued and no send in flight.
#[derive(Default)]
pub(crate) struct ToSend(Vec<u32>);

impl ToSend {
    /// Has what is queued for a session sent at the end of the turn.
    #[inline]
    pub(crate) fn add(&mut self, slot: u32, record: &mut Record) {
        if !std::mem::replace(&mut record.dirty, true) {
            self.0.push(slot);
        }
    }
}

/// The sessions of a shard.
pub(crate) struct Sessions {
    shard: u16,
    records: Table<Record>,
    peers: Peers,
    dirty: ToSend,
    /// Sessions that may be handed what was kept for them.
    to_resume: Vec<u32>,
}

impl Sessions {
    pub(crate) fn new(shard: u16) -> Sessions {
        Sessions {
            shard,
            records: Table::new(),
            peers: Peers::default(),
            dirty: ToSend::default(),
            to_resume: Vec::new(),
        }
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

    /// The peer of a session has another address.
    pub(crate) fn set_peer(&mut self, slot: u32, peer: Address) {
        if let Some(record) = self.records.at_mut(slot) {
            self.peers.forget(&record.peer);
            record.peer = self.peers.keep(peer);
        }
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

    #[inline]
    pub(crate) fn id(&self, slot: u32) -> Option<SessionId> {
        Some(SessionId::new(self.shard, self.records.key_of(slot)?))
    }

    /// All slots, for going through the sessions while they change.
    pub(crate) fn slots(&self) -> std::ops::Range<u32> {
        self.records.slots()
    }

    /// As [`open`](Sessions::open), with the list of those to send for.
    #[inline]
    pub(crate) fn open_to_send(&mut self, id: SessionId) -> Option<(&mut Record, &mut ToSend)> {
        let record = self.records.get_mut(id.key()).filter(|record| record.reason.is_none())?;
        Some((record, &mut self.dirty))
    }

    /// The session in a slot, with its name and the list of those to send for.
    #[inline]
    pub(crate) fn at_to_send(&mut self, slot: u32) -> Option<(SessionId, &mut Record, &mut ToSend)> {
        let id = self.id(slot)?;
        Some((id, self.records.at_mut(slot)?, &mut self.dirty))
    }

    /// Has what is queued for the session sent at the end of the turn.
    pub(crate) fn send_later(&mut self, slot: u32) {
        if let Some((_, record, to_send)) = self.at_to_send(slot) {
            to_send.add(slot, record);
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.0.is_empty()
    }

    /// Takes the list of sessions to send for.
    pub(crate) fn take_dirty(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.dirty.0)
    }

    /// Gives back the memory of a list of sessions to send for.
    #[inline]
    pub(crate) fn reuse_dirty(&mut self, mut memory: Vec<u32>) {
        memory.clear();
        memory.append(&mut self.dirty.0);
        self.dirty.0 = memory;
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

    use super::super::timers::Timers;
    use super::*;
    use crate::limits::{Permit, Rates};
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
        sessions.at_mut(slot).unwrap().unlist();
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
