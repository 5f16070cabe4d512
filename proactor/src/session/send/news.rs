//! What a group has for a member, sent while the member is at hand.

use overlapped::Driver;

use super::super::{id::SessionId, table::Record, timers::Timers};
use super::metering::meter_sent;
use super::rest;
use crate::group::local::LocalGroups;
use crate::meter::{ShardMeter, Traffics};
use crate::outbox::{TakeLimits, memory::SendMemory};
use crate::shard::state::{submit, token};

/// What the sends of a group's news need beside the member.
pub(crate) struct NewsSender<'a> {
    pub(crate) limits: TakeLimits,
    pub(crate) memory: &'a mut SendMemory,
    pub(crate) driver: &'a mut Driver,
    pub(crate) timers: &'a mut Timers,
    pub(crate) meter: Option<&'a ShardMeter>,
    pub(crate) traffics: &'a mut Traffics,
}

impl NewsSender<'_> {
    /// Sends what is queued for a member that has no send in flight and is not closing: at once, or
    /// by an operation.
    #[inline]
    pub(crate) fn send(&mut self, id: SessionId, record: &mut Record, groups: &LocalGroups) {
        let NewsSender { limits, memory, driver, timers, .. } = self;
        let Some(outbox) = record.outbox.get().filter(|outbox| outbox.has_queued()) else { return };
        let Some(taken) = outbox.take(id, *limits, groups, memory) else { return };
        // Others may wait for room in its outbox, and are told when an operation ends.
        let piece = if record.link.is_none() && !record.holds.any() { taken.one_piece() } else { None };
        let sent = piece.and_then(|bytes| driver.send_at_once(record.socket, bytes)).unwrap_or(0);
        if sent > 0 && sent == taken.len() {
            memory.keep_taken(taken);
            if let Some(meter) = self.meter {
                meter_sent(meter, record, (self.traffics, id.slot()), sent, None);
            }
            let left = record.outbox.get().map_or(0, |outbox| {
                outbox.sent(sent);
                outbox.len()
            });
            timers.bytes_taken(id.slot(), &record.activity, left > 0);
            return;
        }
        let op = rest(record.socket, taken, sent);
        outbox.send = submit(driver, op, token::of(token::SEND, id.slot())).map(|send| (send, sent as u64));
        record.sending = true;
        if sent > 0 {
            timers.bytes_taken(id.slot(), &record.activity, true);
        }
        // Queueing a broadcast does not start the write timeout, so the send does.
        timers.bytes_queued(id.slot(), &record.activity);
    }
}
