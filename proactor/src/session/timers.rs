//! The shard's wheel over the deadlines and rates of all its sessions. Knows no socket.
//!
//! A session has one entry in the wheel, at its earliest deadline. When that has expired, the
//! session's deadlines are asked what is due, and the session is entered again. While the
//! completions of a turn are handled, the time is that at which the turn began.
//!
//! Peers are not to blame for time in which the shard did not run: the process was stopped, its
//! machine paused, or a handler did not return. So deadlines are measured on a clock of the shard's
//! own, which stands still for what a turn is late by more than [`LONGEST_TURN`]. All else goes by
//! the driver's clock. And the end of a session is put off for [looks](Timers::put_off) at what has
//! arrived meanwhile.

mod beats;
mod clock;
mod opening;

use std::time::Duration;

use overlapped::{Time, table::grow};

use super::deadlines::{Deadlines, Expired, MOST, Reading, Spans, Tick, Timeouts, tick};
use crate::limits::{Bucket, Permit, Rate, Rates};
use crate::wheel::Wheel;

/// What a turn may take, or be late by. The rest is time in which the shard did not run.
pub(crate) const LONGEST_TURN: Duration = Duration::from_millis(250);

/// Turns without a wait, at most, in which what has arrived is read before a session is closed for
/// what its peer did not do. One is enough unless more has arrived than a turn takes.
const MOST_LOOKS: u8 = 64;

/// Time, as a shard's sessions have it.
pub(crate) struct Timers {
    now: Time,
    /// The moment on the clock of deadlines.
    fair_now: Time,
    /// Nanoseconds that this clock is behind the driver's.
    lost: u64,
    /// The last turn's end, and the moment until which the shard meant to wait then. `None`: the
    /// turns follow without a wait.
    rest: Option<(Time, Time)>,
    /// Sessions that are to be closed when what has arrived is read.
    put_off: Vec<u32>,
    looks: u8,
    wheel: Wheel,
    timeouts: Timeouts,
    /// What sessions with a timeout or a rate have besides, by slot. Others take no place, unless
    /// their slot is below that of one.
    timed: Vec<Timed>,
    /// The last heartbeats of sessions, by slot, if they are counted.
    beats: Vec<Option<Tick>>,
}

/// One session's deadlines, and its use of the rates.
struct Timed {
    deadlines: Deadlines,
    /// Of packets and of bytes, if either has a rate.
    buckets: Option<Box<Buckets>>,
}

/// What a session has of time, whatever its timeouts, and its place among those admitted.
pub(crate) struct Activity {
    /// Gives the place back when it is dropped.
    permit: Permit,
    opened: Tick,
    /// It has timeouts, a rate or a transport, and so an entry in [`Timers::timed`].
    is_timed: bool,
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

    /// It has deadlines whatever the settings. To be called before the session
    /// [begins](Timers::begin).
    pub(crate) fn keep_deadlines(&mut self) {
        self.is_timed = true;
    }
}

