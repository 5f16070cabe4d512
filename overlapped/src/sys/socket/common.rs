//! What all descriptors of a socket here have in common.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::bound_path::BoundPath;

/// What all descriptors of a socket here have in common.
#[derive(Debug, Default)]
pub(super) struct Common {
    /// Others than this crate have, or have had, the socket, and may have set its options; or it
    /// was asked to linger.
    lent: AtomicBool,
    /// The file that a Unix listener is bound to. It is removed with the last descriptor here.
    bound: Option<BoundPath>,
}

impl Common {
    pub(super) fn new(bound: Option<BoundPath>) -> Common {
        Common { lent: AtomicBool::new(false), bound }
    }

    pub(super) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed)
    }

    /// Others have it too from here on.
    pub(super) fn lend(&self) {
        self.lent.store(true, Ordering::Relaxed);
    }

    /// The file stays.
    pub(super) fn leave_path(&self) {
        if let Some(bound) = &self.bound {
            bound.leave();
        }
    }
}
