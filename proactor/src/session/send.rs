//! Sending: from a packet to the session's outbox, at the end of the turn to the driver, and what a
//! completed send gives back.

mod at_once;
mod datagrams;
mod metering;
mod news;

use overlapped::{Driver, Error, Op, buf::AnyBuf, buf::Packet, driver::OpId, driver::SocketId};

use self::at_once::{Tried, read_again, send_own};
use self::datagrams::{queue_datagrams, taken_by_port};
pub(super) use self::metering::meter_queued;
use self::metering::{meter_sent, meter_wire};
pub(crate) use self::news::NewsSender;

use super::{away, holds::Hold, id::SessionId, reading, reason::CloseReason};
use crate::codec::{Codec, Frame, FrameError, Framing};
use crate::error::SendError;
use crate::limits::SlowConsumer;
use crate::outbox::{TakeLimits, Taken};
use crate::shard::state::{ShardState, submit, token};
use crate::task::executor::Executor;

/// A received packet of so many bytes is sent on from the buffer that it was received into. It
/// costs less to copy a shorter one than to keep its buffer.
const LEAST_SENT_ON: usize = 8192;

/// So much is sent as soon as it is queued, while it is in the processor's cache, and not at the
/// end of the turn.
const SENT_EARLY: usize = 64 * 1024;

/// The most bytes that a turn sends before its end. A task whose peer takes everything would
/// otherwise never wait for room, and hold the shard.
const MOST_EARLY: usize = 4 << 20;

/// The most memory for making frames that is kept.
const KEPT_FRAME_BYTES: usize = 64 * 1024;

/// Makes a frame in `memory`, which is used again for the next one.
#[inline(never)]
pub(super) fn encode<'f>(packet: &[u8], codec: &mut Framing, memory: &'f mut Vec<u8>) -> Result<Frame<'f>, FrameError> {
    memory.clear();
    memory.shrink_to(KEPT_FRAME_BYTES);
    codec.encode(packet, memory)?;
    Ok(Frame::of(memory))
}

/// Queues the frame of a packet that is issued now.
#[inline]
pub(crate) fn send(state: &mut ShardState, id: SessionId, packet: &[u8]) -> Result<(), SendError> {
    let is_appended = packet.len() < LEAST_SENT_ON && append(state, id, packet);
    if is_appended { Ok(()) } else { queue_as(state, id, packet, Issued::Now) }
}

/// The short way for the second and later packets of a burst: appends to the packet queued before,
/// if that [may be done](crate::outbox::Outbox::allow_appending), and says whether it did. The
/// session is then already listed for sending, and its write timeout already runs.
#[inline(never)]
fn append(state: &mut ShardState, id: SessionId, packet: &[u8]) -> bool {
    let Some(record) = state.sessions.open(id) else { return false };
    match (record.outbox.get(), record.codec.frame(packet)) {
        (Some(outbox), Some(Ok(frame))) => outbox.append(frame),
        _ => false,
    }
}

/// The stamp of a private send to a session that is issued now.
pub(crate) fn stamp(state: &ShardState, slot: u32) -> u64 {
    state.sessions.at(slot).map_or(0, |record| record.outbox.stamp(|| state.groups.now()))
}

/// Queues the frame of a packet that was issued after everything up to `stamp`.
pub(crate) fn queue(state: &mut ShardState, id: SessionId, packet: &[u8], stamp: u64) -> Result<(), SendError> {
    queue_as(state, id, packet, Issued::After(stamp))
}

/// When a packet was issued.
#[derive(Clone, Copy)]
enum Issued {
    /// On this shard, and just now.
    Now,
    /// After everything up to a stamp.
    After(u64),
}

