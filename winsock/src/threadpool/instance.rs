//! `PTP_CALLBACK_INSTANCE`: one run of a callback, and what is done when it returns.

use std::sync::{Mutex, PoisonError};

use crate::abi::{Bool, Dword, Handle, TRUE};
use crate::sync::{self, CriticalSection};

/// What is done when the callback has returned.
pub(super) enum AfterReturn {
    SetEvent(Handle),
    ReleaseSemaphore(Handle, u32),
    ReleaseMutex(Handle),
    Leave(*const CriticalSection),
}

#[derive(Default)]
pub struct Instance {
    after: Mutex<Vec<AfterReturn>>,
}

impl Instance {
    fn after(&self, what: AfterReturn) {
        self.after.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// What is to be done now that the callback has returned.
    pub(super) fn returned(&self) -> Vec<AfterReturn> {
        std::mem::take(&mut *self.after.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// # Safety
/// What was given to the calls below is still there.
pub(super) unsafe fn do_after(what: AfterReturn) {
    // SAFETY: as the caller promises.
    unsafe {
        match what {
            AfterReturn::SetEvent(event) => {
                crate::object::set_event(event);
            }
            AfterReturn::ReleaseSemaphore(semaphore, count) => {
                crate::object::release_semaphore(semaphore, count);
            }
            AfterReturn::ReleaseMutex(mutex) => {
                crate::object::release_mutex(mutex);
            }
            AfterReturn::Leave(section) => sync::leave(section),
        }
    }
}

export! {
    fn wsk_SetEventWhenCallbackReturns(instance: *const Instance, event: Handle) -> (), () => {
        (*instance).after(AfterReturn::SetEvent(event));
    }

    fn wsk_ReleaseSemaphoreWhenCallbackReturns(
        instance: *const Instance, semaphore: Handle, count: Dword,
    ) -> (), () => {
        (*instance).after(AfterReturn::ReleaseSemaphore(semaphore, count));
    }

    fn wsk_ReleaseMutexWhenCallbackReturns(instance: *const Instance, mutex: Handle) -> (), () => {
        (*instance).after(AfterReturn::ReleaseMutex(mutex));
    }

    fn wsk_LeaveCriticalSectionWhenCallbackReturns(
        instance: *const Instance, section: *const CriticalSection,
    ) -> (), () => {
        (*instance).after(AfterReturn::Leave(section));
    }

    /// The pool starts another thread when one is busy for long.
    fn wsk_CallbackMayRunLong(_instance: *const Instance) -> Bool, TRUE => { TRUE }

    fn wsk_DisassociateCurrentThreadFromCallback(_instance: *const Instance) -> (), () => {}
}
