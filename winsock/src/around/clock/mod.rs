//! Clocks, dates and their conversions.

mod calendar;
mod now;
mod zone;

/// `SYSTEMTIME`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SystemTime {
    year: u16,
    month: u16,
    day_of_week: u16,
    day: u16,
    hour: u16,
    minute: u16,
    second: u16,
    milliseconds: u16,
}

/// `FILETIME`: units of 100 ns since 1601.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTime {
    low: u32,
    high: u32,
}

impl FileTime {
    pub(crate) fn from_ticks(ticks: u64) -> FileTime {
        FileTime { low: ticks as u32, high: (ticks >> 32) as u32 }
    }

    pub(crate) fn ticks(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// 100 ns units in a second.
const SECOND: u64 = 10_000_000;
/// 1970 in units since 1601.
pub(crate) const UNIX_EPOCH: u64 = 116_444_736_000_000_000;
