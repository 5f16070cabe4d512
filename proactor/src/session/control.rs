//! Control frames of WebSocket sessions, and what is left of an upgrade that is over.

use super::{id::SessionId, reason::CloseReason, send};
use crate::codec::{Frame, Framing};
use crate::shard::state::ShardState;
use crate::websocket::close::CloseCode;
use crate::websocket::frame::Opcode;

/// The upgrade of a session is over, or a send of it is. A session without TLS needs no transport
/// any more, if nothing of it is in flight.
pub(super) fn forget_upgrade(state: &mut ShardState, slot: u32) {
    if state.transports.drop_if_done(slot)
        && let Some(record) = state.sessions.at_mut(slot)
    {
        record.clear_transport();
    }
}

/// Queues the control frame in the shard's memory for frames, if there is one. One that does not
/// fit is left out: a peer that does not take what it is sent needs no answer to its pings.
pub(super) fn queue_control(state: &mut ShardState, id: SessionId) {
    let frame = std::mem::take(&mut state.frame);
    if !frame.is_empty() {
        let stamp = send::stamp(state, id.slot());
        // The frame is made already: it goes out as it is.
        let codec = state.sessions.open(id).map(|record| std::mem::take(&mut record.codec));
        let _ = send::queue(state, id, &frame, stamp);
        if let (Some(codec), Some(record)) = (codec, state.sessions.open(id)) {
            record.codec = codec;
        }
    }
    state.frame = frame;
}

/// Sends a ping as the heartbeat of a session. Says whether it is a WebSocket.
pub(crate) fn ping(state: &mut ShardState, slot: u32) -> bool {
    let ShardState { sessions, frame: memory, .. } = state;
    let Some(id) = sessions.id(slot) else { return false };
    let Some(record) = sessions.open(id) else { return false };
    let Framing::WebSocket(websocket) = &mut record.codec else { return false };
    memory.clear();
    websocket.append_control(Opcode::Ping, b"", memory);
    queue_control(state, id);
    true
}

/// Queues our close frame behind everything else, if none was. What a session's outbox may hold
/// does not matter for it.
pub(super) fn queue_close(state: &mut ShardState, slot: u32, reason: CloseReason) {
    let Some(code) = CloseCode::of(reason) else { return };
    if state.transports.is_opening(slot) {
        return;
    }
    let ShardState { sessions, outboxes, send_memory, frame: memory, .. } = state;
    let Some(record) = sessions.at_mut(slot) else { return };
    let Framing::WebSocket(websocket) = &mut record.codec else { return };
    memory.clear();
    websocket.append_close(code, memory);
    let outbox = record.outbox.get_or_take(outboxes);
    outbox.settle_latest(u64::MAX, false, || send_memory.buffer());
    // It has no limit, so it fits.
    let _ = outbox.push(Frame::of(memory), u64::MAX, usize::MAX, false, || send_memory.buffer());
}
