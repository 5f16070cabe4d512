//! `INIT_ONCE`: something that is done once. Pointer-sized, and not done when it is zero.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::abi::{Bool, Dword, FALSE, TRUE, contained};
use crate::error::{ERROR_GEN_FAILURE, ERROR_INTERNAL_ERROR, ERROR_INVALID_PARAMETER, fail};
use crate::wait::{Until, address};

/// The context, and in the two low bits what is known.
#[repr(transparent)]
pub struct Once(AtomicUsize);

const NOT_DONE: usize = 0;
/// One thread does it, and others wait.
const DOING: usize = 1;
const DONE: usize = 2;
/// Threads do it at the same time; the first to complete it wins.
const RACING: usize = 3;
const STATE: usize = 3;

const CHECK_ONLY: Dword = 1;
const ASYNC: Dword = 2;
const INIT_FAILED: Dword = 4;

/// What a thread that begins has to do.
enum Begun {
    Done(usize),
    ToDo,
    Wrong(u32),
}

impl Once {
    fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    fn begin(&self, check_only: bool, racing: bool) -> Begun {
        loop {
            let now = self.0.load(Ordering::Acquire);
            let to = if racing { RACING } else { DOING };
            match now & STATE {
                DONE => return Begun::Done(now & !STATE),
                _ if check_only => return Begun::Wrong(ERROR_GEN_FAILURE),
                NOT_DONE => {
                    if self.0.compare_exchange(now, to, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                        return Begun::ToDo;
                    }
                }
                RACING if racing => return Begun::ToDo,
                DOING if !racing => {
                    let changed = || self.0.load(Ordering::Acquire) & STATE != DOING;
                    address::wait_at(self.address(), changed, Until::Never, false);
                }
                _ => return Begun::Wrong(ERROR_INVALID_PARAMETER),
            }
        }
    }

    /// `false` if another thread has completed it.
    fn complete(&self, from: usize, to: usize) -> bool {
        let completed = self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if completed {
            address::wake_at(self.address(), usize::MAX);
        }
        completed
    }
}

type Function = unsafe extern "C-unwind" fn(*mut Once, *mut c_void, *mut *mut c_void) -> Bool;

export! {
    fn wsk_InitOnceInitialize(once: *mut Once) -> (), () => { once.write(Once(AtomicUsize::new(NOT_DONE))) }

    fn wsk_InitOnceBeginInitialize(
        once: *mut Once, flags: Dword, pending: *mut Bool, context: *mut *mut c_void,
    ) -> Bool, FALSE => {
        if flags & !(CHECK_ONLY | ASYNC) != 0 {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        match (*once).begin(flags & CHECK_ONLY != 0, flags & ASYNC != 0) {
            Begun::Done(value) => {
                pending.write(FALSE);
                if !context.is_null() {
                    context.write(value as *mut c_void);
                }
                TRUE
            }
            Begun::ToDo => {
                pending.write(TRUE);
                TRUE
            }
            Begun::Wrong(code) => fail(code, FALSE),
        }
    }

    fn wsk_InitOnceComplete(once: *mut Once, flags: Dword, context: *mut c_void) -> Bool, FALSE => {
        let from = if flags & ASYNC != 0 { RACING } else { DOING };
        let context = context as usize;
        let to = match flags & INIT_FAILED {
            0 => context | DONE,
            _ if from == RACING || context != 0 => return fail(ERROR_INVALID_PARAMETER, FALSE),
            _ => NOT_DONE,
        };
        if context & STATE != 0 {
            return fail(ERROR_INVALID_PARAMETER, FALSE);
        }
        if (*once).complete(from, to) { TRUE } else { fail(ERROR_GEN_FAILURE, FALSE) }
    }
}

export_unwind! {
    fn wsk_InitOnceExecuteOnce(
        once: *mut Once, function: Option<Function>, parameter: *mut c_void, context: *mut *mut c_void,
    ) -> Bool => {
        let Some(function) = function else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        let value = match contained(|| (*once).begin(false, false), || Begun::Wrong(ERROR_INTERNAL_ERROR)) {
            Begun::Done(value) => value,
            Begun::Wrong(code) => return fail(code, FALSE),
            Begun::ToDo => {
                let mut made = std::ptr::null_mut();
                if function(once, parameter, &raw mut made) == FALSE {
                    (*once).complete(DOING, NOT_DONE);
                    return FALSE;
                }
                let value = made as usize & !STATE;
                (*once).complete(DOING, value | DONE);
                value
            }
        };
        if !context.is_null() {
            context.write(value as *mut c_void);
        }
        TRUE
    }
}
