//! A subject of NATS: who subscribes here, and whether that is what NATS was told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use proactor::cluster::Subscriber;
use tokio::task::AbortHandle;

pub(crate) struct Subject {
    pub(crate) name: String,
    interest: Mutex<Interest>,
}

#[derive(Default)]
struct Interest {
    wanted: Option<Subscriber>,
    running: Option<(Subscriber, AbortHandle)>,
    /// The worker is to look at it.
    is_queued: bool,
}

/// What the worker has to do.
pub(crate) enum Change {
    Nothing,
    Subscribe(Subscriber),
}

impl Subject {
    pub(crate) fn new(name: String) -> Subject {
        Subject { name, interest: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Interest> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets who subscribes. Says whether the worker is to be told: it is told once, however often
    /// that changes meanwhile.
    pub(crate) fn want(&self, subscriber: Option<Subscriber>) -> bool {
        let mut interest = self.lock();
        interest.wanted = subscriber;
        !std::mem::replace(&mut interest.is_queued, true)
    }

    /// As [`want`](Subject::want) with nobody, if this one subscribes.
    pub(crate) fn unwant(&self, subscriber: &Subscriber) -> bool {
        let is_wanted = self.lock().wanted.as_ref() == Some(subscriber);
        is_wanted && self.want(None)
    }

    /// Ends a subscription that nobody wants any more.
    pub(crate) fn change(&self) -> Change {
        let mut interest = self.lock();
        interest.is_queued = false;
        if interest.running.as_ref().map(|(running, _)| running) == interest.wanted.as_ref() {
            return Change::Nothing;
        }
        if let Some((_, task)) = interest.running.take() {
            task.abort();
        }
        interest.wanted.clone().map_or(Change::Nothing, Change::Subscribe)
    }

    /// A task delivers to a subscriber.
    pub(crate) fn runs(&self, subscriber: Subscriber, task: AbortHandle) {
        self.lock().running = Some((subscriber, task));
    }
}
