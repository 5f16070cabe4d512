//! The time that a session's transport has to open.

use std::time::Duration;

use super::{Activity, Timers};
use crate::limits::Permit;
use crate::session::deadlines::MOST;

impl Timers {
    /// Bytes have arrived before the session's transport is open: no rate counts them.
    pub(crate) fn heard(&mut self, slot: u32, activity: &Activity) {
        let now = self.fair_now;
        if let Some(deadlines) = self.deadlines(slot, activity) {
            deadlines.received(now);
        }
    }

    /// The session's transport has so long to open. Its end is told as that of a hold.
    pub(crate) fn open_within(&mut self, slot: u32, activity: &Activity, time: Duration) {
        let at = self.fair_now + time.min(MOST);
        if let Some(deadlines) = self.deadlines(slot, activity) {
            deadlines.release_at(at);
            self.enter_timed(slot);
        }
    }

    /// Has a running session have deadlines whatever the settings.
    #[cfg(feature = "tls")]
    pub(crate) fn time(&mut self, slot: u32, activity: &mut Activity) {
        if !std::mem::replace(&mut activity.is_timed, true) {
            self.begin(slot, activity, super::Rates::default());
        }
    }

    /// That end was told, and is to be told again.
    pub(crate) fn keep_release(&mut self, slot: u32, activity: &Activity) {
        if let Some(deadlines) = self.deadlines(slot, activity) {
            deadlines.keep_release();
        }
    }

    /// The session's transport is open.
    pub(crate) fn opened(&mut self, slot: u32, activity: &Activity) {
        if let Some(deadlines) = self.deadlines(slot, activity) {
            deadlines.forget_release();
        }
    }

    /// What has come does not end within a packet after all: it was nothing of one.
    pub(crate) fn forget_partial(&mut self, slot: u32, activity: &Activity) {
        if let Some(deadlines) = self.deadlines(slot, activity) {
            deadlines.forget_partial();
        }
    }
}

impl Activity {
    /// It goes on with another connection's place.
    pub(crate) fn set_permit(&mut self, permit: Permit) {
        self.permit = permit;
    }

    pub(crate) fn into_permit(self) -> Permit {
        self.permit
    }
}
