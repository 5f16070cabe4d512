//! Threads as the C runtime starts them: `_beginthread`, `_beginthreadex`.

use std::ffi::{c_int, c_uint, c_void};

use super::start::{self, Function};
use crate::error::{ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, fail};

const CREATE_SUSPENDED: c_uint = 4;
/// What `_beginthread` returns when it fails.
const NO_THREAD: usize = usize::MAX;

fn set_errno(code: u32) {
    let errno: c_int = if code == ERROR_NOT_ENOUGH_MEMORY { libc::EAGAIN } else { libc::EINVAL };
    // SAFETY: the location is this thread's.
    unsafe { *libc::__errno_location() = errno };
    crate::error::set_last(code);
}

export! {
    fn wsk__beginthreadex(
        _security: *mut c_void,
        stack: c_uint,
        function: Option<unsafe extern "C-unwind" fn(*mut c_void) -> u32>,
        argument: *mut c_void,
        flags: c_uint,
        id: *mut c_uint,
    ) -> usize, 0 => {
        let Some(function) = function else {
            set_errno(ERROR_INVALID_PARAMETER);
            return 0;
        };
        let function = Function::WithCode(function);
        match start::start(function, argument, stack as usize, flags & CREATE_SUSPENDED != 0, false) {
            Ok(started) => {
                if !id.is_null() {
                    *id = started.id;
                }
                started.handle
            }
            Err(code) => {
                set_errno(code);
                0
            }
        }
    }

    /// The handle closes itself when the thread ends.
    fn wsk__beginthread(
        function: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
        stack: c_uint,
        argument: *mut c_void,
    ) -> usize, NO_THREAD => {
        let Some(function) = function else {
            set_errno(ERROR_INVALID_PARAMETER);
            return NO_THREAD;
        };
        match start::start(Function::WithoutCode(function), argument, stack as usize, false, true) {
            Ok(started) => started.handle,
            Err(code) => {
                set_errno(code);
                fail(code, NO_THREAD)
            }
        }
    }
}

#[unsafe(no_mangle)]
#[allow(clippy::missing_safety_doc, reason = "Microsoft documents what each function asks of its caller")]
pub unsafe extern "C-unwind" fn wsk__endthreadex(code: c_uint) -> ! {
    // SAFETY: the documentation asks that nothing on the stack is needed any more.
    unsafe { start::exit(code) }
}

#[unsafe(no_mangle)]
#[allow(clippy::missing_safety_doc, reason = "Microsoft documents what each function asks of its caller")]
pub unsafe extern "C-unwind" fn wsk__endthread() -> ! {
    // SAFETY: as above.
    unsafe { start::exit(0) }
}
