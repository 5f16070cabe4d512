//! Sleeping on a word of memory, and waking who sleeps there.

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

/// Sleeps while `word` holds `expected`, until it is woken or `until` is reached. May return early
/// without a reason: the caller looks at the word again.
pub(crate) fn sleep(word: &AtomicU32, expected: u32, until: Option<Instant>) {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    if left == Some(Duration::ZERO) {
        return;
    }
    let time = left.map(|left| libc::timespec {
        tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(left.subsec_nanos()),
    });
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word and the time live through the call; the kernel only reads them.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, expected, time) };
}

/// Wakes at most `most` threads that sleep on `word`. The memory may be gone: only its address is
/// used.
pub(crate) fn wake(word: *const AtomicU32, most: i32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel does not touch the word of a private wake.
    unsafe { libc::syscall(libc::SYS_futex, word, operation, most) };
}
