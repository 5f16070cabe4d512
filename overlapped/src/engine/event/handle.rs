//! `Event`: the handle.

use std::fmt;
use std::sync::Arc;

use super::domain::{Domain, EventState, Few, domain};
use crate::engine::park::Unparks;

/// An event of overlapped I/O. One that [`new`](Event::new) makes is signalled until it is reset
/// (manual reset); one of [`auto_reset`](Event::auto_reset) until a wait reports it.
///
/// Starting an operation with an event resets the event; the end of the operation sets it. Any
/// thread may set or reset an event. Events live in user space: making one costs no descriptor and
/// no system call, and there may be as many as fit in memory (about 100 bytes each). Clones are
/// handles to the same event.
///
/// In Winsock: `WSAEVENT`, `WSACreateEvent`, `WSASetEvent`, `WSAResetEvent`. An auto-reset event is
/// Windows' `CreateEvent` with `bManualReset` false.
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
    /// Makes an event that is not signalled, and that stays signalled until it is reset.
    pub fn new() -> Event {
        Event::make(false)
    }

    /// Makes an event that is not signalled, and that a wait resets when it reports it: in the same
    /// moment, so each [`set`](Event::set) ends one wait and no more. If no thread waits, the event
    /// stays signalled for the next wait; setting it again before that changes nothing.
    ///
    /// Of several waiting threads, the one that has waited longest is woken. A wait for any event
    /// resets only the one that it returns. A wait for all resets the auto-reset events among them
    /// when all are signalled, all at once; before that it takes none. A wait on a
    /// [`WaitSet`](crate::WaitSet) resets what it reports. A wait that times out, or that ends
    /// because routines ran, has reset nothing.
    /// [`is_signalled`](Event::is_signalled) and the result of an operation reset nothing either.
    ///
    /// ```
    /// use overlapped::Event;
    /// use overlapped::driver::Wait;
    ///
    /// let turn = Event::auto_reset();
    /// turn.set();
    /// assert!(turn.wait(Wait::Poll)?);
    /// assert!(!turn.wait(Wait::Poll)?, "the first wait has taken it");
    /// # Ok::<(), overlapped::Error>(())
    /// ```
    pub fn auto_reset() -> Event {
        Event::make(true)
    }

    fn make(auto: bool) -> Event {
        let domain = domain();
        let state = EventState { signalled: false, auto, owned: true, waiters: Few::new(), sets: Few::new() };
        let index = domain.lock().events.insert(state);
        Event(Arc::new(Registered { domain, index }))
    }

    pub(super) fn index(&self) -> usize {
        self.0.index
    }

    pub(super) fn domain(&self) -> &'static Domain {
        self.0.domain
    }

    /// Signals it: wakes every thread whose wait this fulfils, or one if it is an
    /// [auto-reset](Event::auto_reset) event.
    pub fn set(&self) {
        let mut unparks = Unparks::default();
        self.signal(&mut unparks);
        unparks.unpark();
    }

    /// Signals it; the caller wakes the waiting threads.
    pub(crate) fn signal(&self, unparks: &mut Unparks) {
        self.0.domain.lock().set(self.0.index, unparks);
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
