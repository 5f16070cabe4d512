//! `WaitBlock`: the one wait that a thread is in, and who ends it.
//!
//! A wait ends once: an object that is signalled, an APC, or the time-out claims it, and the others
//! find it claimed. An object that does not get the claim keeps its signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::park::Parker;

/// Set on the index of an object that is a mutex whose owner ended without releasing it.
const ABANDONED: u8 = 0x80;
/// The first code that is an index.
const FIRST_INDEX: u8 = 0x20;

/// What a wait's low byte says before it has ended.
const IDLE: u8 = 0;
const WAITING: u8 = 1;
const WAITING_ALERTABLE: u8 = 2;
/// What it says after that, if no object has ended it.
const ALERTED: u8 = 3;

/// Which wait of a thread: old entries in an object's list must not end a later wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitId(u64);

/// Why a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// The object with this index, and whether it is an abandoned mutex.
    Object(usize, bool),
    /// An APC was queued.
    Alerted,
}

/// The wait of one thread.
pub(crate) struct WaitBlock {
    /// The number of the wait, and in the low byte its code.
    state: AtomicU64,
    /// How the thread sleeps.
    parker: Arc<Parker>,
    /// A wait for all objects is to look at them again.
    look_again: AtomicBool,
    /// The thread's number, for mutexes.
    owner: u32,
}

impl WaitBlock {
    /// The block of the thread that calls this, or of one that has not started.
    pub(crate) fn new(owner: u32, parker: Arc<Parker>) -> WaitBlock {
        WaitBlock { state: AtomicU64::new(0), parker, look_again: AtomicBool::new(false), owner }
    }

    pub(crate) fn parker(&self) -> &Arc<Parker> {
        &self.parker
    }

    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// The thread begins a wait.
    pub(crate) fn begin(&self, alertable: bool) -> WaitId {
        let number = (self.state.load(Ordering::Relaxed) >> 8) + 1;
        let code = if alertable { WAITING_ALERTABLE } else { WAITING };
        self.look_again.store(false, Ordering::Relaxed);
        self.state.store(number << 8 | u64::from(code), Ordering::SeqCst);
        WaitId(number)
    }

    fn end_with(&self, code: u8, accepts: impl Fn(u64, u8) -> bool) -> bool {
        let mut state = self.state.load(Ordering::SeqCst);
        loop {
            let (number, now) = (state >> 8, state as u8);
            if !accepts(number, now) {
                return false;
            }
            let ended = number << 8 | u64::from(code);
            match self.state.compare_exchange_weak(state, ended, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(changed) => state = changed,
            }
        }
    }

    /// The object with this index ends the wait; `false` if it has ended. The thread must be
    /// unparked.
    pub(crate) fn claim(&self, id: WaitId, index: usize, abandoned: bool) -> bool {
        let code = (FIRST_INDEX + index as u8) | if abandoned { ABANDONED } else { 0 };
        self.end_with(code, |number, now| number == id.0 && is_waiting(now))
    }

    /// An APC was queued: ends an alertable wait.
    pub(crate) fn alert(&self) {
        if self.end_with(ALERTED, |_, now| now == WAITING_ALERTABLE) {
            self.unpark();
        }
    }

    /// The time is over: ends the wait, or says what has ended it before.
    pub(crate) fn give_up(&self, id: WaitId) -> Option<Claimed> {
        if self.end_with(IDLE, |number, now| number == id.0 && is_waiting(now)) { None } else { self.claimed() }
    }

    /// What has ended the wait, if it has ended.
    pub(crate) fn claimed(&self) -> Option<Claimed> {
        match self.state.load(Ordering::SeqCst) as u8 {
            IDLE | WAITING | WAITING_ALERTABLE => None,
            ALERTED => Some(Claimed::Alerted),
            code => {
                let index = (code & !ABANDONED) - FIRST_INDEX;
                Some(Claimed::Object(usize::from(index), code & ABANDONED != 0))
            }
        }
    }

    /// A wait for all objects looks at them again.
    pub(crate) fn make_look_again(&self, id: WaitId) {
        if self.state.load(Ordering::SeqCst) >> 8 == id.0 {
            self.look_again.store(true, Ordering::SeqCst);
            self.unpark();
        }
    }

    pub(crate) fn takes_look_again(&self) -> bool {
        self.look_again.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn unpark(&self) {
        self.parker.unpark();
    }

    /// Sleeps until the wait has ended or is to look again; `false` when the time is over.
    pub(crate) fn park_until_claimed(&self, until: Option<Instant>) -> bool {
        loop {
            if self.claimed().is_some() || self.look_again.load(Ordering::SeqCst) {
                return true;
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return false;
            }
            self.parker.park(until);
        }
    }
}

fn is_waiting(code: u8) -> bool {
    code == WAITING || code == WAITING_ALERTABLE
}
