//! When a session is read from: while nothing [holds](super::holds::Holds) it.

use overlapped::{Op, Time};

use super::holds::Hold;
use crate::flight::FlightKind;
use crate::shard::state::{ShardState, token};

/// Starts receiving, if nothing is received yet and the session may be read from.
pub(crate) fn start(state: &mut ShardState, slot: u32) {
    let Some(record) = state.sessions.open_at(slot) else { return };
    if record.receiving || record.ends.has_peer_ended() || record.holds.any() {
        return;
    }
    let op = Op::recv_multi(record.socket);
    let receive = state.submit(op, token::of(token::RECEIVE, slot));
    if let Some(record) = state.sessions.at_mut(slot) {
        record.receiving = receive.is_some();
    }
}

/// Stops receiving. What the kernel has received meanwhile still comes.
pub(crate) fn stop(state: &mut ShardState, slot: u32) {
    if let Some(record) = state.sessions.at(slot).filter(|record| record.receiving)
        && let Some(receive) = state.driver.receive_of(record.socket)
    {
        state.driver.cancel(receive);
    }
}

/// Adds a reason for not reading from a session.
pub(crate) fn hold(state: &mut ShardState, slot: u32, hold: Hold) {
    let ShardState { sessions, timers, look_again, meter, flight, .. } = state;
    let id = sessions.id(slot);
    let Some(record) = sessions.open_at(slot) else { return };
    if record.holds.insert(hold) {
        if let Some(meter) = meter
            && matches!(hold, Hold::Throttled | Hold::Blocked)
        {
            meter.of(record.activity.listener()).paused.add(1);
        }
        if let Some(flight) = flight {
            flight.record(id, FlightKind::Held(hold));
        }
        look_again.set(true);
        timers.holds_changed(slot, &record.activity, record.holds.reading());
        stop(state, slot);
    }
}

/// Removes a reason. If it was the last, the session goes on in the next turn.
pub(crate) fn release(state: &mut ShardState, slot: u32, hold: Hold) {
    let ShardState { sessions, timers, flight, .. } = state;
    let Some(record) = sessions.open_at(slot) else { return };
    if record.holds.remove(hold) {
        timers.holds_changed(slot, &record.activity, record.holds.reading());
        sessions.resume_later(slot);
        if let Some(flight) = flight {
            flight.record(sessions.id(slot), FlightKind::Released(hold));
        }
    }
}

/// The session is over its rate until this moment.
#[cold]
pub(crate) fn hold_until(state: &mut ShardState, slot: u32, at: Time) {
    // Nothing is read from one that is away, and its window ends by the same deadline.
    if state.away.has(slot) {
        return;
    }
    hold(state, slot, Hold::OverRate);
    if let Some(record) = state.sessions.open_at(slot) {
        state.timers.release_at(slot, &record.activity, at);
    }
}
