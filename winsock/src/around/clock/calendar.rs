//! From `FILETIME` to `SYSTEMTIME` and back, in the calendar that both use.

use super::{FileTime, SECOND, SystemTime};
use crate::{
    abi::{Bool, FALSE, TRUE},
    error::{ERROR_INVALID_PARAMETER, fail},
};

const DAY: u64 = 86_400 * SECOND;
/// From 1 March of year 0 to 1 January 1601.
const DAYS_TO_1601: u64 = 584_694;

/// Years begin in March, so that a leap day is a year's last day.
fn date_of(days_since_1601: u64) -> (u64, u64, u64) {
    let days = days_since_1601 + DAYS_TO_1601;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn days_since_1601(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_1601
}

/// Nothing if it lies after what a `SYSTEMTIME` can say.
pub(super) fn to_system(file: FileTime) -> Option<SystemTime> {
    let ticks = file.ticks();
    if ticks >= 1 << 63 {
        return None;
    }
    let (days, seconds) = (ticks / DAY, ticks % DAY / SECOND);
    let (year, month, day) = date_of(days);
    Some(SystemTime {
        year: u16::try_from(year).ok()?,
        month: month as u16,
        // 1 January 1601 was a Monday.
        day_of_week: ((days + 1) % 7) as u16,
        day: day as u16,
        hour: (seconds / 3_600) as u16,
        minute: (seconds / 60 % 60) as u16,
        second: (seconds % 60) as u16,
        milliseconds: (ticks % SECOND / 10_000) as u16,
    })
}

/// Nothing if there is no such date. The day of the week is not looked at.
pub(super) fn to_file(time: SystemTime) -> Option<FileTime> {
    let leap = time.year.is_multiple_of(4) && (!time.year.is_multiple_of(100) || time.year.is_multiple_of(400));
    let days_of_month = match time.month {
        2 => 28 + u16::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let date = (1_601..=30_827).contains(&time.year) && (1..=days_of_month).contains(&time.day);
    if !date || time.hour > 23 || time.minute > 59 || time.second > 59 || time.milliseconds > 999 {
        return None;
    }
    let days = days_since_1601(time.year.into(), time.month.into(), time.day.into());
    let seconds = u64::from(time.hour) * 3_600 + u64::from(time.minute) * 60 + u64::from(time.second);
    Some(FileTime::from_ticks(days * DAY + seconds * SECOND + u64::from(time.milliseconds) * 10_000))
}

export! {
    fn wsk_FileTimeToSystemTime(file: *const FileTime, time: *mut SystemTime) -> Bool, FALSE => {
        match to_system(file.read_unaligned()) {
            Some(converted) => { time.write(converted); TRUE }
            None => fail(ERROR_INVALID_PARAMETER, FALSE),
        }
    }

    fn wsk_SystemTimeToFileTime(time: *const SystemTime, file: *mut FileTime) -> Bool, FALSE => {
        match to_file(time.read()) {
            Some(converted) => { file.write_unaligned(converted); TRUE }
            None => fail(ERROR_INVALID_PARAMETER, FALSE),
        }
    }

    fn wsk_CompareFileTime(a: *const FileTime, b: *const FileTime) -> i32, 0 => {
        a.read_unaligned().ticks().cmp(&b.read_unaligned().ticks()) as i32
    }
}

#[test]
fn dates_and_ticks_are_inverse() {
    for (days, date) in [(0, (1601, 1, 1)), (134_774, (1970, 1, 1)), (145_731, (2000, 1, 1)), (145_790, (2000, 2, 29))]
    {
        assert_eq!(date_of(days), date);
    }
    for days in (0..1_000_000).step_by(97) {
        let (year, month, day) = date_of(days);
        assert_eq!(days_since_1601(year, month, day), days);
        let file = FileTime::from_ticks(days * DAY + 12_345 * SECOND + 9_990_000);
        let time = to_system(file).expect("within the calendar");
        assert_eq!(to_file(time), Some(file));
    }
    let of = |year, month, day| SystemTime { year, month, day, ..SystemTime::default() };
    assert_eq!(to_file(of(2023, 2, 29)), None);
    assert_eq!(to_file(of(1600, 1, 1)), None);
    assert!(to_system(FileTime::from_ticks(1 << 63)).is_none());
}
