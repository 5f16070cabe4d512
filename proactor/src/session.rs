//! Sessions: the shard's table of them, and what a handler can do with one.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use overlapped::buf::AnyBuf;
use overlapped::driver::{CloseMode, OpId, SocketId};
use overlapped::log::{Gather, LogSlice};
use overlapped::{Address, Driver, ErrorKind, Op};

use crate::close::CloseReason;
use crate::codec::{Assembly, BacklogFull, Codec, Frame, FrameError, Framing};
use crate::connector::{Connector, Origin};
use crate::delivery::Delivery;
use crate::error::SendError;
use crate::half_close::Ends;
use crate::limits::Permit;
use crate::outbox::Taken;
use crate::outbox::held::{Held, Store};
use crate::room::Mark;
use crate::settings::Settings;
use crate::slow::SlowConsumer;
use crate::task::executor::Executor;
use crate::task::link::Link;
use crate::watch::{Watch, Watched};

/// Names a session of a server: shard, slot and generation, so that it never means a later session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    pub(crate) shard: u16,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.shard, self.slot, self.generation)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {self}")
    }
}

/// What a completion belongs to: the high byte of its token.
pub(crate) mod token {
    pub(crate) const RECEIVE: u64 = 0;
    pub(crate) const SEND: u64 = 1;
    pub(crate) const CLOSE: u64 = 2;
    pub(crate) const ACCEPT: u64 = 3;
    /// The acceptor's too: someone is told why they are turned away.
    pub(crate) const REFUSE: u64 = 4;
    pub(crate) const SHUTDOWN: u64 = 5;
    /// An outbound connection that is being made.
    pub(crate) const CONNECT: u64 = 6;

    pub(crate) fn of(kind: u64, slot: u32) -> u64 {
        kind << 56 | u64::from(slot)
    }

    pub(crate) fn parts(token: u64) -> (u64, u32) {
        (token >> 56, token as u32)
    }
}

/// What a session can have in flight at once: a receive; a send, and of what is queued when it is closed one with what its groups have and one with the rest, or
/// else a shutdown; its close. A driver with so many operations for each of its sockets refuses none, and nothing is lost for want of room: where room ends is
/// the table of sockets, and whoever comes then is turned away.
pub(crate) const OPERATIONS_PER_SOCKET: usize = 5;

/// Limits that hold for every session of a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLimits {
    /// Bytes an outbox may hold.
    pub(crate) outbox: usize,
    /// Bytes kept of an unfinished packet and of what arrived while a session was not being handed packets.
    pub(crate) leftover: usize,
    /// Bytes handed over per session and turn, where no packet counts as fewer than [`LEAST_SHARE`].
    pub(crate) bytes_per_turn: usize,
    /// How long a graceful close waits for the peer.
    pub(crate) linger: Duration,
    /// How a peer is met that does not take what is sent.
    pub(crate) slow: SlowConsumer,
}

impl SessionLimits {
    /// At so many queued bytes a session is handed no more packets.
    pub(crate) fn high(&self) -> usize {
        self.outbox / 2
    }

    /// At so few it is again.
    pub(crate) fn low(&self) -> usize {
        self.outbox / 4
    }
}

/// What a small packet counts as: about so many bytes are copied in the time that calling the handler takes.
pub(crate) const LEAST_SHARE: usize = 1024;

/// One session, as its shard keeps it.
pub(crate) struct Entry {
    pub(crate) generation: u32,
    pub(crate) socket: SocketId,
    pub(crate) peer: Address,
    pub(crate) outbox: Held,
    pub(crate) receive: Option<OpId>,
    pub(crate) sending: bool,
    pub(crate) close: Option<OpId>,
    /// Set when it is being closed.
    pub(crate) reason: Option<CloseReason>,
    /// The handler asked for a pause.
    pub(crate) paused: bool,
    /// Its task has not taken what came.
    pub(crate) untaken: bool,
    /// Its outbox is over the high mark.
    pub(crate) throttled: bool,
    /// The peer's stream has ended.
    pub(crate) ended: bool,
    pub(crate) ends: Ends,
    /// How it came to be, if it was not accepted.
    origin: Option<Box<Origin>>,
    /// The session it is paired with.
    pub(crate) partner: Option<u32>,
    /// The outbox of that is over the high mark.
    pub(crate) blocked: bool,
    /// Connections that it has asked for and that are being made.
    pub(crate) attempts: u32,
    pub(crate) dirty: bool,
    pub(crate) pumping: bool,
    /// The turn in which it was last handed a packet, and how many bytes it was handed in that.
    turn: u32,
    handed: u32,
    pub(crate) codec: Framing,
    /// The beginning of a packet, or what arrived while it was not being handed packets.
    pub(crate) assembly: Assembly,
    pub(crate) watched: Watched,
    /// To its task, if its logic is one.
    pub(crate) link: Option<Rc<Link>>,
}

