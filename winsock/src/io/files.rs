//! `ReadFile` and `WriteFile` on a socket. Their errors are Win32's.

use std::sync::Arc;

use super::beside::Beside;
use super::end::Ended;
use super::memory::Memory;
use super::start::{self, Told};
use crate::abi::{Bool, Dword, FALSE, Overlapped, TRUE};
use crate::deliver::Codes;
use crate::error::system::status_of_wsa;
use crate::error::{ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, fail};
use crate::socket::entry::Socket;

fn told(overlapped: *mut Overlapped) -> Told {
    match overlapped.is_null() {
        true => Told::ByReturn,
        false => Told::Later { overlapped, routine: None, codes: Codes::Win32 },
    }
}

unsafe fn report(ended: Result<Ended, u32>, bytes: *mut Dword) -> Bool {
    match ended {
        Ok(ended) => {
            if !bytes.is_null() {
                // SAFETY: it can be written to.
                unsafe { *bytes = ended.bytes };
            }
            TRUE
        }
        Err(ERROR_IO_PENDING) => fail(ERROR_IO_PENDING, FALSE),
        Err(code) => fail(status_of_wsa(code).win32(), FALSE),
    }
}

/// `ReadFile` on a socket.
///
/// # Safety
/// As the documentation asks of the caller.
pub(crate) unsafe fn read_file(
    socket: &Arc<Socket>,
    ptr: *mut u8,
    len: u32,
    bytes: *mut Dword,
    overlapped: *mut Overlapped,
) -> Bool {
    if ptr.is_null() && len > 0 || bytes.is_null() && overlapped.is_null() {
        return fail(ERROR_INVALID_PARAMETER, FALSE);
    }
    // SAFETY: the program lends this memory to the operation.
    unsafe {
        let memory = Memory::of(ptr, len as usize);
        report(start::receive(socket, memory, 0, Beside::NOTHING, told(overlapped)), bytes)
    }
}

/// `WriteFile` on a socket.
///
/// # Safety
/// As the documentation asks of the caller.
pub(crate) unsafe fn write_file(
    socket: &Arc<Socket>,
    ptr: *const u8,
    len: u32,
    bytes: *mut Dword,
    overlapped: *mut Overlapped,
) -> Bool {
    if ptr.is_null() && len > 0 || bytes.is_null() && overlapped.is_null() {
        return fail(ERROR_INVALID_PARAMETER, FALSE);
    }
    // SAFETY: the program lends this memory to the operation.
    unsafe {
        let memory = Memory::of(ptr.cast_mut(), len as usize);
        report(start::send(socket, memory, 0, None, told(overlapped)), bytes)
    }
}
