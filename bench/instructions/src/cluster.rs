//! A cluster whose only node is the server.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use proactor::cluster::{Bus, BusEvents, Cluster, Subscriber, Topic, Unpublished};

/// `node`: one whose bus knows that there are no others. `bus`: one whose bus does not know, as
/// that of NATS, and takes what is published. Otherwise none.
pub(crate) fn named(name: &str) -> Option<Cluster> {
    match name {
        "node" => Some(Cluster::in_process()),
        "bus" => Some(Cluster::on(Unheard)),
        _ => None,
    }
}

/// Nobody hears what it takes.
#[derive(Debug)]
struct Unheard;

impl Bus for Unheard {
    fn max_message(&self) -> usize {
        1 << 20
    }
    fn topic(&self, _: &str) -> Arc<dyn Topic> {
        Arc::new(Unheard)
    }
    fn attach(&self, _: Weak<dyn BusEvents>) {}
}

impl Topic for Unheard {
    fn publish(&self, _: Bytes) -> Result<(), Unpublished> {
        Ok(())
    }
    fn subscribe(&self, _: Subscriber) {}
    fn unsubscribe(&self, _: &Subscriber) {}
}
