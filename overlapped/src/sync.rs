//! The primitives that `loom` replaces when it explores the interleavings of events, ports, routine queues and wake-ups.

#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU8, Ordering},
    },
    thread::{Thread, current as current_thread},
};

#[cfg(loom)]
pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU8, Ordering},
    },
    thread::{Thread, current as current_thread},
};

/// Locks. Nothing that can panic runs under this crate's locks, so a poisoned one still guards what is in order.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
