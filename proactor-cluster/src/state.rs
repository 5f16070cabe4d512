//! What the node's shards and the worker share: what waits to be sent, and how the connection is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use proactor::cluster::{BusEvents, Queued, Unpublished};

/// Bytes that wait to be sent, at most.
const MOST_WAITING_BYTES: usize = 16 << 20;
/// What a waiting message takes besides its bytes.
const MESSAGE_BYTES: usize = 128;
/// What NATS carries unless it says otherwise.
const USUAL_PAYLOAD: usize = 1 << 20;
/// Different errors of the server that are logged.
const MOST_ERRORS: usize = 64;

pub(crate) struct State {
    is_ready: AtomicBool,
    waiting: AtomicUsize,
    messages: AtomicUsize,
    has_refused: AtomicBool,
    max_payload: AtomicUsize,
    node: Mutex<Option<Weak<dyn BusEvents>>>,
    errors: Mutex<BTreeSet<String>>,
    /// Where it connects to, for messages.
    pub(crate) servers: String,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn new(servers: String) -> State {
        State {
            is_ready: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
            has_refused: AtomicBool::new(false),
            max_payload: AtomicUsize::new(USUAL_PAYLOAD),
            node: Mutex::default(),
            errors: Mutex::default(),
            servers,
        }
    }

    pub(crate) fn set_node(&self, node: Weak<dyn BusEvents>) {
        *lock(&self.node) = Some(node);
    }

    fn node(&self) -> Option<Arc<dyn BusEvents>> {
        lock(&self.node).as_ref().and_then(Weak::upgrade)
    }

    pub(crate) fn max_payload(&self) -> usize {
        self.max_payload.load(Ordering::Relaxed)
    }

    pub(crate) fn set_max_payload(&self, bytes: usize) {
        self.max_payload.store(bytes, Ordering::Relaxed);
    }

