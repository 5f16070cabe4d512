//! The sizes of a log.

/// The sizes of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Bytes of records in a segment: 4 KiB to 16 MiB. The first segments are smaller, so that a quiet log stays small.
    pub segment_bytes: usize,
    /// The longest record, at most 16 MiB. One that is longer than a segment has a segment of its own.
    pub record_bytes: usize,
    /// Bytes of segments that the log holds for its readers, and that each reader holds for its positions: at least a segment
    /// and a longest record.
    pub log_bytes: usize,
}

impl Default for LogConfig {
    /// Segments and records of up to 64 KiB, 1 MiB of segments.
    fn default() -> LogConfig {
        LogConfig { segment_bytes: 64 * 1024, record_bytes: 64 * 1024, log_bytes: 1 << 20 }
    }
}

pub(super) const LEAST_SEGMENT: usize = 4096;
const MOST_BYTES: usize = 16 << 20;

impl LogConfig {
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
