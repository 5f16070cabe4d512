//! Asynchronous procedure calls: completion routines, and what `QueueUserAPC` and timers queue. A
//! thread runs them when it waits alertably, in the order in which they were queued.

use std::ffi::c_void;

use crate::abi::Overlapped;

// A routine may end its thread, which unwinds the stack.
pub(crate) type UserRoutine = unsafe extern "C-unwind" fn(usize);
pub(crate) type CompletionRoutine = unsafe extern "C-unwind" fn(u32, u32, *mut Overlapped, u32);
pub(crate) type TimerRoutine = unsafe extern "C-unwind" fn(*mut c_void, u32, u32);

pub(crate) enum Apc {
    User { routine: UserRoutine, data: usize },
    Completion { routine: CompletionRoutine, error: u32, bytes: u32, overlapped: *mut Overlapped, flags: u32 },
    Timer { routine: TimerRoutine, argument: *mut c_void, time: u64 },
}

// SAFETY: the pointers are only passed on to the routine of the thread for which they were given.
unsafe impl Send for Apc {}

impl Apc {
    /// Runs it on this thread, for which it must have been queued.
    pub(super) fn run(self) {
        // SAFETY: the program has given the routine for this thread, with what it is passed.
        unsafe {
            match self {
                Apc::User { routine, data } => routine(data),
                Apc::Completion { routine, error, bytes, overlapped, flags } => {
                    routine(error, bytes, overlapped, flags);
                }
                Apc::Timer { routine, argument, time } => routine(argument, time as u32, (time >> 32) as u32),
            }
        }
    }
}
