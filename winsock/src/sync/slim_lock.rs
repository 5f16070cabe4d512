//! `SRWLOCK`: many readers or one writer. Pointer-sized, and free when it is zero.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::abi::Bool;
use crate::wait::{Resting, futex};

#[repr(C, align(8))]
pub struct SlimLock {
    /// `WRITING`, `WAITED_FOR`, and the readers in units of `READER`.
    state: AtomicU32,
    /// Changes when the lock becomes free and is waited for.
    turn: AtomicU32,
}

const WRITING: u32 = 1;
/// Somebody sleeps; new readers do too, so that a writer gets its turn.
const WAITED_FOR: u32 = 2;
const READER: u32 = 4;

const SPINS: u32 = 40;

impl SlimLock {
    /// Goes from one state to the next that `next` names; `None` of it means that it cannot be now.
    fn try_change(&self, next: impl Fn(u32) -> Option<u32>) -> Result<u32, u32> {
        self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, next)
    }

    fn writer(state: u32) -> Option<u32> {
        (state & !WAITED_FOR == 0).then_some(state | WRITING)
    }

    fn reader(state: u32) -> Option<u32> {
        if state & (WRITING | WAITED_FOR) != 0 { None } else { state.checked_add(READER) }
    }

    fn acquire(&self, enter: impl Fn(u32) -> Option<u32> + Copy) {
        if self.try_change(enter).is_err() {
            self.acquire_slowly(enter);
        }
    }

    #[cold]
    fn acquire_slowly(&self, enter: impl Fn(u32) -> Option<u32> + Copy) {
        for _ in 0..SPINS {
            if self.try_change(enter).is_ok() {
                return;
            }
            std::hint::spin_loop();
        }
        let _resting = Resting::begin();
        loop {
            // Read before the state is marked: who frees the lock after that changes it.
            let turn = self.turn.load(Ordering::Acquire);
            let changed = self.try_change(|state| enter(state).or((state != 0).then_some(state | WAITED_FOR)));
            match changed {
                Ok(before) if enter(before).is_some() => return,
                Ok(_) => futex::sleep(&self.turn, turn, None),
                Err(_) => {}
            }
        }
    }

    pub(super) fn acquire_exclusive(&self) {
        self.acquire(SlimLock::writer);
    }

    pub(super) fn acquire_shared(&self) {
        self.acquire(SlimLock::reader);
    }

    pub(super) fn release_exclusive(&self) {
        let before = self.state.swap(0, Ordering::Release);
        self.freed(before);
    }

    pub(super) fn release_shared(&self) {
        // The last reader leaves nothing; those that wait try again.
        let next = |state: u32| match state.checked_sub(READER) {
            Some(left) if left & !WAITED_FOR == 0 => Some(0),
            left => left,
        };
        if let Ok(before) = self.state.fetch_update(Ordering::Release, Ordering::Relaxed, next)
            && before / READER == 1
        {
            self.freed(before);
        }
    }

    fn freed(&self, before: u32) {
        if before & WAITED_FOR != 0 {
            self.turn.fetch_add(1, Ordering::Release);
            futex::wake(&raw const self.turn, i32::MAX);
        }
    }
}

export! {
    fn wsk_InitializeSRWLock(lock: *mut SlimLock) -> (), () => {
        lock.write(SlimLock { state: AtomicU32::new(0), turn: AtomicU32::new(0) });
    }

    fn wsk_AcquireSRWLockExclusive(lock: *mut SlimLock) -> (), () => { (*lock).acquire_exclusive() }

    fn wsk_AcquireSRWLockShared(lock: *mut SlimLock) -> (), () => { (*lock).acquire_shared() }

    fn wsk_ReleaseSRWLockExclusive(lock: *mut SlimLock) -> (), () => { (*lock).release_exclusive() }

    fn wsk_ReleaseSRWLockShared(lock: *mut SlimLock) -> (), () => { (*lock).release_shared() }

    /// `BOOLEAN`: one byte, in a register that a caller may read as a whole.
    fn wsk_TryAcquireSRWLockExclusive(lock: *mut SlimLock) -> Bool, 0 => {
        (*lock).try_change(SlimLock::writer).is_ok().into()
    }

    fn wsk_TryAcquireSRWLockShared(lock: *mut SlimLock) -> Bool, 0 => {
        (*lock).try_change(SlimLock::reader).is_ok().into()
    }
}

const _: () = assert!(size_of::<SlimLock>() == 8);
