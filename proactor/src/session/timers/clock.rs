//! The clock of deadlines, for parts of the shard that keep deadlines of their own, and ages.

use std::time::Duration;

use overlapped::Time;

use super::super::deadlines::tick;
use super::{Activity, Timers};
use crate::wheel::TICK;

impl Timers {
    /// This moment on the clock of deadlines, which stands still while the shard does not run.
    pub(crate) fn fair_now(&self) -> Time {
        self.fair_now
    }

    /// A moment of the clock of deadlines on the driver's, if the shard goes on.
    pub(crate) fn unfair(&self, at: Time) -> Time {
        Time::from_nanos(at.as_nanos().saturating_add(self.lost))
    }

    /// How long ago a session began, as far as ticks tell.
    pub(crate) fn age(&self, activity: &Activity) -> Duration {
        TICK * tick(self.fair_now).wrapping_sub(activity.opened)
    }
}
