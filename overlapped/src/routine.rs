//! Completion routines: run by the thread that started the operation, when it waits alertably.
//!
//! A routine's closure never leaves its thread: it is kept in a table of the thread's own, and what travels is its key. So a closure need not be
//! `Send`, and if the thread ends, its routines are dropped there.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use slab::Slab;

use crate::driver::Wait;
use crate::ending::Raw;
use crate::error::{Action, Error, ErrorKind};
use crate::event::{Event, WaitFor, wait_for};
use crate::park::{self, Unpark};
use crate::sync::{Arc, Mutex, lock, thread_local};
use crate::wait_set::WaitSet;

/// Routines of its own that a thread can have queued and not yet run.
const MOST_QUEUED: usize = 65_536;

type Routine = Box<dyn FnOnce(Raw)>;
type OwnRoutine = Box<dyn FnOnce() + Send>;

/// What other threads see of a thread's routines.
pub(crate) struct Queue(Mutex<State>);

/// The `Arc` that loom replaces: how many hold one matters here.
pub(crate) type SharedQueue = Arc<Queue>;

struct State {
    /// The thread is there and takes routines.
    open: bool,
    ready: VecDeque<Ready>,
    /// How many of those are the program's own.
    own: usize,
    /// The thread is in an alertable wait.
    alert: Option<Unpark>,
}

enum Ready {
    /// An operation has ended: the key of its closure, and what it is called with.
    Ended(usize, Raw),
    Own(OwnRoutine),
}

impl Queue {
    fn new() -> Queue {
        Queue(Mutex::new(State { open: true, ready: VecDeque::new(), own: 0, alert: None }))
    }

    fn push(&self, ready: Ready) -> Result<(), (ErrorKind, Ready)> {
        let mut state = lock(&self.0);
        if !state.open {
            return Err((ErrorKind::Closed, ready));
        }
        if matches!(ready, Ready::Own(_)) {
            if state.own == MOST_QUEUED {
                return Err((ErrorKind::LimitReached, ready));
            }
            state.own += 1;
        }
        state.ready.push_back(ready);
        let alert = state.alert.take();
        drop(state);
        if let Some(alert) = alert {
            alert.unpark();
        }
        Ok(())
    }

    /// An operation has ended, and its routine is to be called with this. If the thread is gone, its routine is too, and this is
    /// given back to be dropped.
    pub(crate) fn ended(&self, key: usize, ending: Raw) -> Option<Raw> {
        match self.push(Ready::Ended(key, ending)) {
            Err((_, Ready::Ended(_, ending))) => Some(ending),
            _ => None,
        }
    }

    /// Whether there is something to run; if not, the thread is to be unparked when there is.
    fn is_ready_or_alert(&self, unpark: &Unpark) -> bool {
        let mut state = lock(&self.0);
        if state.ready.is_empty() {
            state.alert = Some(unpark.clone());
            return false;
        }
        true
    }

    fn calm(&self) {
        lock(&self.0).alert = None;
    }

    /// Everything there is at this moment.
    fn snapshot(&self, into: &mut VecDeque<Ready>) {
        let mut state = lock(&self.0);
        std::mem::swap(&mut state.ready, into);
        state.own = 0;
    }
}

/// The routines of this thread.
struct Routines {
    queue: SharedQueue,
    closures: RefCell<Slab<Routine>>,
    /// A routine is running, or some of a snapshot are still to run.
    running: Cell<bool>,
    /// An empty queue, kept for its memory.
    spare: Cell<VecDeque<Ready>>,
}

