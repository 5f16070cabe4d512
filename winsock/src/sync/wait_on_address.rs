//! `WaitOnAddress`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::abi::{Bool, Dword, FALSE, TRUE};
use crate::error::{ERROR_INVALID_PARAMETER, ERROR_TIMEOUT, fail};
use crate::wait::{Until, Waited, address};

/// # Safety
/// Both point to `size` bytes, and are aligned to that.
unsafe fn differ(at: *mut c_void, compare: *const c_void, size: usize) -> bool {
    // SAFETY: as the caller promises; the memory is shared with threads that change it.
    unsafe {
        match size {
            1 => AtomicU8::from_ptr(at.cast()).load(Ordering::SeqCst) != compare.cast::<u8>().read(),
            2 => AtomicU16::from_ptr(at.cast()).load(Ordering::SeqCst) != compare.cast::<u16>().read_unaligned(),
            4 => AtomicU32::from_ptr(at.cast()).load(Ordering::SeqCst) != compare.cast::<u32>().read_unaligned(),
            _ => AtomicU64::from_ptr(at.cast()).load(Ordering::SeqCst) != compare.cast::<u64>().read_unaligned(),
        }
    }
}

export! {
    fn wsk_WaitOnAddress(
        at: *mut c_void, compare: *const c_void, size: usize, milliseconds: Dword,
    ) -> Bool, FALSE => {
        if !matches!(size, 1 | 2 | 4 | 8) || at.is_null() || compare.is_null() || !(at as usize).is_multiple_of(size) {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        let until = Until::milliseconds(milliseconds);
        match address::wait_at(at as usize, || differ(at, compare, size), until, false) {
            Waited::TimedOut => fail(ERROR_TIMEOUT, FALSE),
            _ => TRUE,
        }
    }

    fn wsk_WakeByAddressSingle(at: *mut c_void) -> (), () => { address::wake_at(at as usize, 1) }

    fn wsk_WakeByAddressAll(at: *mut c_void) -> (), () => { address::wake_at(at as usize, usize::MAX) }
}
