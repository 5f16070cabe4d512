//! Waiting for what another thread does.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits before it fails. Long enough for a busy machine, and for a segment that
/// the kernel sends again: it waits up to two minutes for that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until a condition holds. `what` is the condition in words, for the failure.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
