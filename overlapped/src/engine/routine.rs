//! Model II: completion routines. The thread that started an operation runs its routine, when it
//! waits alertably.
//!
//! A routine's closure never leaves its thread: a thread-local table keeps it, and only its key
//! travels. So a closure need not be `Send`, and when the thread ends, its routines are dropped
//! there.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use slab::Slab;

use super::event::{Event, WaitSet, wait_any_or};
use super::park::{self, Unpark};
use crate::buf::Crossing;
use crate::driver::{Completion, Wait};
use crate::error::{Action, Error, ErrorKind};
use crate::sync::{Arc, Mutex, lock, thread_local};

/// How many routines of a [`RoutineQueue`] can wait for one thread.
const MOST_QUEUED: usize = 65_536;

type Routine = Box<dyn FnOnce(Completion)>;
type QueuedRoutine = Box<dyn FnOnce() + Send>;

/// The routines that a thread is to run, as other threads see them.
pub struct Queue(Mutex<State>);

/// The `Arc` that loom replaces: its count decides whether a sleep can ever end.
pub(crate) type SharedQueue = Arc<Queue>;

struct State {
    /// The thread has not ended.
    open: bool,
    ready: VecDeque<Ready>,
    /// How many of those came through a [`RoutineQueue`].
    queued: usize,
    /// Wakes the thread, while it is in an alertable wait.
    alert: Option<Unpark>,
}

enum Ready {
    /// An operation has ended: the key of its routine, and what the routine is called with.
    Ended(usize, Crossing<Completion>),
    Queued(QueuedRoutine),
}

impl Queue {
    fn new() -> Queue {
        Queue(Mutex::new(State { open: true, ready: VecDeque::new(), queued: 0, alert: None }))
    }

    fn push(&self, ready: Ready) -> Result<(), (ErrorKind, Ready)> {
        let mut state = lock(&self.0);
        if !state.open {
            return Err((ErrorKind::Closed, ready));
        }
        if matches!(ready, Ready::Queued(_)) {
            if state.queued == MOST_QUEUED {
                return Err((ErrorKind::LimitReached, ready));
            }
            state.queued += 1;
        }
        state.ready.push_back(ready);
        let alert = state.alert.take();
        drop(state);
        if let Some(alert) = alert {
            alert.unpark();
        }
        Ok(())
    }

    /// Queues the routine of an operation that has ended. If the thread has ended, so has its
    /// routine: the completion is given back.
    pub(crate) fn ended(&self, key: usize, completion: Crossing<Completion>) -> Option<Crossing<Completion>> {
        match self.push(Ready::Ended(key, completion)) {
            Err((_, Ready::Ended(_, completion))) => Some(completion),
            _ => None,
        }
    }

    /// Whether there is something to run. If not, the next routine unparks the thread.
    fn is_ready_or_alert(&self, unpark: &Unpark) -> bool {
        let mut state = lock(&self.0);
        if state.ready.is_empty() {
            state.alert = Some(unpark.clone());
            return false;
        }
        true
    }

    /// The alertable wait has ended.
    fn end_alert(&self) {
        lock(&self.0).alert = None;
    }

    /// Takes everything that is queued now.
    fn snapshot(&self, into: &mut VecDeque<Ready>) {
        let mut state = lock(&self.0);
        std::mem::swap(&mut state.ready, into);
        state.queued = 0;
    }
}

/// The routines of this thread.
struct Routines {
    queue: SharedQueue,
    closures: RefCell<Slab<Routine>>,
    /// A routine is running, or others of its snapshot are still to run.
    running: Cell<bool>,
    /// An empty queue, kept for its memory.
    spare: Cell<VecDeque<Ready>>,
}

impl Drop for Routines {
    /// The thread ends. Its routines are dropped.
    fn drop(&mut self) {
        let mut ready = VecDeque::new();
        lock(&self.queue.0).open = false;
        self.queue.snapshot(&mut ready);
        // Outside the lock: dropping may run any code.
        drop(ready);
        drop(std::mem::take(&mut *self.closures.borrow_mut()));
    }
}

