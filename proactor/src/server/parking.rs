//! Waiting on a thread that is none of the server's, for code that is not async.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Polls until there is something, and parks the thread in between.
pub(super) fn wait<T>(mut poll: impl FnMut(&Waker) -> Poll<T>) -> T {
    let waker = Arc::new(Unpark(thread::current())).into();
    loop {
        if let Poll::Ready(found) = poll(&waker) {
            return found;
        }
        thread::park();
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}