#[inline(never)]
fn queue_as(state: &mut ShardState, id: SessionId, packet: &[u8], issued: Issued) -> Result<(), SendError> {
    let ShardState { sessions, groups, timers, limits, outboxes, send_memory, frame: memory, .. } = state;
    let ShardState { directory, tasks, meter, sent_early, .. } = state;
    let limit = limits.outbox;
    let (record, to_send) =
        sessions.open_to_send(id).filter(|(record, _)| record.ends.takes_more()).ok_or(SendError::Closed)?;
    // A pair passes on a stream, which may have no gap. Its partner is held instead.
    let may_drop = limits.slow == SlowConsumer::DropOldest && record.partner().is_none();
    let frame = match record.codec.frame(packet) {
        Some(frame) => frame,
        // A user's codec does not write to the outbox: it could change what is queued there.
        None => encode(packet, &mut record.codec, memory),
    };
    let frame = frame.map_err(SendError::Frame)?;
    let is_sent_on = frame.len() >= LEAST_SENT_ON && !may_drop && record.outbox.takes_received();
    let received = if is_sent_on { received_packet(tasks, &frame) } else { None };
    let outbox = record.outbox.get_or_take(outboxes);
    let stamp = match issued {
        Issued::Now => outbox.stamp(|| groups.now()),
        Issued::After(stamp) => stamp,
    };
    if may_drop {
        let before = outbox.dropped();
        outbox.make_room(id, frame.len(), limit, groups.local());
        let dropped = outbox.dropped() - before;
        directory.count_dropped(id, record.activity.listener(), dropped);
    }
    let len = frame.len();
    let pushed = match received {
        Some(packet) => outbox.push_received(packet, limit),
        None => outbox.push(frame, stamp, limit, may_drop, || send_memory.buffer_for(len)),
    };
    let pushed = match pushed {
        Ok(pushed) if pushed.bytes > 0 => pushed,
        not_queued => {
            record.outbox.give_back(outboxes);
            return not_queued.map(drop);
        }
    };
    if !may_drop {
        outbox.allow_appending(limits.high());
    }
    // What is in flight can not be dropped.
    let is_free = pushed.len >= SENT_EARLY && !may_drop && outbox.is_own();
    timers.bytes_queued(id.slot(), &record.activity);
    if let Some(meter) = meter {
        meter_queued(meter, record);
    }
    let is_early = is_free && !record.sending && !record.has_transport() && *sent_early < MOST_EARLY;
    if !is_early && !record.will_send() {
        to_send.add(id.slot(), record);
    }
    let (mut len, high) = (pushed.len, limits.high());
    if is_early {
        *sent_early += len;
        send_queued(state, id.slot());
        len = state.sessions.at_mut(id.slot()).and_then(|record| record.outbox.get()).map_or(0, |outbox| outbox.len());
    }
    if len >= high {
        hold_reading(state, id.slot());
    }
    Ok(())
}

/// The received packet that a frame is, or is a part of.
#[cold]
fn received_packet(tasks: &Executor, frame: &Frame<'_>) -> Option<Packet> {
    tasks.lending.share(frame.without_header()?)
}

/// The outbox of a session has reached the high watermark. Its partner, or the session itself if
/// the policy says so, is not read until the peer has taken some.
#[cold]
pub(super) fn hold_reading(state: &mut ShardState, slot: u32) {
    let pauses = state.limits.slow == SlowConsumer::PauseReading;
    match state.sessions.at(slot).and_then(|record| record.partner()) {
        Some(partner) => reading::hold(state, partner, Hold::Blocked),
        None if pauses => reading::hold(state, slot, Hold::Throttled),
        None => {}
    }
}

/// Sends in one operation what is queued, except broadcasts later than the last count. Says whether
/// our stream may be to end behind it.
pub(crate) fn send_queued(state: &mut ShardState, slot: u32) -> bool {
    let tried = match send_own(state, slot) {
        Tried::Whole => return false,
        Tried::Part(sent) => Some(sent),
        Tried::Not => None,
    };
    let ShardState { sessions, groups, limits, send_memory, .. } = state;
    let Some(record) = sessions.at_mut(slot) else { return false };
    let is_member = !record.outbox.positions.is_empty();
    let upto = groups.sendable_upto(&record.outbox);
    // While a send is in flight they wait, and can be replaced.
    if record.outbox.has_latest() && !record.sending {
        let by_packet = limits.slow == SlowConsumer::DropOldest;
        record.outbox.settle_latest(upto, by_packet, || send_memory.buffer());
    }
    send_upto(state, slot, upto, tried);
    if is_member
        && let ShardState { sessions, groups, .. } = state
        && let Some(record) = sessions.at(slot)
        && record.outbox.positions.behind() == 0
    {
        groups.caught_up(&record.outbox);
    }
    true
}

