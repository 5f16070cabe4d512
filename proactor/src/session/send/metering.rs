//! What a meter is told of a session's sends.

use overlapped::Error;

use super::super::table::Record;
use crate::meter::{ShardMeter, Traffics};

/// Counts a packet that was queued for a session, and what is queued now.
#[inline(never)]
pub(in crate::session) fn meter_queued(meter: &ShardMeter, record: &mut Record) {
    let meter = meter.of(record.activity.listener());
    meter.sent_packets.add(1);
    if let Some(outbox) = record.outbox.get() {
        outbox.tell(meter);
        meter.depths.observe(outbox.len() as u64);
    }
}

/// Counts the bytes of a send that has ended, and what is still queued but for these. What goes
/// through a transport, or as datagrams, is counted there.
#[inline(never)]
pub(super) fn meter_sent(
    meter: &ShardMeter,
    record: &mut Record,
    traffic: (&mut Traffics, u32),
    bytes: usize,
    error: Option<&Error>,
) {
    if !record.has_transport() {
        meter_wire(meter, record, traffic, bytes, error);
    }
    if let Some(outbox) = record.outbox.get() {
        outbox.tell_but(meter.of(record.activity.listener()), bytes);
    }
}

/// Counts the bytes that a send has brought to the system.
pub(super) fn meter_wire(
    meter: &ShardMeter,
    record: &Record,
    (traffics, slot): (&mut Traffics, u32),
    bytes: usize,
    error: Option<&Error>,
) {
    let sent = error.map_or(bytes as u64, Error::transferred);
    traffics.sent(slot, sent);
    meter.of(record.activity.listener()).sent_bytes.add(sent);
}
