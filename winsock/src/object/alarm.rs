//! Things that happen at a time: one thread that sleeps until the next. It runs no code of the
//! program.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::time::Instant;

/// One thing to happen; the number tells those of the same time apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AlarmId(Instant, u64);

type Action = Box<dyn FnOnce() + Send>;

struct Alarms {
    next: u64,
    due: BTreeMap<AlarmId, Action>,
}

static ALARMS: Mutex<Alarms> = Mutex::new(Alarms { next: 0, due: BTreeMap::new() });
static CHANGED: Condvar = Condvar::new();
static THREAD: Once = Once::new();

/// Has `action` run at a time, on the thread of all alarms: it must be short.
pub(crate) fn set(at: Instant, action: impl FnOnce() + Send + 'static) -> AlarmId {
    THREAD.call_once(|| {
        // The program's signals are for its own threads.
        // SAFETY: both sets live on this stack, and the mask of this thread is put back.
        unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            let started = std::thread::Builder::new().name("winsock-timers".into()).spawn(run);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
            drop(started);
        }
    });
    let mut alarms = ALARMS.lock().unwrap_or_else(PoisonError::into_inner);
    alarms.next += 1;
    let id = AlarmId(at, alarms.next);
    let is_first = alarms.due.first_key_value().is_none_or(|(first, _)| id < *first);
    alarms.due.insert(id, Box::new(action));
    drop(alarms);
    if is_first {
        CHANGED.notify_one();
    }
    id
}

/// `false` if it has begun to run.
pub(crate) fn cancel(id: AlarmId) -> bool {
    let mut alarms = ALARMS.lock().unwrap_or_else(PoisonError::into_inner);
    let action = alarms.due.remove(&id);
    drop(alarms);
    action.is_some()
}

fn run() {
    let mut alarms = ALARMS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Some((first, _)) = alarms.due.first_key_value() else {
            alarms = CHANGED.wait(alarms).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let left = first.0.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            alarms = CHANGED.wait_timeout(alarms, left).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let Some((_, action)) = alarms.due.pop_first() else { continue };
        drop(alarms);
        action();
        alarms = ALARMS.lock().unwrap_or_else(PoisonError::into_inner);
    }
}
