//! What became of the bytes that were queued for a peer, and which ends the logic has yet to hear
//! of. Knows no socket.

use std::collections::{BTreeMap, VecDeque};

use super::id::SessionId;
use super::reason::CloseReason;

/// What became of what was queued for a session's peer, when its connection is gone.
/// [`Handler::released`](crate::Handler::released) is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Nothing was cut. The system has taken everything, and the end of the stream behind it. A
    /// peer that is there gets all of it.
    Flushed,
    /// The connection was ended before the system had taken everything, or while its logic was at
    /// work. Unless it was the peer that ended it, the peer was told by a reset.
    Cut {
        /// Bytes that were queued and not known to be taken: by the system or, when the connection
        /// was reset by this side, by the peer's system. 0 if the logic was at work and had queued
        /// nothing.
        bytes: u64,
    },
}

/// The ends of a shard's sessions.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    /// Sessions that are closing, and whose logic has not been told.
    untold: VecDeque<(SessionId, CloseReason)>,
    /// Bytes that closing sessions did not deliver, by slot.
    cuts: BTreeMap<u32, u64>,
}

impl Endings {
    /// A session is closing: its logic is to be told.
    pub(crate) fn tell(&mut self, id: SessionId, reason: CloseReason) {
        self.untold.push_back((id, reason));
    }

    pub(crate) fn next_untold(&mut self) -> Option<(SessionId, CloseReason)> {
        self.untold.pop_front()
    }

    pub(crate) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// So many bytes of a session will not be delivered.
    pub(crate) fn cut(&mut self, slot: u32, bytes: usize) {
        *self.cuts.entry(slot).or_default() += bytes as u64;
    }

    pub(crate) fn has_cut(&self, slot: u32) -> bool {
        self.cuts.contains_key(&slot)
    }

    /// A session is gone: what became of its bytes.
    pub(crate) fn settle(&mut self, slot: u32) -> Delivery {
        self.cuts.remove(&slot).map_or(Delivery::Flushed, |bytes| Delivery::Cut { bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_settled_once_and_not_for_a_later_session_of_the_slot() {
        let mut endings = Endings::default();
        assert_eq!(endings.settle(3), Delivery::Flushed);
        endings.cut(3, 100);
        endings.cut(3, 11);
        endings.cut(4, 0);
        assert_eq!(endings.settle(3), Delivery::Cut { bytes: 111 });
        assert_eq!(endings.settle(3), Delivery::Flushed);
        assert_eq!(endings.settle(4), Delivery::Cut { bytes: 0 }, "cut at work, with nothing queued");
    }
}
