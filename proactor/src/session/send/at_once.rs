//! Sends that are made at once, from the outbox and without an operation.

use super::super::{holds::Hold, reading};
use super::metering::meter_sent;
use crate::shard::state::ShardState;

/// What came of a send that was to be made at once.
pub(super) enum Tried {
    Not,
    /// So many bytes were sent, perhaps none. An operation is to send what is left.
    Part(usize),
    Whole,
}

/// The short way for a session that has nothing queued but packets of its own, is in no group and
/// has nothing in flight: they are sent at once from where they lie, and nothing is in flight after
/// that either.
pub(super) fn send_own(state: &mut ShardState, slot: u32) -> Tried {
    let ShardState { sessions, send_memory, driver, timers, outboxes, to_wake, meter, traffics, .. } = state;
    let Some(record) = sessions.open_at(slot) else { return Tried::Not };
    if record.sending || record.has_transport() || !record.ends.takes_more() {
        return Tried::Not;
    }
    let Some(bytes) = record.outbox.get().and_then(|outbox| outbox.only_own()) else { return Tried::Not };
    let len = bytes.len();
    let sent = driver.send_at_once(record.socket, bytes).unwrap_or(0);
    if sent < len {
        return Tried::Part(sent);
    }
    record.unlist();
    if let Some(meter) = meter {
        meter_sent(meter, record, (traffics, slot), len, None);
    }
    if let Some(outbox) = record.outbox.get() {
        send_memory.keep(outbox.own_sent());
    }
    record.outbox.give_back(outboxes);
    timers.bytes_taken(slot, &record.activity, false);
    if let Some(link) = &record.link {
        link.has_room(to_wake);
    }
    let (is_throttled, partner) = (record.holds.contains(Hold::Throttled), record.partner());
    if is_throttled || partner.is_some() {
        read_again(state, slot, is_throttled, partner);
    }
    Tried::Whole
}

/// A session's peer has taken so much that the session, or its partner, is read again.
pub(super) fn read_again(state: &mut ShardState, slot: u32, is_throttled: bool, partner: Option<u32>) {
    if is_throttled {
        reading::release(state, slot, Hold::Throttled);
    }
    if let Some(partner) = partner {
        reading::release(state, partner, Hold::Blocked);
    }
}
