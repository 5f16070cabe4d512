//! The standard streams as handles.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::open::File;
use crate::abi::{Bool, Dword, FALSE, Handle, INVALID_HANDLE_VALUE, Overlapped, TRUE};
use crate::error::{ERROR_INVALID_FUNCTION, ERROR_INVALID_HANDLE, fail};
use crate::handles;

/// `STD_INPUT_HANDLE` and the two below it.
const STD_INPUT_HANDLE: Dword = -10_i32 as Dword;

/// The handles of the three; 0 until one is asked for.
static HANDLES: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

fn number(which: Dword) -> Option<usize> {
    let number = STD_INPUT_HANDLE.checked_sub(which)? as usize;
    (number < HANDLES.len()).then_some(number)
}

/// The handle of a standard stream; `None` for another number.
pub(crate) fn standard(which: Dword) -> Option<Handle> {
    let number = number(which)?;
    let kept = &HANDLES[number];
    match kept.load(Ordering::Acquire) {
        0 => {
            let made = handles::insert(Arc::new(File::standard(number as RawFd)))?;
            match kept.compare_exchange(0, made, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => Some(made),
                Err(other) => {
                    handles::close(made);
                    Some(other)
                }
            }
        }
        handle => Some(handle),
    }
}

/// The descriptor behind a handle of a file or socket.
pub(crate) fn descriptor_of(handle: Handle) -> Option<RawFd> {
    handles::any(handle)?.descriptor()
}

export! {
    fn wsk_GetStdHandle(which: Dword) -> Handle, INVALID_HANDLE_VALUE => {
        standard(which).unwrap_or_else(|| fail(ERROR_INVALID_HANDLE, INVALID_HANDLE_VALUE))
    }

    /// What the C library prints goes where it went.
    fn wsk_SetStdHandle(which: Dword, handle: Handle) -> Bool, FALSE => {
        match number(which) {
            Some(number) => {
                HANDLES[number].store(handle, Ordering::Release);
                TRUE
            }
            None => fail(ERROR_INVALID_HANDLE, FALSE),
        }
    }

    /// No device has controls here.
    fn wsk_DeviceIoControl(
        device: Handle, _code: Dword, _input: *mut u8, _input_size: Dword, _output: *mut u8, _output_size: Dword,
        _returned: *mut Dword, _overlapped: *mut Overlapped,
    ) -> Bool, FALSE => {
        let code = if handles::any(device).is_some() { ERROR_INVALID_FUNCTION } else { ERROR_INVALID_HANDLE };
        fail(code, FALSE)
    }
}
