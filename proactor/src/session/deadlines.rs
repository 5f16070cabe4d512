//! One session's deadlines: how long it may be idle or silent, leave a packet unfinished, leave
//! bytes untaken, and last at all. Knows no socket and no wheel. It is told what happens and when,
//! and answers when it must be asked next and what has expired by then.
//!
//! It keeps moments, not timers: an activity overwrites a number. Only an event that brings the
//! earliest deadline forward (the first bytes of a packet, bytes for a peer that had none) needs a
//! new entry in the wheel. That happens at most once for each expiry of the entry.
//!
//! Moments are ticks of the shard's wheel in 32 bits, which wrap after 417 days. A timeout is at
//! most [`MOST`].

use std::time::Duration;

use overlapped::Time;

use crate::wheel::{TICK, tick_at, tick_time};

/// The longest timeout: 180 days. Past and future are told apart by half of the range, 208 days.
pub(crate) const MOST: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// Ticks of the clock, modulo 2^32.
pub(crate) type Tick = u32;

/// A duration in ticks, rounded up: a deadline is never early, and less than two ticks late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks(u32);

impl Ticks {
    fn of(span: Duration) -> Ticks {
        let ticks = span.min(MOST).as_nanos().div_ceil(TICK.as_nanos());
        Ticks(u32::try_from(ticks).expect("the longest has less than 2^31").max(1))
    }

    /// So many quarters of it, rounded up.
    fn quarters(self, quarters: u8) -> Ticks {
        Ticks((u64::from(self.0) * u64::from(quarters)).div_ceil(4) as u32)
    }
}

/// The timeouts of every session of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeoutsIn<T> {
    /// No bytes either way.
    pub(crate) idle: Option<T>,
    /// Nothing received.
    pub(crate) receive: Option<T>,
    /// From the first byte of a packet to its last.
    pub(crate) read: Option<T>,
    /// Bytes for the peer, and none taken.
    pub(crate) write: Option<T>,
    /// From the connection to the end of the first packet.
    pub(crate) handshake: Option<T>,
    pub(crate) lifetime: Option<T>,
    pub(crate) heartbeat: Option<T>,
    /// Whether a heartbeat is due whatever else is sent, or only when nothing was.
    pub(crate) beats_always: bool,
}

pub(crate) type Spans = TimeoutsIn<Duration>;
pub(crate) type Timeouts = TimeoutsIn<Ticks>;

impl Timeouts {
    /// Whether no timeout is set, as in most servers.
    pub(crate) fn are_off(&self) -> bool {
        let Timeouts { idle, receive, read, write, handshake, lifetime, heartbeat, beats_always: _ } = self;
        [idle, receive, read, write, handshake, lifetime, heartbeat].into_iter().all(Option::is_none)
    }
}

impl From<Spans> for Timeouts {
    fn from(spans: Spans) -> Timeouts {
        Timeouts {
            idle: spans.idle.map(Ticks::of),
            receive: spans.receive.map(Ticks::of),
            read: spans.read.map(Ticks::of),
            write: spans.write.map(Ticks::of),
            handshake: spans.handshake.map(Ticks::of),
            lifetime: spans.lifetime.map(Ticks::of),
            heartbeat: spans.heartbeat.map(Ticks::of),
            beats_always: spans.beats_always,
        }
    }
}

/// What has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    Idle,
    Receive,
    Read,
    Write,
    Handshake,
    Lifetime,
    /// A quarter of the write timeout is over. The caller has to check whether the peer has taken
    /// some of what is in flight and, if so, call [`Deadlines::taken`]. So a slow peer is told from
    /// one that takes nothing for that long.
    Progress,
    /// It is time to send the peer something.
    Heartbeat,
    /// The hold for the session's rate is over.
    Hold,
}

/// Whether the server reads from a session, as its deadlines see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    On,
    /// Not read because its peer does not take what it is sent. What the peer takes counts as a
    /// sign of life in place of what cannot be received.
    Throttled,
    /// Not read, and the peer is not to blame. The timeouts that wait for bytes of the peer stand
    /// still.
    Held,
}

