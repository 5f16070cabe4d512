//! The clean end of a node: its lease is deleted, so that its keys are free at once. A renewal
//! without an answer goes before that, for it changes the revision.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::event::Answer;
use crate::cluster::records::{Record, RecordError, Records, Revision};

/// How much a node that ends knows of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// There is none.
    Nothing,
    Known(Revision),
    /// It has to be read.
    Unknown,
    /// A call of it has no answer yet.
    Asked,
}

pub(super) struct Farewell {
    records: Arc<dyn Records>,
    /// The name of the lease's record.
    lease: String,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Farewell {
    pub(super) fn new(records: &Arc<dyn Records>, lease: String) -> Arc<Farewell> {
        Arc::new(Farewell { records: Arc::clone(records), lease, is_over: Mutex::default(), over: Condvar::new() })
    }

    pub(super) fn begin(self: &Arc<Farewell>, last: Last) {
        match last {
            Last::Nothing => self.end(),
            Last::Known(revision) => self.delete(revision),
            Last::Unknown => self.look(),
            Last::Asked => {}
        }
    }

    /// What came of the call of the lease that had no answer when the node ended.
    pub(super) fn answered(self: &Arc<Farewell>, answer: Answer) {
        match answer {
            Answer::Put(Ok(revision)) => self.delete(revision),
            Answer::Put(Err(_)) => self.look(),
            Answer::Got(found) => self.found(found),
            Answer::Deleted(_) => self.end(),
        }
    }

    fn look(self: &Arc<Farewell>) {
        let own = Arc::clone(self);
        self.records.get(&self.lease, Box::new(move |found| own.found(found)));
    }

    fn found(self: &Arc<Farewell>, found: Result<Option<Record>, RecordError>) {
        match found {
            Ok(Some(record)) => self.delete(record.revision),
            Ok(None) | Err(_) => self.end(),
        }
    }

    fn delete(self: &Arc<Farewell>, revision: Revision) {
        let own = Arc::clone(self);
        self.records.delete(&self.lease, revision, Box::new(move |_| own.end()));
    }

    fn is_over(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        *self.is_over() = true;
        self.over.notify_all();
    }

    /// Waits until the lease is gone, or can be left to others. Says whether it is.
    pub(super) fn wait(&self, longest: Duration) -> bool {
        let waited = self.over.wait_timeout_while(self.is_over(), longest, |is_over| !*is_over);
        let (is_over, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *is_over
    }
}
