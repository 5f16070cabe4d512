//! What ties one group of a node to the cluster: its subject, the order of what is published, and
//! the subscription while it has members.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use super::bus::Topic;
use super::node::{Behind, Node, weak};
use super::receiver::Receiver;
use super::subject::subject;
use super::subscriber::Subscriber;
use super::wire::{HEADER_BYTES, Kind, Message};
use crate::codec::FrameError;
use crate::error::SendError;

/// What the subjects of packets begin with.
const PACKETS: &str = "g/";

pub(crate) struct Link(Arc<Tie>);

struct Tie {
    node: Arc<Node>,
    /// The group's.
    name: Bytes,
    topic: Arc<dyn Topic>,
    /// The numbers of its packets begin at 0. A later group of this name has a later one.
    incarnation: u32,
    order: Mutex<Order>,
    /// It is in the node's list of those that are behind.
    is_noted: AtomicBool,
}

/// Held while a packet is put into the log here and published: all nodes have the same order of
/// what one of them broadcasts. No bus is called back while it is held, and it is taken before any
/// other lock of a group.
struct Order {
    /// The number of the next packet.
    next: u64,
    subscription: Option<Subscriber>,
    /// The last was not taken by the bus.
    is_behind: bool,
    /// The node's when something was published last.
    round: Option<u64>,
}

impl Link {
    pub(crate) fn new(node: &Arc<Node>, name: Bytes) -> Link {
        let topic = node.bus.topic(&subject(PACKETS, &name));
        let order = Mutex::new(Order { next: 0, subscription: None, is_behind: false, round: None });
        let incarnation = node.incarnation();
        Link(Arc::new(Tie {
            node: Arc::clone(node),
            name,
            topic,
            incarnation,
            order,
            is_noted: AtomicBool::new(false),
        }))
    }

    /// Has a packet sent here by `here`, then publishes it. If it is too long, or `here` fails,
    /// nobody gets it.
    pub(crate) fn send(&self, packet: &[u8], here: impl FnOnce() -> Result<(), SendError>) -> Result<(), SendError> {
        let limit = self.0.node.bus.max_message().saturating_sub(HEADER_BYTES);
        if packet.len() > limit {
            return Err(SendError::Frame(FrameError::TooLarge { limit }));
        }
        let order = &mut *self.0.lock();
        here()?;
        let number = order.next;
        order.next += 1;
        let own = usize::from(order.subscription.is_some());
        if self.0.topic.subscribers() != Some(own) {
            self.0.publish(order, number, packet);
        }
        Ok(())
    }

    /// Subscribes if there are members and ends the subscription if there are none: looked at under
    /// the lock, so of several threads the last sees what is.
    #[cold]
    pub(crate) fn follow(&self, has_members: impl FnOnce() -> bool, group: Weak<dyn Receiver>) {
        let Tie { node, name, topic, .. } = &*self.0;
        let order = &mut *self.0.lock();
        match (has_members(), &order.subscription) {
            (true, None) => {
                let subscriber = Subscriber::new(&subject(PACKETS, name), group, Arc::clone(&node.ledger));
                topic.subscribe(subscriber.clone());
                order.subscription = Some(subscriber);
            }
            (false, Some(subscriber)) => {
                subscriber.end();
                topic.unsubscribe(subscriber);
                order.subscription = None;
            }
            _ => {}
        }
    }
}

impl Tie {
    fn lock(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn message<'m>(&'m self, kind: Kind, number: u64, packet: &'m [u8]) -> Message<'m> {
        let ledger = &self.node.ledger;
        let incarnation = self.incarnation;
        Message { kind, publisher: ledger.number, incarnation, number, node: &ledger.name, packet }
    }

    fn publish(self: &Arc<Tie>, order: &mut Order, number: u64, packet: &[u8]) {
        let (ledger, round) = (&self.node.ledger, self.node.round.load(Ordering::Relaxed));
        if order.round != Some(round) {
            order.round = Some(self.node.note_published(weak(self)));
        }
        let readies = self.node.readies();
        match self.topic.publish(self.message(Kind::Packet, number, packet).encode()) {
            Ok(()) => {
                // Its number tells the others what is missing before it.
                order.is_behind = false;
                ledger.counts.published.fetch_add(1, Ordering::Relaxed);
            }
            Err(why) => {
                tracing::debug!("a packet for {:?} is not published: {why}", self.name);
                ledger.unpublished(&self.name);
                if !std::mem::replace(&mut order.is_behind, true) && !self.node.note_behind(self, readies) {
                    self.tell_end(order);
                }
            }
        }
    }

    /// Tells the others how much was published, now or as soon as the bus takes it.
    fn tell_end(self: &Arc<Tie>, order: &mut Order) {
        loop {
            let readies = self.node.readies();
            let end = self.message(Kind::End, order.next, b"").encode();
            order.is_behind = self.topic.publish(end).is_err();
            if !order.is_behind || self.node.note_behind(self, readies) {
                return;
            }
        }
    }
}

impl Behind for Tie {
    fn note(&self) -> bool {
        !self.is_noted.swap(true, Ordering::AcqRel)
    }

    fn catch_up(self: Arc<Tie>) {
        let order = &mut *self.lock();
        self.is_noted.store(false, Ordering::Release);
        self.tell_end(order);
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        if let Some(subscriber) = self.lock().subscription.take() {
            subscriber.end();
            self.topic.unsubscribe(&subscriber);
        }
    }
}
