//! Sets of events that are kept between waits.

use std::fmt;
use std::sync::Arc;

use slab::Slab;

use crate::driver::Wait;
use crate::error::{Action, Error, ErrorKind};
use crate::event::{self, Domain, Event, EventState, Goal, Tables, Waiter};
use crate::park::{self, Unpark, Unparks};

/// What the domain knows of a set.
pub(crate) struct SetState {
    members: Slab<Member>,
    /// Members that have been set and not been looked at since they were last found reset. Each at most once.
    listed: Vec<usize>,
    signalled: usize,
    /// Those that wait: the waiter, and the number of its wait.
    waiters: Vec<(usize, u64)>,
    /// How many waits for any member have begun.
    waits: u64,
}

/// The number of a wait that asks only for what is signalled now.
const NO_WAIT: u64 = u64::MAX;

struct Member {
    event: u32,
    listed: bool,
    /// How many waits had begun when it was last set: those of them that are still under way are told of it even if it has been reset since.
    set_in: u64,
}

/// What a wait looks for in its set. It is told the number of the wait if that has been fulfilled.
type Look<'a, R> = dyn FnMut(&mut SetState, &mut Slab<EventState>, Option<u64>) -> Option<R> + 'a;

impl SetState {
    pub(crate) fn member_set(&mut self, member: usize, waiters: &mut Slab<Waiter>, unparks: &mut Unparks) {
        self.signalled += 1;
        let entry = &mut self.members[member];
        entry.set_in = self.waits;
        if !std::mem::replace(&mut entry.listed, true) {
            self.listed.push(member);
        }
        for &(waiter, _) in &self.waiters {
            let waiter = &mut waiters[waiter];
            match waiter.goal {
                Goal::Any => waiter.fulfil(member, unparks),
                Goal::All { .. } if self.signalled == self.members.len() => waiter.fulfil(0, unparks),
                Goal::All { .. } => {}
            }
        }
    }

    pub(crate) fn member_reset(&mut self) {
        self.signalled -= 1;
    }

    /// The members that are signalled, or have been set since the wait of that number began, lowest first. Costs what is listed.
    fn collect(&mut self, events: &Slab<EventState>, wait: u64, found: &mut Vec<usize>) {
        let members = &mut self.members;
        // Of the other waits under way, the one that has missed least.
        let others = self.waiters.iter().map(|&(_, number)| number).filter(|number| *number != wait);
        let oldest = others.min().unwrap_or(NO_WAIT);
        self.listed.retain(|&member| {
            let entry = &mut members[member];
            let signalled = events[entry.event as usize].signalled;
            if signalled || entry.set_in >= wait {
                found.push(member);
            }
            entry.listed = signalled || entry.set_in >= oldest;
            entry.listed
        });
        found.sort_unstable();
    }
}

/// A set of events that is kept between waits, without a limit of 64: a wait costs what is signalled, not what the set holds.
///
/// Events may be added and removed by any thread, also while another waits. A member is named by a number, as an event is by its place
/// in the array of `WSAWaitForMultipleEvents`: [`add`](WaitSet::add) gives the number, which stays until the member is removed and is then used
/// again. Clones are handles to the same set. The set keeps its events; an event may be in several sets.
///
/// ```
/// use overlapped::{Event, WaitSet};
/// use overlapped::driver::Wait;
///
/// let set = WaitSet::new(10_000);
/// let events: Vec<Event> = (0..10_000).map(|_| Event::new()).collect();
/// for event in &events {
///     set.add(event)?;
/// }
/// events[7].set();
/// events[4_321].set();
/// assert_eq!(set.wait_any(Wait::Forever)?, Some(7), "the lowest");
/// let mut signalled = Vec::new();
/// set.wait(Wait::Forever, &mut signalled)?;
/// assert_eq!(signalled, [7, 4_321], "all there are now: this starves none");
/// # Ok::<(), overlapped::Error>(())
/// ```
#[derive(Clone)]
pub struct WaitSet(Arc<Registered>);

struct Registered {
    domain: &'static Domain,
    index: usize,
    limit: usize,
}

