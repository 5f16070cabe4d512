//! Waits on a slice of events.

use std::fmt;
use std::sync::Arc;

use super::domain::{Domain, EventState, Few, Goal, Tables, Waiter, domain};
use crate::driver::Wait;
use crate::engine::park::{self, Unpark, Unparks};
use crate::error::{Action, Error, ErrorKind};

/// An event of overlapped I/O: signalled until it is reset (manual reset).
///
/// Starting an operation with an event resets the event; the end of the operation sets it. Any
/// thread may set or reset an event. Events live in user space: making one costs no descriptor and
/// no system call, and there may be as many as fit in memory (about 100 bytes each). Clones are
/// handles to the same event.
///
/// In Winsock: `WSAEVENT`, `WSACreateEvent`, `WSASetEvent`, `WSAResetEvent`.
///
/// ```
/// use overlapped::Event;
/// use overlapped::driver::Wait;
/// use overlapped::event::wait_any;
///
/// let (quiet, loud) = (Event::new(), Event::new());
/// let setter = loud.clone();
/// std::thread::spawn(move || setter.set());
/// assert_eq!(wait_any(&[&quiet, &loud], Wait::Forever)?, Some(1));
/// assert!(loud.is_signalled(), "until it is reset");
/// loud.reset();
/// assert_eq!(wait_any(&[&quiet, &loud], Wait::Poll)?, None);
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone)]
pub struct Event(Arc<Registered>);

struct Registered {
    domain: &'static Domain,
    index: usize,
}

impl Event {
    /// Makes an event that is not signalled.
    pub fn new() -> Event {
        let domain = domain();
        let state = EventState { signalled: false, owned: true, waiters: Few::new(), sets: Few::new() };
        let index = domain.lock().events.insert(state);
        Event(Arc::new(Registered { domain, index }))
    }

    pub(super) fn index(&self) -> usize {
        self.0.index
    }

    pub(super) fn domain(&self) -> &'static Domain {
        self.0.domain
    }

    /// Signals it: wakes every thread whose wait this fulfils.
    pub fn set(&self) {
        self.signal().unpark();
    }

    /// Signals it; the caller wakes the waiting threads.
    pub(crate) fn signal(&self) -> Unparks {
        let mut unparks = Unparks::default();
        self.0.domain.lock().set(self.0.index, &mut unparks);
        unparks
    }

    /// Makes it not signalled. Waits that are already fulfilled stay fulfilled.
    pub fn reset(&self) {
        self.0.domain.lock().reset(self.0.index);
    }

    /// Whether it is signalled now.
    pub fn is_signalled(&self) -> bool {
        self.0.domain.lock().events[self.0.index].signalled
    }
}

impl Default for Event {
    fn default() -> Event {
        Event::new()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut tables = self.domain.lock();
        tables.events[self.index].owned = false;
        tables.release(self.index);
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({})", if self.is_signalled() { "signalled" } else { "not signalled" })
    }
}

/// Waits until one of the events is signalled, and returns its place in the slice: the lowest, if
/// several are signalled. `None` means that the wait has timed out.
///
/// A program that always waits on the same slice starves the events at its end. Rotate the slice,
/// or use a [`WaitSet`](crate::WaitSet): its waits also cost only what is signalled, not what it
/// holds.
///
/// In Winsock: `WSAWaitForMultipleEvents` with `fWaitAll` false, without its limit of 64.
///
/// # Errors
/// `InvalidArgument` for an empty slice; `WouldDeadlock` on the thread of an
/// [`Engine`](crate::Engine).
pub fn wait_any(events: &[&Event], wait: Wait) -> Result<Option<usize>, Error> {
    wait_for(events, wait, WaitFor::Any, None)
}