/// Sends what is queued with a stamp up to `stamp`, unless a send is in flight. `tried` says how
/// many bytes of it were sent at once, if that was tried.
pub(crate) fn send_upto(state: &mut ShardState, slot: u32, stamp: u64, tried: Option<usize>) {
    let ShardState { sessions, groups, limits, send_memory, driver, timers, .. } = state;
    let Some((id, record, to_send)) = sessions.at_to_send(slot) else { return };
    record.unlist();
    if record.sending || record.reason.is_some() {
        return;
    }
    if record.has_transport() {
        return send_through_transport(state, slot, stamp);
    }
    let limits = TakeLimits::new(stamp, limits.outbox);
    // A member's sends are operations, so that its packets and broadcasts leave in one order.
    let is_member = !record.outbox.positions.is_empty();
    let Some(outbox) = record.outbox.get().filter(|outbox| outbox.has_queued()) else { return };
    let Some(taken) = outbox.take(id, limits, groups.local(), send_memory) else {
        // All that is queued has a later stamp. The next count lets it go.
        return to_send.add(slot, record);
    };
    record.sending = true;
    let piece = if is_member || tried.is_some() { None } else { taken.one_piece() };
    let sent = piece.and_then(|bytes| driver.send_at_once(record.socket, bytes)).or(tried).unwrap_or(0);
    if sent > 0 && sent == taken.len() {
        send_memory.keep_taken(taken);
        // It has not failed, so it closes nothing.
        let _ = ended(state, slot, sent, None);
        return;
    }
    let op = rest(record.socket, taken, sent);
    outbox.send = submit(driver, op, token::of(token::SEND, slot)).map(|send| (send, sent as u64));
    if sent > 0 {
        timers.bytes_taken(slot, &record.activity, true);
    }
    // Queueing a broadcast does not start the write timeout, so the send does.
    timers.bytes_queued(slot, &record.activity);
}

/// As [`send_upto`], for a session with a transport, which may have something to say of its own.
#[cold]
fn send_through_transport(state: &mut ShardState, slot: u32, stamp: u64) {
    let ShardState { sessions, groups, limits, send_memory, transports, .. } = state;
    let Some((id, record, to_send)) = sessions.at_to_send(slot) else { return };
    // Until the transport is open, what the logic has queued waits. So it does while the peer has
    // to confirm what it has.
    let room = if transports.is_opening(slot) { 0 } else { transports.room(slot) };
    let limits = TakeLimits::new(stamp, limits.outbox.min(room));
    let queued = record.outbox.get().filter(|outbox| outbox.has_queued() && room > 0);
    let has_queued = queued.is_some();
    let taken = queued.and_then(|outbox| outbox.take(id, limits, groups.local(), send_memory));
    if has_queued && taken.is_none() {
        // All that is queued has a later stamp. The next count lets it go.
        to_send.add(slot, record);
    }
    let has_taken = taken.is_some();
    let send = start_sealed(state, slot, taken, false);
    let ShardState { sessions, timers, .. } = state;
    let Some(record) = sessions.at_mut(slot).filter(|_| has_taken) else { return };
    if let Some(outbox) = record.outbox.get() {
        outbox.send = send.map(|send| (send, 0));
    }
    // Queueing a broadcast does not start the write timeout, so the send does.
    timers.bytes_queued(slot, &record.activity);
}

/// Sends everything queued with a stamp up to `stamp`, even while a send is in flight. For a
/// session that closes.
pub(crate) fn send_all(state: &mut ShardState, slot: u32, stamp: u64) {
    for taken in take_all(state, slot, stamp).into_iter().flatten() {
        let ShardState { sessions, driver, .. } = state;
        match sessions.at_mut(slot) {
            Some(record) if !record.has_transport() => {
                record.sending = true;
                start(driver, record.socket, slot, taken);
            }
            _ => drop(start_sealed(state, slot, Some(taken), false)),
        }
    }
}

