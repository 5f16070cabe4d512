//! How a thread sleeps. A thread that waits may turn the engine of operations meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What a waiting thread does instead of sleeping.
pub trait Turner: Send + Sync {
    /// Turns until `parker` is unparked or `until` is reached; `false` if another thread turns.
    fn lead(&self, parker: &Parker, until: Option<Instant>) -> bool;
    /// Tells of what has ended, without waiting.
    fn poll(&self);
}

static TURNER: OnceLock<&'static dyn Turner> = OnceLock::new();

/// From now on waiting threads turn this.
pub fn set_turner(turner: &'static dyn Turner) {
    let _ = TURNER.set(turner);
}

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
const PARKED: u32 = 2;

/// A thread that can be woken.
#[derive(Default)]
pub struct Parker {
    state: AtomicU32,
}

thread_local! {
    static HERE: Arc<Parker> = Arc::default();
}

/// The parker of this thread.
pub fn current() -> Arc<Parker> {
    HERE.try_with(Arc::clone).unwrap_or_default()
}

impl Parker {
    /// Wakes the thread, or ends its next park at once.
    pub fn unpark(&self) {
        if self.state.swap(NOTIFIED, Ordering::AcqRel) == PARKED {
            // SAFETY: the word is this parker's and lives through the call.
            unsafe {
                libc::syscall(libc::SYS_futex, &self.state, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
            }
        }
    }

    /// Whether the next park ends at once.
    pub fn is_notified(&self) -> bool {
        self.state.load(Ordering::Acquire) == NOTIFIED
    }

    fn take(&self) -> bool {
        self.state.load(Ordering::Acquire) == NOTIFIED
            && self.state.compare_exchange(NOTIFIED, EMPTY, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Waits until it is unparked or `until` is reached. May return early without a reason.
    pub fn park(&self, until: Option<Instant>) {
        if self.take() {
            return;
        }
        if let Some(turner) = TURNER.get()
            && turner.lead(self, until)
        {
            self.take();
            return;
        }
        if self.state.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.sleep(until);
        }
        self.state.swap(EMPTY, Ordering::AcqRel);
    }

    fn sleep(&self, until: Option<Instant>) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return;
        }
        let time = left.map(|left| libc::timespec {
            tv_sec: left.as_secs().min(1 << 30) as libc::time_t,
            tv_nsec: left.subsec_nanos().into(),
        });
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the word is this parker's, the time is on this stack; both live through the call.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                &self.state,
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                PARKED,
                time,
                0usize,
                0u32,
            );
        }
    }
}

/// Tells of operations that have ended, without waiting. A wait of no length does this before it
/// reports that nothing was found.
pub fn poll() {
    if let Some(turner) = TURNER.get() {
        turner.poll();
    }
}