impl Timers {
    pub(crate) fn new(spans: Spans, now: Time) -> Timers {
        Timers {
            now,
            fair_now: now,
            lost: 0,
            rest: None,
            put_off: Vec::new(),
            looks: 0,
            wheel: Wheel::new(),
            timeouts: spans.into(),
            timed: Vec::new(),
            beats: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// The turn ends, and the next begins when something happens, or at `until`. Turns between
    /// which this is not called follow without a wait.
    pub(crate) fn rest(&mut self, now: Time, until: Option<Time>) {
        self.rest = Some((now, until.unwrap_or(Time::MAX)));
    }

    /// The turn ends, and nothing is due: the shard cannot be late for the next.
    pub(crate) fn rest_forever(&mut self) {
        self.rest = Some((self.now, Time::MAX));
    }

    #[inline]
    pub(crate) fn begin_turn(&mut self, now: Time) {
        let (ended, until) = self.rest.take().unwrap_or((now, now));
        let (turned, late) = (nanos(self.now, ended), nanos(until.max(ended), now));
        let lost = |nanos: u64| nanos.saturating_sub(LONGEST_TURN.as_nanos() as u64);
        self.lost = self.lost.saturating_add(lost(turned)).saturating_add(lost(late));
        self.now = now;
        self.fair_now = self.fair(now);
    }

    /// A moment of the driver's clock on that of deadlines.
    fn fair(&self, at: Time) -> Time {
        Time::from_nanos(at.as_nanos().saturating_sub(self.lost))
    }

    /// A session is to be closed for what its peer did not do. What has arrived is read first.
    pub(crate) fn put_off(&mut self, slot: u32) {
        if self.put_off.is_empty() {
            self.looks = 0;
        }
        self.put_off.push(slot);
    }

    /// Whether there are such, so that the next turn must not wait.
    pub(crate) fn has_put_off(&self) -> bool {
        !self.put_off.is_empty()
    }

    /// Those sessions, when nothing more `came` in this turn, or enough turns have looked.
    pub(crate) fn take_put_off(&mut self, came: bool) -> Vec<u32> {
        if self.put_off.is_empty() {
            return Vec::new();
        }
        self.looks += 1;
        match came && self.looks < MOST_LOOKS {
            true => Vec::new(),
            false => std::mem::take(&mut self.put_off),
        }
    }

    /// A session begins. If it has no handshake, its first packet is not waited for. It is to be
    /// [begun](Timers::begin) when it has a slot.
    pub(crate) fn admit(&self, mut permit: Permit, has_handshake: bool, rates: Rates) -> Activity {
        if !has_handshake {
            permit.established();
        }
        let is_timed = !self.timeouts.are_off() || rates.are_set();
        Activity { permit, opened: tick(self.fair_now), is_timed }
    }

    /// A session that was admitted has a slot.
    pub(crate) fn begin(&mut self, slot: u32, activity: &Activity, rates: Rates) {
        if !activity.is_timed {
            return;
        }
        let mut deadlines = Deadlines::new(self.fair_now);
        if !activity.permit.is_shaking() {
            deadlines.packet();
        }
        let full = |rate: Rate| (rate, Bucket::full(rate, self.now));
        let buckets = rates
            .are_set()
            .then(|| Box::new(Buckets { packets: rates.packets.map(full), bytes: rates.bytes.map(full) }));
        let index = slot as usize;
        grow(&mut self.timed, index, || Timed { deadlines, buckets: None });
        self.timed[index] = Timed { deadlines, buckets };
        self.enter(slot, activity);
    }

    /// The session's entry in the wheel has expired.
    pub(crate) fn left(&mut self, slot: u32, activity: &Activity) {
        if let Some(deadlines) = self.deadlines(slot, activity) {
            deadlines.left();
        }
    }

    /// A session's partner has been heard, and both have deadlines. If `taking_counts`, what the
    /// peer has taken counts as heard too. Says whether that is news.
    pub(crate) fn heard_by(&mut self, slot: u32, partner: u32, taking_counts: bool) -> bool {
        let (index, partner) = (slot as usize, partner as usize);
        let Some(partner) = self.timed.get(partner).map(|timed| timed.deadlines) else { return false };
        let Some(Timed { deadlines, .. }) = self.timed.get_mut(index) else { return false };
        deadlines.heard_by(&partner) | (taking_counts && deadlines.taking_counts())
    }

    /// The deadlines of a session that has some.
    #[inline]
    pub(super) fn deadlines(&mut self, slot: u32, activity: &Activity) -> Option<&mut Deadlines> {
        if activity.is_timed { Some(&mut self.timed[slot as usize].deadlines) } else { None }
    }

    /// When a session's entry expires next.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.wheel.earliest().map(|at| Time::from_nanos(at.as_nanos().saturating_add(self.lost)))
    }

    /// Whether a session's entry has expired, or its end was put off.
    #[inline]
    pub(crate) fn may_have_due(&mut self) -> bool {
        self.wheel.may_have_due(self.fair_now) || self.has_put_off()
    }

    /// A session whose entry has expired.
    pub(crate) fn pop_due(&mut self) -> Option<u32> {
        self.wheel.pop_due(self.fair_now)
    }

    /// A session is closing: its entry expires when its peer has had this time.
    pub(crate) fn linger(&mut self, slot: u32, time: Duration) {
        self.wheel.insert(slot, self.fair_now + time.min(MOST));
    }

    pub(crate) fn forget(&mut self, slot: u32) {
        self.wheel.remove(slot);
        if let Some(timed) = self.timed.get_mut(slot as usize) {
            timed.buckets = None;
        }
    }

    /// Enters a session if its earliest deadline is before its entry, or it has none. That is
    /// seldom so; what only puts deadlines off does not ask.
    #[inline]
    pub(crate) fn enter(&mut self, slot: u32, activity: &Activity) {
        if activity.is_timed {
            self.enter_timed(slot);
        }
    }

    #[inline(never)]
    fn enter_timed(&mut self, slot: u32) {
        if let Some(at) = self.timed[slot as usize].deadlines.enter(&self.timeouts, self.fair_now) {
            self.wheel.insert(slot, at);
        }
    }

    /// What of a session has expired. Asked until it answers `None`.
    pub(crate) fn expired(&mut self, slot: u32, activity: &Activity) -> Option<Expired> {
        let (timeouts, now) = (self.timeouts, self.fair_now);
        self.deadlines(slot, activity)?.expired(&timeouts, now)
    }

    /// A packet is complete. If the session is over its rate then, says until when.
    #[inline]
    pub(crate) fn packet_came(&mut self, slot: u32, activity: &mut Activity) -> Option<Time> {
        activity.permit.established();
        if activity.is_timed { self.charge_packet(slot) } else { None }
    }

    /// A control frame is a packet for the rate. If the session is over that, says until when.
    #[cfg(feature = "websocket")]
    pub(crate) fn control_came(&mut self, slot: u32, activity: &Activity) -> Option<Time> {
        let timed = self.timed.get_mut(slot as usize).filter(|_| activity.is_timed)?;
        let (rate, bucket) = timed.buckets.as_mut()?.packets.as_mut()?;
        bucket.charge(*rate, self.now, 1);
        bucket.refilled_at(*rate, self.now)
    }

    /// Whether it has no rates, so that packets need not be counted.
    #[inline]
    pub(crate) fn is_free(&self, slot: u32, activity: &Activity) -> bool {
        !activity.is_timed || self.timed[slot as usize].buckets.is_none()
    }

    /// Apart, so that the path of a session without timeouts and rates is short.
    #[inline(never)]
    fn charge_packet(&mut self, slot: u32) -> Option<Time> {
        let Timed { deadlines, buckets } = &mut self.timed[slot as usize];
        deadlines.packet();
        let (rate, bucket) = buckets.as_mut()?.packets.as_mut()?;
        bucket.charge(*rate, self.now, 1);
        bucket.refilled_at(*rate, self.now)
    }

    /// Bytes have arrived. If the session is over its rate then, says until when.
    #[inline]
    pub(crate) fn bytes_came(&mut self, slot: u32, activity: &Activity, bytes: usize) -> Option<Time> {
        if activity.is_timed { self.charge_bytes(slot, bytes) } else { None }
    }

    #[inline(never)]
    fn charge_bytes(&mut self, slot: u32, bytes: usize) -> Option<Time> {
        let Timed { deadlines, buckets } = &mut self.timed[slot as usize];
        deadlines.received(self.fair_now);
        let (rate, bucket) = buckets.as_mut()?.bytes.as_mut()?;
        bucket.charge(*rate, self.now, u32::try_from(bytes).unwrap_or(u32::MAX));
        bucket.refilled_at(*rate, self.now)
    }

    /// What has arrived ends within a packet.
    pub(crate) fn packet_is_partial(&mut self, slot: u32, activity: &Activity) {
        let now = self.fair_now;
        if self.deadlines(slot, activity).is_some_and(|deadlines| deadlines.partial(now)) {
            self.enter_timed(slot);
        }
    }

    /// The peer has ended its stream, and is not waited for any more.
    pub(crate) fn stream_ended(&mut self, slot: u32, activity: &Activity) {
        if let Some(deadlines) = self.deadlines(slot, activity) {
            deadlines.ended();
        }
    }

    /// Bytes have been queued for the peer.
    #[inline]
    pub(crate) fn bytes_queued(&mut self, slot: u32, activity: &Activity) {
        let (timeouts, now) = (self.timeouts, self.fair_now);
        if self.deadlines(slot, activity).is_some_and(|deadlines| deadlines.queued(&timeouts, now)) {
            self.enter_timed(slot);
        }
    }

    /// The peer has taken bytes; `rest` says whether more are queued.
    #[inline]
    pub(crate) fn bytes_taken(&mut self, slot: u32, activity: &Activity, rest: bool) {
        if activity.is_timed && self.timed[slot as usize].deadlines.taken(&self.timeouts, self.fair_now, rest) {
            self.enter_timed(slot);
        }
    }

    /// The peer has taken a part of a send that is in flight.
    pub(crate) fn send_progressed(&mut self, slot: u32, activity: &Activity) {
        if activity.is_timed {
            // It is entered anew by its caller, who has asked for what has expired.
            let _ = self.timed[slot as usize].deadlines.taken(&self.timeouts, self.fair_now, true);
        }
    }

    /// Whether the server reads from the session may have changed.
    pub(crate) fn holds_changed(&mut self, slot: u32, activity: &Activity, reading: Reading) {
        let now = self.fair_now;
        let Some(deadlines) = self.deadlines(slot, activity) else { return };
        deadlines.reads(now, reading);
        if reading != Reading::Held {
            self.enter_timed(slot);
        }
    }

    /// The rate allows nothing more before this moment. Bytes that arrive until then put it off.
    pub(crate) fn release_at(&mut self, slot: u32, activity: &Activity, at: Time) {
        let at = self.fair(at);
        if let Some(deadlines) = self.deadlines(slot, activity) {
            deadlines.release_at(at);
            self.enter_timed(slot);
        }
    }
}

/// How long `later` is after `earlier`, in nanoseconds; zero if it is not after it.
fn nanos(earlier: Time, later: Time) -> u64 {
    later.as_nanos().saturating_sub(earlier.as_nanos())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn admit(timers: &mut Timers, slot: u32, has_handshake: bool, rates: Rates) -> Activity {
        let activity = timers.admit(Permit::alone(), has_handshake, rates);
        timers.begin(slot, &activity, rates);
        activity
    }

    /// Nothing happens until then.
    fn wait(timers: &mut Timers, until: Time) {
        timers.rest(timers.now(), Some(until));
        timers.begin_turn(until);
    }

    #[test]
    fn an_idle_session_is_due_once_and_not_while_it_is_active() {
        let spans = Spans { idle: Some(SECOND), ..Spans::default() };
        let mut timers = Timers::new(spans, Time::ZERO);
        let activity = admit(&mut timers, 3, false, Rates::default());
        assert!(timers.earliest().is_some() && timers.pop_due().is_none());
        wait(&mut timers, Time::ZERO + SECOND / 2);
        assert_eq!(timers.bytes_came(3, &activity, 10), None, "there is no rate");
        wait(&mut timers, Time::ZERO + SECOND + SECOND / 4);
        assert_eq!(timers.pop_due(), Some(3), "its entry has expired");
        timers.left(3, &activity);
        assert_eq!(timers.expired(3, &activity), None, "but bytes have come since it was entered");
        timers.enter(3, &activity);
        wait(&mut timers, Time::ZERO + SECOND * 2);
        assert_eq!(timers.pop_due(), Some(3));
        assert_eq!(timers.expired(3, &activity), Some(Expired::Idle));
    }

    #[test]
    fn timeouts_stand_still_while_the_server_does_not_read() {
        let spans = Spans { idle: Some(SECOND), ..Spans::default() };
        let mut timers = Timers::new(spans, Time::ZERO);
        let activity = admit(&mut timers, 0, false, Rates::default());
        timers.holds_changed(0, &activity, Reading::Held);
        wait(&mut timers, Time::ZERO + SECOND * 10);
        assert_eq!(timers.expired(0, &activity), None);
        timers.holds_changed(0, &activity, Reading::On);
        assert_eq!(timers.expired(0, &activity), None, "the time begins anew");
        wait(&mut timers, Time::ZERO + SECOND * 12);
        assert_eq!(timers.expired(0, &activity), Some(Expired::Idle));
    }

    #[test]
    fn a_session_over_its_rate_is_told_until_when() {
        let rates = Rates { packets: Some(Rate::per_second(1)), bytes: Some(Rate::per_second(100)) };
        let mut timers = Timers::new(Spans::default(), Time::ZERO);
        let mut activity = admit(&mut timers, 2, true, rates);
        assert_eq!(timers.packet_came(2, &mut activity), Some(Time::ZERO + SECOND));
        assert_eq!(timers.bytes_came(2, &activity, 50), None);
        assert!(timers.bytes_came(2, &activity, 100).is_some());
    }

    fn idle_after(span: Duration) -> (Timers, Activity) {
        let spans = Spans { idle: Some(span), ..Spans::default() };
        let mut timers = Timers::new(spans, Time::ZERO);
        let activity = admit(&mut timers, 3, false, Rates::default());
        (timers, activity)
    }

    #[test]
    fn what_a_turn_takes_too_long_is_not_counted() {
        let (mut timers, activity) = idle_after(SECOND * 9 / 10);
        // The turn that began at zero takes ten seconds, and the wait after it half a second.
        timers.rest(Time::ZERO + SECOND * 10, timers.earliest());
        timers.begin_turn(Time::ZERO + SECOND * 10 + SECOND / 2);
        assert_eq!(timers.expired(3, &activity), None);
        let due = timers.earliest().unwrap();
        assert!(due > timers.now() && due <= Time::ZERO + SECOND * 11, "{due:?}");
        wait(&mut timers, Time::ZERO + SECOND * 11);
        assert_eq!(timers.pop_due(), Some(3));
        assert_eq!(timers.expired(3, &activity), Some(Expired::Idle));
    }

    #[test]
    fn what_a_turn_is_late_by_is_not_counted_and_what_it_waits_is() {
        for (until, now, is_due) in [(1, 1, true), (9, 9, true), (1, 60, true), (0, 60, false), (0, 1, false)] {
            let (mut timers, activity) = idle_after(SECOND * 9 / 10);
            timers.rest(Time::ZERO, Some(Time::ZERO + SECOND * until));
            timers.begin_turn(Time::ZERO + SECOND * now);
            let expired = timers.expired(3, &activity);
            assert_eq!(expired.is_some(), is_due, "meant to wait until {until}, waits until {now}");
        }
        let (mut timers, activity) = idle_after(SECOND * 9 / 10);
        timers.rest_forever();
        timers.begin_turn(Time::ZERO + SECOND * 60);
        assert_eq!(timers.expired(3, &activity), Some(Expired::Idle), "it was late for nothing");
        let (mut timers, activity) = idle_after(SECOND * 9 / 10);
        timers.begin_turn(Time::ZERO + SECOND);
        assert_eq!(timers.expired(3, &activity), None, "the turns follow without a wait");
    }

    #[test]
    fn a_session_is_put_off_until_nothing_more_comes_and_not_for_ever() {
        let (mut timers, _) = idle_after(SECOND * 9 / 10);
        assert!(timers.take_put_off(true).is_empty() && !timers.has_put_off());
        timers.put_off(3);
        assert!(timers.take_put_off(true).is_empty());
        assert_eq!(timers.take_put_off(false), [3]);
        assert!(!timers.has_put_off());
        timers.put_off(4);
        let looks = (0..1000).take_while(|_| timers.take_put_off(true).is_empty()).count();
        assert_eq!(looks, usize::from(MOST_LOOKS) - 1);
    }
}
