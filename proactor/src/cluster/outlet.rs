//! What a node publishes to one subject: messages with numbers, in their order.

use std::sync::Arc;

use super::bus::{Bus, Topic, Unpublished};
use super::ledger::Ledger;
use super::wire::{Kind, Message};

pub(super) struct Outlet {
    topic: Arc<dyn Topic>,
    /// Tells it from an earlier one of this node to the same subject.
    incarnation: u32,
    /// The number of the next message.
    next: u64,
}

impl Outlet {
    pub(super) fn new(bus: &dyn Bus, subject: &str, incarnation: u32) -> Outlet {
        Outlet { topic: bus.topic(subject), incarnation, next: 0 }
    }

    /// Publishes a message. One that is not taken has a number too: the others see that it is
    /// missing.
    pub(super) fn send(&mut self, ledger: &Ledger, kind: Kind, packet: &[u8]) -> Result<(), Unpublished> {
        let number = self.next;
        self.next += 1;
        let (publisher, incarnation, node) = (ledger.number, self.incarnation, &*ledger.name);
        self.topic.publish(Message { kind, publisher, incarnation, number, node, packet }.encode())
    }
}
