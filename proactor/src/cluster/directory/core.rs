//! The directory as the shard that drives it turns it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use overlapped::Time;

use super::calls::Calls;
use super::claims::Claims;
use super::context::{Context, Done, Outgoing};
use super::event::{About, Answer, Event};
use super::farewell::Last;
use super::lease::{self, Change, Lease};
use super::letters::Letter;
use super::local::Local;
use super::peers::{self, Peers};
use super::queries::Queries;
use super::query::Query;
use super::untold::Untold;

/// Between two attempts to tell a session something.
const AGAIN: Duration = Duration::from_millis(20);

pub(super) struct Core {
    number: u64,
    name: Arc<str>,
    /// There is one since the first turn.
    lease: Option<Lease>,
    lease_time: Duration,
    peers: Peers,
    calls: Calls,
    claims: Claims,
    queries: Queries,
    outgoing: Outgoing,
    /// Notices that a shard did not take.
    untold: Untold,
    tell_again: Time,
}

/// The name of a lease's record.
pub(super) fn lease_of(node: u64) -> String {
    format!("l/{node:016x}")
}

impl Core {
    pub(super) fn new((number, name): (u64, &Arc<str>), lease_time: Duration, calls: Calls) -> Core {
        Core {
            number,
            name: Arc::clone(name),
            lease: None,
            lease_time,
            peers: Peers::default(),
            calls,
            claims: Claims::default(),
            queries: Queries::default(),
            outgoing: Outgoing::default(),
            untold: Untold::default(),
            tell_again: Time::ZERO,
        }
    }

    /// When there is something to do without being told.
    pub(super) fn deadline(&self) -> Time {
        let Some(lease) = &self.lease else { return Time::ZERO };
        let tell = if self.untold.is_empty() { Time::MAX } else { self.tell_again };
        let own = lease.deadline().min(self.peers.deadline()).min(tell);
        own.min(self.claims.deadline()).min(self.queries.deadline())
    }

    /// What the directory is to do now. Returns the letters to other nodes, and who is to be told
    /// of an answer when nothing is locked.
    pub(super) fn turn(
        &mut self,
        events: VecDeque<Event>,
        local: &dyn Local,
        now: Time,
    ) -> (Vec<(u64, Bytes, Letter)>, Vec<Done>) {
        let lease = self.lease.get_or_insert_with(|| Lease::new(self.lease_time, &self.name, now));
        // Before the events: they are judged by the lease of this moment.
        let (change, deed) = lease.turn(now);
        let certain_until = lease.certain_until();
        match deed {
            Some(lease::Deed::Read) => self.calls.get(About::OwnLease, &lease_of(self.number)),
            Some(lease::Deed::Write { value, expected }) => {
                self.calls.put(About::OwnLease, &lease_of(self.number), value, expected);
            }
            None => {}
        }
        self.changed(change, certain_until, local, now);
        for event in events {
            self.hear(event, local, now);
        }
        self.parts(local, now, |claims, queries, context| {
            claims.turn(context);
            queries.turn(context);
        });
        for deed in self.peers.turn(now) {
            match deed {
                peers::Deed::Read(node) => self.calls.get(About::Peer(node), &lease_of(node)),
                peers::Deed::Delete(node, revision) => {
                    self.calls.delete(About::Peer(node), &lease_of(node), revision);
                }
            }
        }
        self.tell(local, now);
        (std::mem::take(&mut self.outgoing.letters), std::mem::take(&mut self.outgoing.done))
    }

    fn parts(&mut self, local: &dyn Local, now: Time, deed: impl FnOnce(&mut Claims, &mut Queries, &mut Context<'_>)) {
        let Core { number, name, lease, peers, calls, claims, queries, outgoing, .. } = self;
        let Some(lease) = lease else { return };
        let mut context = Context { now, number: *number, name, lease, peers, calls, local, outgoing };
        deed(claims, queries, &mut context);
    }

    fn changed(&mut self, change: Option<Change>, certain_until: Time, local: &dyn Local, now: Time) {
        match change {
            None => {}
            Some(Change::Lost) => {
                tracing::warn!("node {}: its lease is over; what it had is claimed anew", self.name);
                self.claims.lease_lost(certain_until);
            }
            Some(Change::Gained) => self.parts(local, now, |claims, _, context| claims.lease_gained(context)),
        }
    }

    fn hear(&mut self, event: Event, local: &dyn Local, now: Time) {
        match event {
            Event::Answer(about, answer) => self.answered(about, answer, local, now),
            Event::Login(login) => self.parts(local, now, |claims, _, context| claims.login(login, context)),
            Event::Left(key) => self.parts(local, now, |claims, _, context| claims.left(&key, context)),
            Event::Query(key, query) => self.parts(local, now, |claims, queries, context| {
                let is_own = claims.is_own(&key, context);
                queries.ask(&key, query, is_own, context);
            }),
            Event::Letter(mail) => {
                let from = mail.from;
                let Some((key, letter)) = Letter::parse(&mail.body) else {
                    tracing::warn!("a letter of node {from:016x} is dropped: it cannot be read");
                    return;
                };
                self.parts(local, now, |claims, _, context| match letter {
                    Letter::GiveUp(named) => claims.give_up(from, &key, named, context),
                    Letter::Look(named) => claims.look(from, &key, named, context),
                    Letter::Gone => claims.gone(&key, context),
                    Letter::Send(packet) => _ = context.local.send(&key, &packet),
                    Letter::Close => _ = context.local.close(&key),
                });
            }
        }
    }

    fn answered(&mut self, about: About, answer: Answer, local: &dyn Local, now: Time) {
        self.calls.answered(&about);
        match about {
            About::OwnLease => {
                let Some(lease) = &mut self.lease else { return };
                let certain_until = lease.certain_until();
                let change = lease.answered(answer, now);
                self.changed(change, certain_until, local, now);
            }
            About::Peer(node) => {
                if self.peers.answered(node, answer, now) {
                    self.parts(local, now, |claims, _, context| claims.unblock(context));
                }
            }
            About::Key(key) => self.parts(local, now, |claims, _, context| claims.answered(&key, answer, context)),
            About::Query(key) => {
                self.parts(local, now, |_, queries, context| queries.answered(&key, answer, context));
            }
        }
    }

    /// Tells sessions what there is, and tries again later what a full shard does not take.
    fn tell(&mut self, local: &dyn Local, now: Time) {
        self.outgoing.notices.drain(..).for_each(|notice| self.untold.add(notice));
        self.untold.tell(local);
        self.tell_again = now + AGAIN;
    }

    /// The server has ended. Returns what nobody will answer, and what is known of its lease.
    pub(super) fn end(&mut self) -> (Vec<Query>, Last) {
        let last = self.lease.as_ref().map_or(Last::Nothing, Lease::last);
        (self.queries.take_all(), last)
    }
}
