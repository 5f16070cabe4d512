//! What threads do to one another here, in every order in which they can do it: `loom` runs each
//! model through all of them.
//!
//! A model that hangs in some order fails: loom sees that nobody can go on. `ci/loom.sh` runs them.

mod block_on;
mod event;
mod port;
mod routine;
mod wait_set;
mod wake;

use loom::thread::JoinHandle;

/// Runs a model in every order in which its threads can take turns, as far as it takes at most
/// `preemptions` interruptions of a thread that could have gone on. Most bugs need two; beyond that
/// the number of orders grows much faster than what they show.
fn explore(preemptions: impl Into<Option<usize>>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions.into());
    builder.check(model);
}

fn join<R: 'static>(thread: JoinHandle<R>) -> R {
    thread.join().expect("a model's thread ends well")
}

/// Until so many threads wait for events. Afterwards they do so until their waits are fulfilled or
/// over.
fn until_waiting(threads: usize) {
    while crate::engine::event::domain().lock().waiters.len() < threads {
        loom::thread::yield_now();
    }
}
