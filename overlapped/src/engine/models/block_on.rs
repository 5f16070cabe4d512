//! A thread that runs a future, and threads that wake it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{explore, join};
use crate::future::block_on;

/// The waker is the only thing that orders these writes before the reads of the next poll.
#[test]
fn the_next_poll_sees_what_was_written_before_the_wake() {
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
