//! A shard's watch over its sessions: joins the wheel, the deadlines and the rates with the table of sessions.
//!
//! A session has one entry in the wheel, at its earliest deadline. When that has run out the session is looked at: what it says is done, and it is entered
//! anew. While a turn's completions are handled the time is the one at which the turn began.

use overlapped::Time;
use overlapped::driver::OpId;

use crate::close::CloseReason;
use crate::deadlines::{Deadlines, Expired, Timeouts};
use crate::limits::{Bucket, Permit, Rate};
use crate::session::Core;
use crate::settings::Settings;
use crate::wheel::Wheel;

/// What holds for all sessions of a shard.
pub(crate) struct Watch {
    pub(crate) now: Time,
    wheel: Wheel,
    timeouts: Timeouts,
    packets: Option<Rate>,
    bytes: Option<Rate>,
}

impl Watch {
    pub(crate) fn new(settings: &Settings, now: Time) -> Watch {
        Watch {
            now,
            wheel: Wheel::new(),
            timeouts: settings.spans.into(),
            packets: settings.packet_rate,
            bytes: settings.byte_rate,
        }
    }

    /// A session begins. Of one that the server has connected itself no first packet is waited for.
    pub(crate) fn admit(&self, mut permit: Permit, is_shaking: bool) -> Watched {
        let mut deadlines = Deadlines::new(self.now);
        if !is_shaking {
            permit.established();
            deadlines.packet();
        }
        let full = |rate: Option<Rate>| rate.map(|rate| Bucket::full(rate, self.now));
        let buckets = (full(self.packets), full(self.bytes));
        Watched { permit, deadlines, buckets: (buckets != (None, None)).then(|| Box::new(buckets)), over_rate: false }
    }

    /// The moment at which a session has to be looked at.
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.wheel.earliest()
    }

    /// A session that has to be looked at.
    pub(crate) fn pop_due(&mut self) -> Option<u32> {
        self.wheel.pop_due(self.now)
    }

    pub(crate) fn forget(&mut self, slot: u32) {
        self.wheel.remove(slot);
    }
}

/// What is kept for one session.
pub(crate) struct Watched {
    /// Its place, given back when it is dropped.
    permit: Permit,
    deadlines: Deadlines,
    /// Of packets and of bytes, if either has a rate.
    buckets: Option<Box<(Option<Bucket>, Option<Bucket>)>>,
    /// It has sent more than it may, and is not read from until it may again.
    pub(crate) over_rate: bool,
}

impl Watched {
    /// A packet is complete. If that is more than its rate lets pass, says until when the session is to be [held](Core::hold_until).
    #[inline]
    pub(crate) fn packet_came(&mut self, watch: &Watch) -> Option<Time> {
        self.deadlines.packet();
        self.permit.established();
        let rate = watch.packets?;
        let bucket = self.buckets.as_mut()?.0.as_mut()?;
        bucket.charge(rate, watch.now, 1);
        bucket.refilled_at(rate, watch.now)
    }

    /// Whether it is known that bytes are queued for the peer.
    #[inline]
    pub(crate) fn has_queued(&self) -> bool {
        self.deadlines.has_queued()
    }

    /// Bytes have been queued for the peer. Says whether the session is to be [watched](Core::watch) anew.
    #[inline]
    pub(crate) fn queued(&mut self, now: Time) -> bool {
        self.deadlines.queued(now)
    }
}

impl Core {
    /// Enters a session into the wheel if its earliest deadline is before its entry, or it has none.
    pub(crate) fn watch(&mut self, slot: u32) {
        let (watch, Some(entry)) = self.watch_and_entry(slot) else { return };
        if entry.reason.is_none()
            && let Some(at) = entry.watched.deadlines.enter(&watch.timeouts, watch.now)
        {
            watch.wheel.insert(slot, at);
        }
    }

    /// Bytes have arrived from a session's peer.
    pub(crate) fn bytes_came(&mut self, slot: u32, bytes: usize) {
        let (watch, Some(entry)) = self.watch_and_entry(slot) else { return };
        let watched = &mut entry.watched;
        watched.deadlines.received(watch.now);
        if let Some(rate) = watch.bytes
            && let Some(bucket) = watched.buckets.as_mut().and_then(|buckets| buckets.1.as_mut())
        {
            bucket.charge(rate, watch.now, u32::try_from(bytes).unwrap_or(u32::MAX));
            if let Some(at) = bucket.refilled_at(rate, watch.now) {
                self.hold_until(slot, at);
            }
        }
    }

