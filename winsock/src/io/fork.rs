//! A child of `fork` has nothing of this library: the completion queue and the threads that turn it
//! are its parent's.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::park;

static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// Has forks noticed from now on.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function is this crate's; it takes no lock and no memory.
        unsafe { libc::pthread_atfork(None, None, Some(begin)) };
    });
}

/// Whether this process is a child of one that has used the library.
pub(crate) fn is_child() -> bool {
    IS_CHILD.load(Ordering::Relaxed)
}

unsafe extern "C" fn begin() {
    IS_CHILD.store(true, Ordering::Relaxed);
    park::forget_turner();
}
