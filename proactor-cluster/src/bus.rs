//! The bus of a node: what shards call, and never waits.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use proactor::cluster::{Bus, BusEvents, Queued, Records, Subscriber, Topic, Unpublished};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};

use crate::calls::{Calls, NatsRecords};
use crate::state::State;
use crate::subject::Subject;
use crate::wishes::Wishes;

/// A message on its way to the worker. How much waits is limited by [`State::admit`].
pub(crate) struct Outgoing {
    pub(crate) subject: Arc<Subject>,
    pub(crate) message: Bytes,
}

/// What the worker is asked.
pub(crate) struct Asked {
    pub(crate) outgoing: UnboundedReceiver<Outgoing>,
    pub(crate) calls: Calls,
    pub(crate) wishes: Arc<Wishes>,
    /// Ends when nobody is left to ask.
    pub(crate) ended: Receiver<Infallible>,
}

#[derive(Clone)]
pub(crate) struct NatsBus {
    prefix: Arc<str>,
    state: Arc<State>,
    outgoing: UnboundedSender<Outgoing>,
    wishes: Arc<Wishes>,
    /// If the keys of sessions are to be the cluster's.
    records: Option<Arc<NatsRecords>>,
    /// The worker ends when the last of these is gone.
    _ended: Sender<Infallible>,
}

impl NatsBus {
    pub(crate) fn new(prefix: &str, has_records: bool, state: &Arc<State>) -> (NatsBus, Asked) {
        let (outgoing, taken) = unbounded_channel();
        let (records, calls) = NatsRecords::new();
        let records = has_records.then(|| Arc::new(records));
        let (held, ended) = channel(1);
        let wishes = Arc::<Wishes>::default();
        let asked = Asked { outgoing: taken, calls, wishes: Arc::clone(&wishes), ended };
        let (prefix, state) = (prefix.into(), Arc::clone(state));
        (NatsBus { prefix, state, outgoing, wishes, records, _ended: held }, asked)
    }
}

impl Bus for NatsBus {
    fn max_message(&self) -> usize {
        self.state.max_payload()
    }

    fn topic(&self, subject: &str) -> Arc<dyn Topic> {
        let subject = Arc::new(Subject::new(format!("{}.{subject}", self.prefix)));
        Arc::new(NatsTopic { subject, bus: self.clone() })
    }

    fn queued(&self) -> Option<Queued> {
        Some(self.state.queued())
    }

    fn attach(&self, node: Weak<dyn BusEvents>) {
        self.state.set_node(node);
    }

    fn records(&self) -> Option<Arc<dyn Records>> {
        self.records.clone().map(|records| -> Arc<dyn Records> { records })
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus").field("servers", &self.state.servers).field("prefix", &self.prefix).finish()
    }
}

struct NatsTopic {
    subject: Arc<Subject>,
    bus: NatsBus,
}

impl Topic for NatsTopic {
    fn publish(&self, message: Bytes) -> Result<(), Unpublished> {
        self.bus.state.admit(message.len())?;
        let outgoing = Outgoing { subject: Arc::clone(&self.subject), message };
        self.bus.outgoing.send(outgoing).map_err(|_| Unpublished::Disconnected)
    }

    fn subscribe(&self, subscriber: Subscriber) {
        self.subject.want(subscriber);
        self.bus.wishes.add(&self.subject);
    }

    fn unsubscribe(&self, subscriber: &Subscriber) {
        if self.subject.unwant(subscriber) {
            self.bus.wishes.remove(&self.subject);
        }
    }
}
