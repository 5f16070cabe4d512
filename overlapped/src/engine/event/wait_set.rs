//! Sets of events that are kept between waits.

use std::fmt;
use std::sync::Arc;

use super::domain::{Domain, Goal, Member, NO_WAIT, SetState, Tables, domain};
use super::handle::Event;
use crate::driver::Wait;
use crate::engine::park::{self, Unpark, Unparks};
use crate::error::{Action, Error, ErrorKind};

/// What a wait looks for in its set, with the set's place in the tables.
type Find<'a, R> = dyn FnMut(&mut Tables, usize, Option<Fulfilled>) -> Option<R> + 'a;

/// A wait that has been fulfilled.
#[derive(Clone, Copy)]
struct Fulfilled {
    /// The number of the wait.
    wait: u64,
    /// The member that it has taken, or any number if it has taken all.
    took: Option<usize>,
}

/// A set of events that is kept between waits. There is no limit of 64, and a wait costs what is
/// signalled, not what the set holds.
///
/// Any thread may add and remove events, also while another waits. Each member has a number, like
/// the index in the array of `WSAWaitForMultipleEvents`. [`add`](WaitSet::add) returns it; it is
/// free for reuse when the member is removed. Clones are handles to the same set. The set keeps its
/// events alive; an event may be in several sets. A wait resets the [auto-reset](Event::auto_reset)
/// events that it reports, and no others.
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
/// assert_eq!(signalled, [7, 4_321], "all that are signalled: none starves");
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
        let domain = domain();
        let index = domain.lock().sets.insert(SetState::new());
        WaitSet(Arc::new(Registered { domain, index, limit }))
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.0.domain.lock().sets[self.0.index].members.len()
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an event and returns its member number. Waits in progress include it.
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
        set.autos += usize::from(state.auto);
        if state.signalled {
            set.count_set(member);
            if state.auto {
                tables.offer(event.index(), &mut unparks);
            } else if set.fulfil(member, &mut tables.waiters, &mut unparks) {
                tables.offer_all(self.0.index, &mut unparks);
            }
        }
        drop(guard);
        unparks.unpark();
        Ok(member)
    }

    /// Removes a member; `false` if no member has that number.
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
        set.autos -= usize::from(event.auto);
        if set.all_signalled() {
            // A wait for all may have missed only the removed member.
            tables.offer_all(self.0.index, &mut unparks);
        }
        tables.release(entry.event as usize);
        drop(guard);
        unparks.unpark();
        true
    }

    /// Waits until at least one member is signalled, and fills `signalled` with the numbers of all
    /// that are, lowest first. `false` means that the wait has timed out; `signalled` is then
    /// empty.
    ///
    /// # Errors
    /// `InvalidArgument` if the set is empty; `WouldDeadlock` on the thread of an
    /// [`Engine`](crate::Engine).
    pub fn wait(&self, wait: Wait, signalled: &mut Vec<usize>) -> Result<bool, Error> {
        self.wait_or(wait, signalled, None)
    }

    /// As [`wait`](WaitSet::wait); also ends when `interrupted` returns true.
    pub(crate) fn wait_or(
        &self,
        wait: Wait,
        signalled: &mut Vec<usize>,
        interrupted: Option<&dyn Fn() -> bool>,
    ) -> Result<bool, Error> {
        signalled.clear();
        let found = self.block(wait, Goal::Any, interrupted, &mut |tables, set, fulfilled| {
            collect(tables, set, fulfilled, signalled);
            if let Some(took) = fulfilled.and_then(|fulfilled| fulfilled.took)
                && let Err(at) = signalled.binary_search(&took)
            {
                signalled.insert(at, took);
            }
            for member in signalled.iter() {
                report(tables, set, *member);
            }
            (!signalled.is_empty()).then_some(())
        })?;
        Ok(found.is_some())
    }

    /// Waits until at least one member is signalled, and returns the lowest. `None` means that the
    /// wait has timed out. This can starve higher members; [`wait`](WaitSet::wait) does not. (A
    /// thread that was waiting when an [auto-reset](Event::auto_reset) member was set returns that
    /// one.)
    ///
    /// # Errors
    /// As for [`wait`](WaitSet::wait).
    pub fn wait_any(&self, wait: Wait) -> Result<Option<usize>, Error> {
        let mut signalled = Vec::new();
        self.block(wait, Goal::Any, None, &mut |tables, set, fulfilled| {
            if let Some(Fulfilled { took: Some(took), .. }) = fulfilled {
                return Some(took);
            }
            collect(tables, set, fulfilled, &mut signalled);
            let lowest = *signalled.first()?;
            report(tables, set, lowest);
            Some(lowest)
        })
    }

    /// Waits until all members are signalled at one moment; `false` means that the wait has timed
    /// out. At that moment it resets those that are [auto-reset](Event::auto_reset), all at once.
    ///
    /// # Errors
    /// As for [`wait`](WaitSet::wait).
    pub fn wait_all(&self, wait: Wait) -> Result<bool, Error> {
        let found = self.block(wait, Goal::AllOfSet, None, &mut |tables, set, fulfilled| {
            if fulfilled.is_none() {
                tables.sets[set].all_signalled().then_some(())?;
                tables.reset_autos(set);
            }
            Some(())
        })?;
        Ok(found.is_some())
    }

    /// Waits until `find` finds something. It is called only at the beginning and when the wait has
    /// been fulfilled.
    fn block<R>(
        &self,
        wait: Wait,
        goal: Goal,
        interrupted: Option<&dyn Fn() -> bool>,
        find: &mut Find<'_, R>,
    ) -> Result<Option<R>, Error> {
        park::begin();
        let Registered { domain, index, .. } = *self.0;
        let mut find = |tables: &mut Tables, fulfilled: Option<Fulfilled>| {
            if tables.sets[index].members.is_empty() && fulfilled.is_none() {
                let why = "a wait on a set of no events";
                return Err(Error::new(Action::Wait, ErrorKind::InvalidArgument).because(why));
            }
            Ok(find(tables, index, fulfilled))
        };
        if let Some(found) = find(&mut domain.lock(), None)? {
            return Ok(Some(found));
        }
        if wait == Wait::Poll {
            park::poll()?;
            return find(&mut domain.lock(), None);
        }
        let until = park::deadline(wait);
        let unpark = Unpark::this_thread();
        let (mut waiting, wait) = {
            let mut tables = domain.lock();
            if let Some(found) = find(&mut tables, None)? {
                return Ok(Some(found));
            }
            let is_any = goal == Goal::Any;
            let waiter = tables.begin(unpark, goal);
            let set = &mut tables.sets[index];
            // `set` itself sees the moment at which all are signalled.
            let number = if is_any {
                set.waits += 1;
                set.waits
            } else {
                NO_WAIT
            };
            set.waiters.push((waiter, number));
            (Waiting { domain, set: index, waiter: Some(waiter) }, number)
        };
        let mut ended = None;
        loop {
            {
                let mut tables = domain.lock();
                let found = match waiting.fulfilled(&mut tables) {
                    Some((place, took)) => find(&mut tables, Some(Fulfilled { wait, took: took.then_some(place) }))?,
                    None => None,
                };
                let result = found.map(|found| Ok(Some(found))).or_else(|| ended.take());
                if let Some(result) = result {
                    waiting.leave(&mut tables);
                    return result;
                }
            }
            ended = if park::is_over(until) || interrupted.is_some_and(|interrupted| interrupted()) {
                Some(Ok(None))
            } else {
                park::park(until).err().map(Err)
            };
        }
    }
}

