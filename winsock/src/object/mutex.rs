//! Mutexes: objects that a thread owns, and that are abandoned if it ends as their owner.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::names::{self, Name};
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE, Wchar};
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOT_OWNER, fail};
use crate::handles::{self, Header, Object};
use crate::thread;
use crate::wait::{Kind, Signal, note_owned};

struct Mutex {
    header: Header,
    signal: Signal,
}

impl Object for Mutex {
    fn header(&self) -> &Header {
        &self.header
    }

    fn signal(&self) -> Option<&Signal> {
        Some(&self.signal)
    }
}

const CREATE_MUTEX_INITIAL_OWNER: u32 = 1;

/// A mutex that exists already is not owned by this, whatever was asked.
fn create(name: Result<Name, u32>, owned: bool) -> Handle {
    let me = thread::current();
    let mut new = false;
    let handle = names::create(name, || {
        new = true;
        let signal = if owned { Signal::owned_by(me.id()) } else { Signal::new(Kind::Owned, 1) };
        Mutex { header: Header::new(), signal }
    });
    if new
        && owned
        && let Some(mutex) = handles::any(handle)
    {
        note_owned(&mutex);
    }
    handle
}

/// Releases a mutex once.
pub(super) fn release(mutex: &Arc<dyn Object>) -> Result<(), u32> {
    let me = thread::current();
    let signal = mutex.signal().ok_or(ERROR_INVALID_HANDLE)?;
    if signal.release(me.id()).map_err(|_| ERROR_NOT_OWNER)? {
        me.owns_no_more(mutex);
    }
    Ok(())
}

export! {
    fn wsk_CreateMutexA(_security: *mut c_void, owned: Bool, name: *const c_char) -> Handle, 0 => {
        create(names::narrow(name), owned != 0)
    }

    fn wsk_CreateMutexW(_security: *mut c_void, owned: Bool, name: *const Wchar) -> Handle, 0 => {
        create(names::wide(name), owned != 0)
    }

    fn wsk_CreateMutexExA(
        _security: *mut c_void, name: *const c_char, flags: Dword, _access: Dword,
    ) -> Handle, 0 => {
        create_ex(names::narrow(name), flags)
    }

    fn wsk_CreateMutexExW(
        _security: *mut c_void, name: *const Wchar, flags: Dword, _access: Dword,
    ) -> Handle, 0 => {
        create_ex(names::wide(name), flags)
    }

    fn wsk_OpenMutexA(_access: Dword, _inherit: Bool, name: *const c_char) -> Handle, 0 => {
        names::open::<Mutex>(names::narrow(name), name.is_null())
    }

    fn wsk_OpenMutexW(_access: Dword, _inherit: Bool, name: *const Wchar) -> Handle, 0 => {
        names::open::<Mutex>(names::wide(name), name.is_null())
    }

    fn wsk_ReleaseMutex(mutex: Handle) -> Bool, FALSE => { release_mutex(mutex) }
}

fn create_ex(name: Result<Name, u32>, flags: u32) -> Handle {
    if flags & !CREATE_MUTEX_INITIAL_OWNER != 0 {
        return fail(ERROR_INVALID_PARAMETER, 0);
    }
    create(name, flags != 0)
}

/// Releases a mutex once; `FALSE` with the thread's error set if the thread does not own it.
pub(crate) fn release_mutex(mutex: Handle) -> Bool {
    let Some(mutex) = handles::get::<Mutex>(mutex) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
    let mutex: Arc<dyn Object> = mutex;
    match release(&mutex) {
        Ok(()) => TRUE,
        Err(code) => fail(code, FALSE),
    }
}

/// Whether an object is a mutex.
pub(super) fn is_mutex(object: &Arc<dyn Object>) -> bool {
    object.signal().is_some_and(|signal| signal.kind() == Kind::Owned)
}
