//! Models of what threads do to each other here. `loom` runs each in every order in which its
//! threads can take turns.
//!
//! A model that hangs in some order fails: loom sees that no thread can go on. `ci/loom.sh` runs
//! them.

mod auto_reset;
mod block_on;
mod event;
mod port;
mod routine;
mod wait_set;
mod wake;

use loom::thread::JoinHandle;

/// Runs a model in every order of its threads with at most `preemptions` preemptions. Most bugs
/// need two; with more, the number of orders grows much faster than what they find.
fn explore(preemptions: impl Into<Option<usize>>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions.into());
    builder.check(model);
}

fn join<R: 'static>(thread: JoinHandle<R>) -> R {
    thread.join().expect("a model's thread does not panic")
}

/// Waits until so many threads wait for events. They go on waiting until their waits are fulfilled
/// or time out.
fn until_waiting(threads: usize) {
    while crate::engine::event::domain().lock().waiters.len() < threads {
        loom::thread::yield_now();
    }
}
