//! Subjects to which somebody here subscribes, and the client does not yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::subject::Subject;

/// At most one entry for each group that has members: who leaves before the client was asked is no
/// longer here.
#[derive(Default)]
pub(crate) struct Wishes {
    /// By address.
    subjects: Mutex<BTreeMap<usize, Arc<Subject>>>,
    changed: Notify,
}

fn address(subject: &Arc<Subject>) -> usize {
    Arc::as_ptr(subject).addr()
}

impl Wishes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Subject>>> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, subject: &Arc<Subject>) {
        self.lock().insert(address(subject), Arc::clone(subject));
        self.changed.notify_one();
    }

    pub(crate) fn remove(&self, subject: &Arc<Subject>) {
        self.lock().remove(&address(subject));
    }

    pub(crate) fn take(&self) -> Option<Arc<Subject>> {
        self.lock().pop_first().map(|(_, subject)| subject)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Waits for one that is added.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_there_once_and_goes_with_its_last_wish() {
        let wishes = Wishes::default();
        let [one, two] = ["one", "two"].map(|name| Arc::new(Subject::new(name.into())));
        for _ in 0..1000 {
            wishes.add(&one);
            wishes.add(&two);
            wishes.remove(&one);
        }
        assert_eq!(wishes.len(), 1);
        assert_eq!(wishes.take().map(|subject| subject.name.clone()).as_deref(), Some("two"));
        assert!(wishes.take().is_none());
    }
}