    /// What has arrived from a session ends within a packet.
    pub(crate) fn packet_is_partial(&mut self, slot: u32) {
        let (watch, Some(entry)) = self.watch_and_entry(slot) else { return };
        if entry.watched.deadlines.partial(watch.now) {
            self.watch(slot);
        }
    }

    /// Bytes have been queued for a session's peer.
    pub(crate) fn bytes_queued(&mut self, slot: u32) {
        let (watch, Some(entry)) = self.watch_and_entry(slot) else { return };
        if entry.watched.queued(watch.now) {
            self.watch(slot);
        }
    }

    /// Bytes are on their way to a session's peer.
    pub(crate) fn send_started(&mut self, slot: u32, send: OpId) {
        if let Some(entry) = self.entry(slot) {
            entry.outbox.send = Some((send, 0));
        }
    }

    /// The peer of a session has taken what was on its way.
    pub(crate) fn bytes_taken(&mut self, slot: u32) {
        let (watch, Some(entry)) = self.watch_and_entry(slot) else { return };
        let rest = entry.outbox.len() > 0;
        entry.outbox.send = None;
        entry.watched.deadlines.taken(watch.now, rest);
        self.watch(slot);
    }

    /// Whether a session is read from has, perhaps, changed.
    pub(crate) fn hold_changed(&mut self, slot: u32) {
        let (watch, Some(entry)) = self.watch_and_entry(slot) else { return };
        // A peer that does not take what it is sent is not read from either, but that is its own doing.
        if entry.paused || entry.untaken || entry.blocked || entry.watched.over_rate {
            entry.watched.deadlines.hold();
        } else {
            entry.watched.deadlines.unhold(watch.now);
            self.watch(slot);
        }
    }

    /// Its rate lets nothing more pass before this moment.
    #[cold]
    pub(crate) fn hold_until(&mut self, slot: u32, at: Time) {
        let Some(entry) = self.entry(slot) else { return };
        // What arrives while it is held adds to the debt, and puts the end off.
        entry.watched.deadlines.release_at(at);
        if !std::mem::replace(&mut entry.watched.over_rate, true) {
            entry.watched.deadlines.hold();
            self.stop_receiving(slot);
        }
        self.watch(slot);
    }

    /// A session's entry in the wheel has run out: does what is to be done without its handler, and says whether it is to be asked for a heart-beat.
    pub(crate) fn look_at(&mut self, slot: u32) -> bool {
        let mut heartbeat = false;
        if let Some(entry) = self.entry(slot) {
            entry.watched.deadlines.left();
        }
        while let (watch, Some(entry)) = self.watch_and_entry(slot) {
            if entry.reason.is_some() {
                break;
            }
            let now = watch.now;
            let reason = match entry.watched.deadlines.expired(&watch.timeouts, now) {
                None => break,
                Some(Expired::Heartbeat) => {
                    // What it would say has no place among a partner's bytes.
                    heartbeat = entry.partner.is_none();
                    continue;
                }
                Some(Expired::Hold) => {
                    entry.watched.over_rate = false;
                    self.hold_changed(slot);
                    self.pump_later(slot);
                    continue;
                }
                Some(Expired::Progress) => {
                    self.send_has_moved(slot);
                    continue;
                }
                Some(Expired::Write) => CloseReason::WriteTimeout,
                Some(Expired::Idle) => {
                    // Bytes of a send that has not ended are bytes too.
                    if self.send_has_moved(slot) {
                        continue;
                    }
                    CloseReason::Idle
                }
                Some(Expired::Read) => CloseReason::ReadTimeout,
                Some(Expired::Handshake) => CloseReason::HandshakeTimeout,
                Some(Expired::Lifetime) => CloseReason::Lifetime,
            };
            self.begin_close(slot, reason);
            return false;
        }
        self.watch(slot);
        heartbeat
    }

    /// Whether the peer has taken some of what is on its way since this was last asked; if so, that is noted.
    fn send_has_moved(&mut self, slot: u32) -> bool {
        let Some((send, seen)) = self.entry(slot).and_then(|entry| entry.outbox.send) else { return false };
        let Some(progress) = self.driver.progress(send).filter(|progress| *progress > seen) else { return false };
        let (watch, Some(entry)) = self.watch_and_entry(slot) else { return false };
        entry.outbox.send = Some((send, progress));
        entry.watched.deadlines.taken(watch.now, true);
        true
    }
}
