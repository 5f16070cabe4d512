//! Mail of other nodes: messages for this node itself, not for a group. They come on two subjects,
//! the node's own and that of all nodes, and wait for a shard in its ordinary inbox.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::bus::{Bus, Topic};
use super::ledger::Ledger;
use super::receiver::Receiver;
use super::subscriber::Subscriber;
use super::wire::{Kind, Message};

/// The subject of all nodes.
pub(super) const ALL_NODES: &str = "nodes";
/// Mail that shards have not taken: messages, and bytes of them.
const MOST_WAITING: usize = 8192;
const MOST_WAITING_BYTES: usize = 16 << 20;

/// The subject of one node.
pub(super) fn subject_of(node: u64) -> String {
    format!("n/{node:016x}")
}

/// What mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum MailKind {
    /// How a node is: [`Status`](super::status::Status).
    Status = 1,
    /// What the directories of keys write to each other.
    Keys = 2,
    /// What nodes write to each other about sessions that go from one to another.
    Sessions = 3,
}

impl MailKind {
    const ALL: [MailKind; 3] = [MailKind::Status, MailKind::Keys, MailKind::Sessions];

    /// What a body begins with, and the rest.
    fn split(packet: &[u8]) -> Option<(MailKind, &[u8])> {
        let (kind, body) = packet.split_first()?;
        let kind = MailKind::ALL.into_iter().find(|known| *known as u8 == *kind)?;
        Some((kind, body))
    }

    /// The form in a message.
    pub(super) fn with(self, body: &[u8]) -> Vec<u8> {
        [&[self as u8], body].concat()
    }
}

/// Mail of another node. Until it is dropped it counts as waiting.
pub(crate) struct NodeMail {
    /// The number of that node, and its name.
    pub(crate) from: u64,
    pub(crate) node: Arc<str>,
    pub(crate) kind: MailKind,
    pub(crate) body: Bytes,
    _place: Place,
}

impl fmt::Debug for NodeMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NodeMail { node, kind, body, .. } = self;
        write!(f, "{kind:?} of node {node}, {} bytes", body.len())
    }
}

/// What waits for shards.
#[derive(Default)]
struct Waiting {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    /// A place for mail of so many bytes, if there is one.
    fn enter(self: &Arc<Waiting>, bytes: usize) -> Option<Place> {
        let messages = self.messages.fetch_add(1, Ordering::AcqRel);
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let place = Place { waiting: Arc::clone(self), bytes };
        (messages < MOST_WAITING && before + bytes <= MOST_WAITING_BYTES).then_some(place)
    }
}

struct Place {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.messages.fetch_sub(1, Ordering::AcqRel);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Hands mail to a shard, and does not wait. Says whether that takes it.
pub(crate) type Deliver = Box<dyn Fn(NodeMail) -> bool + Send + Sync>;

/// The end of one of the two subjects.
struct Inbox {
    deliver: Arc<Deliver>,
    waiting: Arc<Waiting>,
    /// It is the node's own: what is lost there was for this node.
    is_own: bool,
}

impl Receiver for Inbox {
    fn takes(&self, message: &Message<'_>) -> bool {
        message.kind == Kind::Mail && MailKind::split(message.packet).is_some()
    }

    fn missed(self: Arc<Inbox>, ledger: &Ledger, message: &Message<'_>, count: u64) {
        ledger.missed_mail(self.is_own, message.node, count);
    }

    fn receive(self: Arc<Inbox>, ledger: &Ledger, message: &Message<'_>) {
        let Some((kind, body)) = MailKind::split(message.packet) else { return };
        let mail = self.waiting.enter(body.len()).map(|place| NodeMail {
            from: message.publisher,
            node: message.node.into(),
            kind,
            body: Bytes::copy_from_slice(body),
            _place: place,
        });
        match mail.is_some_and(|mail| (self.deliver)(mail)) {
            true => _ = ledger.counts.mail_received.fetch_add(1, Ordering::Relaxed),
            false => self.missed(ledger, message, 1),
        }
    }
}

/// A node's two subscriptions for mail. They end with it.
pub(super) struct Inboxes([Reading; 2]);

struct Reading {
    topic: Arc<dyn Topic>,
    subscriber: Subscriber,
    /// The subscriber does not keep it.
    _inbox: Arc<dyn Receiver>,
}

impl Inboxes {
    pub(super) fn open(bus: &dyn Bus, ledger: &Arc<Ledger>, deliver: Deliver) -> Inboxes {
        let (deliver, waiting) = (Arc::new(deliver), Arc::<Waiting>::default());
        let open = |(subject, is_own): (String, bool)| {
            let inbox = Inbox { deliver: Arc::clone(&deliver), waiting: Arc::clone(&waiting), is_own };
            let receiver: Arc<dyn Receiver> = Arc::new(inbox);
            let weak: Weak<dyn Receiver> = Arc::downgrade(&receiver);
            let subscriber = Subscriber::new(&subject, weak, Arc::clone(ledger));
            let topic = bus.topic(&subject);
            topic.subscribe(subscriber.clone());
            Reading { topic, subscriber, _inbox: receiver }
        };
        Inboxes([(subject_of(ledger.number), true), (ALL_NODES.to_owned(), false)].map(open))
    }
}

impl Drop for Inboxes {
    fn drop(&mut self) {
        for Reading { topic, subscriber, .. } in &self.0 {
            subscriber.end();
            topic.unsubscribe(subscriber);
        }
    }
}
