//! Lists of sessions that are being made: what other threads ask each shard for, and what the
//! shards have found. Knows no socket.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::panic::contained;
use crate::session::{id::SessionId, info::SessionInfo};
use crate::task::link::wake;

/// Lists that may be made at once.
const MOST_LISTS: usize = 64;

pub(crate) type Filter = dyn Fn(&SessionInfo) -> bool + Send + Sync;

/// A list, for the one who asked for it.
pub(crate) struct List(Arc<Shared>);

struct Shared {
    filter: Box<Filter>,
    progress: Mutex<Progress>,
    is_given_up: AtomicBool,
    lists: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Progress {
    /// Shards that are not through.
    shards: usize,
    found: Vec<SessionInfo>,
    waker: Option<Waker>,
}

/// What one shard has to do for a list. Dropping it tells that the shard is through, or has ended.
pub(crate) struct Job {
    shared: Arc<Shared>,
    /// The slot of the session to look at next.
    pub(crate) next: u32,
    /// Slots from here on are not looked at.
    pub(crate) end: u32,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// A list, and a job for each shard. `lists` counts those of the server. `None` if there are
    /// too many.
    pub(crate) fn new(filter: Box<Filter>, shards: usize, lists: &Arc<AtomicUsize>) -> Option<(List, Vec<Job>)> {
        if lists.fetch_add(1, Ordering::Relaxed) >= MOST_LISTS {
            lists.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let progress = Mutex::new(Progress { shards, ..Progress::default() });
        let lists = Arc::clone(lists);
        let shared = Arc::new(Shared { filter, progress, is_given_up: AtomicBool::new(false), lists });
        let jobs = (0..shards).map(|_| Job { shared: Arc::clone(&shared), next: 0, end: u32::MAX }).collect();
        Some((List(shared), jobs))
    }

    /// All that was found, when every shard is through. The waker is called then.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Vec<SessionInfo>> {
        let mut progress = self.0.progress();
        if progress.shards == 0 {
            return Poll::Ready(std::mem::take(&mut progress.found));
        }
        let before = progress.waker.replace(waker.clone());
        drop(progress);
        // Dropping a waker may run user code.
        drop(before);
        Poll::Pending
    }
}

impl Drop for List {
    fn drop(&mut self) {
        self.0.is_given_up.store(true, Ordering::Relaxed);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.lists.fetch_sub(1, Ordering::Relaxed);
        // What the filter holds is the user's. It may be the shard that drops it.
        let filter: Box<Filter> = std::mem::replace(&mut self.filter, Box::new(|_| false));
        if contained(|| drop(filter)).is_err() {
            tracing::error!("the filter of a list of sessions panicked when it was dropped");
        }
    }
}

impl Job {
    /// The same for one session alone.
    pub(crate) fn only(mut self, id: SessionId) -> Job {
        (self.next, self.end) = (id.slot(), id.slot().saturating_add(1));
        self
    }

    pub(crate) fn is_wanted(&self, info: &SessionInfo) -> bool {
        (self.shared.filter)(info)
    }

    /// Nobody waits for the list any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.shared.is_given_up.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, mut found: Vec<SessionInfo>) {
        self.shared.progress().found.append(&mut found);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let waker = {
            let mut progress = self.shared.progress();
            progress.shards -= 1;
            if progress.shards == 0 { progress.waker.take() } else { None }
        };
        if let Some(waker) = waker {
            wake(waker);
        }
    }
}
