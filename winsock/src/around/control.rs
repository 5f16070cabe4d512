//! `SetConsoleCtrlHandler`: signals become the console's events, each on a thread of its own.
//!
//! | signal | event |
//! |---|---|
//! | `SIGINT` | `CTRL_C_EVENT` |
//! | `SIGQUIT` | `CTRL_BREAK_EVENT` |
//! | `SIGHUP`, `SIGTERM` | `CTRL_CLOSE_EVENT` |
//!
//! The process ends after a close event even if a handler took it, as on Windows; after the others
//! only if none did.

use crate::error::{ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, fail};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Handler = unsafe extern "C-unwind" fn(event: u32) -> i32;

const CTRL_C: u32 = 0;
const CTRL_BREAK: u32 = 1;
const CTRL_CLOSE: u32 = 2;
const SIGNALS: [(i32, u32); 4] =
    [(libc::SIGINT, CTRL_C), (libc::SIGQUIT, CTRL_BREAK), (libc::SIGHUP, CTRL_CLOSE), (libc::SIGTERM, CTRL_CLOSE)];
/// More handlers than any program registers.
const MAX_HANDLERS: usize = 1024;

static HANDLERS: Mutex<Vec<Handler>> = Mutex::new(Vec::new());
static IGNORES_C: AtomicBool = AtomicBool::new(false);
/// Where the signal handler writes the number of a signal.
static PIPE: AtomicI32 = AtomicI32::new(-1);

fn handlers() -> MutexGuard<'static, Vec<Handler>> {
    HANDLERS.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn on_signal(signal: i32) {
    let byte = signal as u8;
    // SAFETY: write is safe in a signal handler, and errno is put back.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(PIPE.load(Ordering::Relaxed), (&raw const byte).cast(), 1);
        *errno = before;
    }
}

/// Starts the thread that waits for signals, once.
fn watch() -> bool {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if *started {
        return true;
    }
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return false;
    }
    PIPE.store(ends[1], Ordering::Relaxed);
    let from = ends[0];
    if std::thread::Builder::new().name("winsock-control".into()).spawn(move || deliver(from)).is_err() {
        return false;
    }
    for (signal, _) in SIGNALS {
        // SAFETY: the handler only writes to the pipe.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
    *started = true;
    true
}

fn deliver(from: i32) {
    loop {
        let mut signal = 0u8;
        // SAFETY: one byte of room.
        let read = unsafe { libc::read(from, (&raw mut signal).cast(), 1) };
        if read != 1 {
            continue;
        }
        let signal = i32::from(signal);
        let Some((_, event)) = SIGNALS.iter().find(|(number, _)| *number == signal) else { continue };
        let event = *event;
        if event == CTRL_C && IGNORES_C.load(Ordering::Relaxed) {
            continue;
        }
        // A handler may wait for long, and another event may come meanwhile.
        let spawned = std::thread::Builder::new().name("winsock-event".into()).spawn(move || run(event, signal));
        if spawned.is_err() {
            end_by(signal);
        }
    }
}

/// Calls the handlers, the newest first, until one takes the event.
fn run(event: u32, signal: i32) {
    let list = handlers().clone();
    // SAFETY: the program registered them for this.
    let taken = list.iter().rev().any(|handler| unsafe { handler(event) } != 0);
    if !taken || event == CTRL_CLOSE {
        end_by(signal);
    }
}

/// Ends the process as the signal would have.
fn end_by(signal: i32) {
    // SAFETY: the default action ends the process.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
    }
}

export! {
    fn wsk_SetConsoleCtrlHandler(handler: Option<Handler>, add: i32) -> i32, 0 => {
        let Some(handler) = handler else {
            IGNORES_C.store(add != 0, Ordering::Relaxed);
            return if watch() { 1 } else { fail(ERROR_NOT_ENOUGH_MEMORY, 0) };
        };
        if !watch() {
            return fail(ERROR_NOT_ENOUGH_MEMORY, 0);
        }
        let mut list = handlers();
        if add != 0 {
            if list.len() == MAX_HANDLERS {
                return fail(ERROR_NOT_ENOUGH_MEMORY, 0);
            }
            list.push(handler);
            return 1;
        }
        match list.iter().rposition(|known| std::ptr::fn_addr_eq(*known, handler)) {
            Some(at) => {
                list.remove(at);
                1
            }
            None => fail(ERROR_INVALID_PARAMETER, 0),
        }
    }
    /// To this process only: a process group of Windows has no counterpart that is safe to signal.
    fn wsk_GenerateConsoleCtrlEvent(event: u32, _group: u32) -> i32, 0 => {
        let signal = match event {
            CTRL_C => libc::SIGINT,
            CTRL_BREAK => libc::SIGQUIT,
            _ => return fail(ERROR_INVALID_PARAMETER, 0),
        };
        i32::from(libc::kill(libc::getpid(), signal) == 0)
    }
}
