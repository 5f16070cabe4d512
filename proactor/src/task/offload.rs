//! A server's threads for blocking work: a few, started when there is work. Apart from the shards,
//! only these and the [resolver](overlapped::resolve::Resolver) run threads.
//!
//! Work waits in a bounded queue. A thread puts the result where the waiting task finds it, and
//! wakes the task. The threads end with the server: idle ones at once, busy ones when they are
//! done.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::OffloadError;

/// Work that waits for a thread.
const MOST_JOBS: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// A handle to the threads. They end when the last one is dropped.
#[derive(Clone)]
pub(crate) struct Offload {
    last: Arc<Last>,
}

struct Last(Arc<Threads>);

struct Threads {
    state: Mutex<State>,
    more: Condvar,
    most_threads: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No work is done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A panic of the work is its result. This one is a waker's.
                if run(job).is_err() {
                    tracing::error!("a waker panicked");
                }
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state.idle += 1;
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

impl Offload {
    pub(crate) fn new(most_threads: usize) -> Offload {
        let threads = Threads { state: Mutex::default(), more: Condvar::new(), most_threads };
        Offload { last: Arc::new(Last(Arc::new(threads))) }
    }

    /// Has work done. The answer is a future for any thread.
    pub(crate) fn start<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<Answer<R>, OffloadError> {
        let given = Given { slot: Arc::new(Mutex::new(Slot { result: None, waker: None })), is_given: false };
        let answer = Answer { slot: Arc::clone(&given.slot) };
        self.push(Box::new(move || {
            let result = run(work);
            given.give(result);
        }))?;
        Ok(answer)
    }

    fn push(&self, job: Job) -> Result<(), OffloadError> {
        let threads = &self.last.0;
        let mut state = threads.lock();
        if state.jobs.len() >= MOST_JOBS {
            // Its captures are dropped without the lock.
            drop(state);
            return Err(OffloadError::Full);
        }
        state.jobs.push_back(job);
        if state.jobs.len() > state.idle && state.threads < threads.most_threads {
            let (body, name) = (Arc::clone(threads), format!("offload-{}", state.threads));
            match std::thread::Builder::new().name(name).spawn(move || body.work()) {
                Ok(_) => state.threads += 1,
                // The running threads do it later.
                Err(_) if state.threads > 0 => {}
                Err(error) => {
                    let job = state.jobs.pop_back();
                    drop(state);
                    drop(job);
                    tracing::warn!("could not start a thread for offloaded work: {error}");
                    return Err(OffloadError::NoThread);
                }
            }
        }
        drop(state);
        threads.more.notify_one();
        Ok(())
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.0.more.notify_all();
        drop(jobs);
    }
}

impl fmt::Debug for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload").field("most_threads", &self.last.0.most_threads).finish()
    }
}

/// Does work, and contains its panic.
pub(crate) fn run<R>(work: impl FnOnce() -> R) -> Result<R, OffloadError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| OffloadError::Panicked)
}

struct Slot<R> {
    result: Option<Result<R, OffloadError>>,
    waker: Option<Waker>,
}

fn lock<R>(slot: &Mutex<Slot<R>>) -> MutexGuard<'_, Slot<R>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the thread puts its result. If the work is dropped instead, it says so.
struct Given<R> {
    slot: Arc<Mutex<Slot<R>>>,
    is_given: bool,
}

impl<R> Given<R> {
    fn give(mut self, result: Result<R, OffloadError>) {
        self.is_given = true;
        self.put(result);
    }

    fn put(&self, result: Result<R, OffloadError>) {
        let waker = {
            let mut slot = lock(&self.slot);
            slot.result = Some(result);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<R> Drop for Given<R> {
    fn drop(&mut self) {
        if !self.is_given {
            self.put(Err(OffloadError::Closed));
        }
    }
}

/// The result of work that a thread does.
pub(crate) struct Answer<R> {
    slot: Arc<Mutex<Slot<R>>>,
}

impl<R> Future for Answer<R> {
    type Output = Result<R, OffloadError>;

    fn poll(self: Pin<&mut Answer<R>>, cx: &mut Context<'_>) -> Poll<Result<R, OffloadError>> {
        let mut slot = lock(&self.slot);
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