thread_local! {
    static ROUTINES: Routines = Routines {
        queue: Arc::new(Queue::new()),
        closures: RefCell::new(Slab::new()),
        running: Cell::new(false),
        spare: Cell::new(VecDeque::new()),
    };
}

/// Keeps a closure for this thread. Returns the queue for the operation's end, and the closure's
/// key; `None` if the thread is ending.
pub(crate) fn keep(routine: Routine) -> Option<(SharedQueue, usize)> {
    ROUTINES
        .try_with(|routines| {
            let key = routines.closures.borrow_mut().insert(routine);
            (Arc::clone(&routines.queue), key)
        })
        .ok()
}

/// The key of a closure whose operation is being started. If it is not, also because a buffer
/// panics, dropping this drops the closure.
pub(crate) struct Kept(pub(crate) usize);

impl Kept {
    pub(crate) fn has_started(self) {
        std::mem::forget(self);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let closure = ROUTINES.try_with(|routines| routines.closures.borrow_mut().try_remove(self.0));
        drop(closure);
    }
}

/// Runs the routines that are queued now, and returns how many. Inside a routine it runs none.
fn run() -> usize {
    let ran = ROUTINES.try_with(|routines| {
        if routines.running.get() {
            return 0;
        }
        let mut ready = routines.spare.take();
        routines.queue.snapshot(&mut ready);
        if ready.is_empty() {
            routines.spare.set(ready);
            return 0;
        }
        routines.running.set(true);
        let ran = ready.len();
        for ready in ready.drain(..) {
            let routine: Box<dyn FnOnce()> = match ready {
                Ready::Queued(routine) => routine,
                Ready::Ended(key, completion) => {
                    let routine = routines.closures.borrow_mut().remove(key);
                    contain(move || routine(completion.into_inner()));
                    continue;
                }
            };
            contain(routine);
        }
        routines.spare.set(ready);
        routines.running.set(false);
        ran
    });
    ran.unwrap_or(0)
}

fn contain(routine: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(routine)).is_err() {
        tracing::error!("a routine panicked; the thread's other routines and operations go on");
    }
}

/// How an alertable wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The event at this place in the slice, or this member of the set, is signalled.
    Event(usize),
    /// So many routines ran (Winsock's `WSA_WAIT_IO_COMPLETION`). An event may be signalled as
    /// well.
    Routines(usize),
    /// Neither happened in time.
    TimedOut,
}

/// Runs routines, or waits with `block` until there are some to run.
fn alertable(block: impl FnOnce(&dyn Fn() -> bool) -> Result<Option<usize>, Error>) -> Result<Woken, Error> {
    park::begin();
    let ran = run();
    if ran > 0 {
        return Ok(Woken::Routines(ran));
    }
    let (queue, running) = match ROUTINES.try_with(|routines| (Arc::clone(&routines.queue), routines.running.get())) {
        Ok(here) => here,
        Err(_) => return Err(Error::new(Action::Routine, ErrorKind::Closed).because("the thread is ending")),
    };
    let unpark = Unpark::this_thread();
    let waited = block(&|| !running && queue.is_ready_or_alert(&unpark));
    queue.end_alert();
    match waited? {
        Some(place) => Ok(Woken::Event(place)),
        None => match run() {
            0 => Ok(Woken::TimedOut),
            ran => Ok(Woken::Routines(ran)),
        },
    }
}

/// Waits until one of the events is signalled or routines have run: an alertable wait
/// (`WSAWaitForMultipleEvents` with `fAlertable`).
///
/// Routines run only in alertable waits. A wait runs those that are queued when it checks, in the
/// order in which their operations ended, and then returns. Inside a routine it waits without
/// running any.
///
/// # Errors
/// `InvalidArgument` for an empty slice (use [`sleep_alertable`]); `WouldDeadlock` on the thread of
/// an [`Engine`](crate::Engine).
pub fn wait_alertable(events: &[&Event], wait: Wait) -> Result<Woken, Error> {
    alertable(|interrupted| wait_any_or(events, wait, interrupted))
}