impl Entry {
    /// How it came to be.
    pub(crate) fn origin(&self) -> Origin {
        self.origin.as_deref().copied().unwrap_or(Origin::Accepted)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.paused | self.untaken | self.throttled | self.blocked | self.watched.over_rate
    }

    pub(crate) fn has_had_its_share(&self, turn: u64, most: usize) -> bool {
        self.handed_in(turn) >= most
    }

    /// What it was handed in this turn.
    pub(crate) fn handed_in(&self, turn: u64) -> usize {
        if self.turn == turn as u32 { self.handed as usize } else { 0 }
    }

    pub(crate) fn set_handed(&mut self, turn: u64, bytes: usize) {
        (self.turn, self.handed) = (turn as u32, u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Keeps bytes for later, within the budget.
    pub(crate) fn keep(&mut self, bytes: &[u8], limits: &SessionLimits) -> Result<(), BacklogFull> {
        self.assembly.keep(bytes, limits.leftover)
    }
}

/// What a shard and the sessions in its handlers' hands share.
pub(crate) struct Core {
    pub(crate) driver: Driver,
    pub(crate) shard: u16,
    pub(crate) limits: SessionLimits,
    pub(crate) watch: Watch,
    pub(crate) tasks: Rc<Executor>,
    /// To be woken when nothing is borrowed.
    pub(crate) to_wake: Vec<Waker>,
    /// What each session gets a clone of.
    pub(crate) codec: Framing,
    pub(crate) entries: Vec<Option<Entry>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    /// Sessions with something queued and nothing in flight.
    pub(crate) dirty: Vec<u32>,
    /// Sessions that may be handed what was kept for them.
    pub(crate) to_pump: Vec<u32>,
    spare: Vec<Vec<u8>>,
    pub(crate) outboxes: Store,
    /// Where frames are made.
    frame: Vec<u8>,
    pub(crate) delivery: Delivery,
    pub(crate) connector: Connector,
}

/// Buffers kept for the next outbox, and the most bytes of one, or of a made frame, that are kept.
const SPARE_BUFFERS: usize = 256;
const SPARE_BYTES: usize = 64 * 1024;
/// The most pieces of a send whose memory is kept.
const SPARE_PIECES: usize = 128;

/// Has a codec make a frame of a packet, in memory that serves for that.
#[inline(never)]
fn frame_of<'f>(packet: &[u8], codec: &mut Framing, memory: &'f mut Vec<u8>) -> Result<Frame<'f>, FrameError> {
    memory.clear();
    memory.shrink_to(SPARE_BYTES);
    codec.encode(packet, memory)?;
    Ok(Frame::of(memory))
}

#[cold]
fn take_spare(spare: &mut Vec<Vec<u8>>) -> Vec<u8> {
    spare.pop().unwrap_or_default()
}

impl Core {
    pub(crate) fn new(driver: Driver, shard: u16, limits: SessionLimits, settings: &Settings, codec: Framing) -> Core {
        Core {
            watch: Watch::new(settings, driver.now()),
            tasks: Executor::new(&driver),
            to_wake: Vec::new(),
            driver,
            shard,
            limits,
            codec,
            entries: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
            to_pump: Vec::new(),
            spare: Vec::new(),
            outboxes: Store::default(),
            frame: Vec::new(),
            delivery: Delivery::default(),
            connector: Connector::new(settings),
        }
    }

    pub(crate) fn slots(&self) -> Vec<u32> {
        (0..self.entries.len() as u32).filter(|slot| self.entries[*slot as usize].is_some()).collect()
    }

