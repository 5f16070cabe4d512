//! Sending: from a packet to the session's outbox, at the end of the turn to the driver, and what a
//! completed send gives back.

use overlapped::buf::{AnyBuf, Packet};
use overlapped::{Op, driver::OpId};

use super::{holds::Hold, id::SessionId, reading};
use crate::codec::{Codec, Frame, FrameError, Framing};
use crate::error::SendError;
use crate::limits::SlowConsumer;
use crate::outbox::{TakeLimits, Taken};
use crate::shard::state::{ShardState, token};
use crate::task::executor::Executor;

/// A received packet of so many bytes is sent on from the buffer that it was received into. It
/// costs less to copy a shorter one than to keep its buffer.
const LEAST_SENT_ON: usize = 8192;

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
    if packet.len() < LEAST_SENT_ON && append(state, id, packet) { Ok(()) } else { stamp_and_queue(state, id, packet) }
}

/// The short way for the second and later packets of a burst. Appends to the packet queued before
/// if that has the same stamp, and says whether it did. The session is then already listed for
/// sending, and its write timeout already runs.
#[inline(never)]
fn append(state: &mut ShardState, id: SessionId, packet: &[u8]) -> bool {
    let ShardState { sessions, groups, limits, .. } = state;
    let high = limits.high();
    let drops_oldest = limits.slow == SlowConsumer::DropOldest;
    let Some(record) = sessions.open(id) else { return false };
    if drops_oldest || !record.ends.takes_more() || !record.will_send() || !record.activity.has_queued() {
        return false;
    }
    match (record.outbox.get(), record.codec.frame(packet)) {
        (Some(outbox), Some(Ok(frame))) => {
            let stamp = outbox.stamp(|| groups.now());
            outbox.append(frame, stamp, high)
        }
        _ => false,
    }
}

#[inline(never)]
fn stamp_and_queue(state: &mut ShardState, id: SessionId, packet: &[u8]) -> Result<(), SendError> {
    let stamp = stamp(state, id.slot());
    queue(state, id, packet, stamp)
}

/// The stamp of a private send to a session that is issued now.
pub(crate) fn stamp(state: &ShardState, slot: u32) -> u64 {
    state.sessions.at(slot).map_or(0, |record| record.outbox.stamp(|| state.groups.now()))
}

