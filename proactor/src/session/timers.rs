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
}

/// The rates of the sessions of one listener.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) packets: Option<Rate>,
    pub(crate) bytes: Option<Rate>,
}

/// One session's deadlines, its use of the rates, and its place among those admitted.
pub(crate) struct Activity {
    /// Gives the place back when it is dropped.
    permit: Permit,
    pub(super) deadlines: Deadlines,
    /// Of packets and of bytes, if either has a rate.
    buckets: Option<Box<Buckets>>,
}

/// One session's rates, and its use of them.
struct Buckets {
    packets: Option<(Rate, Bucket)>,
    bytes: Option<(Rate, Bucket)>,
}

impl Activity {
    /// The listener that it came by, or [`NO_LISTENER`](crate::limits::NO_LISTENER).
    #[inline]
    pub(crate) fn listener(&self) -> u8 {
        self.permit.listener()
    }
}

impl Timers {
    pub(crate) fn new(spans: Spans, now: Time) -> Timers {
        Timers { now, wheel: Wheel::new(), timeouts: spans.into() }
    }

    #[inline]
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn begin_turn(&mut self, now: Time) {
        self.now = now;
    }

    /// A session begins. If it has no handshake, its first packet is not waited for.
    pub(crate) fn admit(&self, mut permit: Permit, has_handshake: bool, rates: Rates) -> Activity {
        let mut deadlines = Deadlines::new(self.now);
        if !has_handshake {
            permit.established();
            deadlines.packet();
        }
        let full = |rate: Rate| (rate, Bucket::full(rate, self.now));
        let limited = rates.packets.is_some() || rates.bytes.is_some();
        let buckets =
            limited.then(|| Box::new(Buckets { packets: rates.packets.map(full), bytes: rates.bytes.map(full) }));
        Activity { permit, deadlines, buckets }
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
        activity.buckets.as_mut().and_then(|buckets| self.charge_packet(buckets))
    }

    /// Apart, so that the path of a session without rates is short.
    #[inline(never)]
    fn charge_packet(&self, buckets: &mut Buckets) -> Option<Time> {
        let (rate, bucket) = buckets.packets.as_mut()?;
        bucket.charge(*rate, self.now, 1);
        bucket.refilled_at(*rate, self.now)
    }

    /// Bytes have arrived. If the session is over its rate then, says until when.
    pub(crate) fn bytes_came(&self, activity: &mut Activity, bytes: usize) -> Option<Time> {
        activity.deadlines.received(self.now);
        let (rate, bucket) = activity.buckets.as_mut()?.bytes.as_mut()?;
        bucket.charge(*rate, self.now, u32::try_from(bytes).unwrap_or(u32::MAX));
        bucket.refilled_at(*rate, self.now)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_idle_session_is_due_once_and_not_while_it_is_active() {
        let spans = Spans { idle: Some(SECOND), ..Spans::default() };
        let mut timers = Timers::new(spans, Time::ZERO);
        let mut activity = timers.admit(Permit::alone(), false, Rates::default());
        timers.enter(3, &mut activity);
        assert!(timers.earliest().is_some() && timers.pop_due().is_none());
        timers.begin_turn(Time::ZERO + SECOND / 2);
        assert_eq!(timers.bytes_came(&mut activity, 10), None, "there is no rate");
        timers.begin_turn(Time::ZERO + SECOND + SECOND / 4);
        assert_eq!(timers.pop_due(), Some(3), "its entry has expired");
        activity.deadlines.left();
        assert_eq!(timers.expired(&mut activity), None, "but bytes have come since it was entered");
        timers.enter(3, &mut activity);
        timers.begin_turn(Time::ZERO + SECOND * 2);
        assert_eq!(timers.pop_due(), Some(3));
        assert_eq!(timers.expired(&mut activity), Some(Expired::Idle));
    }

    #[test]
    fn timeouts_stand_still_while_the_server_does_not_read() {
        let spans = Spans { idle: Some(SECOND), ..Spans::default() };
        let mut timers = Timers::new(spans, Time::ZERO);
        let mut activity = timers.admit(Permit::alone(), false, Rates::default());
        timers.holds_changed(0, &mut activity, true);
        timers.begin_turn(Time::ZERO + SECOND * 10);
        assert_eq!(timers.expired(&mut activity), None);
        timers.holds_changed(0, &mut activity, false);
        assert_eq!(timers.expired(&mut activity), None, "the time begins anew");
        timers.begin_turn(Time::ZERO + SECOND * 12);
        assert_eq!(timers.expired(&mut activity), Some(Expired::Idle));
    }

    #[test]
    fn a_session_over_its_rate_is_told_until_when() {
        let rates = Rates { packets: Some(Rate::per_second(1)), bytes: Some(Rate::per_second(100)) };
        let timers = Timers::new(Spans::default(), Time::ZERO);
        let mut activity = timers.admit(Permit::alone(), true, rates);
        assert_eq!(timers.packet_came(&mut activity), Some(Time::ZERO + SECOND));
        assert_eq!(timers.bytes_came(&mut activity, 50), None);
        assert!(timers.bytes_came(&mut activity, 100).is_some());
    }
}
