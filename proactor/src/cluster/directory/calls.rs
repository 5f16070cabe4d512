//! Calls of the records, whose answers come as events.

use std::sync::Arc;

use bytes::Bytes;

use super::event::{About, Answer, Event};
use super::farewell::Farewell;
use super::inbox::Inbox;
use crate::cluster::records::{Records, Revision};

/// Calls about keys that have no answer yet. Others wait.
const MOST_IN_FLIGHT: usize = 512;

pub(super) struct Calls {
    records: Arc<dyn Records>,
    inbox: Arc<Inbox>,
    /// Hears what comes of the lease when the node has ended.
    farewell: Arc<Farewell>,
    /// About keys.
    in_flight: usize,
    /// Others have waited for longer than who asks now.
    is_held: bool,
}

impl Calls {
    pub(super) fn new(records: Arc<dyn Records>, inbox: &Arc<Inbox>, farewell: &Arc<Farewell>) -> Calls {
        Calls { records, inbox: Arc::clone(inbox), farewell: Arc::clone(farewell), in_flight: 0, is_held: false }
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight < MOST_IN_FLIGHT && !self.is_held
    }

    /// Whether there is to be no room for who asks next.
    pub(super) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// An answer has come.
    pub(super) fn answered(&mut self, about: &About) {
        self.in_flight -= usize::from(is_counted(about));
    }

    fn begin<T: 'static>(&mut self, about: About, answer: fn(T) -> Answer) -> Box<dyn FnOnce(T) + Send + 'static> {
        self.in_flight += usize::from(is_counted(&about));
        let (inbox, farewell) = (Arc::clone(&self.inbox), Arc::clone(&self.farewell));
        Box::new(move |result| {
            if let Err(Event::Answer(About::OwnLease, answer)) = inbox.push(Event::Answer(about, answer(result))) {
                farewell.answered(answer);
            }
        })
    }

    pub(super) fn get(&mut self, about: About, name: &str) {
        let done = self.begin(about, Answer::Got);
        self.records.get(name, done);
    }

    pub(super) fn put(&mut self, about: About, name: &str, value: Bytes, expected: Revision) {
        let done = self.begin(about, Answer::Put);
        self.records.put(name, value, expected, done);
    }

    pub(super) fn delete(&mut self, about: About, name: &str, expected: Revision) {
        let done = self.begin(about, Answer::Deleted);
        self.records.delete(name, expected, done);
    }
}

fn is_counted(about: &About) -> bool {
    matches!(about, About::Key(_) | About::Query(_))
}
