//! How a thread waits: it sleeps, or it turns the local engine that it owns.
//!
//! Everything in this crate that blocks (events, ports, results, alertable waits, `block_on`) works
//! the same way. It registers what it waits for, checks whether that has happened, and parks. The
//! thread that makes it happen unparks it. Every wait checks again after a park, so a spurious
//! unpark does no harm.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::driver::Wait;
use crate::error::{Action, Error, ErrorKind};

use crate::sync::{self, Thread, current_thread, thread_local};
use crate::sys::process::Process;
use crate::time::Time;
use crate::wake::WakeHandle;

/// What a thread does instead of sleeping: a local engine.
pub(crate) trait Turner {
    /// Waits until an operation has ended, the thread is woken, or `until` is reached.
    fn turn(&self, until: Option<Time>) -> Result<(), Error>;
    /// Ends a turn from any thread.
    fn wake_handle(&self) -> WakeHandle;
    /// The clock by which the thread waits.
    fn now(&self) -> Time;
}

thread_local! {
    /// What this thread turns whenever it waits.
    static TURNER: RefCell<Option<(Process, Rc<dyn Turner>)>> = const { RefCell::new(None) };
    /// Waits that this thread has begun since it last turned its local engine.
    static BEGUN: Cell<u32> = const { Cell::new(0) };
    /// This thread drives an engine: it must not wait for something that only it can do.
    static DRIVES: Cell<bool> = const { Cell::new(false) };
    /// How many calls of `block_on` this thread is in.
    static BLOCKS_ON: Cell<u32> = const { Cell::new(0) };
    /// Its address tells threads apart.
    static THREAD: u8 = const { 0 };
}

/// A number that no other living thread has.
pub(crate) fn this_thread() -> usize {
    THREAD.with(|thread| &raw const *thread as usize)
}

/// Makes this thread turn `turner` whenever it waits; `false` if it has a turner already.
pub(crate) fn set_turner(turner: Rc<dyn Turner>) -> bool {
    TURNER.with(|here| {
        let mut here = here.borrow_mut();
        // After a fork, the engine that is there is the parent's.
        if here.as_ref().is_some_and(|(process, _)| process.is_this()) {
            return false;
        }
        *here = Some((Process::this(), turner));
        true
    })
}

pub(crate) fn clear_turner() {
    // The turner is dropped after the borrow. At the end of the thread there is nothing to clear.
    let _ = TURNER.try_with(|here| here.borrow_mut().take());
}

fn turner() -> Option<Rc<dyn Turner>> {
    let here = TURNER.try_with(|here| here.borrow().clone()).ok().flatten();
    here.filter(|(process, _)| process.is_this()).map(|(_, turner)| turner)
}

/// From now on this thread drives an engine.
pub(crate) fn drive() {
    DRIVES.with(|drives| drives.set(true));
}

/// While this lives, the thread is in `block_on`.
pub(crate) struct BlocksOn(());

impl BlocksOn {
    pub(crate) fn begin() -> BlocksOn {
        BLOCKS_ON.with(|depth| depth.set(depth.get() + 1));
        BlocksOn(())
    }
}

impl Drop for BlocksOn {
    fn drop(&mut self) {
        let _ = BLOCKS_ON.try_with(|depth| depth.set(depth.get() - 1));
    }
}

/// Whether this thread is in `block_on`, which turns its local engine.
pub(crate) fn is_blocking_on_a_future() -> bool {
    BLOCKS_ON.with(|depth| depth.get() > 0)
}

/// Wakes a waiting thread.
#[derive(Clone)]
pub(crate) enum Unpark {
    Thread(Thread),
    Turn { wake: WakeHandle, thread: usize },
}

impl Unpark {
    /// Wakes the thread that calls this.
    pub(crate) fn this_thread() -> Unpark {
        match turner() {
            Some(turner) => Unpark::Turn { wake: turner.wake_handle(), thread: this_thread() },
            None => Unpark::Thread(current_thread()),
        }
    }

    /// Whether this still wakes the calling thread, for which it was made: the thread may have got
    /// or lost a local engine since.
    pub(crate) fn is_valid(&self) -> bool {
        match (self, turner()) {
            (Unpark::Thread(_), None) => true,
            (Unpark::Turn { wake, .. }, Some(turner)) => wake.is(&turner.wake_handle()),
            _ => false,
        }
    }

