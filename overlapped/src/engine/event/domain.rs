//! The state of all events, sets and waiting threads of the process, under one lock.
//!
//! One lock makes waiting for *all* of several events atomic: there is a moment at which all of
//! them are signalled, and it is seen under the lock.
//!
//! A waiting thread registers a waiter with the events or the set it waits for. The thread that
//! sets an event fulfils the waits this satisfies, at once: a wait stays fulfilled even if the
//! event is reset before the waiting thread has woken up.
//!
//! An auto-reset event that is set fulfils one wait, and is reset with that: the wait has *taken*
//! it. So a signalled auto-reset event is one that no waiting thread can take. A wait that has
//! taken something must report it, whatever else ends it: a waiter is removed in the same section
//! in which it was last looked at.

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
    /// How many waits have been registered.
    waits: u64,
}

pub(crate) struct EventState {
    pub(crate) signalled: bool,
    /// A wait that reports it resets it.
    pub(crate) auto: bool,
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
    /// Orders the waiters by the time at which they were registered.
    began: u64,
    /// The place of the event that has fulfilled the wait.
    pub(crate) fulfilled: Option<usize>,
    /// What has fulfilled it was reset for that: an auto-reset event, or all of a wait for all.
    pub(crate) took: bool,
    pub(crate) goal: Goal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// One of the events.
    Any,
    /// All events of a slice at one moment; `missing` are not signalled now. Those of them that are
    /// auto-reset are reset with it.
    All { missing: usize, autos: Vec<u32> },
    /// All members of a set at one moment.
    AllOfSet,
}

/// Who may take an auto-reset event, or all events that it waits for.
#[derive(Clone, Copy)]
enum Taker {
    /// A wait on a slice, and the event's place.
    Slice(usize, usize),
    /// A wait on a set: the set, the waiter, and the event's member number.
    Set(usize, usize, usize),
}

/// The state of a [`WaitSet`](super::WaitSet).
pub(crate) struct SetState {
    pub(crate) members: Slab<Member>,
    /// How many of them are auto-reset events.
    pub(crate) autos: usize,
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
        Domain(Mutex::new(Tables { events: Slab::new(), sets: Slab::new(), waiters: Slab::new(), waits: 0 }))
    }

    #[cfg(loom)]
    fn new() -> Domain {
        Domain(Mutex::new(Tables { events: Slab::new(), sets: Slab::new(), waiters: Slab::new(), waits: 0 }))
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
            // What was taken must be reported.
            Some(_) if self.took => {}
            Some(at) => *at = place.min(*at),
        }
    }
}

impl Tables {
    /// Registers a wait.
    pub(crate) fn begin(&mut self, unpark: Unpark, goal: Goal) -> usize {
        self.waits += 1;
        self.waiters.insert(Waiter { unpark, began: self.waits, fulfilled: None, took: false, goal })
    }

    pub(crate) fn set(&mut self, index: usize, unparks: &mut Unparks) {
        let event = &mut self.events[index];
        if std::mem::replace(&mut event.signalled, true) {
            return;
        }
        let auto = event.auto;
        let (mut takers, mut full) = (Vec::new(), Vec::new());
        for &(at, place) in &event.waiters {
            let waiter = &mut self.waiters[at as usize];
            match &mut waiter.goal {
                Goal::Any if !auto => waiter.fulfil(place as usize, unparks),
                Goal::Any => {}
                Goal::All { missing, autos } => {
                    *missing -= 1;
                    match *missing {
                        0 if autos.is_empty() => waiter.fulfil(0, unparks),
                        0 => takers.push(Taker::Slice(at as usize, 0)),
                        _ => {}
                    }
                }
                Goal::AllOfSet => unreachable!("it waits on a set"),
            }
        }
        for &(set, member) in &event.sets {
            let state = &mut self.sets[set as usize];
            state.count_set(member as usize);
            if !auto && state.fulfil(member as usize, &mut self.waiters, unparks) {
                full.push(set as usize);
            }
        }
        if auto {
            return self.offer(index, unparks);
        }
        for set in full {
            takers.extend(self.takers_of_all(set));
        }
        if !takers.is_empty() {
            self.let_take(takers, unparks);
        }
    }

    /// Lets the thread that has waited longest take a signalled auto-reset event, if any can.
    pub(crate) fn offer(&mut self, index: usize, unparks: &mut Unparks) {
        let event = &self.events[index];
        let ofs = event.waiters.iter().map(|&(waiter, place)| Taker::Slice(waiter as usize, place as usize));
        let of_sets = event.sets.iter().flat_map(|&(set, member)| {
            let waiters = self.sets[set as usize].waiters.iter();
            waiters.map(move |&(waiter, _)| Taker::Set(set as usize, waiter, member as usize))
        });
        let oldest = ofs.chain(of_sets).filter(|taker| self.can_take(*taker)).min_by_key(|taker| self.began(*taker));
        if let Some(taker) = oldest {
            self.take(taker, index, unparks);
        }
    }

    /// All members of a set are signalled: the waits for that may take them.
    pub(crate) fn offer_all(&mut self, set: usize, unparks: &mut Unparks) {
        let takers = self.takers_of_all(set).collect();
        self.let_take(takers, unparks);
    }

