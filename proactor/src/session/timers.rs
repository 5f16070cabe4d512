//! The shard's wheel over the deadlines and rates of all its sessions. Knows no socket.
//!
//! A session has one entry in the wheel, at its earliest deadline. When that has expired, the
//! session's deadlines are asked what is due, and the session is entered again. While the
//! completions of a turn are handled, the time is that at which the turn began.

use overlapped::Time;

use super::deadlines::{Deadlines, Expired, Spans, Timeouts};
use crate::limits::{Bucket, Permit, Rate};
use crate::wheel::Wheel;

/// Time, as a shard's sessions have it.
pub(crate) struct Timers {
    now: Time,
    wheel: Wheel,
    timeouts: Timeouts,
    rates: Rates,
}

/// The rates of every session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) packets: Option<Rate>,
    pub(crate) bytes: Option<Rate>,
}

/// One session's deadlines, its use of the rates, and its place among those admitted.
pub(crate) struct Activity {
    /// Gives the place back when it is dropped.
    permit: Permit,
    deadlines: Deadlines,
    /// Of packets and of bytes, if either has a rate.
    buckets: Option<Box<(Option<Bucket>, Option<Bucket>)>>,
}

impl Timers {
    pub(crate) fn new(spans: Spans, rates: Rates, now: Time) -> Timers {
        Timers { now, wheel: Wheel::new(), timeouts: spans.into(), rates }
    }

    #[inline]
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn begin_turn(&mut self, now: Time) {
        self.now = now;
    }

    /// A session begins. If it has no handshake, its first packet is not waited for.
    pub(crate) fn admit(&self, mut permit: Permit, has_handshake: bool) -> Activity {
        let mut deadlines = Deadlines::new(self.now);
        if !has_handshake {
            permit.established();
            deadlines.packet();
        }
        let full = |rate: Option<Rate>| rate.map(|rate| Bucket::full(rate, self.now));
        let buckets = (full(self.rates.packets), full(self.rates.bytes));
        Activity { permit, deadlines, buckets: (buckets != (None, None)).then(|| Box::new(buckets)) }
    }

    /// When a session's entry expires next.
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.wheel.earliest()
    }

    /// A session whose entry has expired.
    pub(crate) fn pop_due(&mut self) -> Option<u32> {
        self.wheel.pop_due(self.now)
    }

    pub(crate) fn forget(&mut self, slot: u32) {
        self.wheel.remove(slot);
    }

    /// Enters a session if its earliest deadline is before its entry, or it has none.
    pub(crate) fn enter(&mut self, slot: u32, activity: &mut Activity) {
        if let Some(at) = activity.deadlines.enter(&self.timeouts, self.now) {
            self.wheel.insert(slot, at);
        }
    }

    /// What of a session has expired. Asked until it answers `None`.
    pub(crate) fn expired(&self, activity: &mut Activity) -> Option<Expired> {
        activity.deadlines.expired(&self.timeouts, self.now)
    }

    /// A packet is complete. If the session is over its rate then, says until when.
    #[inline]
    pub(crate) fn packet_came(&self, activity: &mut Activity) -> Option<Time> {
        activity.deadlines.packet();
        activity.permit.established();
        let rate = self.rates.packets?;
        let bucket = activity.buckets.as_mut()?.0.as_mut()?;
        bucket.charge(rate, self.now, 1);
        bucket.refilled_at(rate, self.now)
    }

    /// Bytes have arrived. If the session is over its rate then, says until when.
    pub(crate) fn bytes_came(&self, activity: &mut Activity, bytes: usize) -> Option<Time> {
        activity.deadlines.received(self.now);
        let rate = self.rates.bytes?;
        let bucket = activity.buckets.as_mut()?.1.as_mut()?;
        bucket.charge(rate, self.now, u32::try_from(bytes).unwrap_or(u32::MAX));
        bucket.refilled_at(rate, self.now)
    }

    /// What has arrived ends within a packet.
    pub(crate) fn packet_is_partial(&mut self, slot: u32, activity: &mut Activity) {
        if activity.deadlines.partial(self.now) {
            self.enter(slot, activity);
        }
    }

    /// Bytes have been queued for the peer.
    #[inline]
    pub(crate) fn bytes_queued(&mut self, slot: u32, activity: &mut Activity) {
        if activity.deadlines.queued(self.now) {
            self.enter(slot, activity);
        }
    }

    /// The peer has taken bytes; `rest` says whether more are queued.
    pub(crate) fn bytes_taken(&mut self, slot: u32, activity: &mut Activity, rest: bool) {
        activity.deadlines.taken(self.now, rest);
        self.enter(slot, activity);
    }

    /// The peer has taken a part of a send that is in flight.
    pub(crate) fn send_progressed(&self, activity: &mut Activity) {
        activity.deadlines.taken(self.now, true);
    }

    /// Whether the server reads from the session may have changed.
    pub(crate) fn holds_changed(&mut self, slot: u32, activity: &mut Activity, stop_timeouts: bool) {
        if stop_timeouts {
            activity.deadlines.hold();
        } else {
            activity.deadlines.unhold(self.now);
            self.enter(slot, activity);
        }
    }

    /// The rate allows nothing more before this moment. Bytes that arrive until then put it off.
    pub(crate) fn release_at(&mut self, slot: u32, activity: &mut Activity, at: Time) {
        activity.deadlines.release_at(at);
        self.enter(slot, activity);
    }
}

impl Activity {
    /// Whether it is known that bytes are queued for the peer.
    #[inline]
    pub(crate) fn has_queued(&self) -> bool {
        self.deadlines.has_queued()
    }

    /// The session's entry in the wheel has expired.
    pub(crate) fn left(&mut self) {
        self.deadlines.left();
    }
}
