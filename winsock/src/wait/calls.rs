//! Calls that wait. Those that may run routines are exported so that a routine can end its thread.

use std::sync::Arc;

use super::multiple::{Until, Waited, sleep, wait};
use super::resolve::{note_owned, resolve};
use super::signal::{Kind, Signal};
use crate::abi::{Bool, Dword, FALSE, Handle, contained};
use crate::error::{ERROR_INTERNAL_ERROR, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, fail};
use crate::handles::Object;
use crate::thread;

/// `MAXIMUM_WAIT_OBJECTS` and `WSA_MAXIMUM_WAIT_EVENTS`.
const MOST_OBJECTS: usize = 64;
const WAIT_ABANDONED_0: u32 = 0x80;
pub(crate) const WAIT_IO_COMPLETION: u32 = 0xC0;
const WAIT_TIMEOUT: u32 = 258;
pub(crate) const WAIT_FAILED: u32 = u32::MAX;

/// Waits as all of the calls do, and runs APCs if these end the wait.
pub(crate) fn wait_for(handles: &[Handle], all: bool, milliseconds: u32, alertable: bool) -> u32 {
    wait_with(handles, None, all, milliseconds, alertable)
}

/// The same, for one signal more, behind the objects.
fn wait_with(handles: &[Handle], more: Option<&Signal>, all: bool, milliseconds: u32, alertable: bool) -> u32 {
    let wait = || wait_for_objects(handles, more, all, milliseconds, alertable);
    match contained(wait, || Err(ERROR_INTERNAL_ERROR)) {
        Ok(Waited::Object(index)) => index as u32,
        Ok(Waited::Abandoned(index)) => WAIT_ABANDONED_0 + index as u32,
        Ok(Waited::TimedOut) => WAIT_TIMEOUT,
        Ok(Waited::Alerted) => {
            thread::run_apcs();
            WAIT_IO_COMPLETION
        }
        Err(code) => fail(code, WAIT_FAILED),
    }
}

fn wait_for_objects(
    handles: &[Handle],
    more: Option<&Signal>,
    all: bool,
    milliseconds: u32,
    alertable: bool,
) -> Result<Waited, u32> {
    let until = Until::milliseconds(milliseconds);
    if let ([handle], None) = (handles, more) {
        let object = resolve(*handle).ok_or(ERROR_INVALID_HANDLE)?;
        let waited = wait(&[object.signal().ok_or(ERROR_INVALID_HANDLE)?], false, until, alertable);
        if matches!(waited, Waited::Object(_) | Waited::Abandoned(_)) {
            note_owned(&object);
        }
        return Ok(waited);
    }
    let objects: Option<Vec<Arc<dyn Object>>> = handles.iter().map(|handle| resolve(*handle)).collect();
    let objects = objects.ok_or(ERROR_INVALID_HANDLE)?;
    let signals: Option<Vec<&Signal>> = objects.iter().map(|object| object.signal()).collect();
    let mut signals = signals.ok_or(ERROR_INVALID_HANDLE)?;
    signals.extend(more);
    // To take one object twice is not possible.
    let twice = |(at, one): (usize, &&Signal)| signals[..at].iter().any(|other| std::ptr::eq(*other, *one));
    if all && signals.iter().enumerate().any(twice) {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let waited = wait(&signals, all, until, alertable);
    match waited {
        Waited::Object(_) | Waited::Abandoned(_) if all => objects.iter().for_each(note_owned),
        Waited::Object(index) | Waited::Abandoned(index) => {
            if let Some(object) = objects.get(index) {
                note_owned(object);
            }
        }
        Waited::TimedOut | Waited::Alerted => {}
    }
    Ok(waited)
}

/// The handles of a wait for several; `None` if there are none or too many.
///
/// # Safety
/// `handles` points to `count` handles.
pub(super) unsafe fn several<'a>(count: Dword, handles: *const Handle) -> Option<&'a [Handle]> {
    let count = count as usize;
    if count == 0 || count > MOST_OBJECTS || handles.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { std::slice::from_raw_parts(handles, count) })
}

