//! How a thread waits: by sleeping, or, if it has a proactor of its own, by turning that.
//!
//! Everything that blocks in this crate (events, ports, results, alertable waits, `block_on`) writes down what it waits for, looks
//! whether it is there already, and parks; who brings it about unparks. A thread looks again after every park, so an unpark too many
//! does no harm.

use std::rc::Rc;
use std::task::{Context, Poll, Wake, Waker};
use std::{cell::Cell, cell::RefCell, pin::pin, sync::Arc};

use crate::driver::Wait;
use crate::error::{Action, Error, ErrorKind};
use crate::proactor::LocalTurn;
use crate::sync::{self, AtomicBool, Ordering, Thread, current_thread, thread_local};
use crate::sys::WakeHandle;
use crate::time::Time;

thread_local! {
    /// The proactor that this thread turns whenever it waits.
    static LOCAL: RefCell<Option<Rc<LocalTurn>>> = const { RefCell::new(None) };
    /// This is the thread of a proactor: it must not wait for what only it can bring about.
    static SERVES: Cell<bool> = const { Cell::new(false) };
    /// Its address tells threads apart.
    static MARK: u8 = const { 0 };
}

/// A number that no other living thread has.
pub(crate) fn this_thread() -> usize {
    MARK.with(|mark| &raw const *mark as usize)
}

/// Gives this thread a proactor of its own; `false` if it has one.
pub(crate) fn set_local(local: &Rc<LocalTurn>) -> bool {
    LOCAL.with(|here| {
        let mut here = here.borrow_mut();
        let free = here.is_none();
        if free {
            *here = Some(Rc::clone(local));
        }
        free
    })
}

pub(crate) fn clear_local() {
    // Dropped outside the borrow. The thread may be at its end, with nothing left to clear.
    let _ = LOCAL.try_with(|here| here.borrow_mut().take());
}

fn local() -> Option<Rc<LocalTurn>> {
    LOCAL.try_with(|here| here.borrow().clone()).ok().flatten()
}

/// This thread serves a proactor from here on.
pub(crate) fn serve() {
    SERVES.with(|serves| serves.set(true));
}

/// How a waiting thread is told to look again.
#[derive(Clone)]
pub(crate) enum Unpark {
    Thread(Thread),
    Turn { wake: WakeHandle, home: usize },
}

impl Unpark {
    /// For the thread that calls.
    pub(crate) fn this_thread() -> Unpark {
        match local() {
            Some(local) => Unpark::Turn { wake: local.wake_handle(), home: this_thread() },
            None => Unpark::Thread(current_thread()),
        }
    }

    /// Whether the thread that calls, whose it is, still waits in the way of which this knows: it may have got a local proactor since, or lost one.
    fn is_valid(&self) -> bool {
        match (self, local()) {
            (Unpark::Thread(_), None) => true,
            (Unpark::Turn { wake, .. }, Some(local)) => wake.is(&local.wake_handle()),
            _ => false,
        }
    }

    pub(crate) fn unpark(&self) {
        match self {
            Unpark::Thread(thread) => thread.unpark(),
            // A thread that unparks itself is awake, and looks again before it waits.
            Unpark::Turn { home, .. } if *home == this_thread() => {}
            Unpark::Turn { wake, .. } => wake.wake(),
        }
    }
}

/// Those to be unparked after a lock has been released.
#[derive(Default)]
#[must_use = "they would sleep on"]
pub(crate) struct Unparks(Option<Unpark>, Vec<Unpark>);

impl Unparks {
    pub(crate) fn push(&mut self, unpark: Unpark) {
        match &self.0 {
            None => self.0 = Some(unpark),
            Some(_) => self.1.push(unpark),
        }
    }

    pub(crate) fn unpark(self) {
        for unpark in self.0.into_iter().chain(self.1) {
            unpark.unpark();
        }
    }
}

/// This moment, on the clock by which this thread waits.
pub(crate) fn now() -> Time {
    match local() {
        Some(local) => local.now(),
        None => clock(),
    }
}