/// One session's moments: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    opened: Tick,
    /// Bytes last came or were taken.
    active: Tick,
    /// Bytes last came.
    received: Tick,
    /// The last heartbeat was due or, if it waits for silence, the last bytes were taken.
    sent: Tick,
    /// The packet that is unfinished began.
    partial: Tick,
    /// Bytes for the peer have been waiting, and none was taken, since then.
    waiting: Tick,
    /// A hold by the server ends.
    release: Tick,
    /// The session's entry in the wheel.
    entered: Tick,
    /// Quarters of the write timeout that are over.
    quarters: u8,
    is_shaking: bool,
    is_partial: bool,
    is_waiting: bool,
    has_release: bool,
    is_entered: bool,
    /// The peer has ended its stream: nothing more can be received.
    is_ended: bool,
    reading: Reading,
}

/// The tick of a moment.
pub(crate) fn tick(at: Time) -> Tick {
    tick_at(at) as Tick
}

impl Deadlines {
    /// A session has begun.
    pub(crate) fn new(now: Time) -> Deadlines {
        let now = tick(now);
        Deadlines {
            opened: now,
            active: now,
            received: now,
            sent: now,
            partial: now,
            waiting: now,
            release: now,
            entered: now,
            quarters: 0,
            is_shaking: true,
            is_partial: false,
            is_waiting: false,
            has_release: false,
            is_entered: false,
            is_ended: false,
            reading: Reading::On,
        }
    }

    /// Bytes came.
    #[inline]
    pub(crate) fn received(&mut self, now: Time) {
        (self.active, self.received) = (tick(now), tick(now));
    }

    /// Bytes of the partner's peer came, which count for both of a pair. Says whether that is news.
    pub(crate) fn heard_by(&mut self, partner: &Deadlines) -> bool {
        let is_later = until(partner.received, self.received) > 0;
        if is_later {
            self.received = partner.received;
        }
        is_later
    }

    /// The peer took bytes, and counts as heard. Says whether that is news.
    pub(crate) fn taking_counts(&mut self) -> bool {
        let is_later = until(self.active, self.received) > 0;
        if is_later {
            self.received = self.active;
        }
        is_later
    }

    /// Whether bytes have come at a moment or later.
    pub(crate) fn has_received_since(&self, at: Tick) -> bool {
        until(self.received, at) >= 0
    }

    /// The peer has ended its stream, and is not waited for any more.
    pub(crate) fn ended(&mut self) {
        self.is_ended = true;
    }

    /// A packet is complete: the handshake is over.
    pub(crate) fn packet(&mut self) {
        self.is_shaking = false;
        self.is_partial = false;
    }

    /// What has come ends within a packet. It may be called again while that is so: only a whole
    /// packet ends it, so single bytes do not put the deadline off. Says whether there may be an
    /// earlier deadline now.
    pub(crate) fn partial(&mut self, now: Time) -> bool {
        let begins = !std::mem::replace(&mut self.is_partial, true);
        if begins {
            self.partial = tick(now);
        }
        begins
    }

    /// Bytes are queued for the peer. Says whether there may be an earlier deadline now.
    #[inline]
    pub(crate) fn queued(&mut self, timeouts: &Timeouts, now: Time) -> bool {
        let begins = !std::mem::replace(&mut self.is_waiting, true);
        if begins {
            self.waiting = tick(now);
            self.quarters = 0;
        }
        begins && timeouts.write.is_some()
    }

    /// The peer has taken bytes; `rest` says whether more are queued. Says whether there may be an
    /// earlier deadline now: a quarter of the write timeout, or the heartbeat that waits for
    /// silence.
    #[inline]
    #[must_use]
    pub(crate) fn taken(&mut self, timeouts: &Timeouts, now: Time, rest: bool) -> bool {
        let now = tick(now);
        (self.active, self.waiting) = (now, now);
        if !timeouts.beats_always {
            self.sent = now;
        }
        self.is_waiting = rest;
        self.quarters = 0;
        if rest { timeouts.write.is_some() } else { timeouts.heartbeat.is_some() }
    }

