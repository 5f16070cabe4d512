//! Events: objects that are signalled or not, and threads that wait for them.
//!
//! All events, sets and waiting threads of a process are in one `Domain` under one lock. That is what makes waiting for *all* of
//! several events atomic: there is a moment at which all of them are signalled, seen under the lock.
//!
//! A thread that waits is written down as a waiter in what it waits for. Whoever sets an event fulfils the waits that this satisfies, on the
//! spot: a wait stays fulfilled even if the event is reset before the thread has woken up.

use std::fmt;
use std::sync::Arc;

use slab::Slab;
use smallvec::SmallVec;

use crate::driver::Wait;
use crate::error::{Action, Error, ErrorKind};
use crate::park::{self, Unpark, Unparks};
use crate::sync::{Mutex, MutexGuard, lock};
use crate::wait_set::SetState;

pub use crate::wait_set::WaitSet;

/// The lock and everything under it.
pub(crate) struct Domain(Mutex<Tables>);

pub(crate) struct Tables {
    pub(crate) events: Slab<EventState>,
    pub(crate) sets: Slab<SetState>,
    pub(crate) waiters: Slab<Waiter>,
}

pub(crate) struct EventState {
    pub(crate) signalled: bool,
    /// Whether an [`Event`] still refers to it. It stays while a set does.
    owned: bool,
    /// The waits on slices that it is in, and where in the slice.
    waiters: Few,
    /// The sets it is in, and as which member.
    pub(crate) sets: Few,
}

/// Usually none or one, and then without an allocation or another cache line: an event in a large set should cost what one in a small set does.
type Few = SmallVec<[(u32, u32); 2]>;

/// A thread that waits, and for what.
pub(crate) struct Waiter {
    pub(crate) unpark: Unpark,
    /// The wait is fulfilled, by the event at this place.
    pub(crate) fulfilled: Option<usize>,
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// One of them.
    Any,
    /// All at one moment; so many are not signalled now.
    All { missing: usize },
}

impl Domain {
    #[cfg(not(loom))]
    const fn new() -> Domain {
        Domain(Mutex::new(Tables { events: Slab::new(), sets: Slab::new(), waiters: Slab::new() }))
    }

    #[cfg(loom)]
    fn new() -> Domain {
        Domain(Mutex::new(Tables { events: Slab::new(), sets: Slab::new(), waiters: Slab::new() }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Tables> {
        lock(&self.0)
    }
}

/// The process's one domain.
#[cfg(not(loom))]
pub(crate) fn domain() -> &'static Domain {
    static DOMAIN: Domain = Domain::new();
    &DOMAIN
}

#[cfg(loom)]
pub(crate) fn domain() -> &'static Domain {
    loom::lazy_static! {
        static ref DOMAIN: Domain = Domain::new();
    }
    &DOMAIN
}

impl Waiter {
    /// Fulfils the wait, or finds a lower place for it; the thread is unparked once.
    pub(crate) fn fulfil(&mut self, place: usize, unparks: &mut Unparks) {
        match &mut self.fulfilled {
            None => {
                self.fulfilled = Some(place);
                unparks.push(self.unpark.clone());
            }
            Some(at) => *at = place.min(*at),
        }
    }
}

impl Tables {
    fn set(&mut self, index: usize, unparks: &mut Unparks) {
        let event = &mut self.events[index];
        if std::mem::replace(&mut event.signalled, true) {
            return;
        }
        for &(waiter, place) in &event.waiters {
            let waiter = &mut self.waiters[waiter as usize];
            match &mut waiter.goal {
                Goal::Any => waiter.fulfil(place as usize, unparks),
                Goal::All { missing } => {
                    *missing -= 1;
                    if *missing == 0 {
                        waiter.fulfil(0, unparks);
                    }
                }
            }
        }
        for &(set, member) in &event.sets {
            self.sets[set as usize].member_set(member as usize, &mut self.waiters, unparks);
        }
    }

    fn reset(&mut self, index: usize) {
        let event = &mut self.events[index];
        if !std::mem::replace(&mut event.signalled, false) {
            return;
        }
        for &(waiter, _) in &event.waiters {
            if let Goal::All { missing } = &mut self.waiters[waiter as usize].goal {
                *missing += 1;
            }
        }
        for &(set, _) in &event.sets {
            self.sets[set as usize].member_reset();
        }
    }

    /// Frees an event to which nobody refers any more.
    pub(crate) fn release(&mut self, index: usize) {
        let event = &self.events[index];
        if !event.owned && event.sets.is_empty() {
            self.events.remove(index);
        }
    }

