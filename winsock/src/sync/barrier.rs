//! `SYNCHRONIZATION_BARRIER`: threads that go on when all have come.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::abi::{Bool, Dword, FALSE, TRUE};
use crate::error::{ERROR_INVALID_PARAMETER, fail};
use crate::wait::{Resting, futex};

/// As the header has it: 32 bytes.
#[repr(C, align(8))]
pub struct Barrier {
    threads: AtomicU32,
    /// How many have yet to come.
    missing: AtomicU32,
    /// Changes when all have come.
    round: AtomicU32,
    _rest: [u32; 5],
}

impl Barrier {
    /// Whether the calling thread was the last to come.
    fn enter(&self) -> bool {
        let round = self.round.load(Ordering::Acquire);
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.missing.store(self.threads.load(Ordering::Relaxed), Ordering::Relaxed);
            self.round.fetch_add(1, Ordering::Release);
            futex::wake(&raw const self.round, i32::MAX);
            return true;
        }
        let _resting = Resting::begin();
        while self.round.load(Ordering::Acquire) == round {
            futex::sleep(&self.round, round, None);
        }
        false
    }
}

export! {
    fn wsk_InitializeSynchronizationBarrier(barrier: *mut Barrier, threads: i32, _spin: i32) -> Bool, FALSE => {
        let count = match u32::try_from(threads) {
            Ok(count) if count > 0 && !barrier.is_null() => count,
            _ => return fail(ERROR_INVALID_PARAMETER, FALSE),
        };
        barrier.write(Barrier {
            threads: AtomicU32::new(count),
            missing: AtomicU32::new(count),
            round: AtomicU32::new(0),
            _rest: [0; 5],
        });
        TRUE
    }

    fn wsk_EnterSynchronizationBarrier(barrier: *mut Barrier, _flags: Dword) -> Bool, FALSE => {
        (*barrier).enter().into()
    }

    fn wsk_DeleteSynchronizationBarrier(_barrier: *mut Barrier) -> Bool, TRUE => { TRUE }
}

const _: () = assert!(size_of::<Barrier>() == 32);