fn take_all(state: &mut ShardState, slot: u32, stamp: u64) -> [Option<Taken>; 2] {
    let ShardState { sessions, groups, send_memory, directory, .. } = state;
    let Some((id, record, _)) = sessions.at_to_send(slot) else { return [None, None] };
    let Some(outbox) = record.outbox.get() else { return [None, None] };
    // Records that the logs have dropped cannot be sent. The close would wait for them for ever.
    let before = outbox.dropped();
    outbox.skip_lost(id, groups.local());
    let dropped = outbox.dropped() - before;
    directory.count_dropped(id, record.activity.listener(), dropped);
    outbox.settle_latest(stamp, false, || send_memory.buffer());
    let first = outbox.take(id, TakeLimits::all(stamp), groups.local(), send_memory);
    // Received packets that are sent on go first, and alone.
    let has_more = first.is_some() && outbox.has_queued();
    let second = if has_more { outbox.take(id, TakeLimits::all(stamp), groups.local(), send_memory) } else { None };
    [first, second]
}

/// Takes everything queued with a stamp up to `stamp`, and appends it to `bytes`. For a session
/// that goes on elsewhere.
pub(super) fn take_plain(state: &mut ShardState, slot: u32, stamp: u64, bytes: &mut Vec<u8>) {
    loop {
        let all = take_all(state, slot, stamp);
        if all.iter().all(Option::is_none) {
            return;
        }
        for taken in all.into_iter().flatten() {
            taken.append_to(bytes);
            if let Some(outbox) = state.sessions.at_mut(slot).and_then(|record| record.outbox.get()) {
                outbox.sent(taken.len());
            }
        }
    }
}

/// Sends everything queued as it is, before a transport comes in between, even while a send is in
/// flight. Calls with the bytes of each send.
#[cfg(feature = "tls")]
pub(crate) fn send_plain(state: &mut ShardState, slot: u32, mut begins: impl FnMut(usize)) {
    for taken in take_all(state, slot, u64::MAX).into_iter().flatten() {
        begins(taken.len());
        let ShardState { sessions, driver, timers, .. } = state;
        let Some(record) = sessions.at_mut(slot) else { return };
        let send = start(driver, record.socket, slot, taken);
        record.sending = true;
        if let Some(outbox) = record.outbox.get() {
            outbox.send = send.map(|send| (send, 0));
        }
        timers.bytes_queued(slot, &record.activity);
    }
}

#[inline]
fn start(driver: &mut Driver, socket: SocketId, slot: u32, taken: Taken) -> Option<OpId> {
    submit(driver, rest(socket, taken, 0), token::of(token::SEND, slot))
}

/// Sends what is left of this when so many bytes have been sent at once.
#[inline]
fn rest(socket: SocketId, taken: Taken, sent: usize) -> Op {
    match taken {
        Taken::Bytes(bytes) => Op::send_rest(socket, bytes, sent),
        Taken::Packet(packet) => Op::send_rest(socket, packet, sent),
        Taken::Packets(packets) => Op::send_rest(socket, packets, sent),
        Taken::Slice(slice) => Op::send_rest(socket, slice, sent),
        Taken::Gather(gather) => Op::send_rest(socket, gather, sent),
    }
}

/// Sends everything queued and, behind it, the transport's end of our stream. For a session with a
/// transport that closes or ends its stream.
pub(crate) fn finish(state: &mut ShardState, slot: u32) {
    let [first, second] = take_all(state, slot, u64::MAX);
    let (before, last) = if second.is_some() { (first, second) } else { (None, first) };
    if before.is_some() {
        start_sealed(state, slot, before, false);
    }
    start_sealed(state, slot, last, true);
}

/// Sends what a session's transport has to say, then what it makes of `taken`, then its end.
#[cold]
fn start_sealed(state: &mut ShardState, slot: u32, taken: Option<Taken>, ends: bool) -> Option<OpId> {
    let ShardState { sessions, transports, send_memory, endings, .. } = state;
    let record = sessions.at_mut(slot)?;
    if record.is_datagrams() {
        queue_datagrams(state, slot, taken?);
        return None;
    }
    let mut plain = taken.as_ref().map_or(0, Taken::len);
    let mut wire = send_memory.buffer_for(plain);
    let sealed = transports.seal(slot, taken, ends, send_memory, &mut wire);
    if let Err(failure) = sealed {
        // These bytes go nowhere.
        if let Some(outbox) = record.outbox.get() {
            outbox.sent(plain);
        }
        endings.cut(slot, plain);
        plain = 0;
        if record.reason.is_none() {
            transports.failed_to_seal(slot, failure);
        }
    }
    if wire.is_empty() {
        send_memory.keep(wire);
        return None;
    }
    transports.at_mut(slot)?.send_begins(plain);
    record.sending = true;
    let op = Op::send(record.socket, wire);
    state.submit(op, token::of(token::SEND, slot))
}

