//! `SLIST_HEADER`: a stack of entries that the program links in.

use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// `SLIST_ENTRY`
#[repr(C)]
pub struct Entry {
    next: *mut Entry,
}

/// `SLIST_HEADER`: 16 bytes.
#[repr(C, align(16))]
pub struct Head {
    /// The depth in the low half, and `LOCKED`.
    depth: AtomicU64,
    first: AtomicUsize,
}

const LOCKED: u64 = 1 << 63;

impl Head {
    /// Does something to the list and its depth while no other thread does.
    fn change<R>(&self, f: impl FnOnce(*mut Entry, &mut u64) -> (*mut Entry, R)) -> R {
        let mut depth = loop {
            let depth = self.depth.load(Ordering::Relaxed) & !LOCKED;
            if self.depth.compare_exchange_weak(depth, depth | LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                break depth;
            }
            std::thread::yield_now();
        };
        let (first, result) = f(self.first.load(Ordering::Relaxed) as *mut Entry, &mut depth);
        self.first.store(first as usize, Ordering::Relaxed);
        self.depth.store(depth, Ordering::Release);
        result
    }

    /// # Safety
    /// From `first` to `last` the entries are linked, and in no list.
    unsafe fn push(&self, first: *mut Entry, last: *mut Entry, count: u64) -> *mut Entry {
        self.change(|before, depth| {
            // SAFETY: as the caller promises.
            unsafe { (*last).next = before };
            *depth += count;
            (first, before)
        })
    }
}

export! {
    fn wsk_InitializeSListHead(head: *mut Head) -> (), () => {
        head.write(Head { depth: AtomicU64::new(0), first: AtomicUsize::new(0) });
    }

    fn wsk_InterlockedPushEntrySList(head: *mut Head, entry: *mut Entry) -> *mut Entry, ptr::null_mut() => {
        (*head).push(entry, entry, 1)
    }

    fn wsk_InterlockedPushListSListEx(
        head: *mut Head, first: *mut Entry, last: *mut Entry, count: u32,
    ) -> *mut Entry, ptr::null_mut() => {
        (*head).push(first, last, count.into())
    }

    fn wsk_InterlockedPopEntrySList(head: *mut Head) -> *mut Entry, ptr::null_mut() => {
        (*head).change(|first, depth| {
            if first.is_null() {
                return (first, first);
            }
            *depth = depth.saturating_sub(1);
            ((*first).next, first)
        })
    }

    fn wsk_InterlockedFlushSList(head: *mut Head) -> *mut Entry, ptr::null_mut() => {
        (*head).change(|first, depth| {
            *depth = 0;
            (ptr::null_mut(), first)
        })
    }

    /// As on Windows, 16 bits.
    fn wsk_QueryDepthSList(head: *mut Head) -> u16, 0 => {
        (*head).depth.load(Ordering::Acquire) as u16
    }
}

const _: () = assert!(size_of::<Head>() == 16);