/// # Safety
/// As for [`several`].
pub(super) unsafe fn wait_for_several(
    count: Dword,
    handles: *const Handle,
    all: bool,
    milliseconds: Dword,
    alertable: bool,
) -> Dword {
    // SAFETY: as the caller promises.
    match unsafe { several(count, handles) } {
        Some(handles) => wait_for(handles, all, milliseconds, alertable),
        None => fail(ERROR_INVALID_PARAMETER, WAIT_FAILED),
    }
}

const MWMO_WAITALL: u32 = 1;
const MWMO_ALERTABLE: u32 = 2;

export_unwind! {
    fn wsk_WaitForSingleObject(handle: Handle, milliseconds: Dword) -> Dword => {
        wait_for(&[handle], false, milliseconds, false)
    }

    fn wsk_WaitForSingleObjectEx(handle: Handle, milliseconds: Dword, alertable: Bool) -> Dword => {
        wait_for(&[handle], false, milliseconds, alertable != 0)
    }

    fn wsk_WaitForMultipleObjects(
        count: Dword, handles: *const Handle, all: Bool, milliseconds: Dword,
    ) -> Dword => {
        wait_for_several(count, handles, all != 0, milliseconds, false)
    }

    fn wsk_WaitForMultipleObjectsEx(
        count: Dword, handles: *const Handle, all: Bool, milliseconds: Dword, alertable: Bool,
    ) -> Dword => {
        wait_for_several(count, handles, all != 0, milliseconds, alertable != 0)
    }

    /// There are no windows, so no message ever ends this.
    fn wsk_MsgWaitForMultipleObjects(
        count: Dword, handles: *const Handle, all: Bool, milliseconds: Dword, _mask: Dword,
    ) -> Dword => {
        let flags = if all == FALSE { 0 } else { MWMO_WAITALL };
        wait_without_messages(count, handles, milliseconds, flags)
    }

    fn wsk_MsgWaitForMultipleObjectsEx(
        count: Dword, handles: *const Handle, milliseconds: Dword, _mask: Dword, flags: Dword,
    ) -> Dword => {
        wait_without_messages(count, handles, milliseconds, flags)
    }

    fn wsk_SleepEx(milliseconds: Dword, alertable: Bool) -> Dword => {
        if milliseconds == 0 && alertable == 0 {
            libc::sched_yield();
        }
        if contained(|| sleep(Until::milliseconds(milliseconds), alertable != 0), || false) {
            thread::run_apcs();
            WAIT_IO_COMPLETION
        } else {
            0
        }
    }

    fn wsk_Sleep(milliseconds: Dword) -> () => {
        if milliseconds == 0 {
            libc::sched_yield();
        }
        contained(|| sleep(Until::milliseconds(milliseconds), false), || false);
    }
}

/// # Safety
/// As for [`several`]; there may be no handles.
unsafe fn wait_without_messages(count: Dword, handles: *const Handle, milliseconds: Dword, flags: Dword) -> Dword {
    let (all, alertable) = (flags & MWMO_WAITALL != 0, flags & MWMO_ALERTABLE != 0);
    if count == 0 {
        return wait_for(&[], false, milliseconds, alertable);
    }
    if count as usize >= MOST_OBJECTS {
        return fail(ERROR_INVALID_PARAMETER, WAIT_FAILED);
    }
    // SAFETY: as the caller promises.
    match unsafe { several(count, handles) } {
        // For all, and for a message at the same time.
        Some(handles) if all => wait_with(handles, Some(&Signal::new(Kind::Manual, 0)), true, milliseconds, alertable),
        Some(handles) => wait_for(handles, false, milliseconds, alertable),
        None => fail(ERROR_INVALID_PARAMETER, WAIT_FAILED),
    }
}