    /// Makes room for a message of so many bytes in the queue, if it may be sent at all.
    pub(crate) fn admit(&self, bytes: usize) -> Result<(), Unpublished> {
        if !self.is_ready.load(Ordering::Acquire) {
            return Err(Unpublished::Disconnected);
        }
        let bytes = bytes + MESSAGE_BYTES;
        if self.waiting.fetch_add(bytes, Ordering::AcqRel) + bytes > MOST_WAITING_BYTES {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
            self.has_refused.store(true, Ordering::Release);
            return Err(Unpublished::Full);
        }
        self.messages.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// What waits to be sent.
    pub(crate) fn queued(&self) -> Queued {
        let messages = self.messages.load(Ordering::Acquire);
        let bytes = self.waiting.load(Ordering::Acquire).saturating_sub(messages * MESSAGE_BYTES);
        Queued { messages: messages as u64, bytes: bytes as u64 }
    }

    /// A message has left the queue. If messages were refused, and half of the queue is free, the
    /// node may publish again.
    pub(crate) fn left(&self, bytes: usize) {
        let bytes = bytes + MESSAGE_BYTES;
        self.messages.fetch_sub(1, Ordering::AcqRel);
        let waiting = self.waiting.fetch_sub(bytes, Ordering::AcqRel) - bytes;
        if waiting < MOST_WAITING_BYTES / 2
            && self.has_refused.swap(false, Ordering::AcqRel)
            && self.is_ready.load(Ordering::Acquire)
            && let Some(node) = self.node()
        {
            node.ready();
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// All subscriptions are there.
    pub(crate) fn ready(&self) {
        tracing::info!("the node is connected to NATS at {}", self.servers);
        self.is_ready.store(true, Ordering::Release);
        if let Some(node) = self.node() {
            node.ready();
        }
    }

    /// The connection is gone.
    pub(crate) fn lost(&self) {
        if self.is_ready.swap(false, Ordering::AcqRel) {
            tracing::warn!(
                "the connection to NATS at {} is lost; the server goes on without the other nodes",
                self.servers
            );
            if let Some(node) = self.node() {
                node.interrupted();
            }
        }
    }

    /// A message of this node is lost, though there is a connection: the others are told at once.
    pub(crate) fn may_have_lost(&self) {
        if let Some(node) = self.node() {
            node.interrupted();
            if self.is_ready() {
                node.ready();
            }
        }
    }

    /// Messages for this node may be lost, though there is a connection.
    pub(crate) fn may_have_missed(&self) {
        if let Some(node) = self.node() {
            node.may_have_missed();
        }
    }

    fn is_new(&self, error: &str) -> bool {
        let mut errors = lock(&self.errors);
        errors.len() < MOST_ERRORS && errors.insert(error.to_owned())
    }

    /// JetStream does not keep the records. Each reason is logged once.
    pub(crate) fn records_error(&self, bucket: &str, why: &str) {
        if self.is_new(why) {
            tracing::error!(
                "could not use the bucket {bucket} of NATS at {}: {why}; the directory of keys does not work. \
                 Check that nats-server runs with JetStream (-js), that the node's user may use it, and that it has \
                 enough servers for the replicas",
                self.servers
            );
        }
    }

    /// The bucket that is there cannot be used. Each reason is logged once.
    pub(crate) fn bucket_fault(&self, bucket: &str, fault: &str) {
        if self.is_new(fault) {
            let servers = &self.servers;
            tracing::error!("the directory of keys does not work: bucket {bucket} of NATS at {servers}: {fault}");
        }
    }

    /// The bucket that is there can be used.
    pub(crate) fn bucket_weakness(&self, bucket: &str, weakness: &str) {
        if self.is_new(weakness) {
            tracing::warn!("bucket {bucket} of NATS at {}, which has the keys: {weakness}", self.servers);
        }
    }

    /// NATS has refused something. Each is logged once.
    pub(crate) fn server_error(&self, error: &str) {
        if !self.is_new(error) {
            return;
        }
        let is_about = |what: &str| error.to_ascii_lowercase().contains(what);
        let remedy = match is_about("permissions violation") {
            true if is_about("$js.") || is_about("$kv.") => {
                "; the directory of keys does not work: allow the node's user to publish there"
            }
            true => "; groups of the cluster do not work: allow the node's user to publish and subscribe there",
            false => "",
        };
        tracing::error!("NATS at {} says: {error}{remedy}", self.servers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Node(AtomicUsize);

    impl BusEvents for Node {
        fn interrupted(&self) {
            self.0.fetch_add(100, Ordering::Relaxed);
        }
        fn may_have_missed(&self) {
            self.0.fetch_add(10_000, Ordering::Relaxed);
        }
        fn ready(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_waits_has_a_limit_and_the_node_is_told_when_there_is_room_again() {
        let (state, node) = (State::new("here".into()), Arc::new(Node::default()));
        let events: Arc<dyn BusEvents> = node.clone();
        state.set_node(Arc::downgrade(&events));
        assert_eq!(state.admit(1), Err(Unpublished::Disconnected));
        state.ready();
        let mut taken = 0;
        while state.admit(1 << 20).is_ok() {
            taken += 1;
        }
        assert_eq!((taken, state.admit(1 << 20)), (15, Err(Unpublished::Full)));
        assert_eq!(state.admit(1000), Ok(()), "a small one has room");
        assert_eq!(state.queued(), Queued { messages: 16, bytes: (15 << 20) + 1000 });
        let told = || node.0.load(Ordering::Relaxed);
        (0..7).for_each(|_| state.left(1 << 20));
        assert_eq!(told(), 1, "more than half of it is taken");
        (0..2).for_each(|_| state.left(1 << 20));
        assert_eq!(told(), 2);
        state.may_have_missed();
        assert_eq!(node.0.swap(0, Ordering::Relaxed), 10_002, "nothing of its own is lost");
        state.may_have_lost();
        assert_eq!(node.0.swap(2, Ordering::Relaxed), 101, "and it may go on at once");
        state.lost();
        state.lost();
        assert_eq!((told(), state.admit(1)), (102, Err(Unpublished::Disconnected)));
    }
}
