//! The clock of the real system.

use std::sync::LazyLock;

use crate::time::Time;

/// This moment. All drivers on a real system share this clock, which begins with its first reading.
pub(crate) fn now() -> Time {
    static BEGAN: LazyLock<u64> = LazyLock::new(monotonic);
    let began = *BEGAN;
    Time::from_nanos(monotonic().saturating_sub(began))
}

/// Nanoseconds on the system's clock. A turn reads it once or more, and `Instant` does three times
/// the work.
#[cfg(target_os = "linux")]
fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec`. It does not fail: every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Nanoseconds since the first call.
#[cfg(not(target_os = "linux"))]
fn monotonic() -> u64 {
    use std::time::Instant;
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST.elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back_and_passes_as_that_of_the_standard_library() {
        let (before, began) = (std::time::Instant::now(), now());
        let mut last = began;
        while before.elapsed().as_micros() < 2000 {
            let this = now();
            assert!(this >= last);
            last = this;
        }
        let outer = before.elapsed();
        assert!(last.since(began) <= outer, "{:?} of {outer:?}", last.since(began));
        assert!(last > began);
    }
}
