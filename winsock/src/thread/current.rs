//! The record of the thread that runs, and what happens when a thread ends.
//!
//! The end is noticed by the destructor of a pthread key. Those run when a thread ends, and not
//! when `main` returns or the process exits: the memory of operations in flight may be on a stack
//! that is gone by then, and nobody waits for their end.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::record::Thread;
use crate::park;
use crate::wait::WaitBlock;

thread_local! {
    // Without a destructor: usable until the thread is gone.
    static HERE: Cell<*const Thread> = const { Cell::new(ptr::null()) };
}

/// Called on a thread that ends, before its mutexes are abandoned.
type EndHook = fn(&Arc<Thread>);
static END_HOOKS: Mutex<Vec<EndHook>> = Mutex::new(Vec::new());

/// Threads that are known here and have not ended.
static LIVING: AtomicUsize = AtomicUsize::new(0);
/// The thread of `main` has ended, and not the process.
static MAIN_HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// Has `hook` called on every thread that ends. It is not called when the process exits.
pub(crate) fn on_thread_end(hook: EndHook) {
    let mut hooks = END_HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    if !hooks.iter().any(|one| ptr::fn_addr_eq(*one, hook)) {
        hooks.push(hook);
    }
}

fn key() -> Option<libc::pthread_key_t> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is written by the call; the destructor takes what is stored below.
        let made = unsafe { libc::pthread_key_create(&raw mut key, Some(ended)) };
        (made == 0).then_some(key)
    })
}

/// A thread is about to be started.
pub(super) fn will_begin() {
    LIVING.fetch_add(1, Ordering::AcqRel);
}

/// It was not.
pub(super) fn will_not_begin() {
    LIVING.fetch_sub(1, Ordering::AcqRel);
}

/// Makes `thread` the record of the calling thread.
pub(super) fn begin(thread: Arc<Thread>) {
    // SAFETY: only asks.
    thread.tid().store(unsafe { libc::gettid() }, Ordering::Release);
    park::adopt(thread.block().parker());
    let thread = Arc::into_raw(thread);
    HERE.set(thread);
    if let Some(key) = key() {
        // SAFETY: the key exists. Its destructor gets the reference that was made above.
        unsafe { libc::pthread_setspecific(key, thread.cast()) };
    }
}

/// The record of the calling thread.
pub(crate) fn current() -> Arc<Thread> {
    let here = HERE.get();
    if here.is_null() {
        let thread = Thread::new(true, false);
        will_begin();
        begin(Arc::clone(&thread));
        return thread;
    }
    // SAFETY: the thread's own reference is there until `ended` has cleared the cell.
    unsafe {
        Arc::increment_strong_count(here);
        Arc::from_raw(here)
    }
}

/// The id of the calling thread.
#[inline]
pub(crate) fn id() -> u32 {
    let here = HERE.get();
    // SAFETY: as in `current`.
    if here.is_null() { current().id() } else { unsafe { &*here }.id() }
}

/// Whether a wait block is that of the calling thread. Makes no record for a thread without one.
pub(crate) fn is_of_this_thread(block: &Arc<WaitBlock>) -> bool {
    let here = HERE.get();
    // SAFETY: as in `current`.
    !here.is_null() && Arc::ptr_eq(unsafe { &*here }.block(), block)
}

unsafe extern "C" fn ended(thread: *mut c_void) {
    // SAFETY: the key holds the reference that `begin` made.
    let thread = unsafe { Arc::from_raw(thread.cast_const().cast::<Thread>()) };
    let end = || {
        let hooks = END_HOOKS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for hook in hooks {
            hook(&thread);
        }
    };
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(end));
    drop(ended);
    thread.end();
    HERE.set(ptr::null());
    // SAFETY: only asks.
    if thread.tid().load(Ordering::Acquire) == unsafe { libc::getpid() } {
        MAIN_HAS_ENDED.store(true, Ordering::SeqCst);
    }
    // All threads of the program have ended. The engine's would keep the process alive.
    if LIVING.fetch_sub(1, Ordering::SeqCst) == 1 && MAIN_HAS_ENDED.load(Ordering::SeqCst) {
        let code = thread.final_code();
        // SAFETY: nothing of the program runs any more.
        unsafe { libc::exit(code as i32) };
    }
}
