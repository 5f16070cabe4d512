//! Calls of the records: what shards make, on their way to the worker. Nothing here waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use proactor::cluster::{Done, MOST_RECORD_BYTES, Record, RecordError, Records, Revision};
use tokio::sync::mpsc::UnboundedSender;

/// Calls that have no answer yet.
const MOST_CALLS: usize = 8192;

pub(crate) struct Call {
    pub(crate) key: String,
    pub(crate) deed: Deed,
    _place: Place,
}

pub(crate) enum Deed {
    Get(Answer<Option<Record>>),
    Put { value: Bytes, expected: Revision, answer: Answer<Revision> },
    Delete { expected: Revision, answer: Answer<()> },
}

/// Where the answer goes. One that is dropped says that nothing is known.
pub(crate) struct Answer<T>(Option<Done<T>>);

impl<T> Answer<T> {
    pub(crate) fn tell(mut self, result: Result<T, RecordError>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(RecordError::Unknown));
        }
    }
}

/// A call counts until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Clone)]
pub(crate) struct NatsRecords {
    calls: UnboundedSender<Call>,
    count: Arc<AtomicUsize>,
}

impl NatsRecords {
    pub(crate) fn new(calls: UnboundedSender<Call>) -> NatsRecords {
        NatsRecords { calls, count: Arc::default() }
    }

    /// `None`: too many have no answer yet.
    fn enter(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.count));
        (self.count.fetch_add(1, Ordering::AcqRel) < MOST_CALLS).then_some(place)
    }

    fn call<T>(&self, key: &str, done: Done<T>, deed: impl FnOnce(Answer<T>) -> Deed) {
        match self.enter() {
            Some(place) => {
                let call = Call { key: key.to_owned(), deed: deed(Answer(Some(done))), _place: place };
                // A call that is given back is dropped, and so answered.
                let _ = self.calls.send(call);
            }
            None => done(Err(RecordError::Refused)),
        }
    }
}

impl Records for NatsRecords {
    fn get(&self, key: &str, done: Done<Option<Record>>) {
        self.call(key, done, Deed::Get);
    }

    fn put(&self, key: &str, value: Bytes, expected: Revision, done: Done<Revision>) {
        if value.len() > MOST_RECORD_BYTES {
            return done(Err(RecordError::Refused));
        }
        self.call(key, done, |answer| Deed::Put { value, expected, answer });
    }

    fn delete(&self, key: &str, expected: Revision, done: Done<()>) {
        self.call(key, done, |answer| Deed::Delete { expected, answer });
    }
}

impl fmt::Debug for NatsRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsRecords").field("unanswered", &self.count.load(Ordering::Relaxed)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn each_call_has_one_answer_also_if_nobody_takes_it_or_too_many_wait() {
        let (calls, mut taken) = unbounded_channel();
        let records = NatsRecords::new(calls);
        let (told, answers) = mpsc::channel();
        let delete = || {
            let told = told.clone();
            records.delete("key", Revision(1), Box::new(move |result| told.send(result).unwrap()));
        };
        (0..MOST_CALLS).for_each(|_| delete());
        assert!(answers.try_recv().is_err(), "they wait");
        delete();
        assert_eq!(answers.try_recv(), Ok(Err(RecordError::Refused)));
        let Ok(Call { deed: Deed::Delete { answer, .. }, _place, .. }) = taken.try_recv() else { panic!("a delete") };
        answer.tell(Ok(()));
        drop(_place);
        assert_eq!(answers.try_recv(), Ok(Ok(())));
        delete();
        drop(taken);
        delete();
        let unknown = answers.try_iter().inspect(|answer| assert_eq!(*answer, Err(RecordError::Unknown)));
        assert_eq!(unknown.count(), MOST_CALLS + 1);
        let long = vec![0; MOST_RECORD_BYTES + 1].into();
        records.put("key", long, Revision::NONE, Box::new(|result| assert_eq!(result, Err(RecordError::Refused))));
    }
}