/// Finds the members that a wait reports, lowest first.
fn collect(tables: &mut Tables, set: usize, fulfilled: Option<Fulfilled>, found: &mut Vec<usize>) {
    tables.sets[set].collect(&tables.events, fulfilled.map_or(NO_WAIT, |fulfilled| fulfilled.wait), found);
}

/// A wait reports a member, if that is still there.
fn report(tables: &mut Tables, set: usize, member: usize) {
    if let Some(entry) = tables.sets[set].members.get(member) {
        tables.report(entry.event as usize);
    }
}

/// A wait in progress, registered with its set.
struct Waiting {
    domain: &'static Domain,
    set: usize,
    waiter: Option<usize>,
}

impl Waiting {
    /// What has fulfilled the wait, and whether that was taken.
    fn fulfilled(&self, tables: &mut Tables) -> Option<(usize, bool)> {
        let waiter = &mut tables.waiters[self.waiter?];
        Some((waiter.fulfilled.take()?, waiter.took))
    }

    fn leave(&mut self, tables: &mut Tables) {
        let Some(left) = self.waiter.take() else { return };
        tables.sets[self.set].waiters.retain(|(waiter, _)| *waiter != left);
        tables.waiters.remove(left);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.waiter.is_some() {
            let domain = self.domain;
            self.leave(&mut domain.lock());
        }
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
