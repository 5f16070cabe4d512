//! The one wait: for any of several signals or for all of them, with a time-out, and for APCs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::block::{Claimed, WaitBlock, WaitId};
use super::rest::Resting;
use super::signal::{Signal, Taken};
use crate::abi::INFINITE;
use crate::{park, thread};

/// When a wait gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Now,
    At(Instant),
    Never,
}

impl Until {
    pub(crate) fn milliseconds(milliseconds: u32) -> Until {
        match milliseconds {
            0 => Until::Now,
            INFINITE => Until::Never,
            some => Until::At(Instant::now() + Duration::from_millis(some.into())),
        }
    }

    pub(crate) fn instant(self) -> Option<Instant> {
        match self {
            Until::Now => Some(Instant::now()),
            Until::At(instant) => Some(instant),
            Until::Never => None,
        }
    }
}

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// By the object with this index; of a wait for all, by all of them.
    Object(usize),
    /// The same, and a mutex among what was taken was abandoned.
    Abandoned(usize),
    TimedOut,
    /// APCs are to be run; nothing was taken.
    Alerted,
}

/// Waits for one of the signals, or if `all` for all of them at once. The lowest index of those
/// that are set wins, and only its signal is taken. No lock is held when this is called.
pub(crate) fn wait(signals: &[&Signal], all: bool, until: Until, alertable: bool) -> Waited {
    let thread = thread::current();
    let block = thread.block();
    let look = || {
        let taken = if all { take_all(signals, block.owner(), || true) } else { take_any(signals, block.owner()) };
        taken.or_else(|| (alertable && thread.has_apcs()).then_some(Waited::Alerted))
    };
    if let Some(waited) = look() {
        return waited;
    }
    if until == Until::Now {
        // What has ended meanwhile may not have been told.
        park::poll();
        return look().unwrap_or(Waited::TimedOut);
    }
    let _resting = Resting::begin();
    let id = block.begin(alertable);
    if alertable && thread.has_apcs() {
        block.alert();
    }
    for (index, signal) in signals.iter().enumerate() {
        signal.enlist(block, id, index, all);
        if !all && block.claimed().is_some() {
            break;
        }
    }
    let claimed = sleep_until_claimed(signals, all, until.instant(), block, id);
    for signal in signals {
        signal.delist(block);
    }
    match claimed {
        None => Waited::TimedOut,
        Some(Claimed::Alerted) => Waited::Alerted,
        Some(Claimed::Object(index, false)) => Waited::Object(index),
        Some(Claimed::Object(index, true)) => Waited::Abandoned(index),
    }
}

fn sleep_until_claimed(
    signals: &[&Signal],
    all: bool,
    until: Option<Instant>,
    block: &Arc<WaitBlock>,
    id: WaitId,
) -> Option<Claimed> {
    loop {
        if all {
            // Before the look: a signal that is set after it makes the next park return.
            block.takes_look_again();
            take_all(signals, block.owner(), || block.claim(id, 0, false));
        }
        if let Some(claimed) = block.claimed() {
            return Some(claimed);
        }
        if !block.park_until_claimed(until) {
            return block.give_up(id);
        }
    }
}

fn take_any(signals: &[&Signal], owner: u32) -> Option<Waited> {
    signals.iter().enumerate().find_map(|(index, signal)| match signal.try_take(owner)? {
        Taken::Plainly => Some(Waited::Object(index)),
        Taken::Abandoned => Some(Waited::Abandoned(index)),
    })
}

/// Takes all signals if all are set and `claim` then agrees.
fn take_all(signals: &[&Signal], owner: u32, claim: impl FnOnce() -> bool) -> Option<Waited> {
    // Every thread locks them in the same order. No signal is there twice.
    let mut ordered: Vec<&Signal> = signals.to_vec();
    ordered.sort_by_key(|signal| std::ptr::from_ref::<Signal>(signal));
    let mut states: Vec<_> = ordered.iter().map(|signal| (*signal, signal.lock())).collect();
    if !states.iter().all(|(signal, state)| signal.is_free(state, owner)) || !claim() {
        return None;
    }
    let mut abandoned = false;
    for (signal, state) in &mut states {
        abandoned |= state.take(signal.kind(), owner) == Taken::Abandoned;
    }
    Some(if abandoned { Waited::Abandoned(0) } else { Waited::Object(0) })
}

/// Sleeps; `true` if APCs ended that.
pub(crate) fn sleep(until: Until, alertable: bool) -> bool {
    wait(&[], false, until, alertable) == Waited::Alerted
}
