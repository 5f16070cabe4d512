//! A server's threads for work that blocks: a few, started when there is work for them. The only thing beside the shards that runs threads.
//!
//! Work comes in a bounded queue. The answer is put where the task that waits for it finds it, and wakes it as any other thread would. The threads end
//! when the server has: those that wait at once, those at work when they are done.

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

/// A handle of the threads; they end when the last is dropped.
#[derive(Clone)]
pub(crate) struct Offload {
    last: Arc<Last>,
}

struct Last(Arc<Shared>);

struct Shared {
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No work is done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // The work's own panic is its result; this is for a waker's.
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
        let shared = Shared { state: Mutex::default(), more: Condvar::new(), most_threads };
        Offload { last: Arc::new(Last(Arc::new(shared))) }
    }

    /// Has work done; the answer is a future for any thread.
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
        let shared = &self.last.0;
        let mut state = shared.lock();
        if state.jobs.len() >= MOST_JOBS {
            // What it holds is dropped without the lock.
            drop(state);
            return Err(OffloadError::Full);
        }
        state.jobs.push_back(job);
        if state.jobs.len() > state.idle && state.threads < shared.most_threads {
            let (body, name) = (Arc::clone(shared), format!("offload-{}", state.threads));
            match std::thread::Builder::new().name(name).spawn(move || body.work()) {
                Ok(_) => state.threads += 1,
                // Those that there are have more to do.
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
        shared.more.notify_one();
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

/// Where the thread puts its result. If it never does, because the work was dropped, it says that.
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
