//! Local time, by the C library's time zone.

use std::ffi::CStr;

use super::{FileTime, SECOND, SystemTime, UNIX_EPOCH, calendar, now};
use crate::{
    abi::{Bool, Dword, FALSE, TRUE, Wchar},
    error::{ERROR_INVALID_PARAMETER, fail},
};

/// `TIME_ZONE_INFORMATION`.
#[repr(C)]
pub(super) struct TimeZone {
    /// Minutes: UTC is local time plus this.
    bias: i32,
    standard_name: [Wchar; 32],
    standard_date: SystemTime,
    standard_bias: i32,
    daylight_name: [Wchar; 32],
    daylight_date: SystemTime,
    daylight_bias: i32,
}

/// Seconds east of Greenwich at that time, and the zone's name then.
fn offset_at(time: FileTime) -> (i64, String) {
    let seconds = (time.ticks() / SECOND) as i64 - (UNIX_EPOCH / SECOND) as i64;
    // SAFETY: all fields may be zero, and the call fills them.
    let mut fields: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both are this function's; the name lives as long as the C library.
    unsafe {
        if libc::localtime_r(&raw const seconds, &raw mut fields).is_null() {
            return (0, "UTC".to_owned());
        }
        let name =
            if fields.tm_zone.is_null() { "UTC".into() } else { CStr::from_ptr(fields.tm_zone).to_string_lossy() };
        (fields.tm_gmtoff, name.into_owned())
    }
}

fn shifted(time: FileTime, seconds: i64) -> FileTime {
    FileTime::from_ticks(time.ticks().saturating_add_signed(seconds.saturating_mul(SECOND as i64)))
}

pub(super) fn to_local(time: FileTime) -> FileTime {
    shifted(time, offset_at(time).0)
}

export! {
    fn wsk_GetLocalTime(time: *mut SystemTime) -> (), () => {
        time.write(calendar::to_system(to_local(now::file_time())).unwrap_or_default());
    }

    /// As on Windows, it is today's offset that is added.
    fn wsk_FileTimeToLocalFileTime(time: *const FileTime, local: *mut FileTime) -> Bool, FALSE => {
        local.write_unaligned(shifted(time.read_unaligned(), offset_at(now::file_time()).0));
        TRUE
    }

    fn wsk_LocalFileTimeToFileTime(local: *const FileTime, time: *mut FileTime) -> Bool, FALSE => {
        time.write_unaligned(shifted(local.read_unaligned(), -offset_at(now::file_time()).0));
        TRUE
    }

    /// A zone that the program gives is taken without its daylight saving time.
    fn wsk_SystemTimeToTzSpecificLocalTime(zone: *const TimeZone, utc: *const SystemTime, local: *mut SystemTime) -> Bool, FALSE => {
        let Some(time) = calendar::to_file(utc.read()) else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        let time = match zone.as_ref() {
            Some(zone) => shifted(time, -60 * i64::from(zone.bias + zone.standard_bias)),
            None => to_local(time),
        };
        let Some(time) = calendar::to_system(time) else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        local.write(time);
        TRUE
    }

    /// The zone as it is now, without rules for daylight saving time: `TIME_ZONE_ID_UNKNOWN`.
    fn wsk_GetTimeZoneInformation(zone: *mut TimeZone) -> Dword, Dword::MAX => {
        if zone.is_null() {
            return fail(ERROR_INVALID_PARAMETER, Dword::MAX);
        }
        let (seconds, text) = offset_at(now::file_time());
        let mut name = [0; 32];
        for (to, letter) in name[..31].iter_mut().zip(text.chars()) {
            *to = letter as Wchar;
        }
        zone.write(TimeZone {
            bias: (-seconds / 60) as i32,
            standard_name: name,
            standard_date: SystemTime::default(),
            standard_bias: 0,
            daylight_name: name,
            daylight_date: SystemTime::default(),
            daylight_bias: 0,
        });
        0
    }
}
