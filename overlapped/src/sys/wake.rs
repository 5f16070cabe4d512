//! Ending a driver's wait from another thread.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::Arc;

use crate::error::{Action, Error};
use crate::sync::{AtomicU8, Ordering};

/// The driver's thread is running and will look around before it waits.
const RUNNING: u8 = 0;
/// It waits, or is about to.
const WAITING: u8 = 1;
/// It has been woken and has not noticed yet.
const WOKEN: u8 = 2;

/// Ends the wait of a driver from any thread. Cheap to clone; may outlive the driver.
///
/// Wake-ups are not counted: any number of them before the driver's next wait end that one wait. While the driver is not waiting, one costs an
/// atomic exchange; otherwise a system call.
#[derive(Clone)]
pub struct WakeHandle {
    shared: Arc<Shared>,
}

struct Shared {
    state: AtomicU8,
    /// An `eventfd`, blocking, so that io_uring waits for it rather than report that nothing is there.
    file: File,
}

impl WakeHandle {
    pub(crate) fn new() -> Result<WakeHandle, Error> {
        // SAFETY: a plain system call; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(Error::io(Action::Setup, &std::io::Error::last_os_error()));
        }
        // SAFETY: the descriptor is new and nobody else's.
        let file = unsafe { File::from_raw_fd(fd) };
        Ok(WakeHandle { shared: Arc::new(Shared { state: AtomicU8::new(RUNNING), file }) })
    }

    /// Ends the driver's present wait, or its next one.
    pub fn wake(&self) {
        if self.shared.state.swap(WOKEN, Ordering::AcqRel) == WAITING {
            // A write to an eventfd fails only when its counter is full, and then it is awake anyway.
            let _ = (&self.shared.file).write(&1u64.to_ne_bytes());
        }
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.shared.file.as_raw_fd()
    }

    /// The driver is about to wait: says whether it may, or has been woken already.
    pub(super) fn may_wait(&self) -> bool {
        let state = &self.shared.state;
        state.compare_exchange(RUNNING, WAITING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The driver runs again.
    pub(super) fn runs(&self) {
        self.shared.state.store(RUNNING, Ordering::Release);
    }
}

impl fmt::Debug for WakeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WakeHandle")
    }
}
