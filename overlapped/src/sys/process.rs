//! Which process this is. A driver belongs to the process that made it: in a child that it forks,
//! the engine's thread does not exist, locks may be held for ever, and a ring is shared memory.

use crate::error::{Action, Error, ErrorKind};

/// The process that made something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// This process. It costs no system call: the first call registers a function that counts in
    /// every child that is forked.
    pub(crate) fn this() -> Process {
        os::watch();
        Process(os::forks())
    }

    /// Whether this is still the process that it was.
    #[inline]
    pub(crate) fn is_this(self) -> bool {
        self.0 == os::forks()
    }

    /// `Closed` in a child that was forked.
    #[inline]
    pub(crate) fn check(self, action: Action) -> Result<(), Error> {
        if self.is_this() { Ok(()) } else { Err(forked(action)) }
    }
}

/// What is refused in a child.
#[cold]
pub(crate) fn forked(action: Action) -> Error {
    let why = "this process was forked from the one that made the engine or driver, which does not survive a fork";
    Error::new(action, ErrorKind::Closed).because(why)
}

#[cfg(unix)]
mod os {
    use std::sync::Once;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Forks between the first process and this one.
    static FORKS: AtomicU32 = AtomicU32::new(0);

    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn watch() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the function adds to an atomic, which is allowed after a fork. It fails only
            // for want of memory; then forks go unnoticed.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
    }

    #[inline]
    pub(super) fn forks() -> u32 {
        FORKS.load(Ordering::Relaxed)
    }
}

/// Processes are not forked here.
#[cfg(not(unix))]
mod os {
    pub(super) fn watch() {}

    #[inline]
    pub(super) fn forks() -> u32 {
        0
    }
}
