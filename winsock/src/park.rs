//! How a thread sleeps. A thread that waits may turn the engine of operations meanwhile: it leads.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What a waiting thread does instead of sleeping.
pub trait Turner: Send + Sync {
    /// Turns until `parker` is notified or `until` is reached, if no other thread turns.
    fn lead(&self, parker: &Parker, until: Option<Instant>) -> Lead;
    /// Tells of what has ended, without waiting.
    fn poll(&self);
    /// This thread is about to sleep; `false` if none leads.
    fn follow(&self, parker: &Arc<Parker>) -> bool;
    fn unfollow(&self, parker: &Arc<Parker>);
    /// Ends the wait of the thread that leads.
    fn interrupt(&self);
}

/// What has come of leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// The wait is over.
    Over,
    /// Another thread leads. If it has left meanwhile, this one tries again.
    Follow,
    /// This thread is to sleep, whether anybody leads or not.
    Sleep,
}

static TURNER: OnceLock<&'static dyn Turner> = OnceLock::new();

/// From now on waiting threads turn this.
pub fn set_turner(turner: &'static dyn Turner) {
    let _ = TURNER.set(turner);
}

static IS_FORGOTTEN: AtomicBool = AtomicBool::new(false);

/// Waiting threads only sleep from now on.
pub fn forget_turner() {
    IS_FORGOTTEN.store(true, Ordering::Relaxed);
}

fn turner() -> Option<&'static dyn Turner> {
    TURNER.get().copied().filter(|_| !IS_FORGOTTEN.load(Ordering::Relaxed))
}

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
const PARKED: u32 = 2;
const LEADING: u32 = 3;
const POLLING: u32 = 4;

/// A thread that can be woken.
pub struct Parker {
    state: AtomicU32,
    /// An `eventfd` that ends the thread's `poll`; -1 until it is needed.
    alarm: AtomicI32,
}

impl Default for Parker {
    fn default() -> Parker {
        Parker { state: AtomicU32::new(EMPTY), alarm: AtomicI32::new(-1) }
    }
}

impl Drop for Parker {
    fn drop(&mut self) {
        let alarm = *self.alarm.get_mut();
        if alarm >= 0 {
            // SAFETY: the descriptor is this parker's.
            unsafe { libc::close(alarm) };
        }
    }
}

thread_local! {
    static HERE: OnceCell<Arc<Parker>> = const { OnceCell::new() };
}

/// The parker of this thread.
pub fn current() -> Arc<Parker> {
    HERE.try_with(|here| Arc::clone(here.get_or_init(Arc::default))).unwrap_or_default()
}

/// Makes `parker` that of this thread, which has none yet: it was made before the thread began.
pub fn adopt(parker: &Arc<Parker>) {
    let _ = HERE.try_with(|here| here.set(Arc::clone(parker)));
}

impl Parker {
    /// Wakes the thread, or ends its next park at once.
    pub fn unpark(&self) {
        match self.state.swap(NOTIFIED, Ordering::SeqCst) {
            PARKED => {
                // SAFETY: the word is this parker's and lives through the call.
                unsafe {
                    libc::syscall(libc::SYS_futex, &self.state, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
                }
            }
            LEADING => {
                if let Some(turner) = turner() {
                    // A thread that notifies itself looks before it waits again.
                    let is_this = HERE
                        .try_with(|here| here.get().is_some_and(|here| std::ptr::eq(&raw const **here, self)))
                        .unwrap_or(false);
                    if !is_this {
                        turner.interrupt();
                    }
                }
            }
            POLLING => {
                let one = 1u64;
                // SAFETY: it writes the eight bytes that it is given.
                unsafe { libc::write(self.alarm.load(Ordering::SeqCst), (&raw const one).cast(), 8) };
            }
            _ => {}
        }
    }

    /// Whether the next park ends at once.
    pub fn is_notified(&self) -> bool {
        self.state.load(Ordering::SeqCst) == NOTIFIED
    }

    /// This thread leads from now on; `false` if it was notified before.
    pub fn leads(&self) -> bool {
        self.begin(LEADING)
    }

    /// This thread does not lead any more; `false` if it was notified.
    pub fn stops_leading(&self) -> bool {
        self.state.compare_exchange(LEADING, EMPTY, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn begin(&self, state: u32) -> bool {
        self.state.compare_exchange(EMPTY, state, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Awake again.
    fn end(&self) {
        self.state.swap(EMPTY, Ordering::SeqCst);
    }

    /// Waits until it is unparked or `until` is reached. May return early without a reason.
    pub fn park(self: &Arc<Self>, until: Option<Instant>) {
        if self.is_notified() {
            return self.end();
        }
        let Some(turner) = turner() else { return self.sleep_until(until) };
        let lead = turner.lead(self, until);
        if lead == Lead::Over {
            return self.end();
        }
        // The leader may have left before it could see this follower.
        if turner.follow(self) || lead == Lead::Sleep {
            self.sleep_until(until);
        }
        turner.unfollow(self);
    }

    /// The same, without leading.
    pub fn sleep_until(&self, until: Option<Instant>) {
        if self.begin(PARKED) {
            self.sleep(until);
        }
        self.end();
    }

    fn sleep(&self, until: Option<Instant>) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return;
        }
        let time = left.map(timespec);
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

    /// Waits in `poll` until a descriptor is ready, it is unparked, or `until` is reached. Returns
    /// what `poll` returned. `polls` has one entry more than the caller's at its end, which is used
    /// here.
    pub fn poll(&self, polls: &mut Vec<libc::pollfd>, until: Option<Instant>) -> i32 {
        let mut alarm = self.alarm.load(Ordering::SeqCst);
        if alarm < 0 {
            // SAFETY: a system call without memory.
            alarm = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
            self.alarm.store(alarm, Ordering::SeqCst);
        }
        polls.push(libc::pollfd { fd: alarm, events: libc::POLLIN, revents: 0 });
        let mut left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if !self.begin(POLLING) {
            left = Some(Duration::ZERO);
        }
        let time = left.map(timespec);
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: it writes the entries that it is given, and reads the time on this stack.
        let ready = unsafe { libc::ppoll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, time, std::ptr::null()) };
        self.end();
        let rang = polls.pop().is_some_and(|alarm| alarm.revents != 0);
        if rang {
            let mut count = 0u64;
            // SAFETY: it writes at most the eight bytes that it is given.
            unsafe { libc::read(alarm, (&raw mut count).cast(), 8) };
        }
        if ready > 0 { ready - i32::from(rang) } else { ready }
    }
}

fn timespec(left: Duration) -> libc::timespec {
    libc::timespec { tv_sec: left.as_secs().min(1 << 30) as libc::time_t, tv_nsec: left.subsec_nanos().into() }
}

/// Tells of operations that have ended, without waiting. A wait of no length does this before it
/// reports that nothing was found.
pub fn poll() {
    if let Some(turner) = turner() {
        turner.poll();
    }
}
