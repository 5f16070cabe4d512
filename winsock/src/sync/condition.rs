//! `CONDITION_VARIABLE`: pointer-sized, and ready when it is zero.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::critical_section::CriticalSection;
use super::slim_lock::SlimLock;
use crate::abi::{Bool, Dword, FALSE, TRUE, Ulong};
use crate::error::{ERROR_TIMEOUT, fail};
use crate::wait::{Resting, Until, futex};

#[repr(C, align(8))]
pub struct Condition {
    /// Changes with every wake.
    wakes: AtomicU32,
    /// Threads that sleep or are about to.
    sleepers: AtomicU32,
}

const CONDITION_VARIABLE_LOCKMODE_SHARED: Ulong = 1;

impl Condition {
    /// Sleeps between `release` and `acquire`; `false` when the time is over.
    fn sleep(&self, milliseconds: u32, release: impl FnOnce(), acquire: impl FnOnce()) -> bool {
        let until = Until::milliseconds(milliseconds).instant();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let before = self.wakes.load(Ordering::SeqCst);
        release();
        let woken = {
            let _resting = Resting::begin();
            self.sleep_until_woken(before, until)
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        acquire();
        woken
    }

    fn sleep_until_woken(&self, before: u32, until: Option<Instant>) -> bool {
        loop {
            if self.wakes.load(Ordering::SeqCst) != before {
                return true;
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return false;
            }
            futex::sleep(&self.wakes, before, until);
        }
    }

    fn wake(&self, most: i32) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            futex::wake(&raw const self.wakes, most);
        }
    }
}

fn woken(in_time: bool) -> Bool {
    if in_time { TRUE } else { fail(ERROR_TIMEOUT, FALSE) }
}

export! {
    fn wsk_InitializeConditionVariable(condition: *mut Condition) -> (), () => {
        condition.write(Condition { wakes: AtomicU32::new(0), sleepers: AtomicU32::new(0) });
    }

    fn wsk_SleepConditionVariableCS(
        condition: *mut Condition, section: *mut CriticalSection, milliseconds: Dword,
    ) -> Bool, FALSE => {
        let section = &*section;
        woken((*condition).sleep(milliseconds, || section.leave(), || section.enter()))
    }

    fn wsk_SleepConditionVariableSRW(
        condition: *mut Condition, lock: *mut SlimLock, milliseconds: Dword, flags: Ulong,
    ) -> Bool, FALSE => {
        let lock = &*lock;
        let in_time = if flags & CONDITION_VARIABLE_LOCKMODE_SHARED != 0 {
            (*condition).sleep(milliseconds, || lock.release_shared(), || lock.acquire_shared())
        } else {
            (*condition).sleep(milliseconds, || lock.release_exclusive(), || lock.acquire_exclusive())
        };
        woken(in_time)
    }

    fn wsk_WakeConditionVariable(condition: *mut Condition) -> (), () => { (*condition).wake(1) }

    fn wsk_WakeAllConditionVariable(condition: *mut Condition) -> (), () => { (*condition).wake(i32::MAX) }
}

const _: () = assert!(size_of::<Condition>() == 8);