    /// What a wait on a slice would bring now.
    fn look(&self, events: &[&Event], goal: WaitFor) -> Option<usize> {
        let signalled = |event: &&Event| self.events[event.0.index].signalled;
        match goal {
            WaitFor::Any => events.iter().position(signalled),
            WaitFor::All => events.iter().all(signalled).then_some(0),
        }
    }
}

/// An event of overlapped I/O: signalled until it is reset (manual reset).
///
/// An operation that is started with an event resets it, and sets it when it has ended. Any thread may set or reset one. It is an object of
/// user space: making one costs no descriptor and no system call, and there may be as many as memory holds (about 100 bytes each).
/// Clones are handles to the same event.
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

    pub(crate) fn index(&self) -> usize {
        self.0.index
    }

    /// Signals it: wakes every thread whose wait this fulfils.
    pub fn set(&self) {
        self.signal().unpark();
    }

    /// Signals it, and leaves it to the caller to wake whom this concerns.
    pub(crate) fn signal(&self) -> Unparks {
        let mut unparks = Unparks::default();
        self.0.domain.lock().set(self.0.index, &mut unparks);
        unparks
    }

    /// Makes it not signalled. Waits that were fulfilled before stay so.
    pub fn reset(&self) {
        self.0.domain.lock().reset(self.0.index);
    }

    /// Whether it is signalled at this moment.
    pub fn is_signalled(&self) -> bool {
        self.0.domain.lock().events[self.0.index].signalled
    }

    /// Waits until it is signalled; `false` means that the wait was over before.
    ///
    /// # Errors
    /// `WouldDeadlock` on the thread of a [`Proactor`](crate::Proactor).
    pub fn wait(&self, wait: Wait) -> Result<bool, Error> {
        Ok(wait_any(&[self], wait)?.is_some())
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

/// Waits until one of the events is signalled, and says which: the lowest place in the slice, if several are. `None` means that the wait was
/// over before.
///
/// A program that always waits on the same slice starves the events at its end: rotate it, or use a [`WaitSet`], whose
/// waits also cost only what is signalled, not what it holds.
///
/// In Winsock: `WSAWaitForMultipleEvents` with `fWaitAll` false, without its limit of 64.
///
/// # Errors
/// `InvalidArgument` for an empty slice; `WouldDeadlock` on the thread of a [`Proactor`](crate::Proactor).
pub fn wait_any(events: &[&Event], wait: Wait) -> Result<Option<usize>, Error> {
    wait_for(events, wait, WaitFor::Any, None)
}

/// Waits until all of the events are signalled at one moment; `false` means that the wait was over before. Nothing is changed or consumed
/// in the meantime.
///
/// In Winsock: `WSAWaitForMultipleEvents` with `fWaitAll` true.
///
/// # Errors
/// As for [`wait_any`].
pub fn wait_all(events: &[&Event], wait: Wait) -> Result<bool, Error> {
    Ok(wait_for(events, wait, WaitFor::All, None)?.is_some())
}

#[derive(Clone, Copy)]
pub(crate) enum WaitFor {
    Any,
    All,
}

/// The wait of this module. `interrupted` is looked at as well, for alertable waits; if it says yes, the wait ends with `None`.
pub(crate) fn wait_for(
    events: &[&Event],
    wait: Wait,
    goal: WaitFor,
    interrupted: Option<&dyn Fn() -> bool>,
) -> Result<Option<usize>, Error> {
    let Some(first) = events.first() else {
        return Err(Error::new(Action::Wait, ErrorKind::InvalidArgument).because("a wait on no events"));
    };
    let domain = first.0.domain;
    if let Some(place) = domain.lock().look(events, goal) {
        return Ok(Some(place));
    }
    if wait == Wait::Poll {
        park::poll()?;
        return Ok(domain.lock().look(events, goal));
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

/// A wait on a slice, written down in its events for as long as it lasts.
struct Waiting<'a> {
    domain: &'static Domain,
    events: &'a [&'a Event],
    waiter: usize,
}

impl<'a> Waiting<'a> {
    /// Unless there is nothing to wait for.
    fn begin(domain: &'static Domain, events: &'a [&'a Event], goal: WaitFor) -> Result<Waiting<'a>, usize> {
        let unpark = Unpark::this_thread();
        let mut tables = domain.lock();
        if let Some(place) = tables.look(events, goal) {
            return Err(place);
        }
        let goal = match goal {
            WaitFor::Any => Goal::Any,
            WaitFor::All => {
                let missing = events.iter().filter(|event| !tables.events[event.0.index].signalled).count();
                Goal::All { missing }
            }
        };
        let waiter = tables.waiters.insert(Waiter { unpark, fulfilled: None, goal });
        for (place, event) in events.iter().enumerate() {
            tables.events[event.0.index].waiters.push((waiter as u32, place as u32));
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
            tables.events[event.0.index].waiters.retain(|(waiter, _)| *waiter as usize != self.waiter);
        }
        tables.waiters.remove(self.waiter);
    }
}