/// A send of a session with a transport has failed, or has ended while the session is away. Returns
/// whether the session is to be closed.
#[cold]
fn ended_without_connection(state: &mut ShardState, slot: u32, bytes: usize, error: Option<&Error>) -> bool {
    let is_away = away::begin(state, slot);
    let ShardState { sessions, endings, meter, traffics, .. } = state;
    let Some(record) = sessions.at_mut(slot) else { return false };
    // Of one that is away, no send is started.
    record.sending = is_away;
    if let Some(meter) = meter {
        meter_sent(meter, record, (traffics, slot), bytes, error.filter(|_| !is_away));
    }
    if let Some(outbox) = record.outbox.get() {
        // If it is away, its stream keeps them.
        outbox.sent(bytes);
        outbox.send = None;
    }
    let is_lost = !is_away && error.is_some();
    // If it is closing at once, they are counted already; if it has moved, they are not lost.
    if is_lost && !endings.has_cut(slot) && record.reason != Some(CloseReason::Moved) {
        endings.cut(slot, bytes);
    }
    is_lost
}

/// A connection goes on with a session, and sends this first.
pub(crate) fn start_wire(state: &mut ShardState, slot: u32, wire: Vec<u8>) {
    let ShardState { sessions, transports, .. } = state;
    let (Some(record), Some(transport)) = (sessions.open_at(slot), transports.at_mut(slot)) else { return };
    transport.send_begins(0);
    record.sending = true;
    let op = Op::send(record.socket, wire);
    state.submit(op, token::of(token::SEND, slot));
}

/// Takes back the memory of a completed send, and resumes what waited for room. Returns whether the
/// send failed, so that the caller closes the session.
#[must_use]
pub(crate) fn completed(state: &mut ShardState, slot: u32, error: Option<&Error>, buf: Option<AnyBuf>) -> bool {
    let bytes = state.send_memory.recycle(buf);
    ended(state, slot, bytes, error)
}

/// A send of so many bytes has ended: resumes what waited for room. Returns whether it failed.
#[must_use]
fn ended(state: &mut ShardState, slot: u32, mut bytes: usize, error: Option<&Error>) -> bool {
    let ShardState { sessions, timers, limits, outboxes, to_wake, endings, meter, .. } = state;
    let traffics = &mut state.traffics;
    let Some((id, record, to_send)) = sessions.at_to_send(slot) else { return false };
    if record.has_transport() && record.is_datagrams() {
        bytes = taken_by_port(&mut state.datagrams, id);
    } else if record.has_transport() {
        if let Some(meter) = meter {
            meter_wire(meter, record, (traffics, slot), bytes, error);
        }
        bytes = state.transports.send_ended(slot);
        state.away.look_again();
        if error.is_some() || record.holds.contains(Hold::Away) {
            return ended_without_connection(state, slot, bytes, error);
        }
        #[cfg(feature = "websocket")]
        if state.transports.drop_if_done(slot) {
            record.clear_transport();
        }
        if state.transports.has_output(slot) {
            to_send.add(slot, record);
        }
    }
    record.sending = false;
    if let Some(meter) = meter {
        meter_sent(meter, record, (traffics, slot), bytes, error);
    }
    let Some(outbox) = record.outbox.get() else { return error.is_some() };
    outbox.sent(bytes);
    if error.is_some() {
        // If it is closing at once, they are counted already.
        if !endings.has_cut(slot) {
            endings.cut(slot, bytes);
        }
        return true;
    }
    if record.reason.is_some() {
        return false;
    }
    let (left, has_to_send) = (outbox.len(), outbox.has_queued());
    outbox.send = None;
    timers.bytes_taken(slot, &record.activity, left > 0);
    if left == 0 {
        record.outbox.give_back(outboxes);
    }
    let is_low = left <= limits.low();
    if is_low && let Some(link) = &record.link {
        link.has_room(to_wake);
    }
    if has_to_send {
        to_send.add(slot, record);
    }
    if is_low {
        let (is_throttled, partner) = (record.holds.contains(Hold::Throttled), record.partner());
        read_again(state, slot, is_throttled, partner);
    }
    false
}
