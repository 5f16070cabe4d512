//! Calls of threads: `CreateThread` and what is asked of a thread.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::apc::{Apc, UserRoutine};
use super::current::{current, id};
use super::record::{Thread, by_id};
use super::start::{self, Function};
use crate::abi::{Bool, Dword, FALSE, Handle, TRUE};
use crate::error::{
    ERROR_ACCESS_DENIED, ERROR_GEN_FAILURE, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_NOT_SUPPORTED, fail,
};
use crate::handles;

const CREATE_SUSPENDED: u32 = 4;
/// `GetCurrentThread()`: the thread that uses it.
const PSEUDO_HANDLE: usize = usize::MAX - 1;
/// What a refused suspend, resume or priority returns.
const REFUSED: u32 = u32::MAX;
const THREAD_PRIORITY_ERROR_RETURN: i32 = i32::MAX;

pub(super) fn thread(handle: Handle) -> Option<Arc<Thread>> {
    if handle == PSEUDO_HANDLE { Some(current()) } else { handles::get::<Thread>(handle) }
}

export! {
    fn wsk_CreateThread(
        _security: *mut c_void,
        stack: usize,
        function: Option<unsafe extern "C-unwind" fn(*mut c_void) -> u32>,
        argument: *mut c_void,
        flags: Dword,
        id: *mut Dword,
    ) -> Handle, 0 => {
        let Some(function) = function else { return fail(ERROR_INVALID_PARAMETER, 0) };
        let function = Function::WithCode(function);
        match start::start(function, argument, stack, flags & CREATE_SUSPENDED != 0, false) {
            Ok(started) => {
                if !id.is_null() {
                    *id = started.id;
                }
                started.handle
            }
            Err(code) => fail(code, 0),
        }
    }

    fn wsk_OpenThread(_access: Dword, _inherit: Bool, id: Dword) -> Handle, 0 => {
        match by_id(id) {
            Some(thread) => handles::insert(thread).unwrap_or_else(|| fail(ERROR_NO_SYSTEM_RESOURCES, 0)),
            None => fail(ERROR_INVALID_PARAMETER, 0),
        }
    }

    fn wsk_GetCurrentThread() -> Handle, 0 => { PSEUDO_HANDLE }

    fn wsk_GetCurrentThreadId() -> Dword, 0 => { id() }

    fn wsk_GetThreadId(handle: Handle) -> Dword, 0 => {
        match thread(handle) {
            Some(thread) => thread.id(),
            None => fail(ERROR_INVALID_HANDLE, 0),
        }
    }

    fn wsk_GetExitCodeThread(handle: Handle, code: *mut Dword) -> Bool, FALSE => {
        let Some(thread) = thread(handle) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        if !code.is_null() {
            *code = thread.exit_code();
        }
        TRUE
    }

    fn wsk_ResumeThread(handle: Handle) -> Dword, REFUSED => {
        match thread(handle) {
            Some(thread) => thread.resume(),
            None => fail(ERROR_INVALID_HANDLE, REFUSED),
        }
    }

    /// Only a thread that has not begun can be suspended: one that runs may hold any lock of the C
    /// library, and Linux has no call for it.
    fn wsk_SuspendThread(handle: Handle) -> Dword, REFUSED => {
        let Some(thread) = thread(handle) else { return fail(ERROR_INVALID_HANDLE, REFUSED) };
        if thread.has_ended() {
            return fail(ERROR_ACCESS_DENIED, REFUSED);
        }
        thread.suspend().unwrap_or_else(|| fail(ERROR_NOT_SUPPORTED, REFUSED))
    }

    fn wsk_QueueUserAPC(routine: Option<UserRoutine>, handle: Handle, data: usize) -> Dword, 0 => {
        let Some(thread) = thread(handle) else { return fail(ERROR_INVALID_HANDLE, 0) };
        let Some(routine) = routine else { return fail(ERROR_INVALID_PARAMETER, 0) };
        if thread.queue_apc(Apc::User { routine, data }) { 1 } else { fail(ERROR_GEN_FAILURE, 0) }
    }

    /// Kept and given back; the scheduler is not told.
    fn wsk_SetThreadPriority(handle: Handle, priority: i32) -> Bool, FALSE => {
        let Some(thread) = thread(handle) else { return fail(ERROR_INVALID_HANDLE, FALSE) };
        if !matches!(priority, -15 | -2..=2 | 15 | 0x10000 | 0x20000) {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        if priority < 0x10000 {
            thread.priority().store(priority, Ordering::Relaxed);
        }
        TRUE
    }

    fn wsk_GetThreadPriority(handle: Handle) -> i32, THREAD_PRIORITY_ERROR_RETURN => {
        match thread(handle) {
            Some(thread) => thread.priority().load(Ordering::Relaxed),
            None => fail(ERROR_INVALID_HANDLE, THREAD_PRIORITY_ERROR_RETURN),
        }
    }

    fn wsk_SetThreadPriorityBoost(handle: Handle, _disabled: Bool) -> Bool, FALSE => {
        if thread(handle).is_some() { TRUE } else { fail(ERROR_INVALID_HANDLE, FALSE) }
    }

    /// Threads run where the scheduler puts them; the answer is that of a thread that may run
    /// anywhere.
    fn wsk_SetThreadAffinityMask(handle: Handle, mask: usize) -> usize, 0 => {
        if thread(handle).is_none() {
            return fail(ERROR_INVALID_HANDLE, 0);
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from).min(64);
        let all = usize::MAX >> (64 - processors);
        if mask & all == 0 { fail(ERROR_INVALID_PARAMETER, 0) } else { all }
    }

    fn wsk_SetThreadIdealProcessor(handle: Handle, _processor: Dword) -> Dword, REFUSED => {
        if thread(handle).is_some() { 0 } else { fail(ERROR_INVALID_HANDLE, REFUSED) }
    }

    fn wsk_SwitchToThread() -> Bool, FALSE => {
        crate::park::poll();
        libc::sched_yield();
        TRUE
    }
}

/// Ends the calling thread.
#[unsafe(no_mangle)]
#[allow(clippy::missing_safety_doc, reason = "Microsoft documents what each function asks of its caller")]
pub unsafe extern "C-unwind" fn wsk_ExitThread(code: Dword) -> ! {
    // SAFETY: the documentation asks that nothing on the stack is needed any more.
    unsafe { start::exit(code) }
}

/// Ends the calling thread, or one that has not begun. A thread that runs cannot be ended from
/// outside: it may hold locks of the C library.
#[unsafe(no_mangle)]
#[allow(clippy::missing_safety_doc, reason = "Microsoft documents what each function asks of its caller")]
pub unsafe extern "C-unwind" fn wsk_TerminateThread(handle: Handle, code: Dword) -> Bool {
    match end_early(handle, code) {
        // SAFETY: as above.
        Ok(Target::Itself) => unsafe { start::exit(code) },
        Ok(Target::Ended) => TRUE,
        Ok(Target::Runs) => fail(ERROR_NOT_SUPPORTED, FALSE),
        Err(error) => fail(error, FALSE),
    }
}

enum Target {
    Itself,
    Ended,
    Runs,
}

#[inline(never)]
fn end_early(handle: Handle, code: u32) -> Result<Target, u32> {
    let thread = thread(handle).ok_or(ERROR_INVALID_HANDLE)?;
    Ok(if thread.id() == current().id() {
        Target::Itself
    } else if thread.has_ended() || thread.prevent(code) {
        Target::Ended
    } else {
        Target::Runs
    })
}
