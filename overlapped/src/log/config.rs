//! The sizes of a log.

/// The sizes of a log.
///
/// Without other settings: segments and records of up to 64 KiB, 1 MiB of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub(super) segment_bytes: usize,
    pub(super) record_bytes: usize,
    pub(super) log_bytes: usize,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { segment_bytes: 64 * 1024, record_bytes: 64 * 1024, log_bytes: 1 << 20 }
    }
}

pub(super) const LEAST_SEGMENT: usize = 4096;
const MOST_BYTES: usize = 16 << 20;

impl LogConfig {
    /// The settings that are described [above](LogConfig).
    pub fn new() -> LogConfig {
        LogConfig::default()
    }

    /// Bytes of records in a segment: 4 KiB to 16 MiB. The first segments are smaller, so that a
    /// quiet log stays small.
    pub fn segment_bytes(self, segment_bytes: usize) -> LogConfig {
        LogConfig { segment_bytes, ..self }
    }

    /// The longest record, at most 16 MiB. A record that is longer than a segment gets a segment of
    /// its own.
    pub fn record_bytes(self, record_bytes: usize) -> LogConfig {
        LogConfig { record_bytes, ..self }
    }

    /// Bytes of segments that the log holds for its readers, and that each reader holds for its
    /// positions: at least a segment and a longest record.
    pub fn log_bytes(self, log_bytes: usize) -> LogConfig {
        LogConfig { log_bytes, ..self }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if !(LEAST_SEGMENT..=MOST_BYTES).contains(&self.segment_bytes) {
            return Err(format!("segments of {} bytes: must be {LEAST_SEGMENT} to {MOST_BYTES}", self.segment_bytes));
        }
        if !(1..=MOST_BYTES).contains(&self.record_bytes) {
            return Err(format!("records of up to {} bytes: must be 1 to {MOST_BYTES}", self.record_bytes));
        }
        let least = self.segment_bytes + self.record_bytes;
        if self.log_bytes < least {
            return Err(format!("a log of {} bytes: at least {least}, a segment and a record", self.log_bytes));
        }
        Ok(())
    }
}