impl WaitSet {
    /// Makes an empty set of at most `limit` events.
    pub fn new(limit: usize) -> WaitSet {
        let domain = event::domain();
        let state = SetState { members: Slab::new(), listed: Vec::new(), signalled: 0, waiters: Vec::new(), waits: 0 };
        let index = domain.lock().sets.insert(state);
        WaitSet(Arc::new(Registered { domain, index, limit }))
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.0.domain.lock().sets[self.0.index].members.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an event, and says as which member. Waits that are under way see it.
    ///
    /// # Errors
    /// `LimitReached`; `InvalidArgument` if the event is in the set already.
    pub fn add(&self, event: &Event) -> Result<usize, Error> {
        let mut unparks = Unparks::default();
        let mut guard = self.0.domain.lock();
        let tables = &mut *guard;
        let set = &mut tables.sets[self.0.index];
        if set.members.len() >= self.0.limit {
            let why = format!("the set holds {} events already", self.0.limit);
            return Err(Error::new(Action::Event, ErrorKind::LimitReached).because(why));
        }
        let state = &mut tables.events[event.index()];
        if state.sets.iter().any(|(set, _)| *set as usize == self.0.index) {
            return Err(
                Error::new(Action::Event, ErrorKind::InvalidArgument).because("the event is in the set already")
            );
        }
        let member = set.members.insert(Member { event: event.index() as u32, listed: false, set_in: 0 });
        state.sets.push((self.0.index as u32, member as u32));
        if state.signalled {
            set.member_set(member, &mut tables.waiters, &mut unparks);
        }
        drop(guard);
        unparks.unpark();
        Ok(member)
    }

    /// Takes a member out; `false` if there is none of that number.
    pub fn remove(&self, member: usize) -> bool {
        let mut unparks = Unparks::default();
        let mut guard = self.0.domain.lock();
        let tables = &mut *guard;
        let set = &mut tables.sets[self.0.index];
        let Some(entry) = set.members.try_remove(member) else { return false };
        if entry.listed {
            set.listed.retain(|listed| *listed != member);
        }
        let event = &mut tables.events[entry.event as usize];
        event.sets.retain(|at| *at != (self.0.index as u32, member as u32));
        if event.signalled {
            set.signalled -= 1;
        }
        if !set.members.is_empty() && set.signalled == set.members.len() {
            // The one that was missing for a wait for all is gone.
            for &(waiter, _) in &set.waiters {
                let waiter = &mut tables.waiters[waiter];
                if matches!(waiter.goal, Goal::All { .. }) {
                    waiter.fulfil(0, &mut unparks);
                }
            }
        }
        tables.release(entry.event as usize);
        drop(guard);
        unparks.unpark();
        true
    }

    /// Waits until at least one member is signalled, and fills `signalled` with all that are, lowest first. `false` means that the wait was
    /// over before (and `signalled` is empty).
    ///
    /// # Errors
    /// `InvalidArgument` if the set is empty; `WouldDeadlock` on the thread of a [`Proactor`](crate::Proactor).
    pub fn wait(&self, wait: Wait, signalled: &mut Vec<usize>) -> Result<bool, Error> {
        self.wait_or(wait, signalled, None)
    }

    pub(crate) fn wait_or(
        &self,
        wait: Wait,
        signalled: &mut Vec<usize>,
        interrupted: Option<&dyn Fn() -> bool>,
    ) -> Result<bool, Error> {
        signalled.clear();
        let found = self.block(wait, Goal::Any, interrupted, &mut |set, events, wait| {
            set.collect(events, wait.unwrap_or(NO_WAIT), signalled);
            (!signalled.is_empty()).then_some(())
        })?;
        Ok(found.is_some())
    }

    /// Waits until at least one member is signalled, and gives the lowest. See [`wait`](WaitSet::wait) for a way that starves none.
    ///
    /// # Errors
    /// As for [`wait`](WaitSet::wait).
    pub fn wait_any(&self, wait: Wait) -> Result<Option<usize>, Error> {
        let mut signalled = Vec::new();
        self.wait(wait, &mut signalled)?;
        Ok(signalled.first().copied())
    }

    /// Waits until all members are signalled at one moment; `false` means that the wait was over before.
    ///
    /// # Errors
    /// As for [`wait`](WaitSet::wait).
    pub fn wait_all(&self, wait: Wait) -> Result<bool, Error> {
        let found = self.block(wait, Goal::All { missing: 0 }, None, &mut |set, _, wait| {
            (wait.is_some() || set.signalled == set.members.len()).then_some(())
        })?;
        Ok(found.is_some())
    }

    /// Waits until `look` finds something. It is asked only at the beginning and when the wait has been fulfilled.
    fn block<R>(
        &self,
        wait: Wait,
        goal: Goal,
        interrupted: Option<&dyn Fn() -> bool>,
        look: &mut Look<'_, R>,
    ) -> Result<Option<R>, Error> {
        let Registered { domain, index, .. } = *self.0;
        let mut look = |tables: &mut Tables, wait: Option<u64>| {
            let set = &mut tables.sets[index];
            if set.members.is_empty() && wait.is_none() {
                let why = "a wait on a set of no events";
                return Err(Error::new(Action::Wait, ErrorKind::InvalidArgument).because(why));
            }
            Ok(look(set, &mut tables.events, wait))
        };
        if let Some(found) = look(&mut domain.lock(), None)? {
            return Ok(Some(found));
        }
        if wait == Wait::Poll {
            park::poll()?;
            return look(&mut domain.lock(), None);
        }
        let until = park::deadline(wait);
        let unpark = Unpark::this_thread();
        let (waiting, number) = {
            let mut tables = domain.lock();
            if let Some(found) = look(&mut tables, None)? {
                return Ok(Some(found));
            }
            let waiter = tables.waiters.insert(Waiter { unpark, fulfilled: None, goal });
            let set = &mut tables.sets[index];
            let number = match goal {
                Goal::Any => {
                    set.waits += 1;
                    set.waits
                }
                // Nothing is kept for it: its setter has seen all there is to see.
                Goal::All { .. } => NO_WAIT,
            };
            set.waiters.push((waiter, number));
            (Waiting { domain, set: index, waiter }, number)
        };
        loop {
            {
                let mut tables = domain.lock();
                if tables.waiters[waiting.waiter].fulfilled.take().is_some()
                    && let Some(found) = look(&mut tables, Some(number))?
                {
                    return Ok(Some(found));
                }
            }
            if park::is_over(until) || interrupted.is_some_and(|interrupted| interrupted()) {
                return Ok(None);
            }
            park::park(until)?;
        }
    }
}

/// A wait on a set, written down in it for as long as it lasts.
struct Waiting {
    domain: &'static Domain,
    set: usize,
    waiter: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut tables = self.domain.lock();
        tables.sets[self.set].waiters.retain(|(waiter, _)| *waiter != self.waiter);
        tables.waiters.remove(self.waiter);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut guard = self.domain.lock();
        let tables = &mut *guard;
        let set = tables.sets.remove(self.index);
        for (member, entry) in &set.members {
            let at = (self.index as u32, member as u32);
            tables.events[entry.event as usize].sets.retain(|set| *set != at);
            tables.release(entry.event as usize);
        }
    }
}

impl fmt::Debug for WaitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WaitSet({} events)", self.len())
    }
}