impl Drop for Routines {
    /// The thread ends, and its routines with it.
    fn drop(&mut self) {
        let mut ready = VecDeque::new();
        lock(&self.queue.0).open = false;
        self.queue.snapshot(&mut ready);
        // Outside the lock: what is dropped may be anything.
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

/// Keeps a closure for this thread; gives the queue to which the operation's end is to be sent, and the key. It fails on a thread that is
/// at its end.
pub(crate) fn keep(routine: Routine) -> Option<(SharedQueue, usize)> {
    ROUTINES
        .try_with(|routines| {
            let key = routines.closures.borrow_mut().insert(routine);
            (Arc::clone(&routines.queue), key)
        })
        .ok()
}

/// Takes a closure back, because its operation was not started after all.
pub(crate) fn forget(key: usize) {
    let closure = ROUTINES.try_with(|routines| routines.closures.borrow_mut().try_remove(key));
    drop(closure);
}

/// Runs what is queued at this moment; says how many. Inside a routine: none.
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
                Ready::Own(routine) => routine,
                Ready::Ended(key, ending) => {
                    let routine = routines.closures.borrow_mut().remove(key);
                    contain(move || routine(ending));
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
    /// So many routines ran (Winsock's `WSA_WAIT_IO_COMPLETION`). Whether an event is signalled was not looked at.
    Routines(usize),
    /// The wait was over before.
    TimedOut,
}

/// Waits as `wait` says, with `block`, unless routines come first.
fn alertable(block: impl FnOnce(&dyn Fn() -> bool) -> Result<Option<usize>, Error>) -> Result<Woken, Error> {
    let ran = run();
    if ran > 0 {
        return Ok(Woken::Routines(ran));
    }
    let (queue, running) = match ROUTINES.try_with(|routines| (Arc::clone(&routines.queue), routines.running.get())) {
        Ok(here) => here,
        Err(_) => return Err(Error::new(Action::Routine, ErrorKind::Closed).because("the thread is at its end")),
    };
    let unpark = Unpark::this_thread();
    let waited = block(&|| !running && queue.is_ready_or_alert(&unpark));
    queue.calm();
    match waited? {
        Some(place) => Ok(Woken::Event(place)),
        None => match run() {
            0 => Ok(Woken::TimedOut),
            ran => Ok(Woken::Routines(ran)),
        },
    }
}

/// Waits until one of the events is signalled or routines have run: an alertable wait (`WSAWaitForMultipleEvents` with `fAlertable`).
///
/// Routines run here and in the other alertable waits only: those that are queued when it looks, in the order in which their operations
/// ended, before it returns. Inside a routine it waits without running any.
///
/// # Errors
/// `InvalidArgument` for an empty slice (use [`sleep_alertable`]); `WouldDeadlock` on the thread of a [`Proactor`](crate::Proactor).
pub fn wait_alertable(events: &[&Event], wait: Wait) -> Result<Woken, Error> {
    alertable(|interrupted| wait_for(events, wait, WaitFor::Any, Some(interrupted)))
}

impl WaitSet {
    /// As [`wait`](WaitSet::wait), but alertable: if routines run first, `signalled` stays empty. [`Woken::Event`] has the lowest member.
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

/// Waits until routines have run (`SleepEx` with `bAlertable`): says how many, and 0 means that the wait was over before.
///
/// # Errors
/// `WouldDeadlock` on the thread of a [`Proactor`](crate::Proactor), and if nothing could ever end the wait: it is to last for ever, and no operation with a
/// routine of this thread is under way and nobody has a [`RoutineQueue`] of this thread, or it is called within a routine.
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
            // Before the look at the queue: the last who could queue something has done so before it was gone.
            let alone = is_alone();
            if interrupted() {
                break;
            }
            if until.is_none() && alone {
                let why = "an alertable sleep for ever, and no routine can come, or run within another";
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

/// Whether no routine could run in the present wait: nobody could queue one (one handle is the table's, one the wait's), or one is running.
fn is_alone() -> bool {
    let alone = |routines: &Routines| routines.running.get() || Arc::strong_count(&routines.queue) == 2;
    ROUTINES.try_with(alone).unwrap_or(true)
}

/// The routines of one thread: any thread can queue its own there (`QueueUserAPC`). They run when that thread waits alertably.
#[derive(Clone)]
pub struct RoutineQueue(SharedQueue);

impl RoutineQueue {
    /// That of the thread that calls.
    ///
    /// # Errors
    /// `Closed` while the thread's thread-local values are being destroyed.
    pub fn of_this_thread() -> Result<RoutineQueue, Error> {
        ROUTINES
            .try_with(|routines| RoutineQueue(Arc::clone(&routines.queue)))
            .map_err(|_| Error::new(Action::Routine, ErrorKind::Closed).because("the thread is at its end"))
    }

    /// Queues a routine; ends the thread's alertable wait.
    ///
    /// # Errors
    /// `Closed` if the thread has ended, `LimitReached` if 65,536 are queued already; the routine is dropped.
    pub fn queue(&self, routine: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        self.0.push(Ready::Own(Box::new(routine))).map_err(|(kind, _)| Error::new(Action::Routine, kind))
    }
}

impl fmt::Debug for RoutineQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoutineQueue")
    }
}
