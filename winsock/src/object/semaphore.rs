//! Semaphores.

use std::ffi::{c_char, c_void};

use super::names::{self, Name};
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE, Wchar};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_TOO_MANY_POSTS, fail};
use crate::handles::{self, Header, Object};
use crate::wait::{Kind, Signal};

pub(super) struct Semaphore {
    header: Header,
    signal: Signal,
    most: u32,
}

impl Object for Semaphore {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(&self.signal)
    }
}

impl Semaphore {
    /// Adds to it, and returns what it had.
    pub(super) fn release(&self, count: u32) -> Result<u32, u32> {
        self.signal.add(count, self.most).ok_or(ERROR_TOO_MANY_POSTS)
    }
}

/// Adds to a semaphore; `false` if it is none or would have too much.
pub(crate) fn release_semaphore(semaphore: Handle, count: u32) -> bool {
    handles::get::<Semaphore>(semaphore).is_some_and(|semaphore| semaphore.release(count).is_ok())
}

fn create(name: Result<Name, u32>, count: i32, most: i32) -> Handle {
    let (Ok(count), Ok(most)) = (u32::try_from(count), u32::try_from(most)) else {
        return fail(ERROR_INVALID_PARAMETER, 0);
    };
    if most == 0 || count > most {
        return fail(ERROR_INVALID_PARAMETER, 0);
    }
    names::create(name, || {
        let signal = Signal::new(Kind::Counted, count);
        Semaphore { header: Header::new(), signal, most }
    })
}

export! {
    fn wsk_CreateSemaphoreA(
        _security: *mut c_void, count: i32, most: i32, name: *const c_char,
    ) -> Handle, 0 => {
        create(names::narrow(name), count, most)
    }

    fn wsk_CreateSemaphoreW(
        _security: *mut c_void, count: i32, most: i32, name: *const Wchar,
    ) -> Handle, 0 => {
        create(names::wide(name), count, most)
    }

    fn wsk_CreateSemaphoreExA(
        _security: *mut c_void, count: i32, most: i32, name: *const c_char, _flags: Dword, _access: Dword,
    ) -> Handle, 0 => {
        create(names::narrow(name), count, most)
    }

    fn wsk_CreateSemaphoreExW(
        _security: *mut c_void, count: i32, most: i32, name: *const Wchar, _flags: Dword, _access: Dword,
    ) -> Handle, 0 => {
        create(names::wide(name), count, most)
    }

    fn wsk_OpenSemaphoreA(_access: Dword, _inherit: Bool, name: *const c_char) -> Handle, 0 => {
        names::open::<Semaphore>(names::narrow(name), name.is_null())
    }

    fn wsk_OpenSemaphoreW(_access: Dword, _inherit: Bool, name: *const Wchar) -> Handle, 0 => {
        names::open::<Semaphore>(names::wide(name), name.is_null())
    }

    fn wsk_ReleaseSemaphore(semaphore: Handle, count: i32, before: *mut i32) -> Bool, FALSE => {
        let Some(semaphore) = handles::get::<Semaphore>(semaphore) else {
            return fail(ERROR_INVALID_HANDLE, FALSE);
        };
        let count = match u32::try_from(count) {
            Ok(count) if count > 0 => count,
            _ => return fail(ERROR_INVALID_PARAMETER, FALSE),
        };
        match semaphore.release(count) {
            Ok(had) => {
                if !before.is_null() {
                    *before = had as i32;
                }
                TRUE
            }
            Err(code) => fail(code, FALSE),
        }
    }
}
