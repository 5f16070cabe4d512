//! The primitives that `loom` replaces when it explores the interleavings of events, ports, routine
//! queues and wake-ups.

#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    thread::{Thread, current as current_thread, park},
    thread_local,
};

#[cfg(loom)]
pub(crate) use self::models::{Thread, current_thread, park, thread_local};
#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc, Mutex, MutexGuard, Notify,
    atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
};

/// Locks. Nothing that can panic runs under this crate's locks, so a poisoned one still guards what
/// is in order.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What loom's own versions would explore too little of, or do not offer.
#[cfg(loom)]
mod models {
    use std::sync::Arc;

    use loom::sync::Notify;

    /// A thread that can be unparked. That loom's own has no say in what is explored, and forgets
    /// an unpark while the thread waits for a lock; `Notify` is a token like std's, and once in its
    /// life lets a thread go for no reason.
    #[derive(Clone)]
    pub(crate) struct Thread(Arc<Notify>);

    loom::thread_local! {
        static HERE: Thread = Thread(Arc::new(Notify::new()));
    }

    impl Thread {
        pub(crate) fn unpark(&self) {
            self.0.notify();
        }
    }

    pub(crate) fn current_thread() -> Thread {
        HERE.with(Clone::clone)
    }

    pub(crate) fn park() {
        current_thread().0.wait();
    }

    /// Loom's takes no `const` blocks.
    macro_rules! local {
        ($($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;)*) => {
            $(loom::thread_local! { $(#[$attr])* static $name: $type = $init })*
        };
    }
    pub(crate) use local as thread_local;
}
