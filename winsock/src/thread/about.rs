//! What is told of a thread, and its name.

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use super::calls::thread;
use crate::abi::{Bool, FALSE, Handle, TRUE, Wchar};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_NOT_SUPPORTED, fail};

/// `E_HANDLE`, `E_INVALIDARG` and `E_OUTOFMEMORY`.
const E_HANDLE: i32 = 0x8007_0006_u32 as i32;
const E_INVALIDARG: i32 = 0x8007_0057_u32 as i32;
const E_OUTOFMEMORY: i32 = 0x8007_000E_u32 as i32;

/// Names longer than this are cut.
const LONGEST: usize = 1024;

/// The processor time of a thread in units of 100 ns: in the kernel, and of the program.
fn processor_times(tid: i32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
    // The name may hold spaces; what comes after it does not.
    let after = text.rsplit_once(')')?.1;
    let mut fields = after.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    // SAFETY: only asks.
    let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100).max(1);
    let ticks = |time: u64| time * 10_000_000 / per_second;
    Some((ticks(kernel), ticks(user)))
}

/// A `FILETIME`, which is aligned to 4 bytes.
///
/// # Safety
/// `to` is null or points to 8 bytes.
unsafe fn write(to: *mut u64, time: u64) {
    if !to.is_null() {
        // SAFETY: as the caller promises.
        unsafe { to.write_unaligned(time) };
    }
}

export! {
    /// The exit time is not kept.
    fn wsk_GetThreadTimes(
        handle: Handle, created: *mut u64, ended: *mut u64, kernel: *mut u64, user: *mut u64,
    ) -> Bool, FALSE => {
        let Some(thread) = thread(handle) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        let times = processor_times(thread.tid().load(Ordering::Acquire)).unwrap_or_default();
        write(created, thread.created());
        write(ended, 0);
        write(kernel, times.0);
        write(user, times.1);
        TRUE
    }

    /// Registers of another thread cannot be had: no thread can be stopped from outside.
    fn wsk_GetThreadContext(handle: Handle, _context: *mut c_void) -> Bool, FALSE => {
        let code = if thread(handle).is_some() { ERROR_NOT_SUPPORTED } else { ERROR_INVALID_HANDLE };
        fail(code, FALSE)
    }

    fn wsk_SetThreadContext(handle: Handle, _context: *const c_void) -> Bool, FALSE => {
        let code = if thread(handle).is_some() { ERROR_NOT_SUPPORTED } else { ERROR_INVALID_HANDLE };
        fail(code, FALSE)
    }

    /// The system shows the first 15 bytes.
    fn wsk_SetThreadDescription(handle: Handle, description: *const Wchar) -> i32, E_OUTOFMEMORY => {
        let Some(thread) = thread(handle) else { return E_HANDLE };
        if description.is_null() {
            return E_INVALIDARG;
        }
        let mut name = String::new();
        for at in 0..LONGEST {
            match *description.add(at) {
                0 => break,
                unit => name.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
            }
        }
        let mut shown = name;
        while shown.len() > 15 {
            shown.pop();
        }
        let _ = std::fs::write(format!("/proc/self/task/{}/comm", thread.tid().load(Ordering::Acquire)), shown);
        0
    }
}