    /// Whether the server reads from the session. Timeouts that stood still begin anew.
    pub(crate) fn reads(&mut self, now: Time, reading: Reading) {
        let before = std::mem::replace(&mut self.reading, reading);
        if before == Reading::Held && reading != Reading::Held {
            self.received(now);
            self.partial = tick(now);
        }
        if before == Reading::Throttled && reading == Reading::On {
            self.taking_counts();
        }
    }

    /// Asks for [`Expired::Hold`] at a moment.
    pub(crate) fn release_at(&mut self, at: Time) {
        self.release = tick(at);
        self.has_release = true;
    }

    /// [`Expired::Hold`] was told, and is to be told again.
    pub(crate) fn keep_release(&mut self) {
        self.has_release = true;
    }

    pub(crate) fn forget_release(&mut self) {
        self.has_release = false;
    }

    /// What has come does not end within a packet after all: it was nothing of one.
    pub(crate) fn forget_partial(&mut self) {
        self.is_partial = false;
    }

    /// All deadlines: when, and which.
    fn all(&self, timeouts: &Timeouts) -> [Option<(Tick, Expired)>; 9] {
        let after = |on: bool, since: Tick, span: Option<Ticks>, what: Expired| {
            span.filter(|_| on).map(|span| (since.wrapping_add(span.0), what))
        };
        let is_held = self.reading == Reading::Held;
        let heard = if self.reading == Reading::Throttled { self.active } else { self.received };
        let beats = timeouts.beats_always || !self.is_waiting;
        let next_quarter = timeouts.write.map(|span| span.quarters(self.quarters + 1));
        [
            // Those that close the session come first, and the particular before the general.
            after(true, self.opened, timeouts.lifetime, Expired::Lifetime),
            after(self.is_shaking, self.opened, timeouts.handshake, Expired::Handshake),
            after(self.is_waiting && self.quarters == 4, self.waiting, timeouts.write, Expired::Write),
            after(self.is_partial && !is_held, self.partial, timeouts.read, Expired::Read),
            after(!is_held && !self.is_ended, heard, timeouts.receive, Expired::Receive),
            after(!is_held, self.active, timeouts.idle, Expired::Idle),
            after(beats, self.sent, timeouts.heartbeat, Expired::Heartbeat),
            after(self.is_waiting && self.quarters < 4, self.waiting, next_quarter, Expired::Progress),
            self.has_release.then_some((self.release, Expired::Hold)),
        ]
    }

    /// Something that has expired. Asked until it answers `None`. A heartbeat or the end of a hold
    /// is told once, progress four times, and what closes a session again and again.
    pub(crate) fn expired(&mut self, timeouts: &Timeouts, now: Time) -> Option<Expired> {
        // The last tick that has begun, so nothing is early.
        let now = now.as_nanos() / TICK.as_nanos() as u64;
        let (_, what) = self.all(timeouts).into_iter().flatten().find(|(at, _)| until(*at, now as Tick) <= 0)?;
        match what {
            Expired::Heartbeat => self.sent = now as Tick,
            Expired::Hold => self.has_release = false,
            Expired::Progress => self.quarters += 1,
            _ => {}
        }
        Some(what)
    }

    /// The moment for a new entry in the wheel, if one is needed: when the entry has expired
    /// ([`left`](Deadlines::left)), or the earliest deadline is before it.
    pub(crate) fn enter(&mut self, timeouts: &Timeouts, now: Time) -> Option<Time> {
        if timeouts.are_off() && !self.has_release {
            return None;
        }
        let now = tick_at(now);
        let ahead = self.all(timeouts).into_iter().flatten().map(|(at, _)| until(at, now as Tick)).min()?;
        let at = now.saturating_add_signed(i64::from(ahead));
        if self.is_entered && until(self.entered, now as Tick) <= ahead {
            return None;
        }
        (self.is_entered, self.entered) = (true, at as Tick);
        Some(tick_time(at))
    }

    /// The session's entry in the wheel has expired.
    pub(crate) fn left(&mut self) {
        self.is_entered = false;
    }
}

/// Ticks from `now` to a moment, negative if it is past.
fn until(at: Tick, now: Tick) -> i32 {
    at.wrapping_sub(now).cast_signed()
}

#[cfg(test)]
mod tests;