    pub(crate) fn insert(
        &mut self,
        socket: SocketId,
        peer: Address,
        permit: Permit,
        codec: Framing,
        origin: Origin,
    ) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.generations.push(0);
            self.entries.len() as u32 - 1
        });
        self.entries[slot as usize] = Some(Entry {
            generation: self.generations[slot as usize],
            socket,
            peer,
            outbox: Held::default(),
            receive: None,
            sending: false,
            close: None,
            reason: None,
            paused: false,
            untaken: false,
            throttled: false,
            ended: false,
            ends: Ends::default(),
            origin: (origin != Origin::Accepted).then(|| Box::new(origin)),
            partner: None,
            blocked: false,
            attempts: 0,
            dirty: false,
            pumping: false,
            turn: 0,
            handed: 0,
            codec,
            assembly: Assembly::new(),
            watched: self.watch.admit(permit, origin == Origin::Accepted),
            link: None,
        });
        self.watch(slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Entry> {
        let place = self.entries.get_mut(slot as usize)?;
        let entry = place.as_mut()?;
        self.generations[slot as usize] = entry.generation.wrapping_add(1);
        entry.outbox.put_away(&mut self.outboxes);
        self.watch.forget(slot);
        self.free.push(slot);
        place.take()
    }

    pub(crate) fn entry(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    /// The watch, and whom it is to look at.
    pub(crate) fn watch_and_entry(&mut self, slot: u32) -> (&mut Watch, Option<&mut Entry>) {
        (&mut self.watch, self.entries.get_mut(slot as usize).and_then(Option::as_mut))
    }

    pub(crate) fn id(&self, slot: u32) -> Option<SessionId> {
        let entry = self.entries.get(slot as usize)?.as_ref()?;
        Some(SessionId { shard: self.shard, slot, generation: entry.generation })
    }

    /// A session that is there and not being closed.
    #[inline]
    pub(crate) fn open(&mut self, id: SessionId) -> Option<&mut Entry> {
        self.entry(id.slot).filter(|entry| entry.generation == id.generation && entry.reason.is_none())
    }

    /// Queues the frame of a packet, of which others were issued before up to `stamp`. If there is no room for it, the session is met by the policy.
    pub(crate) fn queue(&mut self, id: SessionId, packet: &[u8], stamp: u64) -> Result<(), SendError> {
        let queued = self.queue_if_room(id, packet, stamp);
        if matches!(queued, Err(SendError::Full))
            && self.limits.slow == SlowConsumer::Close
            && self.open(id).is_some_and(|entry| entry.partner.is_none())
        {
            self.begin_close(id.slot, CloseReason::TooSlow);
        }
        queued
    }

    /// Queues the frame of a packet that is issued now.
    #[inline]
    fn send(&mut self, id: SessionId, packet: &[u8]) -> Result<(), SendError> {
        if self.queue_behind(id, packet) { Ok(()) } else { self.queue_now(id, packet) }
    }

    #[inline(never)]
    fn queue_now(&mut self, id: SessionId, packet: &[u8]) -> Result<(), SendError> {
        let stamp = self.delivery.now();
        self.queue(id, packet, stamp)
    }

    /// Queues the frame of a packet that is issued now if the one before it was too, and says whether it did. Then nothing is left to be seen to: it is known that there is
    /// something to be sent, and since when it waits. Most packets of a burst are queued here.
    #[inline(never)]
    fn queue_behind(&mut self, id: SessionId, packet: &[u8]) -> bool {
        let (high, stamp) = (self.limits.high(), self.delivery.now());
        let drops = self.limits.slow == SlowConsumer::DropOldest;
        let Some(entry) = self.open(id) else { return false };
        if drops || !entry.ends.takes_more() || !(entry.dirty | entry.sending) || !entry.watched.has_queued() {
            return false;
        }
        match (entry.outbox.get(), entry.codec.frame(packet)) {
            (Some(outbox), Some(Ok(frame))) => outbox.append(frame, stamp, high),
            _ => false,
        }
    }

    /// As [`queue`](Core::queue), for one who waits until there is room.
    pub(crate) fn queue_if_room(&mut self, id: SessionId, packet: &[u8], stamp: u64) -> Result<(), SendError> {
        let (limit, high) = (self.limits.outbox, self.limits.high());
        let entry = self.entries.get_mut(id.slot as usize).and_then(Option::as_mut);
        let entry = entry
            .filter(|entry| entry.generation == id.generation && entry.reason.is_none() && entry.ends.takes_more())
            .ok_or(SendError::Closed)?;
        // Of a pair nothing may be missing: its partner is held up instead.
        let drops = self.limits.slow == SlowConsumer::DropOldest && entry.partner.is_none();
        let frame = match entry.codec.frame(packet) {
            Some(frame) => frame,
            // Not where it is sent from: one's own codec could do with what is there as it likes.
            None => frame_of(packet, &mut entry.codec, &mut self.frame),
        };
        let frame = frame.map_err(SendError::Frame)?;
        let outbox = entry.outbox.provide(&mut self.outboxes);
        if drops {
            self.delivery.make_room(outbox, id, frame.len(), limit);
        }
        let pushed = match outbox.push(frame, stamp, limit, drops, || take_spare(&mut self.spare)) {
            Ok(pushed) if pushed.bytes > 0 => pushed,
            nothing => {
                entry.outbox.put_away(&mut self.outboxes);
                return nothing.map(drop);
            }
        };
        if !entry.sending && !entry.dirty && outbox.has_queued() {
            entry.dirty = true;
            self.dirty.push(id.slot);
        }
        if entry.watched.queued(self.watch.now) {
            self.watch(id.slot);
        }
        if pushed.len >= high {
            self.hold_up(id.slot);
        }
        Ok(())
    }

    /// Much is queued for a session: whoever brings it is not read from for a while, if that is the policy.
    #[cold]
    fn hold_up(&mut self, slot: u32) {
        let pauses = self.limits.slow == SlowConsumer::PauseReading;
        let Some(entry) = self.entry(slot) else { return };
        if let Some(partner) = entry.partner {
            self.block(partner);
        } else if pauses && !std::mem::replace(&mut entry.throttled, true) {
            self.stop_receiving(slot);
        }
    }

    /// Takes back what a send has done with, and says how many bytes it was.
    pub(crate) fn recycle(&mut self, buf: Option<AnyBuf>) -> usize {
        let Some(buf) = buf else { return 0 };
        let buf = match buf.take::<LogSlice<Mark>>() {
            Ok(slice) => return slice.len(),
            Err(buf) => buf,
        };
        let (len, own) = match buf.take::<Vec<u8>>() {
            Ok(own) => (own.len(), own),
            Err(buf) => {
                let Ok(mut gather) = buf.take::<Gather<Mark>>() else { return 0 };
                let (len, pieces) = (gather.len(), gather.pieces());
                let own = gather.clear();
                if self.delivery.gathers.len() < SPARE_BUFFERS && pieces <= SPARE_PIECES {
                    self.delivery.gathers.push(gather);
                }
                (len, own)
            }
        };
        self.recycle_bytes(own);
        len
    }

    /// Keeps a buffer that an outbox has done with.
    fn recycle_bytes(&mut self, mut buf: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && (1..=SPARE_BYTES).contains(&buf.capacity()) {
            buf.clear();
            self.spare.push(buf);
        }
    }

    pub(crate) fn start_receiving(&mut self, slot: u32) {
        let Some(entry) = self.entries[slot as usize].as_mut() else { return };
        if entry.receive.is_some() || entry.ended || entry.reason.is_some() || entry.is_held() {
            return;
        }
        let op = Op::recv_multi(entry.socket);
        let op = self.start(op, token::of(token::RECEIVE, slot));
        self.entries[slot as usize].as_mut().expect("seen just now").receive = op;
    }

    pub(crate) fn stop_receiving(&mut self, slot: u32) {
        if let Some(op) = self.entries[slot as usize].as_ref().and_then(|entry| entry.receive) {
            self.driver.cancel(op);
        }
    }

    /// As [`Session::pause`].
    pub(crate) fn pause(&mut self, id: SessionId) {
        if let Some(entry) = self.open(id) {
            entry.paused = true;
            self.stop_receiving(id.slot);
            self.hold_changed(id.slot);
        }
    }

    /// The session may be handed packets again, if nothing else holds it.
    pub(crate) fn pump_later(&mut self, slot: u32) {
        if let Some(entry) = self.entry(slot)
            && !std::mem::replace(&mut entry.pumping, true)
        {
            self.to_pump.push(slot);
        }
    }

    /// Sends what is queued and may leave, in one operation.
    pub(crate) fn send_queued(&mut self, slot: u32) {
        self.send_upto(slot, self.delivery.seen);
        self.caught_up(slot);
    }

    /// Sends all that is queued and was issued up to a stamp, whatever is in flight, in one operation.
    fn flush(&mut self, slot: u32, stamp: u64) {
        // It is counted as queued until then, and would be waited for in vain.
        self.skip_lost(slot);
        let Some(id) = self.id(slot) else { return };
        let Some(outbox) = self.entries[slot as usize].as_mut().and_then(|entry| entry.outbox.get()) else { return };
        let Delivery { rooms, gathers, .. } = &mut self.delivery;
        let (gather, spare) = (|| gathers.pop().unwrap_or_default(), || self.spare.pop().unwrap_or_default());
        if let Some(taken) = outbox.take_all(id, stamp, rooms, gather, spare) {
            self.start_send(slot, taken);
        }
    }

    pub(crate) fn send_upto(&mut self, slot: u32, stamp: u64) {
        let Some(entry) = self.entries[slot as usize].as_mut() else { return };
        entry.dirty = false;
        if entry.sending || entry.reason.is_some() || !entry.outbox.has_queued() {
            return;
        }
        let id = SessionId { shard: self.shard, slot, generation: entry.generation };
        let Delivery { rooms, gathers, .. } = &mut self.delivery;
        let (limit, spare) = (self.limits.outbox, &mut self.spare);
        let gather = || gathers.pop().unwrap_or_default();
        let taken = entry.outbox.take(id, stamp, limit, rooms, gather, || spare.pop().unwrap_or_default());
        match taken {
            Some(taken) => {
                if let Some(op) = self.start_send(slot, taken) {
                    self.send_started(slot, op);
                }
                // What was broadcast was queued without a word.
                self.bytes_queued(slot);
            }
            None => {
                // What is queued was issued after the last look: it waits for the next.
                entry.dirty = true;
                self.dirty.push(slot);
            }
        }
    }

    fn start_send(&mut self, slot: u32, taken: Taken) -> Option<OpId> {
        let entry = self.entries[slot as usize].as_mut().expect("it was taken from its outbox just now");
        entry.sending = true;
        let op = match taken {
            Taken::Bytes(bytes) => Op::send(entry.socket, bytes),
            Taken::Slice(slice) => Op::send(entry.socket, slice),
            Taken::Gather(gather) => Op::send(entry.socket, gather),
        };
        self.start(op, token::of(token::SEND, slot))
    }

    /// Starts an operation of a session whose socket is not being closed. There is [room](OPERATIONS_PER_SOCKET) for it; only a driver whose backend has failed refuses it, with
    /// which the shard ends.
    pub(crate) fn start(&mut self, op: Op, token: u64) -> Option<OpId> {
        let started = self.driver.submit(op, token);
        started
            .inspect_err(|refused| {
                debug_assert_ne!(refused.error.kind(), ErrorKind::LimitReached, "there is room");
                tracing::error!("{}", refused.error);
            })
            .ok()
    }

    /// As [`Session::close`].
    pub(crate) fn close(&mut self, id: SessionId) {
        if self.open(id).is_some() {
            self.begin_close(id.slot, CloseReason::ByHandler);
        }
    }

    /// Starts closing a session: in order where there is a peer to be answered, at once otherwise. The first reason stays.
    pub(crate) fn begin_close(&mut self, slot: u32, reason: CloseReason) {
        // What was answered to the good packets before a bad one reaches the peer.
        let graceful = matches!(
            reason,
            CloseReason::ByPeer
                | CloseReason::ByHandler
                | CloseReason::FrameTooLarge
                | CloseReason::Protocol
                | CloseReason::Drained
                | CloseReason::Idle
                | CloseReason::Lifetime
        );
        let mode = match reason {
            _ if graceful => CloseMode::Graceful { linger: self.limits.linger },
            CloseReason::TooSlow | CloseReason::WriteTimeout | CloseReason::Limit => CloseMode::Abort,
            _ => CloseMode::Now,
        };
        self.begin_close_as(slot, reason, mode);
    }

    /// As [`begin_close`](Core::begin_close), where the reason does not say how.
    pub(crate) fn begin_close_as(&mut self, slot: u32, reason: CloseReason, mode: CloseMode) {
        let graceful = matches!(mode, CloseMode::Graceful { .. });
        let to_wake = &mut self.to_wake;
        let entry = self.entries.get_mut(slot as usize).and_then(Option::as_mut);
        let Some(entry) = entry.filter(|entry| entry.reason.is_none()) else { return };
        if let Some(link) = &entry.link {
            link.closing(reason, to_wake);
        }
        entry.reason = Some(reason);
        entry.assembly = Assembly::new();
        if let Some(outbox) = entry.outbox.get().filter(|_| !graceful) {
            outbox.clear();
        }
        self.watch.forget(slot);
        if graceful {
            // What is not counted yet may belong before own bytes: leaving brings it there.
            let complete = self.complete_upto(slot);
            self.flush(slot, complete);
        }
        self.leave_all(slot, graceful.then_some(u64::MAX));
        if graceful {
            self.flush(slot, u64::MAX);
        }
        let entry = self.entries[slot as usize].as_ref().expect("it was there just now");
        let op = self.start(Op::close(entry.socket, mode), token::of(token::CLOSE, slot));
        self.entries[slot as usize].as_mut().expect("it was there just now").close = op;
        self.close_partner(slot, reason, graceful);
        self.cancel_attempts_of(slot);
    }

    /// A session that is being closed in order is to be closed at once.
    pub(crate) fn hasten_close(&mut self, slot: u32) {
        if let Some(op) = self.entry(slot).and_then(|entry| entry.close) {
            self.driver.cancel(op);
        }
    }
}

/// A session in the hands of its shard's handler. It stays on that thread; [`Session::id`] is for others.
///
/// It can be kept: when the session has ended, its methods say so or do nothing.
#[derive(Clone)]
pub struct Session {
    pub(crate) core: Rc<RefCell<Core>>,
    pub(crate) id: SessionId,
    pub(crate) peer: Address,
    pub(crate) origin: Origin,
}

impl Session {
    /// Its name, for any thread.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The address of its peer.
    pub fn peer_addr(&self) -> &Address {
        &self.peer
    }

    /// How it came to be: accepted, or connected by the server itself.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Another session of the same shard, if it has not ended and is not being closed.
    pub fn sibling(&self, id: SessionId) -> Option<Session> {
        let mut core = self.core.borrow_mut();
        if id.shard != core.shard {
            return None;
        }
        let entry = core.open(id)?;
        let (peer, origin) = (entry.peer.clone(), entry.origin());
        Some(Session { core: Rc::clone(&self.core), id, peer, origin })
    }

    /// Queues a packet: the frame that the server's [codec](crate::Builder::codec) makes of it, or a copy of its bytes if they are raw. What is
    /// queued while a batch of completions is handled leaves in one operation.
    ///
    /// While more than half of the outbox's limit is queued, the session is handed no more packets, so a handler that answers
    /// each packet with a frame of no more than half the limit never sees `Full`.
    ///
    /// # Errors
    /// `Full` if it would take the outbox over its limit, `Closed` if the session is closed or our stream is [shut down](Session::shutdown), `Frame` if the codec has no frame for it; nothing
    /// is queued then.
    #[inline]
    pub fn send(&self, packet: &[u8]) -> Result<(), SendError> {
        self.core.borrow_mut().send(self.id, packet)
    }

    /// Bytes queued or in flight to the peer, private and broadcast ones.
    pub fn queued(&self) -> usize {
        self.core.borrow_mut().open(self.id).map_or(0, |entry| entry.outbox.len())
    }

    /// Sends what is queued, then closes.
    pub fn close(&self) {
        self.core.borrow_mut().close(self.id);
    }

    /// Closes at once, by a reset: what the peer has not taken yet is thrown away, and it cannot take this for an end in order.
    pub fn abort(&self) {
        let mut core = self.core.borrow_mut();
        if core.open(self.id).is_some() {
            // Without the reason's grace.
            core.begin_close_as(self.id.slot, CloseReason::ByHandler, CloseMode::Abort);
        }
    }

    /// Hands over no more packets until [`resume`](Session::resume).
    pub fn pause(&self) {
        self.core.borrow_mut().pause(self.id);
    }

    /// Hands over packets again, from the next turn on.
    pub fn resume(&self) {
        let mut core = self.core.borrow_mut();
        if let Some(entry) = core.open(self.id) {
            entry.paused = false;
            core.pump_later(self.id.slot);
            core.hold_changed(self.id.slot);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {}", self.id, self.peer)
    }
}