    pub(crate) fn unpark(&self) {
        match self {
            Unpark::Thread(thread) => thread.unpark(),
            // A thread that unparks itself is awake, and checks again before it waits.
            Unpark::Turn { thread, .. } if *thread == this_thread() => {}
            Unpark::Turn { wake, .. } => wake.wake(),
        }
    }
}

/// Threads to unpark after a lock has been released.
#[derive(Default)]
#[must_use = "these threads would sleep on"]
pub(crate) struct Unparks(Option<Unpark>, Vec<Unpark>);

impl Unparks {
    pub(crate) fn push(&mut self, unpark: Unpark) {
        match &self.0 {
            None => self.0 = Some(unpark),
            Some(_) => self.1.push(unpark),
        }
    }

    pub(crate) fn unpark(self) {
        drop(self);
    }

    /// Unparks those that there are now.
    pub(crate) fn unpark_all(&mut self) {
        for unpark in self.0.take().into_iter().chain(self.1.drain(..)) {
            unpark.unpark();
        }
    }
}

/// However a scope is left: nobody sleeps on.
impl Drop for Unparks {
    fn drop(&mut self) {
        self.unpark_all();
    }
}

/// The present time on the clock by which this thread waits.
pub(crate) fn now() -> Time {
    match turner() {
        Some(turner) => turner.now(),
        None => clock(),
    }
}

/// The time at which a wait ends; `None` is never.
pub(crate) fn deadline(wait: Wait) -> Option<Time> {
    match wait {
        Wait::Poll => Some(Time::ZERO),
        Wait::For(duration) => Some(now() + duration),
        Wait::Until(at) => Some(at),
        Wait::Forever => None,
    }
}

/// Whether a deadline has been reached.
pub(crate) fn is_over(until: Option<Time>) -> bool {
    until.is_some_and(|until| until == Time::ZERO || until <= now())
}

/// Waits that a thread begins before its local engine is turned, even if each is satisfied at once.
/// A turn that finds nothing costs one system call.
const WAITS_A_TURN: u32 = 32;

/// A wait begins. A program that always finds something else to do still gets its input and its
/// timers: every [`WAITS_A_TURN`] waits, this thread's local engine is turned.
pub(crate) fn begin() {
    let begun = BEGUN.with(Cell::get) + 1;
    BEGUN.with(|count| count.set(begun));
    if begun >= WAITS_A_TURN {
        BEGUN.with(|count| count.set(0));
        // A backend that has failed is reported by the next wait that needs it.
        let _ = poll();
    }
}

/// Waits until this thread is unparked or `until` is reached. May return early without a reason.
///
/// # Errors
/// `WouldDeadlock` on the thread of an engine. On a thread with a local engine: the error of its
/// backend.
pub(crate) fn park(until: Option<Time>) -> Result<(), Error> {
    if DRIVES.with(Cell::get) {
        let why = "this is the engine's own thread, and only it could end the wait; wait on another thread";
        return Err(Error::new(Action::Wait, ErrorKind::WouldDeadlock).because(why));
    }
    if let Some(turner) = turner() {
        BEGUN.with(|count| count.set(0));
        return turner.turn(until);
    }
    sleep(until);
    Ok(())
}

/// Turns this thread's local engine once without waiting: its operations end in no other way.
/// Called before a wait of no length reports that nothing was found.
pub(crate) fn poll() -> Result<(), Error> {
    match turner() {
        Some(turner) => turner.turn(Some(Time::ZERO)),
        None => Ok(()),
    }
}

#[cfg(not(loom))]
fn sleep(until: Option<Time>) {
    match until {
        None => sync::park(),
        Some(until) => std::thread::park_timeout(until - clock()),
    }
}

#[cfg(not(loom))]
fn clock() -> Time {
    crate::sys::clock::now()
}

#[cfg(loom)]
fn sleep(until: Option<Time>) {
    match until {
        None => sync::park(),
        // The time passes however little the other threads have done meanwhile.
        Some(until) => {
            loom::thread::yield_now();
            CLOCK.with(|clock| clock.set(clock.get().max(until)));
        }
    }
}

/// In a model each thread has a clock of its own, which moves only while the thread sleeps.
#[cfg(loom)]
fn clock() -> Time {
    CLOCK.with(Cell::get)
}

#[cfg(loom)]
thread_local! {
    static CLOCK: Cell<Time> = Cell::new(Time::from_nanos(1));
}

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.unpark();
    }
    fn wake_by_ref(self: &Arc<Unpark>) {
        self.unpark();
    }
}

/// A waker that unparks this thread.
pub(crate) fn waker() -> Waker {
    Waker::from(Arc::new(Unpark::this_thread()))
}
