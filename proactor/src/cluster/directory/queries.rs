//! Questions and errands about a key, wherever the session with it is. Those of one key go by one
//! read of its record, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use overlapped::Time;

use super::context::{Context, record_of};
use super::event::{About, Answer};
use super::holders::{self, Holder};
use super::letters::Letter;
use super::query::{DirectoryError, Place, Query};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Queries {
    asked: BTreeMap<Bytes, Asked>,
    /// Wait until fewer calls are without an answer.
    wanted: VecDeque<Bytes>,
    /// Wait to know more of leases.
    looking: BTreeSet<Bytes>,
    /// Until when each waits, in this order.
    limits: VecDeque<(Time, Bytes)>,
}

struct Asked {
    /// Those that the next answer is for, and those that came behind its call.
    current: Vec<Query>,
    later: Vec<Query>,
    phase: Phase,
    until: Time,
}

enum Phase {
    Wanted,
    Reading,
    /// For the leases of these.
    Looking(Vec<Holder>),
}

impl Queries {
    pub(super) fn ask(&mut self, key: &Bytes, query: Query, is_own: bool, context: &mut Context<'_>) {
        match self.asked.get_mut(key) {
            None if is_own => run(query, key, &[], context),
            None => self.begin(key, vec![query], context),
            Some(asked) if matches!(asked.phase, Phase::Wanted) => asked.current.push(query),
            Some(asked) => asked.later.push(query),
        }
    }

    fn begin(&mut self, key: &Bytes, current: Vec<Query>, context: &mut Context<'_>) {
        let until = context.now + PATIENCE;
        self.asked.insert(key.clone(), Asked { current, later: Vec::new(), phase: Phase::Wanted, until });
        self.limits.push_back((until, key.clone()));
        self.step(key, context);
    }

    pub(super) fn answered(&mut self, key: &Bytes, answer: Answer, context: &mut Context<'_>) {
        let Some(asked) = self.asked.get_mut(key) else { return };
        if !matches!(asked.phase, Phase::Reading) {
            return;
        }
        if let Answer::Got(Ok(record)) = answer {
            let holders = record.and_then(|record| holders::parse(&record.value)).unwrap_or_default();
            asked.phase = Phase::Looking(holders);
            self.step(key, context);
        } else {
            self.end(key, Err(DirectoryError::Unreachable), context);
        }
    }

    /// Nobody will answer any more.
    pub(super) fn take_all(&mut self) -> Vec<Query> {
        let left = std::mem::take(&mut self.asked).into_values();
        left.flat_map(|asked| asked.current.into_iter().chain(asked.later)).collect()
    }

    /// When there is something to do without being told.
    pub(super) fn deadline(&self) -> Time {
        self.limits.front().map_or(Time::MAX, |(until, _)| *until)
    }

    /// More may be known of leases, or there is room for calls.
    pub(super) fn turn(&mut self, context: &mut Context<'_>) {
        while self.deadline() <= context.now
            && let Some((until, key)) = self.limits.pop_front()
        {
            // Its call has an answer of its own.
            let is_late = |asked: &Asked| asked.until == until && !matches!(asked.phase, Phase::Reading);
            if self.asked.get(&key).is_some_and(is_late) {
                self.end(&key, Err(DirectoryError::Unreachable), context);
            }
        }
        while context.calls.has_room()
            && let Some(key) = self.wanted.pop_front()
        {
            self.step(&key, context);
        }
        for key in std::mem::take(&mut self.looking) {
            self.step(&key, context);
        }
    }

    fn step(&mut self, key: &Bytes, context: &mut Context<'_>) {
        let Some(asked) = self.asked.get_mut(key) else { return };
        match &asked.phase {
            Phase::Reading => {}
            Phase::Wanted if context.calls.has_room() => {
                asked.phase = Phase::Reading;
                context.calls.get(About::Query(key.clone()), &record_of(key));
            }
            Phase::Wanted => self.wanted.push_back(key.clone()),
            Phase::Looking(holders) => match context.living(holders) {
                Some(others) => self.end(key, Ok(others), context),
                None => _ = self.looking.insert(key.clone()),
            },
        }
    }

    fn end(&mut self, key: &Bytes, found: Result<Vec<Holder>, DirectoryError>, context: &mut Context<'_>) {
        let Some(Asked { current, later, .. }) = self.asked.remove(key) else { return };
        for query in current {
            match &found {
                Ok(others) => run(query, key, others, context),
                Err(why) => {
                    let why = *why;
                    context.outgoing.done.push(Box::new(move || query.refuse(why)));
                }
            }
        }
        if !later.is_empty() {
            self.begin(key, later, context);
        }
    }
}

/// Does what is asked. `others` are the other nodes that have the key.
fn run(query: Query, key: &Bytes, others: &[Holder], context: &mut Context<'_>) {
    let own = context.local.find(key);
    let here = usize::from(own.is_some());
    let mut to_all = |letter: &Letter| {
        let letters = others.iter().map(|other| (other.node, key.clone(), letter.clone()));
        context.outgoing.letters.extend(letters);
    };
    match query {
        Query::Find(done) => {
            let elsewhere = others.iter().map(|other| Place { node: Arc::clone(&other.name), session: None });
            let here = own.map(|session| Place { node: Arc::clone(context.name), session: Some(session) });
            let places: Vec<Place> = elsewhere.chain(here).collect();
            context.outgoing.done.push(Box::new(move || done(Ok(places))));
        }
        Query::Send(packet, done) => {
            to_all(&Letter::Send(packet.clone()));
            context.local.send(key, &packet);
            let nodes = others.len() + here;
            context.outgoing.done.push(Box::new(move || done(Ok(nodes))));
        }
        Query::Close(done) => {
            to_all(&Letter::Close);
            context.local.close(key);
            let nodes = others.len() + here;
            context.outgoing.done.push(Box::new(move || done(Ok(nodes))));
        }
    }
}