/// Waits until all of the events are signalled at one moment; `false` means that the wait has timed
/// out. The wait changes and consumes nothing.
///
/// In Winsock: `WSAWaitForMultipleEvents` with `fWaitAll` true.
///
/// # Errors
/// As for [`wait_any`].
pub fn wait_all(events: &[&Event], wait: Wait) -> Result<bool, Error> {
    Ok(wait_for(events, wait, WaitFor::All, None)?.is_some())
}

/// As [`wait_any`]; also ends, with `None`, when `interrupted` returns true.
pub(crate) fn wait_any_or(
    events: &[&Event],
    wait: Wait,
    interrupted: &dyn Fn() -> bool,
) -> Result<Option<usize>, Error> {
    wait_for(events, wait, WaitFor::Any, Some(interrupted))
}

impl Event {
    /// Waits until it is signalled; `false` means that the wait has timed out.
    ///
    /// # Errors
    /// `WouldDeadlock` on the thread of an [`Engine`](crate::Engine).
    pub fn wait(&self, wait: Wait) -> Result<bool, Error> {
        Ok(wait_any(&[self], wait)?.is_some())
    }
}

#[derive(Clone, Copy)]
enum WaitFor {
    Any,
    All,
}

fn wait_for(
    events: &[&Event],
    wait: Wait,
    goal: WaitFor,
    interrupted: Option<&dyn Fn() -> bool>,
) -> Result<Option<usize>, Error> {
    let Some(first) = events.first() else {
        return Err(Error::new(Action::Wait, ErrorKind::InvalidArgument).because("a wait on no events"));
    };
    park::begin();
    let domain = first.domain();
    if let Some(place) = satisfied(&domain.lock(), events, goal) {
        return Ok(Some(place));
    }
    if wait == Wait::Poll {
        park::poll()?;
        return Ok(satisfied(&domain.lock(), events, goal));
    }
    let until = park::deadline(wait);
    let waiting = match Waiting::begin(domain, events, goal) {
        Ok(waiting) => waiting,
        Err(place) => return Ok(Some(place)),
    };
    loop {
        if let Some(place) = waiting.fulfilled() {
            return Ok(Some(place));
        }
        if park::is_over(until) || interrupted.is_some_and(|interrupted| interrupted()) {
            return Ok(None);
        }
        park::park(until)?;
    }
}

/// The place at which a wait would end now.
fn satisfied(tables: &Tables, events: &[&Event], goal: WaitFor) -> Option<usize> {
    let signalled = |event: &&Event| tables.events[event.index()].signalled;
    match goal {
        WaitFor::Any => events.iter().position(signalled),
        WaitFor::All => events.iter().all(signalled).then_some(0),
    }
}

/// A wait in progress, registered with its events.
struct Waiting<'a> {
    domain: &'static Domain,
    events: &'a [&'a Event],
    waiter: usize,
}

impl<'a> Waiting<'a> {
    /// Fails with the place at which the wait ends, if it ends at once.
    fn begin(domain: &'static Domain, events: &'a [&'a Event], goal: WaitFor) -> Result<Waiting<'a>, usize> {
        let unpark = Unpark::this_thread();
        let mut tables = domain.lock();
        if let Some(place) = satisfied(&tables, events, goal) {
            return Err(place);
        }
        let goal = match goal {
            WaitFor::Any => Goal::Any,
            WaitFor::All => {
                let missing = events.iter().filter(|event| !tables.events[event.index()].signalled).count();
                Goal::All { missing }
            }
        };
        let waiter = tables.waiters.insert(Waiter { unpark, fulfilled: None, goal });
        for (place, event) in events.iter().enumerate() {
            tables.events[event.index()].waiters.push((waiter as u32, place as u32));
        }
        Ok(Waiting { domain, events, waiter })
    }

    fn fulfilled(&self) -> Option<usize> {
        self.domain.lock().waiters[self.waiter].fulfilled
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut tables = self.domain.lock();
        for event in self.events {
            tables.events[event.index()].waiters.retain(|(waiter, _)| *waiter as usize != self.waiter);
        }
        tables.waiters.remove(self.waiter);
    }
}
