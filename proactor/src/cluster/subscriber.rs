//! Where a bus delivers the messages of a subject.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::ledger::Ledger;
use super::receiver::Receiver;
use super::tracking::{Seen, Tracking};
use super::wire::{self, Kind};

/// One subscription of one node: what a bus calls for each message of the subject. Cheap to clone.
#[derive(Clone)]
pub struct Subscriber(Arc<Subscription>);

struct Subscription {
    subject: String,
    receiver: Weak<dyn Receiver>,
    ledger: Arc<Ledger>,
    tracking: Mutex<Tracking>,
    has_ended: AtomicBool,
}

impl Subscriber {
    pub(crate) fn new(subject: &str, receiver: Weak<dyn Receiver>, ledger: Arc<Ledger>) -> Subscriber {
        let (tracking, has_ended) = (Mutex::default(), AtomicBool::new(false));
        Subscriber(Arc::new(Subscription { subject: subject.to_owned(), receiver, ledger, tracking, has_ended }))
    }

    /// Hands over a message: a packet is in the log of its group when this returns. It never waits
    /// for a member or a shard. Call it in the order in which a node published, and never twice at
    /// once for messages of one node. A message of this node, one that came before, and one that no
    /// node has made are dropped.
    pub fn deliver(&self, message: &[u8]) {
        let Subscription { subject, receiver, ledger, tracking, has_ended } = &*self.0;
        let invalid = || {
            ledger.counts.invalid.fetch_add(1, Ordering::Relaxed);
            tracing::warn!("a message of the subject {subject} is dropped: no node of a cluster has made it");
        };
        let Some(message) = wire::parse(message) else { return invalid() };
        if message.publisher == ledger.number || has_ended.load(Ordering::Acquire) {
            return;
        }
        // A group that is gone has no members, who could miss something.
        let Some(receiver) = receiver.upgrade() else { return };
        if !receiver.takes(&message) {
            return invalid();
        }
        let seen = {
            let mut tracking = tracking.lock().unwrap_or_else(PoisonError::into_inner);
            match message.kind {
                Kind::End => tracking.end(message.publisher, message.incarnation, message.number),
                _ => tracking.packet(message.publisher, message.incarnation, message.number),
            }
        };
        let lost = match seen {
            Seen::New { lost } => lost,
            Seen::Invalid => return invalid(),
            Seen::Stale => {
                ledger.counts.stale.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        if lost > 0 {
            Arc::clone(&receiver).missed(ledger, &message, lost);
        }
        if message.kind != Kind::End {
            receiver.receive(ledger, &message);
        }
    }

    /// The name of its node.
    pub(super) fn node(&self) -> &str {
        &self.0.ledger.name
    }

    /// What is still on its way is dropped.
    pub(crate) fn end(&self) {
        self.0.has_ended.store(true, Ordering::Release);
    }
}

impl PartialEq for Subscriber {
    /// Whether they are the same subscription.
    fn eq(&self, other: &Subscriber) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Subscriber {}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("subject", &self.0.subject).finish()
    }
}
