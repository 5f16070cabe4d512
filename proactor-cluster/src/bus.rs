//! The bus of a node: what shards call, and never waits.

use std::fmt;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use proactor::cluster::{Bus, BusEvents, Subscriber, Topic, Unpublished};
use tokio::sync::mpsc::UnboundedSender;

use crate::state::State;
use crate::subject::Subject;

/// What the worker is asked to do. Messages are limited by [`State::admit`], and a subject is in
/// the queue at most once.
pub(crate) enum Command {
    Publish(Arc<Subject>, Bytes),
    /// Who subscribes to it has changed.
    Follow(Arc<Subject>),
}

#[derive(Clone)]
pub(crate) struct NatsBus {
    pub(crate) prefix: Arc<str>,
    pub(crate) state: Arc<State>,
    /// The worker ends when the last of these is gone.
    pub(crate) commands: UnboundedSender<Command>,
}

impl Bus for NatsBus {
    fn max_message(&self) -> usize {
        self.state.max_payload()
    }

    fn topic(&self, subject: &str) -> Arc<dyn Topic> {
        let subject = Arc::new(Subject::new(format!("{}.{subject}", self.prefix)));
        Arc::new(NatsTopic { subject, bus: self.clone() })
    }

    fn attach(&self, node: Weak<dyn BusEvents>) {
        self.state.set_node(node);
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

impl NatsTopic {
    fn follow(&self) {
        let _ = self.bus.commands.send(Command::Follow(Arc::clone(&self.subject)));
    }
}

impl Topic for NatsTopic {
    fn publish(&self, message: Bytes) -> Result<(), Unpublished> {
        self.bus.state.admit(message.len())?;
        let command = Command::Publish(Arc::clone(&self.subject), message);
        self.bus.commands.send(command).map_err(|_| Unpublished::Disconnected)
    }

    fn subscribe(&self, subscriber: Subscriber) {
        if self.subject.want(Some(subscriber)) {
            self.follow();
        }
    }

    fn unsubscribe(&self, subscriber: &Subscriber) {
        if self.subject.unwant(subscriber) {
            self.follow();
        }
    }
}
