//! A subject of NATS: who subscribes here, and the task that delivers to it.

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
    /// Delivers to that. Its end ends the client's subscription too.
    running: Option<AbortHandle>,
}

impl Interest {
    fn set(&mut self, wanted: Option<Subscriber>) {
        self.wanted = wanted;
        if let Some(task) = self.running.take() {
            task.abort();
        }
    }
}

impl Subject {
    pub(crate) fn new(name: String) -> Subject {
        Subject { name, interest: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Interest> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets who subscribes.
    pub(crate) fn want(&self, subscriber: Subscriber) {
        self.lock().set(Some(subscriber));
    }

    /// Ends that. Says whether it was this one.
    pub(crate) fn unwant(&self, subscriber: &Subscriber) -> bool {
        let mut interest = self.lock();
        let is_wanted = interest.wanted.as_ref() == Some(subscriber);
        if is_wanted {
            interest.set(None);
        }
        is_wanted
    }

    pub(crate) fn wanted(&self) -> Option<Subscriber> {
        self.lock().wanted.clone()
    }

    /// A task delivers to a subscriber. If that has gone meanwhile, so does the task.
    pub(crate) fn runs(&self, subscriber: &Subscriber, task: AbortHandle) {
        let mut interest = self.lock();
        if interest.wanted.as_ref() == Some(subscriber) {
            interest.running = Some(task);
        } else {
            task.abort();
        }
    }
}
