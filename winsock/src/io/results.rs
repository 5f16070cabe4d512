//! Asking for the result of an operation, and cancelling.

use crate::abi::{Bool, Dword, FALSE, Handle, INFINITE, Overlapped, Socket, TRUE};
use crate::deliver::{status_of, wait_for_end};
use crate::error::status::STATUS_PENDING;
use crate::error::{
    ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_IO_INCOMPLETE, ERROR_NOT_FOUND, NtStatus, WAIT_TIMEOUT,
    WSAEFAULT, fail, set_last,
};
use crate::socket::startup::find;
use crate::wait::{WAIT_IO_COMPLETION, Waited};
use crate::{handles, park, thread};

/// The status of an operation that has ended.
unsafe fn ended(overlapped: *mut Overlapped, milliseconds: u32, alertable: bool) -> Result<NtStatus, u32> {
    // SAFETY: the program's `OVERLAPPED` lives until it knows of the end.
    unsafe {
        if status_of(overlapped) == STATUS_PENDING {
            park::poll();
        }
        if status_of(overlapped) != STATUS_PENDING {
            // Takes the signal of an event with automatic reset.
            if milliseconds > 0 && (*overlapped).event & !1 != 0 {
                let _ = wait_for_end(overlapped, 0, false);
            }
            return Ok(status_of(overlapped));
        }
        if milliseconds == 0 {
            return Err(ERROR_IO_INCOMPLETE);
        }
        match wait_for_end(overlapped, milliseconds, alertable)? {
            Waited::TimedOut => Err(WAIT_TIMEOUT),
            Waited::Alerted => {
                thread::run_apcs();
                Err(WAIT_IO_COMPLETION)
            }
            _ if status_of(overlapped) != STATUS_PENDING => Ok(status_of(overlapped)),
            // Somebody else has set the event, which two operations may share.
            _ => Err(ERROR_IO_INCOMPLETE),
        }
    }
}

unsafe fn result(overlapped: *mut Overlapped, bytes: *mut Dword, milliseconds: u32, alertable: bool) -> Bool {
    if overlapped.is_null() || bytes.is_null() {
        return fail(ERROR_INVALID_PARAMETER, FALSE);
    }
    // SAFETY: neither is null.
    unsafe {
        match ended(overlapped, milliseconds, alertable) {
            Ok(status) => {
                *bytes = (*overlapped).internal_high as u32;
                if status.is_success() { TRUE } else { fail(status.win32(), FALSE) }
            }
            Err(code) => fail(code, FALSE),
        }
    }
}

fn cancel(handle: Handle, overlapped: Option<usize>, thread: Option<u32>) -> Result<usize, u32> {
    let object = handles::any(handle).ok_or(ERROR_INVALID_HANDLE)?;
    Ok(object.cancel(overlapped, thread))
}

export! {
    fn wsk_WSAGetOverlappedResult(
        s: Socket, overlapped: *mut Overlapped, bytes: *mut Dword, wait: Bool, flags: *mut Dword,
    ) -> Bool, FALSE => {
        if let Err(code) = find(s) {
            return fail(code, FALSE);
        }
        if overlapped.is_null() || bytes.is_null() || flags.is_null() {
            return fail(WSAEFAULT, FALSE);
        }
        match ended(overlapped, if wait != 0 { INFINITE } else { 0 }, false) {
            Ok(status) => {
                (*bytes, *flags) = ((*overlapped).internal_high as u32, (*overlapped).offset);
                if status.is_success() { TRUE } else { fail(status.wsa(), FALSE) }
            }
            Err(code) => fail(code, FALSE),
        }
    }

    fn wsk_GetOverlappedResult(
        _handle: Handle, overlapped: *mut Overlapped, bytes: *mut Dword, wait: Bool,
    ) -> Bool, FALSE => {
        result(overlapped, bytes, if wait != 0 { INFINITE } else { 0 }, false)
    }

    fn wsk_GetOverlappedResultEx(
        _handle: Handle, overlapped: *mut Overlapped, bytes: *mut Dword, milliseconds: Dword, alertable: Bool,
    ) -> Bool, FALSE => {
        result(overlapped, bytes, milliseconds, alertable != 0)
    }

    fn wsk_CancelIo(handle: Handle) -> Bool, FALSE => {
        match cancel(handle, None, Some(thread::current().id())) {
            Ok(_) => TRUE,
            Err(code) => fail(code, FALSE),
        }
    }

    fn wsk_CancelIoEx(handle: Handle, overlapped: *mut Overlapped) -> Bool, FALSE => {
        let one = (!overlapped.is_null()).then_some(overlapped as usize);
        match cancel(handle, one, None) {
            Ok(0) => fail(ERROR_NOT_FOUND, FALSE),
            Ok(_) => TRUE,
            Err(code) => fail(code, FALSE),
        }
    }

    /// Operations that one of our own calls waits for are not told of by their thread.
    fn wsk_CancelSynchronousIo(_thread: Handle) -> Bool, FALSE => {
        set_last(ERROR_NOT_FOUND);
        FALSE
    }
}
