//! Waits on behalf of callbacks: threads that each wait for many objects.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::handles::Object;
use crate::thread;
use crate::wait::{Kind, Signal, Until, Waited, wait};

/// Objects for which one thread waits.
const MOST_A_THREAD: usize = 60;

/// How a watched wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Signalled,
    Abandoned,
    TimedOut,
}

/// What is done then. It must be short.
type Action = Box<dyn FnOnce(Seen) + Send>;

struct Watched {
    id: u64,
    object: Arc<dyn Object>,
    until: Option<Instant>,
    action: Action,
}

struct Watcher {
    /// Set when the list has changed.
    changed: Signal,
    list: Mutex<Vec<Watched>>,
}

/// One wait, to cancel it.
pub(super) struct WatchId {
    watcher: Arc<Watcher>,
    id: u64,
}

static WATCHERS: Mutex<(u64, Vec<Arc<Watcher>>)> = Mutex::new((0, Vec::new()));

impl Watcher {
    fn list(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, id: u64) -> Option<Watched> {
        let mut list = self.list();
        let at = list.iter().position(|watched| watched.id == id)?;
        Some(list.swap_remove(at))
    }

    fn turn(&self) {
        let now = Instant::now();
        let (ids, objects, until): (Vec<u64>, Vec<Arc<dyn Object>>, Option<Instant>) = {
            let list = self.list();
            let until = list.iter().filter_map(|watched| watched.until).min();
            let ids = list.iter().map(|watched| watched.id).collect();
            (ids, list.iter().map(|watched| Arc::clone(&watched.object)).collect(), until)
        };
        // An object that cannot be waited for was refused before.
        let mut signals = vec![&self.changed];
        signals.extend(objects.iter().filter_map(|object| object.signal()));
        let seen = match wait(&signals, false, until.map_or(Until::Never, Until::At), false) {
            Waited::Object(index @ 1..) => Some((index, Seen::Signalled)),
            Waited::Abandoned(index @ 1..) => Some((index, Seen::Abandoned)),
            _ => None,
        };
        if let Some((index, seen)) = seen {
            match ids.get(index - 1).and_then(|id| self.take(*id)) {
                Some(watched) => (watched.action)(seen),
                // Cancelled meanwhile: another wait gets what this one took.
                None => signals[index].give_back(thread::id()),
            }
            return;
        }
        let over = |watched: &&Watched| watched.until.is_some_and(|until| until <= now.max(Instant::now()));
        let late: Vec<u64> = self.list().iter().filter(over).map(|watched| watched.id).collect();
        for id in late {
            if let Some(watched) = self.take(id) {
                (watched.action)(Seen::TimedOut);
            }
        }
    }
}

unsafe extern "C-unwind" fn work(watcher: *mut c_void) {
    // SAFETY: `watch` made the reference for this thread.
    let watcher = unsafe { Arc::from_raw(watcher.cast_const().cast::<Watcher>()) };
    loop {
        watcher.turn();
    }
}

/// Waits for an object on a thread of this module; `None` if there is no thread for it.
pub(super) fn watch(
    object: Arc<dyn Object>,
    until: Option<Instant>,
    action: impl FnOnce(Seen) + Send + 'static,
) -> Option<WatchId> {
    let mut watchers = WATCHERS.lock().unwrap_or_else(PoisonError::into_inner);
    watchers.0 += 1;
    let id = watchers.0;
    let with_room = watchers.1.iter().find(|watcher| watcher.list().len() < MOST_A_THREAD).cloned();
    let watcher = match with_room {
        Some(watcher) => watcher,
        None => {
            let watcher = Arc::new(Watcher { changed: Signal::new(Kind::Counted, 0), list: Mutex::default() });
            let given = Arc::into_raw(Arc::clone(&watcher));
            if !thread::spawn(work, given.cast_mut().cast()) {
                // SAFETY: no thread has got it.
                drop(unsafe { Arc::from_raw(given) });
                return None;
            }
            watchers.1.push(Arc::clone(&watcher));
            watcher
        }
    };
    watcher.list().push(Watched { id, object, until, action: Box::new(action) });
    watcher.changed.set();
    Some(WatchId { watcher, id })
}

impl WatchId {
    /// `false` if it has ended.
    pub(super) fn cancel(&self) -> bool {
        let cancelled = self.watcher.take(self.id).is_some();
        self.watcher.changed.set();
        cancelled
    }
}
