//! The ends of a session's two streams, each on its own. When both have ended, the session is
//! closed.

use overlapped::Op;
use overlapped::driver::{Completion, ShutdownHow};

use super::close;
use super::reason::CloseReason;
use crate::group::membership;
use crate::shard::state::{ShardState, token};

/// Ends our stream behind what is queued. The end of the turn finds out whether the last send is
/// still to come.
pub(crate) fn shut_down(state: &mut ShardState, slot: u32) {
    let Some(record) = state.sessions.open_at(slot).filter(|record| record.ends.takes_more()) else { return };
    record.ends.ask_own();
    // What was broadcast until now is still sent.
    if record.outbox.group_count() > 0 {
        let now = state.groups.now();
        if membership::leave_all(state, slot, Some(now)) {
            return close::begin(state, slot, CloseReason::TooSlow);
        }
    }
    state.sessions.send_later(slot);
}

/// After a turn's sends: if our stream is to end and nothing is left to be sent, it ends.
pub(crate) fn end_own_stream(state: &mut ShardState, slot: u32) {
    let Some(record) = state.sessions.open_at(slot) else { return };
    if !record.ends.is_own_asked() || record.outbox.has_queued() {
        return;
    }
    record.ends.own_started();
    let op = Op::shutdown(record.socket, ShutdownHow::Send);
    state.submit(op, token::of(token::SHUTDOWN, slot));
}

/// Our stream has ended, or could not be ended.
pub(crate) fn own_stream_ended(state: &mut ShardState, slot: u32, completion: &Completion) {
    let Some(record) = state.sessions.open_at(slot) else { return };
    if completion.result.is_err() {
        return close::begin(state, slot, CloseReason::Reset);
    }
    record.ends.own_ended();
    close_if_both_ended(state, slot);
}

pub(crate) fn close_if_both_ended(state: &mut ShardState, slot: u32) {
    if state.sessions.at(slot).is_some_and(|record| record.ends.have_both_ended()) {
        close::begin(state, slot, CloseReason::ByPeer);
    }
}
