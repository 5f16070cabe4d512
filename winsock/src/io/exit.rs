//! The end of the process.

use std::sync::Once;
use std::time::Duration;

use super::{fork, hub};

/// Has the end of the process noticed. The hub has been made.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function is this crate's and takes no arguments.
        unsafe { libc::atexit(at_exit) };
    });
}

/// The process ends. What the program has in flight on the stack that `main` has left must not be
/// written any more: the functions that run now use that memory. Nothing else changes; whatever the
/// program does at its exit still works.
extern "C" fn at_exit() {
    // In a child nothing is in flight.
    let Some(hub) = hub::hub().filter(|_| !fork::is_child()) else { return };
    let here = 0u8;
    let Some(lowest) = lowest_of_this_stack() else { return };
    let left = lowest..&raw const here as usize + LEFT_BYTES;
    hub.bury(left, Duration::from_millis(200));
}

/// The frames of the functions that run at the exit lie within so many bytes above this one's.
const LEFT_BYTES: usize = 2048;

fn lowest_of_this_stack() -> Option<usize> {
    // SAFETY: the attributes live on this stack, and are used as the functions ask.
    unsafe {
        let mut attributes = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return None;
        }
        let (mut start, mut size) = (std::ptr::null_mut(), 0);
        let told = libc::pthread_attr_getstack(&raw const attributes, &raw mut start, &raw mut size);
        libc::pthread_attr_destroy(&raw mut attributes);
        (told == 0).then_some(start as usize)
    }
}
