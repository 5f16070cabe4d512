//! A thread that runs a future, and threads that wake it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{explore, join};
use crate::future::block_on;

/// As for a driver's wake-up, the waker alone must order what was written before it before what the
/// poll reads.
#[test]
fn what_was_written_before_a_wake_is_seen_by_the_next_poll() {
    explore(4, || {
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let mut wakers = Vec::new();
        let future = poll_fn(|context| {
            if wakers.is_empty() {
                wakers.extend([0, 1].map(|flag| {
                    let (waker, flags) = (context.waker().clone(), Arc::clone(&flags));
                    thread::spawn(move || {
                        flags[flag].store(true, Ordering::Relaxed);
                        waker.wake();
                    })
                }));
            }
            match flags.iter().all(|flag| flag.load(Ordering::Relaxed)) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        block_on(future).unwrap();
        wakers.into_iter().for_each(join);
    });
}
