//! What is told of a process: times, memory, priority, processors.

use std::sync::atomic::{AtomicU32, Ordering};

use super::object::id;
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, fail};
use crate::handles;

const NORMAL_PRIORITY_CLASS: u32 = 0x20;
const PRIORITY_CLASSES: [u32; 6] = [0x20, 0x40, 0x80, 0x100, 0x4000, 0x8000];
static PRIORITY: AtomicU32 = AtomicU32::new(NORMAL_PRIORITY_CLASS);

/// `PROCESS_MEMORY_COUNTERS_EX`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct MemoryCounters {
    size: Dword,
    page_faults: Dword,
    peak_working_set: usize,
    working_set: usize,
    quota: [usize; 4],
    page_file: usize,
    peak_page_file: usize,
    private: usize,
}

/// The length of the counters without the last one.
const COUNTERS: u32 = 72;

/// Fields of `/proc/PID/stat` after the name.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = text.rsplit_once(')')?.1;
    Some(after.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect())
}

fn ticks_a_second() -> u64 {
    // SAFETY: only asks.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100).max(1)
}

/// When a process began, and its time in the kernel and in the program, in 100 ns.
fn times(pid: u32) -> Option<(u64, u64, u64)> {
    let stat = stat(pid)?;
    let ticks = |at: usize| stat.get(at).copied().unwrap_or(0) * 10_000_000 / ticks_a_second();
    let system = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let began = 116_444_736_000_000_000 + boot * 10_000_000 + ticks(18);
    Some((began, ticks(11), ticks(10)))
}

/// A line of `/proc/PID/status` in bytes.
fn status_bytes(status: &str, name: &str) -> usize {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    number.and_then(|number| number.parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn memory(pid: u32) -> Option<MemoryCounters> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let stat = stat(pid)?;
    let faults = stat.get(6).copied().unwrap_or(0) + stat.get(8).copied().unwrap_or(0);
    let private = status_bytes(&status, "VmData") + status_bytes(&status, "VmStk");
    Some(MemoryCounters {
        size: 0,
        page_faults: faults as u32,
        peak_working_set: status_bytes(&status, "VmHWM"),
        working_set: status_bytes(&status, "VmRSS"),
        quota: [0; 4],
        page_file: private,
        peak_page_file: private,
        private,
    })
}

/// The processors on which this thread may run, of the first 64.
fn processors() -> usize {
    // SAFETY: the set is written by the call.
    unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return 1;
        }
        (0..64).filter(|number| libc::CPU_ISSET(*number, &set)).map(|number| 1 << number).sum()
    }
}

/// Has all threads that there are now run on these processors.
fn run_on(mask: usize) {
    // SAFETY: the set is only read.
    unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        (0..64).filter(|number| mask & 1 << number != 0).for_each(|number| libc::CPU_SET(number, &mut set));
        for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            if let Some(tid) = task.file_name().to_str().and_then(|tid| tid.parse().ok()) {
                libc::sched_setaffinity(tid, size_of::<libc::cpu_set_t>(), &raw const set);
            }
        }
    }
}

/// # Safety
/// `to` is null or points to 8 bytes.
unsafe fn write(to: *mut u64, time: u64) {
    if !to.is_null() {
        // SAFETY: as the caller promises.
        unsafe { to.write_unaligned(time) };
    }
}

export! {
    fn wsk_GetProcessTimes(
        process: Handle, created: *mut u64, ended: *mut u64, kernel: *mut u64, user: *mut u64,
    ) -> Bool, FALSE => {
        let Some(pid) = id(process) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        let times = times(pid).unwrap_or_default();
        write(created, times.0);
        write(ended, 0);
        write(kernel, times.1);
        write(user, times.2);
        TRUE
    }

    fn wsk_GetProcessMemoryInfo(process: Handle, counters: *mut MemoryCounters, size: Dword) -> Bool, FALSE => {
        let Some(found) = id(process).and_then(memory) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        if counters.is_null() || size < COUNTERS {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        let length = (size as usize).min(size_of::<MemoryCounters>());
        let found = MemoryCounters { size: length as u32, ..found };
        counters.cast::<u8>().copy_from_nonoverlapping((&raw const found).cast(), length);
        TRUE
    }

    /// Kept and given back; the scheduler is not told.
    fn wsk_SetPriorityClass(process: Handle, class: Dword) -> Bool, FALSE => {
        if id(process).is_none() {
            return fail(ERROR_INVALID_HANDLE, FALSE);
        }
        if !PRIORITY_CLASSES.contains(&class) {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        PRIORITY.store(class, Ordering::Relaxed);
        TRUE
    }

    fn wsk_GetPriorityClass(process: Handle) -> Dword, 0 => {
        if id(process).is_some() { PRIORITY.load(Ordering::Relaxed) } else { fail(ERROR_INVALID_HANDLE, 0) }
    }

    fn wsk_GetProcessAffinityMask(process: Handle, mask: *mut usize, system: *mut usize) -> Bool, FALSE => {
        if id(process).is_none() {
            return fail(ERROR_INVALID_HANDLE, FALSE);
        }
        if mask.is_null() || system.is_null() {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        *mask = processors();
        *system = processors();
        TRUE
    }

    fn wsk_SetProcessAffinityMask(process: Handle, mask: usize) -> Bool, FALSE => {
        if id(process) != Some(std::process::id()) {
            return fail(ERROR_INVALID_HANDLE, FALSE);
        }
        if mask & processors() == 0 {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        run_on(mask);
        TRUE
    }

    fn wsk_GetProcessHandleCount(process: Handle, count: *mut Dword) -> Bool, FALSE => {
        if id(process).is_none() {
            return fail(ERROR_INVALID_HANDLE, FALSE);
        }
        if count.is_null() {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        *count = handles::count();
        TRUE
    }

    fn wsk_GetCurrentProcessorNumber() -> Dword, 0 => { libc::sched_getcpu().max(0) as u32 }
}

const _: () = assert!(size_of::<MemoryCounters>() == 80);
