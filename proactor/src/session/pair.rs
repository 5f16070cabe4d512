//! Pairs of sessions: what comes from the peer of one is sent to the peer of the other, both ways,
//! without the handler. A proxy is made of them.
//!
//! - **Bounded.** While more than half of one's outbox is queued, the other is not read from; below
//!   a quarter it is again. The two ways do not hold each other up.
//! - **Half-close.** The end of one peer's stream ends the other's behind what is queued, and the
//!   opposite way goes on. When both ways have ended, both sessions close.
//! - **One end.** When one is closed so is the other, gracefully if the first was, else by a
//!   reset: what one peer sees, the other sees.

use std::fmt;

use super::{close, holds::Hold, id::SessionId, reading, reason::CloseReason, send};
use crate::codec::{Codec, Framing};
use crate::error::SendError;
use crate::group::membership;
use crate::shard::state::ShardState;

/// Why two sessions were not paired. Nothing has changed for either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairError {
    /// One of them has ended, or is being closed.
    Closed,
    /// One of them has a partner.
    Paired,
    /// They are on different shards, or are the same.
    Apart,
    /// The packets of one of them are datagrams, which are no stream.
    Datagrams,
    /// A codec holds bytes, or a task has not taken a packet, and their original form is lost.
    Codec,
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PairError::Closed => "one of the sessions is closed",
            PairError::Paired => "one of the sessions has a partner",
            PairError::Apart => "only two sessions of one shard can be paired",
            PairError::Datagrams => "the packets of one of the sessions are datagrams, and a pair passes on streams",
            PairError::Codec => "the codec of one of the sessions holds bytes whose original form is lost",
        })
    }
}

impl std::error::Error for PairError {}

/// Pairs two sessions of a shard.
pub(crate) fn pair(state: &mut ShardState, one: SessionId, other: SessionId) -> Result<(), PairError> {
    for id in [one, other] {
        let record = state.sessions.open(id).ok_or(PairError::Closed)?;
        if record.partner().is_some() {
            return Err(PairError::Paired);
        }
        if record.is_datagrams() {
            return Err(PairError::Datagrams);
        }
        let has_untaken = record.link.as_ref().is_some_and(|link| link.has_untaken());
        let passes_packets = record.is_websocket() || matches!(record.codec, Framing::Raw(_));
        if record.codec.buffered() > 0 || has_untaken && !passes_packets {
            return Err(PairError::Codec);
        }
    }
    join(state, one.slot(), other.slot());
    join(state, other.slot(), one.slot());
    for id in [one, other] {
        pass_on_untaken(state, id.slot());
    }
    Ok(())
}

/// One half of a new pair.
fn join(state: &mut ShardState, slot: u32, partner: u32) {
    let Some(record) = state.sessions.at_mut(slot) else { return };
    record.set_partner(partner);
    state.look_again.set(true);
    // Packets of a group have no place among its bytes.
    if !record.outbox.positions.is_empty() {
        let now = state.groups.now();
        if membership::leave_all(state, slot, Some(now)) {
            return close::begin(state, slot, CloseReason::TooSlow);
        }
    }
    let high = state.limits.high();
    let Some(record) = state.sessions.at_mut(slot) else { return };
    if let Some(outbox) = record.outbox.get() {
        // Its packets are whole before the partner's bytes.
        outbox.settle_latest(u64::MAX, false, || state.send_memory.buffer());
    }
    // A WebSocket's messages are passed on, and what its partner passes on is a message.
    if !record.is_websocket() {
        record.codec = Framing::default();
    }
    record.assembly.begin_anew();
    // From here on, what is queued for its peer holds its partner.
    if record.holds.remove(Hold::Throttled) {
        state.timers.holds_changed(slot, &record.activity, record.holds.reading());
    }
    let (is_full, has_ended) = (record.outbox.len() >= high, record.ends.is_told());
    if is_full {
        reading::hold(state, partner, Hold::Blocked);
    }
    if has_ended {
        close::shut_down(state, partner);
    }
    state.sessions.resume_later(slot);
}

/// Passes on what has come from the peer of a paired session. Says whether it is paired.
pub(crate) fn pass_on(state: &mut ShardState, slot: u32, bytes: &[u8]) -> bool {
    let Some(partner) = state.sessions.at(slot).and_then(|record| record.partner()) else { return false };
    let Some(id) = state.sessions.id(partner) else { return true };
    let stamp = send::stamp(state, partner);
    match send::queue(state, id, bytes, stamp) {
        // If the handler has ended our stream to the partner's peer, the rest has nowhere to go.
        Ok(()) | Err(SendError::Closed) => {}
        Err(error) => {
            tracing::warn!("{id:?} cannot be sent what came from its partner: {error}");
            close::begin(state, slot, CloseReason::Limit);
        }
    }
    true
}

/// What a session's task had not taken when it was paired goes to its partner, before what comes.
fn pass_on_untaken(state: &mut ShardState, slot: u32) {
    let Some(link) = state.sessions.at(slot).and_then(|record| record.link.clone()) else { return };
    let untaken = link.untaken.take();
    if !untaken.is_empty() {
        reading::release(state, slot, Hold::Untaken);
    }
    for packet in untaken {
        pass_on(state, slot, &packet);
    }
}

/// The peer of a session has ended its stream. If the session is paired, the partner's peer is told
/// by the end of ours, and this returns `true`.
pub(crate) fn pass_on_end(state: &mut ShardState, slot: u32) -> bool {
    let Some(partner) = state.sessions.at(slot).and_then(|record| record.partner()) else { return false };
    close::shut_down(state, partner);
    close::close_if_both_ended(state, slot);
    true
}
