//! What ties the presence of one group to the cluster: its subject, on which each node that wants
//! to know who is in the group tells of its own members.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::bus::{Topic, Unpublished};
use super::node::Node;
use super::outlet::Outlet;
use super::receiver::Receiver;
use super::subject::subject;
use super::subscriber::Subscriber;
use super::wire::{HEADER_BYTES, Kind};

pub(crate) struct Roster {
    node: Arc<Node>,
    topic: Arc<dyn Topic>,
    subscriber: Subscriber,
    outlet: Mutex<Outlet>,
}

impl Roster {
    /// Begins to read what other nodes tell of a group.
    pub(crate) fn open(node: &Arc<Node>, name: &[u8], receiver: Weak<dyn Receiver>) -> Roster {
        let subject = subject("p/", name);
        let subscriber = Subscriber::new(&subject, receiver, Arc::clone(&node.ledger));
        let outlet = Mutex::new(Outlet::new(&*node.bus, &subject, node.incarnation()));
        let topic = node.bus.topic(&subject);
        topic.subscribe(subscriber.clone());
        Roster { node: Arc::clone(node), topic, subscriber, outlet }
    }

    /// The longest text that it carries.
    pub(crate) fn most_bytes(&self) -> usize {
        self.node.bus.max_message().saturating_sub(HEADER_BYTES)
    }

    pub(crate) fn send(&self, text: &[u8]) -> Result<(), Unpublished> {
        let mut outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner);
        outlet.send(&self.node.ledger, Kind::Presence, text)
    }
}

impl Drop for Roster {
    fn drop(&mut self) {
        self.subscriber.end();
        self.topic.unsubscribe(&self.subscriber);
    }
}
