//! What has arrived and cannot be handed over now, whether more can, and the end behind all of it.

use super::{Session, close, pair, reading, reason::CloseReason};
use crate::handler::{Flow, Handler};
use crate::shard::logic::Logic;
use crate::shard::state::ShardState;

/// Keeps bytes of a session that cannot be handed them now.
pub(super) fn keep(state: &mut ShardState, slot: u32, bytes: &[u8]) {
    let ShardState { sessions, limits, .. } = state;
    let Some(record) = sessions.open_at(slot) else { return };
    if record.assembly.keep(bytes, limits.leftover).is_err() {
        close::begin(state, slot, CloseReason::Limit);
    } else if !record.holds.any() {
        reading::stop(state, slot);
        state.sessions.resume_later(slot);
    }
}

/// Whether a session may be handed more packets at once.
pub(super) fn may_go_on(state: &mut ShardState, slot: u32) -> bool {
    let ShardState { sessions, groups, limits, turn, .. } = state;
    sessions.open_at(slot).is_some_and(|record| {
        record.assembly.is_waiting()
            && !record.holds.any()
            && !groups.is_budget_spent()
            && record.handed_in(*turn) < limits.bytes_per_turn
    })
}

/// The peer's stream has ended and all its packets are handed over: tells the partner or the
/// handler, once.
pub(super) fn end<H: Handler>(logic: &mut Logic<H>, session: &Session) {
    let slot = session.id().slot();
    {
        let mut state = logic.state();
        let Some(record) = state.sessions.open(session.id()) else { return };
        if record.ends.is_cut() {
            return close::begin(&mut state, slot, CloseReason::Truncated);
        }
        if !record.ends.tell() || pair::pass_on_end(&mut state, slot) {
            return;
        }
    }
    let Some(flow) = logic.ended(session) else { return };
    let mut state = logic.state();
    if state.sessions.open(session.id()).is_none() {
        return;
    }
    match flow {
        Ok(Flow::Close) => close::begin(&mut state, slot, CloseReason::ByPeer),
        Ok(Flow::Continue | Flow::Pause) => close::close_if_both_ended(&mut state, slot),
        Err(_) => close::begin(&mut state, slot, CloseReason::Panic),
    }
}
