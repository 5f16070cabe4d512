//! How a thread is started and ended.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use super::current::{self, current};
use super::record::Thread;
use super::run::run_apcs;
use crate::error::{ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_ENOUGH_MEMORY};
use crate::handles;

/// What a new thread runs. It may end the thread, which unwinds the stack.
#[derive(Clone, Copy)]
pub(super) enum Function {
    /// Returns the exit code.
    WithCode(unsafe extern "C-unwind" fn(*mut c_void) -> u32),
    /// `_beginthread`: the exit code is 0.
    WithoutCode(unsafe extern "C-unwind" fn(*mut c_void)),
}

struct Start {
    function: Function,
    argument: *mut c_void,
    thread: Arc<Thread>,
}

pub(super) struct Started {
    pub(super) handle: usize,
    pub(super) id: u32,
}

/// Starts a thread. `closes` says that its handle closes itself when the thread ends.
pub(super) fn start(
    function: Function,
    argument: *mut c_void,
    stack: usize,
    suspended: bool,
    closes: bool,
) -> Result<Started, u32> {
    let thread = Thread::new(false, suspended);
    let id = thread.id();
    let handle = handles::insert(thread.clone()).ok_or(ERROR_NO_SYSTEM_RESOURCES)?;
    if closes {
        thread.close_at_end(handle);
    }
    let start = Start { function, argument, thread };
    let start = Box::into_raw(Box::new(start));
    current::will_begin();
    if create(start.cast(), stack) {
        return Ok(Started { handle, id });
    }
    current::will_not_begin();
    // SAFETY: no thread has got it.
    drop(unsafe { Box::from_raw(start) });
    handles::close(handle);
    Err(ERROR_NOT_ENOUGH_MEMORY)
}

fn create(start: *mut c_void, stack: usize) -> bool {
    let mut attributes = MaybeUninit::uninit();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: the attributes are made, used and destroyed here. The two kinds of function differ in
    // what may pass through them, and not in how they are called.
    unsafe {
        if libc::pthread_attr_init(attributes.as_mut_ptr()) != 0 {
            return false;
        }
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        let mut default = 0;
        libc::pthread_attr_getstacksize(attributes.as_ptr(), &raw mut default);
        // On Windows a size is mostly what is committed first, and the stack grows beyond it.
        if stack > default {
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack.next_multiple_of(65536));
        }
        let run = std::mem::transmute::<
            unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void,
            extern "C" fn(*mut c_void) -> *mut c_void,
        >(run);
        let made = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, start);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        made == 0
    }
}

/// Starts a thread of this library that runs the program's code.
pub(crate) fn spawn(function: unsafe extern "C-unwind" fn(*mut c_void), argument: *mut c_void) -> bool {
    start(Function::WithoutCode(function), argument, 0, false, true).is_ok()
}

/// The new thread. Nothing here has a destructor: `pthread_exit` may unwind through it.
unsafe extern "C-unwind" fn run(start: *mut c_void) -> *mut c_void {
    let Some((function, argument)) = begin(start) else { return ptr::null_mut() };
    // Those that were queued before the thread began run first.
    run_apcs();
    // SAFETY: the program has given the function with its argument.
    let code = unsafe {
        match function {
            Function::WithCode(function) => function(argument),
            Function::WithoutCode(function) => {
                function(argument);
                0
            }
        }
    };
    set_exit_code(code);
    ptr::null_mut()
}

#[inline(never)]
fn begin(start: *mut c_void) -> Option<(Function, *mut c_void)> {
    // SAFETY: `start` made it for this thread.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    start.thread.wait_until_resumed();
    let prevented = start.thread.is_prevented();
    current::begin(start.thread);
    (!prevented).then_some((start.function, start.argument))
}

#[inline(never)]
fn set_exit_code(code: u32) {
    current().set_exit_code(code);
}

unsafe extern "C-unwind" {
    fn pthread_exit(value: *mut c_void) -> !;
}

/// Ends the calling thread.
pub(super) unsafe fn exit(code: u32) -> ! {
    set_exit_code(code);
    // SAFETY: the frames between here and the thread's start are the program's, or have no
    // destructors that matter.
    unsafe { pthread_exit(ptr::null_mut()) }
}
