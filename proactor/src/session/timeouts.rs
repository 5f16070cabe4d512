//! What happens when a deadline of a session expires.
//!
//! A session whose peer has not done something in time is closed only when what has arrived is
//! read: the shard may be late itself. So its end is put off, by a turn that does not wait.

use super::{close, deadlines::Expired, holds::Hold, opening, reading, reason::CloseReason};
use crate::shard::state::ShardState;
use crate::transport::failure::TlsFailure;

/// A session's entry in the wheel has expired, or (`looked`) its end was put off and what has
/// arrived is read: does what is due without the handler, and says whether the handler has to be
/// asked for a heartbeat.
pub(crate) fn expire(state: &mut ShardState, slot: u32, looked: bool) -> bool {
    let mut heartbeat = false;
    let ShardState { sessions, timers, .. } = state;
    if !looked && let Some(record) = sessions.at(slot) {
        timers.left(slot, &record.activity);
    }
    if state.sessions.at(slot).is_some_and(|record| record.reason.is_some()) {
        // Since its end was put off, the logic has closed it: its peer has the time of that close.
        if !looked {
            close::linger_over(state, slot);
        }
        return false;
    }
    loop {
        let ShardState { sessions, timers, meter, .. } = state;
        let Some(record) = sessions.open_at(slot) else { return heartbeat };
        let reason = match timers.expired(slot, &record.activity) {
            None => {
                timers.enter(slot, &record.activity);
                return heartbeat;
            }
            Some(Expired::Heartbeat) => {
                // A heartbeat has no place among a partner's bytes.
                heartbeat = record.partner().is_none() && !record.holds.contains(Hold::Away);
                if let Some(meter) = meter
                    && heartbeat
                {
                    let meter = meter.of(record.activity.listener());
                    meter.heartbeats.add(1);
                    meter.heartbeats_missed.add(u64::from(timers.is_beat_missed(slot, &record.activity)));
                }
                continue;
            }
            // There is no other hold before its transport is open.
            Some(Expired::Hold) if state.transports.is_opening(slot) => {
                if !looked {
                    // Told once: it is asked for again.
                    timers.keep_release(slot, &record.activity);
                    timers.put_off(slot);
                    return heartbeat;
                }
                opening::fail(state, slot, TlsFailure::TimedOut.into());
                return false;
            }
            Some(Expired::Hold) if state.away.has(slot) => CloseReason::Lost,
            Some(Expired::Hold) => {
                reading::release(state, slot, Hold::OverRate);
                continue;
            }
            // The peer is not there, and not to blame. Its window is what limits it.
            Some(Expired::Idle | Expired::Write | Expired::Progress) if record.holds.contains(Hold::Away) => {
                timers.send_progressed(slot, &record.activity);
                continue;
            }
            Some(Expired::Progress) => {
                has_send_progressed(state, slot);
                continue;
            }
            // Bytes of a send that is in flight are bytes too.
            Some(Expired::Idle) if has_send_progressed(state, slot) => continue,
            Some(Expired::Receive) if is_heard(state, slot) => continue,
            Some(Expired::Lifetime) => CloseReason::Lifetime,
            // Before anything else, what has arrived.
            Some(_) if !looked => {
                state.timers.put_off(slot);
                return heartbeat;
            }
            Some(Expired::Idle) => CloseReason::Idle,
            Some(Expired::Receive) => CloseReason::ReceiveTimeout,
            Some(Expired::Write) => CloseReason::WriteTimeout,
            Some(Expired::Read) => CloseReason::ReadTimeout,
            Some(Expired::Handshake) => CloseReason::HandshakeTimeout,
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
    timers.send_progressed(slot, &record.activity);
    true
}

/// Whether a session from which nothing was received is heard all the same. Of a pair, what comes
/// from either peer counts for both. While a side is not read because the other takes nothing, what
/// that takes counts.
fn is_heard(state: &mut ShardState, slot: u32) -> bool {
    let Some(record) = state.sessions.at(slot) else { return false };
    let Some(partner) = record.partner() else {
        return record.holds.contains(Hold::Throttled) && has_send_progressed(state, slot);
    };
    let has_blocked = state.sessions.at(partner).is_some_and(|partner| partner.holds.contains(Hold::Blocked));
    if has_blocked {
        has_send_progressed(state, slot);
    }
    state.timers.heard_by(slot, partner, has_blocked)
}