/// The moment at which a wait is over; `None` is never.
pub(crate) fn deadline(wait: Wait) -> Option<Time> {
    match wait {
        Wait::Poll => Some(Time::ZERO),
        Wait::For(duration) => Some(now() + duration),
        Wait::Until(at) => Some(at),
        Wait::Forever => None,
    }
}

/// Whether a deadline has come.
pub(crate) fn is_over(until: Option<Time>) -> bool {
    until.is_some_and(|until| until == Time::ZERO || until <= now())
}

/// Waits until this thread is unparked or `until` has come, or for no reason at all.
///
/// # Errors
/// `WouldDeadlock` on the thread of a proactor; what the backend says, on a thread that has a proactor of its own.
pub(crate) fn park(until: Option<Time>) -> Result<(), Error> {
    if SERVES.with(Cell::get) {
        return Err(Error::new(Action::Wait, ErrorKind::WouldDeadlock)
            .because("this is the proactor's own thread, which would have to end the wait; wait on another thread"));
    }
    if let Some(local) = local() {
        return local.turn(until);
    }
    sleep(until);
    Ok(())
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
    Time::real()
}

#[cfg(loom)]
fn sleep(until: Option<Time>) {
    match until {
        None => sync::park(),
        // However little the other threads have done meanwhile, the time has come.
        Some(until) => {
            loom::thread::yield_now();
            CLOCK.with(|clock| clock.set(clock.get().max(until)));
        }
    }
}

/// In a model, every thread's time is its own, and passes only in its sleep.
#[cfg(loom)]
fn clock() -> Time {
    CLOCK.with(Cell::get)
}

#[cfg(loom)]
thread_local! {
    static CLOCK: Cell<Time> = Cell::new(Time::from_nanos(1));
}

/// Before a wait that has found nothing: a thread with a proactor of its own turns that once even if it is not to wait, for that is how its
/// operations come to their ends.
pub(crate) fn poll() -> Result<(), Error> {
    match local() {
        Some(local) => local.turn(Some(Time::ZERO)),
        None => Ok(()),
    }
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

/// Runs a future to its end on this thread. If the thread has a [`LocalProactor`](crate::LocalProactor), that is turned meanwhile.
///
/// Any other executor will do as well for futures of a [`Proactor`](crate::Proactor) with a thread of its own.
///
/// # Errors
/// `WouldDeadlock` on a proactor's own thread; what the backend says if the local proactor's fails.
///
/// ```
/// # fn main() -> Result<(), overlapped::Error> {
/// let proactor = overlapped::Proactor::local()?;
/// let listener = proactor.listen("127.0.0.1:0", &Default::default())?;
/// let client = std::net::TcpStream::connect(listener.local_addr()?).unwrap();
/// let accepted = overlapped::future::block_on(async { listener.accept().await })??;
/// assert_eq!(accepted.peer, client.local_addr().unwrap());
/// # Ok(())
/// # }
/// ```
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Error> {
    let mut future = pin!(future);
    loop {
        let waker = waker_flag();
        let task = Waker::from(Arc::clone(&waker));
        let mut context = Context::from_waker(&task);
        // Until the future has made a local proactor, or dropped it: then it is asked again with a waker that knows of that.
        while waker.unpark.is_valid() {
            // What was written before a wake-up that this wipes out is seen by the poll.
            waker.woken.swap(false, Ordering::AcqRel);
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
            while waker.unpark.is_valid() && !waker.woken.load(Ordering::Acquire) {
                park(None)?;
            }
        }
    }
}

/// A waker that says whether it was used, so that a future is not polled for nothing.
struct Flag {
    woken: AtomicBool,
    unpark: Unpark,
}

fn waker_flag() -> Arc<Flag> {
    Arc::new(Flag { woken: AtomicBool::new(false), unpark: Unpark::this_thread() })
}

impl Wake for Flag {
    fn wake(self: Arc<Flag>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Flag>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.unpark.unpark();
        }
    }
}
