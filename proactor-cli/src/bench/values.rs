//! Parsers for the times and rates of `proactor bench`.

use std::time::Duration;

use crate::values;

/// The longest run and the longest wait.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const MOST_RATE: u64 = 100_000_000;

/// How long a run lasts.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match warmup(text)? {
        Duration::ZERO => Err("must be more than 0".into()),
        time => Ok(time),
    }
}

pub(super) fn warmup(text: &str) -> Result<Duration, String> {
    match values::any_time(text)? {
        time if time > LONGEST => Err("must be at most 24h".into()),
        time => Ok(time),
    }
}

/// A rate per second.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(rate @ 1..=MOST_RATE) => Ok(rate),
        _ => Err(format!("write a number per second, 1 to {MOST_RATE}: 50000")),
    }
}
