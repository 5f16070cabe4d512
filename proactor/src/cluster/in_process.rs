//! A bus within one process: what is published is in the logs of the other nodes when the call
//! returns.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use super::bus::{Bus, BusEvents, Topic, Unpublished};
use super::records::{Records, in_process::InProcessRecords};
use super::subscriber::Subscriber;
use crate::registry::striped::Striped;

#[derive(Default)]
pub(crate) struct InProcess {
    topics: Arc<Topics>,
    records: Arc<InProcessRecords>,
}

/// The subjects of groups that somebody holds.
type Topics = Striped<Weak<Subject>>;

/// Who subscribes to a subject.
pub(crate) struct Subject {
    name: Bytes,
    topics: Weak<Topics>,
    subscribers: Mutex<Arc<[Subscriber]>>,
    /// How many there are, without the lock.
    count: AtomicUsize,
}

impl InProcess {
    pub(super) fn subject(&self, name: &str) -> Arc<Subject> {
        self.topics.update(name.as_bytes(), |held| {
            held.as_ref().and_then(Weak::upgrade).unwrap_or_else(|| {
                let subject = Arc::new(Subject::new(name, Arc::downgrade(&self.topics)));
                *held = Some(Arc::downgrade(&subject));
                subject
            })
        })
    }
}

impl Bus for InProcess {
    fn max_message(&self) -> usize {
        usize::MAX
    }

    fn topic(&self, subject: &str) -> Arc<dyn Topic> {
        self.subject(subject)
    }

    fn attach(&self, _: Weak<dyn BusEvents>) {}

    fn records(&self) -> Option<Arc<dyn Records>> {
        Some(self.records.clone())
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl Subject {
    fn new(name: &str, topics: Weak<Topics>) -> Subject {
        let name = Bytes::copy_from_slice(name.as_bytes());
        Subject { name, topics, subscribers: Mutex::default(), count: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<[Subscriber]>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who subscribes at this moment, in the order of their coming.
    pub(super) fn all(&self) -> Arc<[Subscriber]> {
        Arc::clone(&self.lock())
    }
}

impl Topic for Subject {
    fn publish(&self, message: Bytes) -> Result<(), Unpublished> {
        self.all().iter().for_each(|subscriber| subscriber.deliver(&message));
        Ok(())
    }

    fn subscribe(&self, subscriber: Subscriber) {
        let mut all = self.lock();
        if !all.contains(&subscriber) {
            *all = all.iter().cloned().chain([subscriber]).collect();
            self.count.store(all.len(), Ordering::Release);
        }
    }

    fn unsubscribe(&self, subscriber: &Subscriber) {
        let mut all = self.lock();
        *all = all.iter().filter(|other| *other != subscriber).cloned().collect();
        self.count.store(all.len(), Ordering::Release);
    }

    fn subscribers(&self) -> Option<usize> {
        Some(self.count.load(Ordering::Acquire))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some(topics) = self.topics.upgrade() {
            topics.update(&self.name, |held| {
                // The name may be another's by now.
                if held.as_ref().is_some_and(|held| std::ptr::eq(held.as_ptr(), self)) {
                    *held = None;
                }
            });
        }
    }
}