/// Queues the frame of a packet that was issued after everything up to `stamp`.
pub(crate) fn queue(state: &mut ShardState, id: SessionId, packet: &[u8], stamp: u64) -> Result<(), SendError> {
    let ShardState { sessions, groups, timers, limits, outboxes, send_memory, frame: memory, directory, tasks, .. } =
        state;
    let limit = limits.outbox;
    let record = sessions.open(id).filter(|record| record.ends.takes_more()).ok_or(SendError::Closed)?;
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
    let will_send = record.will_send();
    let outbox = record.outbox.get_or_take(outboxes);
    if may_drop {
        let before = outbox.dropped();
        outbox.make_room(id, frame.len(), limit, groups.local());
        directory.count_dropped(outbox.dropped() - before);
    }
    let pushed = match received {
        Some(packet) => outbox.push_received(packet, limit),
        None => outbox.push(frame, stamp, limit, may_drop, || send_memory.buffer()),
    };
    let pushed = match pushed {
        Ok(pushed) if pushed.bytes > 0 => pushed,
        not_queued => {
            record.outbox.give_back(outboxes);
            return not_queued.map(drop);
        }
    };
    let has_to_send = !will_send && outbox.has_queued();
    timers.bytes_queued(id.slot(), &mut record.activity);
    if has_to_send {
        sessions.send_later(id.slot());
    }
    if pushed.len >= limits.high() {
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

/// Sends in one operation what is queued, except broadcasts later than the last count.
pub(crate) fn send_queued(state: &mut ShardState, slot: u32) {
    let ShardState { sessions, groups, limits, send_memory, .. } = state;
    let Some(record) = sessions.at_mut(slot) else { return };
    let upto = groups.sendable_upto(&record.outbox);
    // While a send is in flight they wait, and can be replaced.
    if record.outbox.has_latest() && !record.sending {
        let by_packet = limits.slow == SlowConsumer::DropOldest;
        record.outbox.settle_latest(upto, by_packet, || send_memory.buffer());
    }
    send_upto(state, slot, upto);
    let ShardState { sessions, groups, .. } = state;
    if let Some(record) = sessions.at(slot)
        && !record.outbox.positions.is_empty()
        && record.outbox.positions.behind() == 0
    {
        groups.caught_up(&record.outbox);
    }
}

/// Sends what is queued with a stamp up to `stamp`, unless a send is in flight.
pub(crate) fn send_upto(state: &mut ShardState, slot: u32, stamp: u64) {
    let ShardState { sessions, groups, limits, send_memory, .. } = state;
    let Some(id) = sessions.id(slot) else { return };
    let Some(record) = sessions.unmark_dirty(slot) else { return };
    if record.sending || record.reason.is_some() || !record.outbox.has_queued() {
        return;
    }
    let taken = record.outbox.take(id, TakeLimits::new(stamp, limits.outbox), groups.local(), send_memory);
    let Some(taken) = taken else {
        // All that is queued has a later stamp. The next count lets it go.
        sessions.send_later(slot);
        return;
    };
    let send = start(state, slot, taken);
    let ShardState { sessions, timers, .. } = state;
    if let Some(record) = sessions.at_mut(slot) {
        record.outbox.send = send.map(|send| (send, 0));
        // Queueing a broadcast does not start the write timeout, so the send does.
        timers.bytes_queued(slot, &mut record.activity);
    }
}

/// Sends everything queued with a stamp up to `stamp`, even while a send is in flight. For a
/// session that closes.
pub(crate) fn send_all(state: &mut ShardState, slot: u32, stamp: u64) {
    let ShardState { sessions, groups, send_memory, directory, .. } = state;
    let Some(id) = sessions.id(slot) else { return };
    let Some(outbox) = sessions.at_mut(slot).and_then(|record| record.outbox.get()) else { return };
    // Records that the logs have dropped cannot be sent. The close would wait for them for ever.
    let before = outbox.dropped();
    outbox.skip_lost(id, groups.local());
    directory.count_dropped(outbox.dropped() - before);
    outbox.settle_latest(stamp, false, || send_memory.buffer());
    let first = outbox.take(id, TakeLimits::all(stamp), groups.local(), send_memory);
    let second = outbox.take(id, TakeLimits::all(stamp), groups.local(), send_memory);
    for taken in [first, second].into_iter().flatten() {
        start(state, slot, taken);
    }
}

fn start(state: &mut ShardState, slot: u32, taken: Taken) -> Option<OpId> {
    let record = state.sessions.at_mut(slot)?;
    record.sending = true;
    let op = match taken {
        Taken::Bytes(bytes) => Op::send(record.socket, bytes),
        Taken::Packet(packet) => Op::send(record.socket, packet),
        Taken::Packets(packets) => Op::send(record.socket, packets),
        Taken::Slice(slice) => Op::send(record.socket, slice),
        Taken::Gather(gather) => Op::send(record.socket, gather),
    };
    state.submit(op, token::of(token::SEND, slot))
}

/// Takes back the memory of a completed send, and resumes what waited for room. Returns whether the
/// send failed, so that the caller closes the session.
#[must_use]
pub(crate) fn completed(state: &mut ShardState, slot: u32, is_ok: bool, buf: Option<AnyBuf>) -> bool {
    let ShardState { sessions, timers, limits, outboxes, send_memory, to_wake, endings, .. } = state;
    let bytes = send_memory.recycle(buf);
    let Some(record) = sessions.at_mut(slot) else { return false };
    record.sending = false;
    record.outbox.sent(bytes);
    if !is_ok {
        // If it is closing at once, they are counted already.
        if !endings.has_cut(slot) {
            endings.cut(slot, bytes);
        }
        return true;
    }
    if record.reason.is_some() {
        return false;
    }
    let left = record.outbox.len();
    record.outbox.send = None;
    timers.bytes_taken(slot, &mut record.activity, left > 0);
    let (has_to_send, partner) = (record.outbox.has_queued(), record.partner());
    let is_throttled = record.holds.contains(Hold::Throttled);
    let is_low = left <= limits.low();
    record.outbox.give_back(outboxes);
    if is_low && let Some(link) = &record.link {
        link.has_room(to_wake);
    }
    if has_to_send {
        sessions.send_later(slot);
    }
    if is_low {
        if is_throttled {
            reading::release(state, slot, Hold::Throttled);
        }
        if let Some(partner) = partner {
            reading::release(state, partner, Hold::Blocked);
        }
    }
    false
}
