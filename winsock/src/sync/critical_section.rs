//! `CRITICAL_SECTION`: a lock that its owner may take again.

use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

use crate::abi::{Bool, Dword, FALSE, TRUE};
use crate::thread;
use crate::wait::{Resting, futex};

/// As on Windows: 40 bytes.
#[repr(C)]
pub struct CriticalSection {
    debug: usize,
    /// -1 while it is free, for programs that look.
    lock_count: AtomicI32,
    recursion: AtomicI32,
    /// The id of the thread that owns it.
    owner: AtomicUsize,
    state: AtomicU32,
    _rest: u32,
    spin: AtomicUsize,
}

const FREE: u32 = 0;
const TAKEN: u32 = 1;
/// Somebody sleeps.
const CONTENDED: u32 = 2;

/// A program may ask for thousands of rounds, on a machine with one processor too.
const MOST_SPINS: usize = 200;

impl CriticalSection {
    fn init(spin: usize) -> CriticalSection {
        CriticalSection {
            // Windows has -1 here for a section without debugging information.
            debug: usize::MAX,
            lock_count: AtomicI32::new(-1),
            recursion: AtomicI32::new(0),
            owner: AtomicUsize::new(0),
            state: AtomicU32::new(FREE),
            _rest: 0,
            spin: AtomicUsize::new(spin),
        }
    }

    fn own(&self, me: usize) {
        self.owner.store(me, Ordering::Relaxed);
        self.lock_count.store(0, Ordering::Relaxed);
        self.recursion.store(1, Ordering::Relaxed);
    }

    fn enters_again(&self, me: usize) -> bool {
        let again = self.owner.load(Ordering::Relaxed) == me;
        if again {
            self.recursion.fetch_add(1, Ordering::Relaxed);
        }
        again
    }

    fn try_state(&self) -> bool {
        self.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    pub(super) fn enter(&self) {
        let me = thread::id() as usize;
        if self.enters_again(me) {
            return;
        }
        if !self.try_state() {
            self.enter_slowly();
        }
        self.own(me);
    }

    #[cold]
    fn enter_slowly(&self) {
        for _ in 0..self.spin.load(Ordering::Relaxed).clamp(20, MOST_SPINS) {
            if self.state.load(Ordering::Relaxed) == FREE && self.try_state() {
                return;
            }
            std::hint::spin_loop();
        }
        let _resting = Resting::begin();
        while self.state.swap(CONTENDED, Ordering::Acquire) != FREE {
            futex::sleep(&self.state, CONTENDED, None);
        }
    }

    fn try_enter(&self) -> bool {
        let me = thread::id() as usize;
        if self.enters_again(me) {
            return true;
        }
        let taken = self.try_state();
        if taken {
            self.own(me);
        }
        taken
    }

    pub(super) fn leave(&self) {
        if self.recursion.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        self.recursion.store(0, Ordering::Relaxed);
        self.owner.store(0, Ordering::Relaxed);
        self.lock_count.store(-1, Ordering::Relaxed);
        let state = &raw const self.state;
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            // The next owner may have freed the memory already: only the address is used.
            futex::wake(state, 1);
        }
    }
}

/// # Safety
/// `section` points to a critical section.
pub(crate) unsafe fn leave(section: *const CriticalSection) {
    // SAFETY: as the caller promises.
    unsafe { (*section).leave() };
}

export! {
    fn wsk_InitializeCriticalSection(section: *mut CriticalSection) -> (), () => {
        section.write(CriticalSection::init(0));
    }

    fn wsk_InitializeCriticalSectionAndSpinCount(section: *mut CriticalSection, spin: Dword) -> Bool, FALSE => {
        section.write(CriticalSection::init(spin as usize & 0x00FF_FFFF));
        TRUE
    }

    fn wsk_InitializeCriticalSectionEx(section: *mut CriticalSection, spin: Dword, _flags: Dword) -> Bool, FALSE => {
        section.write(CriticalSection::init(spin as usize & 0x00FF_FFFF));
        TRUE
    }

    fn wsk_SetCriticalSectionSpinCount(section: *mut CriticalSection, spin: Dword) -> Dword, 0 => {
        (*section).spin.swap(spin as usize, Ordering::Relaxed) as u32
    }

    fn wsk_EnterCriticalSection(section: *mut CriticalSection) -> (), () => { (*section).enter() }

    fn wsk_TryEnterCriticalSection(section: *mut CriticalSection) -> Bool, FALSE => {
        (*section).try_enter().into()
    }

    fn wsk_LeaveCriticalSection(section: *mut CriticalSection) -> (), () => { (*section).leave() }

    fn wsk_DeleteCriticalSection(section: *mut CriticalSection) -> (), () => {
        section.cast::<c_void>().write_bytes(0, size_of::<CriticalSection>());
    }
}

const _: () = assert!(size_of::<CriticalSection>() == 40);
