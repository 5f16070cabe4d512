//! `Signal`: what makes an object one that can be waited for. Events, mutexes, semaphores, timers,
//! threads and sockets differ in who sets it and in what a wait takes of it, and in nothing else.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::block::{WaitBlock, WaitId};

/// What a satisfied wait does to the signal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: every waiting thread goes on until it is reset.
    Manual,
    /// It takes one: one thread goes on for each.
    Counted,
    /// The thread owns it until it releases it as often as it took it.
    Owned,
}

/// A thread that waits.
struct Waiting {
    block: Arc<WaitBlock>,
    wait: WaitId,
    index: usize,
    /// It waits for other objects too, and takes all or none.
    all: bool,
}

pub(crate) struct State {
    /// Signalled while above 0.
    count: u32,
    owner: u32,
    recursion: u32,
    abandoned: bool,
    waiting: VecDeque<Waiting>,
}

/// How a thread got the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Plainly,
    /// The mutex was its previous owner's when that thread ended.
    Abandoned,
}

/// Why a mutex was not released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotOwner;

pub(crate) struct Signal {
    kind: Kind,
    state: Mutex<State>,
    /// Whether the count was above 0 when the lock was last released: a wait for many objects looks
    /// here first. It looks again, with the lock, before it sleeps.
    hint: AtomicBool,
}

/// The state while it is locked.
pub(crate) struct Locked<'a> {
    hint: &'a AtomicBool,
    state: MutexGuard<'a, State>,
}

impl Deref for Locked<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // The lock is released after this.
        self.hint.store(self.state.count > 0, Ordering::Release);
    }
}

/// Threads to unpark after the lock has been released.
#[derive(Default)]
struct Unparks(Option<Arc<WaitBlock>>, Vec<Arc<WaitBlock>>);

impl Unparks {
    fn push(&mut self, block: Arc<WaitBlock>) {
        match &self.0 {
            None => self.0 = Some(block),
            Some(_) => self.1.push(block),
        }
    }
}

impl Drop for Unparks {
    fn drop(&mut self) {
        for block in self.0.take().into_iter().chain(self.1.drain(..)) {
            block.unpark();
        }
    }
}

impl State {
    fn is_free_for(&self, kind: Kind, owner: u32) -> bool {
        self.count > 0 || kind == Kind::Owned && self.owner == owner
    }

    /// A thread takes the signal. It must be free for it.
    pub(crate) fn take(&mut self, kind: Kind, owner: u32) -> Taken {
        match kind {
            Kind::Manual => {}
            Kind::Counted => self.count -= 1,
            Kind::Owned => {
                self.count = 0;
                self.owner = owner;
                self.recursion += 1;
                if std::mem::take(&mut self.abandoned) {
                    return Taken::Abandoned;
                }
            }
        }
        Taken::Plainly
    }

    /// Ends waits, in the order in which they began, while the signal is set.
    fn hand_out(&mut self, kind: Kind, unparks: &mut Unparks) {
        let mut at = 0;
        while self.count > 0 && at < self.waiting.len() {
            let waiting = &self.waiting[at];
            if waiting.all {
                // That thread looks at all of its objects itself.
                waiting.block.make_look_again(waiting.wait);
                at += 1;
                continue;
            }
            if waiting.block.claim(waiting.wait, waiting.index, self.abandoned) {
                let owner = waiting.block.owner();
                self.take(kind, owner);
                if let Some(waiting) = self.waiting.remove(at) {
                    unparks.push(waiting.block);
                }
            } else {
                // Something else has ended that wait.
                self.waiting.remove(at);
            }
        }
    }
}

impl Signal {
    pub(crate) const fn new(kind: Kind, count: u32) -> Signal {
        let state = State { count, owner: 0, recursion: 0, abandoned: false, waiting: VecDeque::new() };
        Signal { kind, state: Mutex::new(state), hint: AtomicBool::new(count > 0) }
    }

    /// A mutex that a thread owns from the start.
    pub(crate) fn owned_by(owner: u32) -> Signal {
        let state = State { count: 0, owner, recursion: 1, abandoned: false, waiting: VecDeque::new() };
        Signal { kind: Kind::Owned, state: Mutex::new(state), hint: AtomicBool::new(false) }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { hint: &self.hint, state }
    }

