//! The driver's clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on a driver's monotonic clock, in nanoseconds.
///
/// All drivers on a real system share one clock, which begins when the process first reads it. On a
/// simulated network the clock is virtual, which is why this is not [`std::time::Instant`].
///
/// ```
/// # use overlapped::{Driver, DriverConfig};
/// # use std::time::Duration;
/// # let driver = Driver::new(DriverConfig::new()).unwrap();
/// let later = driver.now() + Duration::from_millis(5);
/// assert!(later > driver.now());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The moment the clock began.
    pub const ZERO: Time = Time(0);
    /// Later than every deadline that can be reached (about 584 years).
    pub const MAX: Time = Time(u64::MAX);

    /// A moment so many nanoseconds after the clock began.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the clock began.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    /// Saturates at [`Time::MAX`].
    fn add(self, by: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Time> for Time {
    type Output = Duration;
    /// Saturates at zero.
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
        assert_eq!(Time::ZERO + Duration::MAX, Time::MAX);
        assert_eq!(Time::ZERO - Time::from_nanos(5), Duration::ZERO);
        assert_eq!(Time::from_nanos(7) - Time::from_nanos(5), Duration::from_nanos(2));
    }
}
