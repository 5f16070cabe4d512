//! What the descriptors and views of a socket here have in common.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::bound_path::BoundPath;

/// What the descriptors and views of a socket here have in common. Most sockets of drivers have one
/// descriptor, and nothing of this.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// As the socket's own, for who only has a view of it.
    lent: AtomicBool,
    /// The file that a Unix listener is bound to. It is removed with the last descriptor here.
    bound: Option<BoundPath>,
}

impl Sharing {
    pub(super) fn new(bound: BoundPath) -> Sharing {
        Sharing { lent: AtomicBool::new(false), bound: Some(bound) }
    }

    pub(super) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed)
    }

    /// Others have it too from here on.
    pub(super) fn lend(&self) {
        self.lent.store(true, Ordering::Relaxed);
    }

    /// Whether there is a file, and it is removed.
    #[cfg(unix)]
    pub(super) fn owns_path(&self) -> bool {
        self.bound.as_ref().is_some_and(|bound| !bound.is_left())
    }

    /// The file stays.
    pub(super) fn leave_path(&self) {
        if let Some(bound) = &self.bound {
            bound.leave();
        }
    }

    /// The file is removed with the last descriptor here after all.
    #[cfg(unix)]
    pub(super) fn reclaim_path(&self) {
        if let Some(bound) = &self.bound {
            bound.reclaim();
        }
    }
}
