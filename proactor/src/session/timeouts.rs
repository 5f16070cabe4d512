//! What happens when a deadline of a session expires.

use super::{close, deadlines::Expired, holds::Hold, reading, reason::CloseReason};
use crate::shard::state::ShardState;

/// A session's entry in the wheel has expired: does what is due without the handler, and says
/// whether the handler has to be asked for a heartbeat.
pub(crate) fn expire(state: &mut ShardState, slot: u32) -> bool {
    let mut heartbeat = false;
    if let Some(record) = state.sessions.at_mut(slot) {
        record.activity.deadlines.left();
    }
    if state.sessions.at(slot).is_some_and(|record| record.reason.is_some()) {
        close::linger_over(state, slot);
        return false;
    }
    loop {
        let ShardState { sessions, timers, .. } = state;
        let Some(record) = sessions.open_at(slot) else { return heartbeat };
        let reason = match timers.expired(&mut record.activity) {
            None => {
                timers.enter(slot, &mut record.activity);
                return heartbeat;
            }
            Some(Expired::Heartbeat) => {
                // A heartbeat has no place among a partner's bytes.
                heartbeat = record.partner.is_none();
                continue;
            }
            Some(Expired::Hold) => {
                reading::release(state, slot, Hold::OverRate);
                continue;
            }
            Some(Expired::Progress) => {
                has_send_progressed(state, slot);
                continue;
            }
            // Bytes of a send that is in flight are bytes too.
            Some(Expired::Idle) if has_send_progressed(state, slot) => continue,
            Some(Expired::Idle) => CloseReason::Idle,
            Some(Expired::Write) => CloseReason::WriteTimeout,
            Some(Expired::Read) => CloseReason::ReadTimeout,
            Some(Expired::Handshake) => CloseReason::HandshakeTimeout,
            Some(Expired::Lifetime) => CloseReason::Lifetime,
        };
        close::begin(state, slot, reason);
        return false;
    }
}

/// Whether the peer has taken some of what is in flight since this was last asked. If so, that is
/// noted.
fn has_send_progressed(state: &mut ShardState, slot: u32) -> bool {
    let ShardState { sessions, timers, driver, .. } = state;
    let Some(record) = sessions.at_mut(slot) else { return false };
    let Some((send, seen)) = record.outbox.send else { return false };
    let Some(progress) = driver.progress(send).filter(|progress| *progress > seen) else { return false };
    record.outbox.send = Some((send, progress));
    timers.send_progressed(&mut record.activity);
    true
}
