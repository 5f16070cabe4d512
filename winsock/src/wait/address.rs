//! Waiting for a change at an address: `WaitOnAddress`, and waits for the end of one operation.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::block::{Claimed, WaitBlock, WaitId};
use super::multiple::{Until, Waited};
use super::rest::Resting;
use crate::{park, thread};

const BUCKETS: usize = 64;

struct Waiting {
    address: usize,
    block: Arc<WaitBlock>,
    wait: WaitId,
}

struct Bucket {
    waiting: Mutex<Vec<Waiting>>,
}

static TABLE: [Bucket; BUCKETS] = [const { Bucket { waiting: Mutex::new(Vec::new()) } }; BUCKETS];

/// How many wait at any address: a wake for which nobody waits takes no lock.
static WAITING: AtomicUsize = AtomicUsize::new(0);

impl Bucket {
    fn of(address: usize) -> &'static Bucket {
        // Overlapped structures are multiples of 8 or 16 apart.
        let mixed = (address >> 3).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as usize);
        &TABLE[(mixed >> 32) % BUCKETS]
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until `changed` or until somebody wakes this address. A wake may come without a change.
pub(crate) fn wait_at(address: usize, changed: impl Fn() -> bool, until: Until, alertable: bool) -> Waited {
    let thread = thread::current();
    let block = thread.block();
    if changed() {
        return Waited::Object(0);
    }
    if alertable && thread.has_apcs() {
        return Waited::Alerted;
    }
    if until == Until::Now {
        park::poll();
        return if changed() { Waited::Object(0) } else { Waited::TimedOut };
    }
    let _resting = Resting::begin();
    let bucket = Bucket::of(address);
    let id = block.begin(alertable);
    WAITING.fetch_add(1, Ordering::SeqCst);
    bucket.lock().push(Waiting { address, block: Arc::clone(block), wait: id });
    fence(Ordering::SeqCst);
    if alertable && thread.has_apcs() {
        block.alert();
    }
    let claimed = if changed() {
        block.give_up(id).or(Some(Claimed::Object(0, false)))
    } else if block.park_until_claimed(until.instant()) {
        block.claimed()
    } else {
        block.give_up(id)
    };
    bucket.lock().retain(|waiting| !Arc::ptr_eq(&waiting.block, block));
    WAITING.fetch_sub(1, Ordering::SeqCst);
    match claimed {
        None => Waited::TimedOut,
        Some(Claimed::Alerted) => Waited::Alerted,
        Some(Claimed::Object(..)) => Waited::Object(0),
    }
}

/// Wakes at most `most` threads that wait for this address, in the order in which they came. What
/// is at the address is not touched.
pub(crate) fn wake_at(address: usize, most: usize) {
    fence(Ordering::SeqCst);
    if WAITING.load(Ordering::SeqCst) == 0 {
        return;
    }
    let bucket = Bucket::of(address);
    let mut woken = Vec::new();
    {
        let mut waiting = bucket.lock();
        let mut at = 0;
        while at < waiting.len() && woken.len() < most {
            if waiting[at].address != address {
                at += 1;
                continue;
            }
            let one = waiting.remove(at);
            if one.block.claim(one.wait, 0, false) {
                woken.push(one.block);
            }
        }
    }
    for block in woken {
        block.unpark();
    }
}
