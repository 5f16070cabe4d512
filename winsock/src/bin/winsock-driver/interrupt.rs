//! What a signal that ends the driver does: it ends the compiler too, so that the driver goes on to
//! remove its folder, and then ends by that signal.

use std::io;
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::atomic::{AtomicI32, Ordering};

const SIGNALS: [libc::c_int; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// The signal that has come; 0 if none has.
static CAME: AtomicI32 = AtomicI32::new(0);
/// The compiler that runs; 0 if none does.
static COMPILER: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_signal(signal: libc::c_int) {
    CAME.store(signal, Ordering::SeqCst);
    let compiler = COMPILER.load(Ordering::SeqCst);
    if compiler > 0 {
        // SAFETY: `kill` may be called in a signal handler.
        unsafe { libc::kill(compiler, signal) };
    }
}

/// From now on these signals are handled so. One that is ignored, as under `nohup`, stays so.
pub(crate) fn install() {
    for signal in SIGNALS {
        // SAFETY: both actions live on this stack. The handler only touches atomics and calls
        // `kill`.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut before);
            if before.sa_sigaction == libc::SIG_IGN {
                continue;
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

pub(crate) fn has_come() -> bool {
    CAME.load(Ordering::SeqCst) != 0
}

/// Ends the driver by the signal that has come, if one has.
pub(crate) fn end_by_it() {
    let signal = CAME.load(Ordering::SeqCst);
    if signal != 0 {
        // SAFETY: neither call touches memory of ours.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

/// Runs a compiler to its end.
pub(crate) fn status(command: &mut Command) -> io::Result<ExitStatus> {
    let mut child = start(command)?;
    let status = child.wait();
    COMPILER.store(0, Ordering::SeqCst);
    status
}

/// The same, and returns what it wrote to the streams that were piped.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let output = start(command)?.wait_with_output();
    COMPILER.store(0, Ordering::SeqCst);
    output
}

fn start(command: &mut Command) -> io::Result<Child> {
    let child = command.spawn()?;
    let id = libc::pid_t::try_from(child.id()).unwrap_or(0);
    COMPILER.store(id, Ordering::SeqCst);
    // A signal that came before did not find it.
    if has_come() {
        on_signal(CAME.load(Ordering::SeqCst));
    }
    Ok(child)
}
