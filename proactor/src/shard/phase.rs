//! The phases of a server's life.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a server, or a shard of it, is doing. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// Nothing is accepted; sessions are closed gracefully.
    Draining,
    /// Sessions are closed at once.
    Stopping,
}

/// The phase that the shards of a server are told to enter.
#[derive(Debug)]
pub(crate) struct SharedPhase(AtomicU8);

impl SharedPhase {
    pub(crate) fn new() -> SharedPhase {
        SharedPhase(AtomicU8::new(Phase::Running as u8))
    }

    pub(crate) fn get(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    /// Enters a phase, unless a later one has begun.
    pub(crate) fn advance(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_never_left_for_an_earlier_one() {
        let phase = SharedPhase::new();
        assert_eq!(phase.get(), Phase::Running);
        phase.advance(Phase::Stopping);
        phase.advance(Phase::Draining);
        assert_eq!(phase.get(), Phase::Stopping);
    }
}
