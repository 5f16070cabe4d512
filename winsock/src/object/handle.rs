//! Calls for handles of every kind.

use crate::abi::{Bool, Dword, FALSE, Handle, TRUE};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles;
use crate::wait::resolve;

const PROCESS: usize = usize::MAX;
const THREAD: usize = usize::MAX - 1;
const DUPLICATE_CLOSE_SOURCE: u32 = 1;
const HANDLE_FLAGS: u32 = 3;

export! {
    fn wsk_CloseHandle(handle: Handle) -> Bool, FALSE => {
        // Closing a handle that is not in the table does nothing.
        if matches!(handle, PROCESS | THREAD) || handles::close(handle) {
            TRUE
        } else {
            fail(ERROR_INVALID_HANDLE, FALSE)
        }
    }

    /// Within the process; what it may do with the second handle is the same.
    fn wsk_DuplicateHandle(
        from: Handle, handle: Handle, to: Handle, second: *mut Handle,
        _access: Dword, _inherit: Bool, options: Dword,
    ) -> Bool, FALSE => {
        if from != PROCESS || to != PROCESS && !second.is_null() {
            return fail(ERROR_INVALID_HANDLE, FALSE);
        }
        if !second.is_null() {
            *second = 0;
        }
        let Some(object) = resolve(handle) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        if second.is_null() && options & DUPLICATE_CLOSE_SOURCE == 0 {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        if !second.is_null() {
            let Some(value) = handles::insert(object) else { return fail(ERROR_NO_SYSTEM_RESOURCES, FALSE) };
            *second = value;
        }
        if options & DUPLICATE_CLOSE_SOURCE != 0 {
            handles::close(handle);
        }
        TRUE
    }

    fn wsk_CompareObjectHandles(first: Handle, second: Handle) -> Bool, FALSE => {
        match (resolve(first), resolve(second)) {
            (Some(one), Some(other)) => {
                let same = first == second || std::ptr::addr_eq(&raw const *one, &raw const *other);
                same.into()
            }
            _ => fail(ERROR_INVALID_HANDLE, FALSE),
        }
    }

    fn wsk_GetHandleInformation(handle: Handle, flags: *mut Dword) -> Bool, FALSE => {
        let Some(found) = handles::flags(handle) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        if !flags.is_null() {
            *flags = found;
        }
        TRUE
    }

    /// `HANDLE_FLAG_INHERIT` is kept and given back: no handle reaches another process.
    fn wsk_SetHandleInformation(handle: Handle, mask: Dword, flags: Dword) -> Bool, FALSE => {
        if mask & !HANDLE_FLAGS != 0 {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        if handles::set_flags(handle, mask, flags) { TRUE } else { fail(ERROR_INVALID_HANDLE, FALSE) }
    }
}
