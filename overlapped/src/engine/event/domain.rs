//! The state of all events, sets and waiting threads of the process, under one lock.
//!
//! One lock makes waiting for *all* of several events atomic: there is a moment at which all of
//! them are signalled, and it is seen under the lock.
//!
//! A waiting thread registers a waiter with the events or the set it waits for. The thread that
//! sets an event fulfils the waits this satisfies, at once: a wait stays fulfilled even if the
//! event is reset before the waiting thread has woken up.

use slab::Slab;
use smallvec::SmallVec;

use crate::engine::park::{Unpark, Unparks};
use crate::sync::{Mutex, MutexGuard, lock};

/// The lock and everything under it.
pub(crate) struct Domain(Mutex<Tables>);

pub(crate) struct Tables {
    pub(crate) events: Slab<EventState>,
    pub(crate) sets: Slab<SetState>,
    pub(crate) waiters: Slab<Waiter>,
}

pub(crate) struct EventState {
    pub(crate) signalled: bool,
    /// Whether an [`Event`](super::Event) still refers to it. Without one it stays while a set has
    /// it.
    pub(crate) owned: bool,
    /// The waits on slices that contain it: waiter and place in the slice.
    pub(crate) waiters: Few,
    /// The sets that contain it: set and member number.
    pub(crate) sets: Few,
}

/// Usually none or one, so two are kept inline: without an allocation, and without another cache
/// line to fetch for each event of a large set.
pub(crate) type Few = SmallVec<[(u32, u32); 2]>;

/// A waiting thread and what it waits for.
pub(crate) struct Waiter {
    pub(crate) unpark: Unpark,
    /// The place of the event that has fulfilled the wait.
    pub(crate) fulfilled: Option<usize>,
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// One of the events.
    Any,
    /// All events at one moment; `missing` are not signalled now.
    All { missing: usize },
}

/// The state of a [`WaitSet`](super::WaitSet).
pub(crate) struct SetState {
    pub(crate) members: Slab<Member>,
    /// Members that were set since a wait last found them reset. Each at most once.
    pub(crate) listed: Vec<usize>,
    pub(crate) signalled: usize,
    /// The waits in progress: waiter and wait number.
    pub(crate) waiters: Vec<(usize, u64)>,
    /// How many waits for any member have begun.
    pub(crate) waits: u64,
}

/// The number of a wait that asks only for what is signalled now.
pub(crate) const NO_WAIT: u64 = u64::MAX;

pub(crate) struct Member {
    pub(crate) event: u32,
    pub(crate) listed: bool,
    /// How many waits had begun when it was last set. Those of them that are still in progress
    /// report it even if it has been reset since.
    pub(crate) set_in: u64,
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
    /// Fulfils the wait, or reports a lower place for it; the thread is unparked once.
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
    pub(crate) fn set(&mut self, index: usize, unparks: &mut Unparks) {
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

    pub(crate) fn reset(&mut self, index: usize) {
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
            self.sets[set as usize].signalled -= 1;
        }
    }

    /// Frees an event if no handle and no set refers to it.
    pub(crate) fn release(&mut self, index: usize) {
        let event = &self.events[index];
        if !event.owned && event.sets.is_empty() {
            self.events.remove(index);
        }
    }
}

impl SetState {
    pub(crate) fn new() -> SetState {
        SetState { members: Slab::new(), listed: Vec::new(), signalled: 0, waiters: Vec::new(), waits: 0 }
    }

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

    /// Finds the members that are signalled, or were set after wait number `wait` began, lowest
    /// first. Looks only at listed members.
    pub(crate) fn collect(&mut self, events: &Slab<EventState>, wait: u64, found: &mut Vec<usize>) {
        let members = &mut self.members;
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