    fn takers_of_all(&self, set: usize) -> impl Iterator<Item = Taker> {
        let waiters = self.sets[set].waiters.iter();
        waiters.filter(|(at, _)| self.waiters[*at].goal == Goal::AllOfSet).map(move |&(at, _)| Taker::Set(set, at, 0))
    }

    /// Lets waits for all take what they wait for, the oldest first, as long as all is there.
    fn let_take(&mut self, mut takers: Vec<Taker>, unparks: &mut Unparks) {
        takers.sort_by_key(|taker| self.began(*taker));
        for taker in takers {
            if self.can_take(taker) {
                self.take(taker, 0, unparks);
            }
        }
    }

    fn began(&self, taker: Taker) -> u64 {
        let (Taker::Slice(waiter, _) | Taker::Set(_, waiter, _)) = taker;
        self.waiters[waiter].began
    }

    /// Whether a wait is not fulfilled, and would be by what is signalled now.
    fn can_take(&self, taker: Taker) -> bool {
        let (Taker::Slice(waiter, _) | Taker::Set(_, waiter, _)) = taker;
        let waiter = &self.waiters[waiter];
        waiter.fulfilled.is_none()
            && match (&waiter.goal, taker) {
                (Goal::Any, _) => true,
                (Goal::All { missing, .. }, _) => *missing == 0,
                (Goal::AllOfSet, Taker::Set(set, ..)) => self.sets[set].all_signalled(),
                (Goal::AllOfSet, Taker::Slice(..)) => false,
            }
    }

    /// Fulfils a wait, and resets the auto-reset events that fulfil it: `event`, or all of its own.
    fn take(&mut self, taker: Taker, event: usize, unparks: &mut Unparks) {
        let (Taker::Slice(at, place) | Taker::Set(_, at, place)) = taker;
        let waiter = &mut self.waiters[at];
        match (&mut waiter.goal, taker) {
            (Goal::Any, _) => {
                waiter.fulfil(place, unparks);
                self.reset(event);
            }
            (Goal::All { autos, .. }, _) => {
                let autos = std::mem::take(autos);
                waiter.fulfil(0, unparks);
                autos.iter().for_each(|event| self.reset(*event as usize));
            }
            (Goal::AllOfSet, Taker::Set(set, ..)) => {
                waiter.fulfil(0, unparks);
                self.reset_autos(set);
            }
            (Goal::AllOfSet, Taker::Slice(..)) => unreachable!("it waits on a set"),
        }
        self.waiters[at].took = true;
    }

    /// Resets an event that a wait reports, if it is an auto-reset one.
    pub(crate) fn report(&mut self, index: usize) {
        if self.events[index].auto {
            self.reset(index);
        }
    }

    /// Resets the auto-reset events of a set.
    pub(crate) fn reset_autos(&mut self, set: usize) {
        if self.sets[set].autos > 0 {
            let members: Vec<u32> = self.sets[set].members.iter().map(|(_, member)| member.event).collect();
            members.iter().for_each(|event| self.report(*event as usize));
        }
    }

    pub(crate) fn reset(&mut self, index: usize) {
        let event = &mut self.events[index];
        if !std::mem::replace(&mut event.signalled, false) {
            return;
        }
        for &(waiter, _) in &event.waiters {
            if let Goal::All { missing, .. } = &mut self.waiters[waiter as usize].goal {
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
        SetState { members: Slab::new(), autos: 0, listed: Vec::new(), signalled: 0, waiters: Vec::new(), waits: 0 }
    }

    pub(crate) fn all_signalled(&self) -> bool {
        self.signalled == self.members.len() && !self.members.is_empty()
    }

    /// Notes that a member has been set.
    pub(crate) fn count_set(&mut self, member: usize) {
        self.signalled += 1;
        let entry = &mut self.members[member];
        entry.set_in = self.waits;
        if !std::mem::replace(&mut entry.listed, true) {
            self.listed.push(member);
        }
    }

    /// Fulfils the waits that a member has fulfilled which nobody has to take. Returns whether
    /// waits for all have to take what they wait for.
    pub(crate) fn fulfil(&mut self, member: usize, waiters: &mut Slab<Waiter>, unparks: &mut Unparks) -> bool {
        let all = self.all_signalled();
        let mut takers = false;
        for &(waiter, _) in &self.waiters {
            let waiter = &mut waiters[waiter];
            match waiter.goal {
                Goal::Any => waiter.fulfil(member, unparks),
                _ if all && self.autos == 0 => waiter.fulfil(0, unparks),
                _ => takers |= all,
            }
        }
        takers
    }

    /// Finds the members that are signalled, or were set after wait number `wait` began, lowest
    /// first. An auto-reset event that has been reset was reported to another wait. Looks only at
    /// listed members.
    pub(crate) fn collect(&mut self, events: &Slab<EventState>, wait: u64, found: &mut Vec<usize>) {
        let members = &mut self.members;
        let others = self.waiters.iter().map(|&(_, number)| number).filter(|number| *number != wait);
        let oldest = others.min().unwrap_or(NO_WAIT);
        self.listed.retain(|&member| {
            let entry = &mut members[member];
            let event = &events[entry.event as usize];
            if event.signalled || (entry.set_in >= wait && !event.auto) {
                found.push(member);
            }
            entry.listed = event.signalled || entry.set_in >= oldest;
            entry.listed
        });
        found.sort_unstable();
    }
}
