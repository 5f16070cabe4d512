//! Whether there is a connection to NATS, as the client tells it.

use std::sync::atomic::AtomicU64;

use tokio::sync::{Notify, watch};

/// What the client tells of its connection.
#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) is_there: watch::Sender<bool>,
    /// How often it was lost.
    pub(crate) losses: AtomicU64,
    pub(crate) changed: Notify,
}

impl Connection {
    pub(crate) fn is_there(&self) -> bool {
        *self.is_there.borrow()
    }

    /// Waits for what the client does; `None` if the connection is lost before. Without one the
    /// client takes a few commands, then none.
    pub(crate) async fn unless_lost<T>(&self, done: impl Future<Output = T>) -> Option<T> {
        let mut is_there = self.is_there.subscribe();
        tokio::select! {
            biased;
            done = done => Some(done),
            _ = is_there.wait_for(|is_there| !is_there) => None,
        }
    }
}