    // ---- who sets it ----

    /// Sets it. What `first` does is seen by every thread that goes on.
    pub(crate) fn set_after(&self, first: impl FnOnce()) {
        let mut unparks = Unparks::default();
        let mut state = self.lock();
        first();
        state.count = 1;
        state.hand_out(self.kind, &mut unparks);
        drop(state);
    }

    pub(crate) fn set(&self) {
        self.set_after(|| ());
    }

    pub(crate) fn reset(&self) {
        self.lock().count = 0;
    }

    /// Sets it if `set` says so, asked with the lock held, and otherwise resets it.
    pub(crate) fn set_if(&self, set: impl FnOnce() -> bool) {
        let mut unparks = Unparks::default();
        let mut state = self.lock();
        state.count = set().into();
        state.hand_out(self.kind, &mut unparks);
        drop(state);
    }

    /// Ends the waits that there are now, and is not set afterwards.
    pub(crate) fn pulse(&self) {
        let mut unparks = Unparks::default();
        let mut state = self.lock();
        state.count = 1;
        state.hand_out(self.kind, &mut unparks);
        state.count = 0;
        drop(state);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.hint.load(Ordering::Acquire)
    }

    /// Adds to a semaphore, and returns what there was; `None` if it would be more than `most`.
    pub(crate) fn add(&self, count: u32, most: u32) -> Option<u32> {
        let mut unparks = Unparks::default();
        let mut state = self.lock();
        let before = state.count;
        let after = before.checked_add(count).filter(|after| *after <= most)?;
        state.count = after;
        state.hand_out(self.kind, &mut unparks);
        drop(state);
        Some(before)
    }

    /// Releases a mutex once; `true` if it is free then.
    pub(crate) fn release(&self, owner: u32) -> Result<bool, NotOwner> {
        let mut unparks = Unparks::default();
        let mut state = self.lock();
        if state.recursion == 0 || state.owner != owner {
            return Err(NotOwner);
        }
        state.recursion -= 1;
        if state.recursion > 0 {
            return Ok(false);
        }
        state.owner = 0;
        state.count = 1;
        state.hand_out(self.kind, &mut unparks);
        drop(state);
        Ok(true)
    }

    /// The owner of a mutex has ended.
    pub(crate) fn abandon(&self, owner: u32) {
        let mut unparks = Unparks::default();
        let mut state = self.lock();
        if state.recursion == 0 || state.owner != owner {
            return;
        }
        (state.owner, state.recursion, state.abandoned, state.count) = (0, 0, true, 1);
        state.hand_out(self.kind, &mut unparks);
        drop(state);
    }

    /// Undoes what a wait has taken.
    pub(crate) fn give_back(&self, owner: u32) {
        match self.kind {
            Kind::Manual => {}
            Kind::Counted => drop(self.add(1, u32::MAX)),
            Kind::Owned => drop(self.release(owner)),
        }
    }

    // ---- who waits for it ----

    /// Takes the signal if it is set.
    pub(crate) fn try_take(&self, owner: u32) -> Option<Taken> {
        if self.kind != Kind::Owned && !self.is_set() {
            return None;
        }
        let mut state = self.lock();
        state.is_free_for(self.kind, owner).then(|| state.take(self.kind, owner))
    }

    /// Has the thread told when the signal is set. If it is set already, the wait ends here, unless
    /// something else has ended it or the thread waits for all.
    pub(crate) fn enlist(&self, block: &Arc<WaitBlock>, wait: WaitId, index: usize, all: bool) {
        let mut state = self.lock();
        if !all && state.is_free_for(self.kind, block.owner()) {
            if block.claim(wait, index, state.abandoned) {
                state.take(self.kind, block.owner());
            }
            return;
        }
        state.waiting.push_back(Waiting { block: Arc::clone(block), wait, index, all });
    }

    pub(crate) fn delist(&self, block: &Arc<WaitBlock>) {
        let mut state = self.lock();
        if !state.waiting.is_empty() {
            state.waiting.retain(|waiting| !Arc::ptr_eq(&waiting.block, block));
        }
    }

    /// Whether a wait of this thread could be satisfied by `state`, which is this signal's.
    pub(crate) fn is_free(&self, state: &State, owner: u32) -> bool {
        state.is_free_for(self.kind, owner)
    }
}
