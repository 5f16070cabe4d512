//! Calls of the records: what shards make, on their way to the worker. No shard waits.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use proactor::cluster::{Done, MOST_RECORD_BYTES, Record, RecordError, Records, Revision};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that have no answer yet.
const MOST_CALLS: usize = 8192;
/// Calls about keys that are with NATS. Others wait.
const MOST_OF_KEYS: u32 = 256;
/// Calls about leases that are with NATS: more than a node watches others.
const MOST_OF_LEASES: u32 = 2048;
/// The keys of leases begin with this.
const LEASES: &str = "l/";

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
    leases: UnboundedSender<Call>,
    keys: UnboundedSender<Call>,
    count: Arc<AtomicUsize>,
}

/// Calls that wait to be made, of one sort.
struct Lane {
    calls: UnboundedReceiver<Call>,
    /// For those that are being made.
    room: Arc<Semaphore>,
    most: u32,
}

impl Lane {
    fn new(most: u32) -> (UnboundedSender<Call>, Lane) {
        let (made, calls) = unbounded_channel();
        (made, Lane { calls, room: Arc::new(Semaphore::new(most as usize)), most })
    }

    /// The next that there is room for; `None` when nobody is left to make one.
    async fn next(&mut self) -> Option<(Call, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.room).acquire_owned().await.ok()?;
        self.calls.recv().await.map(|call| (call, place))
    }
}

/// All calls of a node. Those about leases wait for no other.
pub(crate) struct Calls {
    leases: Lane,
    keys: Lane,
}

impl Calls {
    /// Answers calls until nobody is left to make one.
    pub(crate) async fn serve<F>(mut self, answer: impl Fn(Call) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let (call, place) = tokio::select! {
                biased;
                Some(next) = self.leases.next() => next,
                Some(next) = self.keys.next() => next,
                else => break,
            };
            let answered = answer(call);
            tokio::spawn(async move {
                answered.await;
                drop(place);
            });
        }
        for Lane { room, most, .. } in [self.leases, self.keys] {
            let _ = room.acquire_many(most).await;
        }
    }
}

impl NatsRecords {
    pub(crate) fn new() -> (NatsRecords, Calls) {
        let ((leases, of_leases), (keys, of_keys)) = (Lane::new(MOST_OF_LEASES), Lane::new(MOST_OF_KEYS));
        (NatsRecords { leases, keys, count: Arc::default() }, Calls { leases: of_leases, keys: of_keys })
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
                let lane = if key.starts_with(LEASES) { &self.leases } else { &self.keys };
                let _ = lane.send(call);
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
    use std::sync::{Mutex, mpsc};

    use super::*;

    #[test]
    fn each_call_has_one_answer_also_if_nobody_takes_it_or_too_many_wait() {
        let (records, mut calls) = NatsRecords::new();
        let (told, answers) = mpsc::channel();
        let delete = || {
            let told = told.clone();
            records.delete("key", Revision(1), Box::new(move |result| told.send(result).unwrap()));
        };
        (0..MOST_CALLS).for_each(|_| delete());
        assert!(answers.try_recv().is_err(), "they wait");
        delete();
        assert_eq!(answers.try_recv(), Ok(Err(RecordError::Refused)));
        let taken = calls.keys.calls.try_recv();
        let Ok(Call { deed: Deed::Delete { answer, .. }, _place, .. }) = taken else { panic!("a delete") };
        answer.tell(Ok(()));
        drop(_place);
        assert_eq!(answers.try_recv(), Ok(Ok(())));
        delete();
        drop(calls);
        delete();
        let unknown = answers.try_iter().inspect(|answer| assert_eq!(*answer, Err(RecordError::Unknown)));
        assert_eq!(unknown.count(), MOST_CALLS + 1);
        let long = vec![0; MOST_RECORD_BYTES + 1].into();
        records.put("key", long, Revision::NONE, Box::new(|result| assert_eq!(result, Err(RecordError::Refused))));
    }

    #[test]
    fn calls_about_leases_do_not_wait_for_those_about_keys() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (records, calls) = NatsRecords::new();
        for number in 0..MOST_OF_KEYS + 10 {
            records.get(&format!("u/{number}"), Box::new(|_| {}));
        }
        let (made, answered) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(tokio::sync::Notify::new()));
        let (seen, goes_on) = (Arc::clone(&made), Arc::clone(&answered));
        let serving = calls.serve(move |call| {
            seen.lock().unwrap().push(call.key.clone());
            let goes_on = Arc::clone(&goes_on);
            async move {
                goes_on.notified().await;
                drop(call);
            }
        });
        runtime.block_on(async {
            let serving = tokio::spawn(serving);
            // As long as anything goes on, and no longer.
            let settle = || async {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            };
            settle().await;
            let of_keys = MOST_OF_KEYS as usize;
            assert_eq!(made.lock().unwrap().len(), of_keys, "the rest waits for an answer");
            records.get("l/1", Box::new(|_| {}));
            settle().await;
            assert_eq!(made.lock().unwrap()[of_keys..], ["l/1"]);
            answered.notify_one();
            settle().await;
            assert_eq!(made.lock().unwrap()[of_keys + 1..], [format!("u/{MOST_OF_KEYS}")]);
            drop(records);
            for _ in 0..20 {
                answered.notify_waiters();
                settle().await;
            }
            assert!(serving.is_finished(), "nobody is left to make a call");
        });
    }
}
