//! Running the APCs of a thread.

use super::current::current;

/// Runs all APCs of this thread, also those that are queued meanwhile; `true` if there was one. The
/// program's code runs: no lock is held, and the caller is exported as `extern "C-unwind"`.
pub(crate) fn run_apcs() -> bool {
    let thread = current();
    let mut ran = false;
    while let Some(apc) = thread.next_apc() {
        apc.run();
        ran = true;
    }
    ran
}
