//! How one connection is disturbed.

use std::time::Duration;

use crate::table::Key;

/// How one connection is disturbed. Its client's socket has this.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// What everything takes longer.
    pub(super) delay: Duration,
    /// The most bytes that travel as one piece; 0 is the usual.
    pub(super) split: usize,
    pub(super) stalled: bool,
    /// What would have happened while it was stalled.
    pub(super) held: Vec<Held>,
}

/// Something that a stall holds up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Held {
    /// The next piece that this end has sent arrives.
    Arrival { from: Key },
    /// This end learns that there is room for so many bytes again.
    Room { to: Key, bytes: usize },
}
