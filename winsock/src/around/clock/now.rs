//! What time it is, by each of Windows' clocks.

use super::{FileTime, SECOND, SystemTime, UNIX_EPOCH, calendar};
use crate::{
    abi::{Bool, Dword, FALSE, TRUE},
    error::{ERROR_INVALID_PARAMETER, ERROR_NOACCESS, fail},
};

/// The performance counter counts these in a second, as it does on Windows 10.
const FREQUENCY: i64 = 10_000_000;
/// `TIMERR_NOCANDO`.
const NO_CAN_DO: u32 = 97;
/// The timers' periods in milliseconds: `TIMECAPS`.
const PERIODS: [u32; 2] = [1, 1_000_000];

/// A clock of the system in units of 100 ns.
fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and the result is this function's.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time.tv_sec as u64 * SECOND + time.tv_nsec as u64 / 100
}

pub(super) fn file_time() -> FileTime {
    FileTime::from_ticks(clock(libc::CLOCK_REALTIME) + UNIX_EPOCH)
}

fn system_time() -> SystemTime {
    calendar::to_system(file_time()).unwrap_or_default()
}

/// Milliseconds since the start of the system, sleep included.
fn uptime() -> u64 {
    clock(libc::CLOCK_BOOTTIME) / 10_000
}

/// What all processors spent, in units of 100 ns: idle, in the kernel (idle included), in programs.
fn processor_times() -> Option<[u64; 3]> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> = text.lines().next()?.split_whitespace().skip(1).flat_map(str::parse).collect();
    let field = |i: usize| fields.get(i).copied().unwrap_or(0);
    // SAFETY: it only asks for a number.
    let in_a_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok().filter(|it| *it > 0)?;
    let (user, idle) = (field(0) + field(1), field(3) + field(4));
    let kernel = field(2) + field(5) + field(6) + field(7) + idle;
    Some([idle, kernel, user].map(|it| it * SECOND / in_a_second))
}

export! {
    fn wsk_GetTickCount() -> Dword, 0 => { uptime() as u32 }
    fn wsk_GetTickCount64() -> u64, 0 => { uptime() }
    fn wsk_timeGetTime() -> Dword, 0 => { uptime() as u32 }

    /// The system's timers are this fine already.
    fn wsk_timeBeginPeriod(period: u32) -> u32, NO_CAN_DO => { if period == 0 { NO_CAN_DO } else { 0 } }
    fn wsk_timeEndPeriod(period: u32) -> u32, NO_CAN_DO => { if period == 0 { NO_CAN_DO } else { 0 } }

    fn wsk_timeGetDevCaps(periods: *mut [u32; 2], size: u32) -> u32, NO_CAN_DO => {
        if periods.is_null() || size < 8 {
            return NO_CAN_DO;
        }
        periods.write(PERIODS);
        0
    }

    fn wsk_QueryPerformanceCounter(count: *mut i64) -> Bool, FALSE => {
        if count.is_null() {
            return fail(ERROR_NOACCESS, FALSE);
        }
        count.write(clock(libc::CLOCK_MONOTONIC) as i64);
        TRUE
    }

    fn wsk_QueryPerformanceFrequency(frequency: *mut i64) -> Bool, FALSE => {
        if frequency.is_null() {
            return fail(ERROR_NOACCESS, FALSE);
        }
        frequency.write(FREQUENCY);
        TRUE
    }

    fn wsk_GetSystemTimeAsFileTime(time: *mut FileTime) -> (), () => { time.write_unaligned(file_time()) }
    fn wsk_GetSystemTimePreciseAsFileTime(time: *mut FileTime) -> (), () => { time.write_unaligned(file_time()) }
    fn wsk_GetSystemTime(time: *mut SystemTime) -> (), () => { time.write(system_time()) }

    fn wsk_GetSystemTimes(idle: *mut FileTime, kernel: *mut FileTime, user: *mut FileTime) -> Bool, FALSE => {
        let Some(times) = processor_times() else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        for (to, ticks) in [idle, kernel, user].into_iter().zip(times) {
            if !to.is_null() {
                to.write_unaligned(FileTime::from_ticks(ticks));
            }
        }
        TRUE
    }
}