impl WaitSet {
    /// As [`wait`](WaitSet::wait), but alertable: if routines run first, `signalled` stays empty.
    /// [`Woken::Event`] holds the lowest member.
    ///
    /// # Errors
    /// As for [`wait`](WaitSet::wait).
    pub fn wait_alertable(&self, wait: Wait, signalled: &mut Vec<usize>) -> Result<Woken, Error> {
        signalled.clear();
        alertable(|interrupted| {
            self.wait_or(wait, signalled, Some(interrupted))?;
            Ok(signalled.first().copied())
        })
    }
}

/// Waits until routines have run (`SleepEx` with `bAlertable`), and returns how many. 0 means that
/// the wait has timed out.
///
/// # Errors
/// `WouldDeadlock` on the thread of an [`Engine`](crate::Engine). Also if nothing could end a wait
/// without a time limit: no operation with a routine of this thread is in flight and no
/// [`RoutineQueue`] of this thread exists, or the caller is itself a routine.
///
/// ```
/// use overlapped::driver::Wait;
/// use overlapped::routine::{RoutineQueue, sleep_alertable};
///
/// let queue = RoutineQueue::of_this_thread()?;
/// std::thread::spawn(move || queue.queue(|| println!("run by the thread that waits")));
/// assert_eq!(sleep_alertable(Wait::Forever)?, 1);
/// # Ok::<(), overlapped::Error>(())
/// ```
pub fn sleep_alertable(wait: Wait) -> Result<usize, Error> {
    let woken = alertable(|interrupted| {
        if wait == Wait::Poll {
            park::poll()?;
            return Ok(None);
        }
        let until = park::deadline(wait);
        while !park::is_over(until) {
            // First this, then the queue: the last holder of the queue may have used it before
            // letting go.
            let alone = is_alone();
            if interrupted() {
                break;
            }
            if until.is_none() && alone {
                let why = "an alertable sleep without a time limit, which no routine can end";
                return Err(Error::new(Action::Wait, ErrorKind::WouldDeadlock).because(why));
            }
            park::park(until)?;
        }
        Ok(None)
    })?;
    Ok(match woken {
        Woken::Routines(ran) => ran,
        _ => 0,
    })
}

/// Whether no routine can run in the present wait: one is running already, or only the thread's own
/// table and the wait hold the queue.
fn is_alone() -> bool {
    let alone = |routines: &Routines| routines.running.get() || Arc::strong_count(&routines.queue) == 2;
    ROUTINES.try_with(alone).unwrap_or(true)
}

/// Queues routines to one thread, from any thread (`QueueUserAPC`). They run when that thread waits
/// alertably.
#[derive(Clone)]
pub struct RoutineQueue(SharedQueue);

impl RoutineQueue {
    /// The queue of the calling thread.
    ///
    /// # Errors
    /// `Closed` while the thread's thread-local values are being dropped.
    pub fn of_this_thread() -> Result<RoutineQueue, Error> {
        ROUTINES
            .try_with(|routines| RoutineQueue(Arc::clone(&routines.queue)))
            .map_err(|_| Error::new(Action::Routine, ErrorKind::Closed).because("the thread is ending"))
    }

    /// Queues a routine. This ends the thread's alertable wait.
    ///
    /// # Errors
    /// `Closed` if the thread has ended; `LimitReached` if 65,536 are queued already. The routine
    /// is then dropped.
    pub fn queue(&self, routine: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        self.0.push(Ready::Queued(Box::new(routine))).map_err(|(kind, _)| Error::new(Action::Routine, kind))
    }
}

impl fmt::Debug for RoutineQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoutineQueue")
    }
}
