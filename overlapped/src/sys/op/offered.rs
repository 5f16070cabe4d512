//! How much of an operation's buffer the system was offered.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sys::rest::offered;

use super::Owned;

impl Owned {
    /// Whether the system may have been offered no more than the `bytes` bytes that it took just
    /// now: there are more parts than it takes at once. Else it had no room for more.
    pub(crate) fn offered_at_most(&mut self, bytes: u64) -> bool {
        self.progress -= bytes;
        // A buffer that panics is not tried again.
        let offered = catch_unwind(AssertUnwindSafe(|| offered(|see| self.each_left(see))));
        self.progress += bytes;
        offered.is_ok_and(|offered| bytes >= offered)
    }
}
