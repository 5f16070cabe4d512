//! Ending a driver's wait from another thread.

use std::fmt;
use std::sync::Arc;

use crate::sync::{AtomicU8, Ordering};

/// The driver's thread is running. It checks this state before it waits.
const RUNNING: u8 = 0;
/// It waits, or is about to.
const WAITING: u8 = 1;
/// It has been woken and has not noticed yet.
const WOKEN: u8 = 2;

/// Ends the wait of a driver from any thread. Cheap to clone; may outlive the driver.
///
/// Wake-ups are not counted: any number of them before the driver's next wait end that one wait. A
/// wake-up costs an atomic exchange; if the driver is waiting, also a system call.
#[derive(Clone)]
pub struct WakeHandle {
    shared: Arc<Shared>,
}

struct Shared {
    state: AtomicU8,
    /// Ends the wait of a thread that waits in a system call.
    alarm: Box<dyn Fn() + Send + Sync>,
}

impl WakeHandle {
    pub(crate) fn new(alarm: impl Fn() + Send + Sync + 'static) -> WakeHandle {
        WakeHandle { shared: Arc::new(Shared { state: AtomicU8::new(RUNNING), alarm: Box::new(alarm) }) }
    }

    /// Ends the driver's present wait, or its next one.
    pub fn wake(&self) {
        if self.shared.state.swap(WOKEN, Ordering::AcqRel) == WAITING {
            (self.shared.alarm)();
        }
    }

    /// Whether both wake the same driver.
    pub(crate) fn is(&self, other: &WakeHandle) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The driver is about to wait. Says whether it may; if not, it has been woken already.
    pub(crate) fn may_wait(&self) -> bool {
        let state = &self.shared.state;
        state.compare_exchange(RUNNING, WAITING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The driver runs again. It reads the state that it overwrites, so it sees what was written
    /// before a wake-up that it overwrites.
    pub(crate) fn runs(&self) {
        let state = &self.shared.state;
        // After a turn in which it did not wait there is nothing to overwrite, unless it was woken
        // meanwhile.
        if state.load(Ordering::Acquire) != RUNNING {
            state.swap(RUNNING, Ordering::AcqRel);
        }
    }
}

impl fmt::Debug for WakeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WakeHandle")
    }
}

/// For `loom`: a handle, and a turn that waits for nothing else.
#[cfg(all(test, loom))]
pub(crate) mod model {
    use std::sync::Arc;

    use super::WakeHandle;
    use crate::sync::Notify;

    /// The thread of a backend on which nothing is in flight. A notification stays until a wait has
    /// taken it. Once, a wait ends for no reason, as by a completion or a signal.
    pub(crate) struct Waits(WakeHandle, Arc<Notify>);

    pub(crate) fn handle() -> (WakeHandle, Waits) {
        let bell = Arc::new(Notify::new());
        let rings = Arc::clone(&bell);
        let handle = WakeHandle::new(move || rings.notify());
        (handle.clone(), Waits(handle, bell))
    }

    impl Waits {
        pub(crate) fn turn(&self) {
            if self.0.may_wait() {
                self.1.wait();
            }
            self.0.runs();
        }
    }
}
