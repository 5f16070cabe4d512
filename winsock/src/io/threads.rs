//! Threads that end: what they have started is cancelled, unless its end goes to a port.

use std::sync::Once;

use super::hub;
use crate::thread;

/// Has the operations of threads that end cancelled.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        thread::on_thread_end(|thread| {
            if let Some(hub) = hub::hub() {
                hub.thread_ended(thread.id());
            }
        });
    });
}
