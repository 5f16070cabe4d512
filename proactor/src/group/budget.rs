//! How much the handlers of one shard may broadcast before its members must have been sent some.

use std::time::Duration;

use overlapped::Time;

/// The longest that a shard's handlers are held back because another shard is late. A handler that
/// blocks its shard must not stop all others.
const LONGEST_HELD: Duration = Duration::from_millis(100);

/// A limit on what a shard's handlers broadcast in one turn. Without it the packets of many
/// sessions, each broadcast to all the others, could fill the outbox of a member that has had no
/// chance to be sent anything.
#[derive(Debug)]
pub(crate) struct Budget {
    /// So few bytes that all shards together do not bring a member near the end of its outbox.
    usual: u64,
    outbox: u64,
    allowed: u64,
    /// Since when nothing is allowed, because another shard is late.
    held_since: Option<Time>,
}

impl Budget {
    pub(crate) fn new(outbox_bytes: usize, shards: usize) -> Budget {
        let usual = (outbox_bytes / (2 * (shards + 1))) as u64;
        Budget { usual, outbox: outbox_bytes as u64, allowed: usual, held_since: None }
    }

    /// Whether so many broadcast bytes are all that is allowed.
    #[inline]
    pub(crate) fn is_spent(&self, broadcast: u64) -> bool {
        broadcast >= self.allowed
    }

    /// Whether nothing is allowed at all: there is no use in asking again at once.
    pub(crate) fn is_held(&self) -> bool {
        self.allowed == 0
    }

    /// Sets what is allowed next. `backlog` is how much was broadcast since the news that the
    /// latest shard has not taken.
    pub(crate) fn renew(&mut self, backlog: u64, now: Time) {
        self.allowed = self.usual;
        if backlog <= self.outbox {
            self.held_since = None;
        } else if now.since(*self.held_since.get_or_insert(now)) < LONGEST_HELD {
            self.allowed = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_shard_holds_the_others_back_for_a_while() {
        let mut budget = Budget::new(64 * 1024, 3);
        assert!(!budget.is_spent(8191) && budget.is_spent(8192));
        budget.renew(64 * 1024 + 1, Time::ZERO);
        assert!(budget.is_held() && budget.is_spent(0));
        budget.renew(64 * 1024 + 1, Time::ZERO + LONGEST_HELD);
        assert!(!budget.is_held(), "a shard that is blocked must not stop all others");
        budget.renew(64 * 1024, Time::ZERO + LONGEST_HELD);
        budget.renew(64 * 1024 + 1, Time::ZERO + LONGEST_HELD);
        assert!(budget.is_held(), "it has caught up meanwhile, and is late again");
    }
}
