//! What is to be done for one key, one step after the other: a claim is written by compare-and-set,
//! and what is known of the record is only what was read, or written with an answer.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use overlapped::Time;

use super::context::{Context, record_of};
use super::event::{About, Answer, CameFrom, Login};
use super::holders::{self, Holder, MOST_HOLDERS};
use super::letters::{Letter, Named};
use super::local::Notice;
use crate::cluster::records::{Record, RecordError, Revision};
use crate::registry::keys::{IdentifyError, IfTaken};
use crate::session::id::SessionId;
use crate::session::reason::CloseReason;

/// Logins of one key that wait for their turn.
const MOST_JOBS: usize = 512;
/// Nodes that wait to hear that the key is free here.
const MOST_ASKERS: usize = 16;
/// Pauses grow from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A claim of this node that is in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) revision: Revision,
    pub(super) epoch: u32,
    pub(super) session: SessionId,
    /// All sessions that have the key here would share it.
    pub(super) is_shared: bool,
    /// The record has no other node's claim.
    pub(super) is_alone: bool,
}

pub(super) enum Job {
    /// To be given up, with an error, at the time.
    Login(Login, Time),
    /// The record is to say what is here.
    Settle,
}

/// What is known of the record.
enum Known {
    Nothing,
    Read {
        revision: Revision,
        holders: Vec<Holder>,
        /// It was read, or written, for this work: it is not just what it was some time ago.
        is_fresh: bool,
    },
}

enum Calling {
    Reading,
    /// `own` is the claim that is written, if any.
    Writing {
        own: Option<Holder>,
        others: Vec<Holder>,
    },
}

/// Why a work does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// There is nothing left to do.
    Done,
    /// Its call has no answer yet.
    Called,
    /// Too many calls have none. Not longer than that.
    NoRoom(Time),
    /// For this node's lease, or to know more of another's, but not longer than that.
    Blocked(Time),
    Pause(Time),
}

pub(super) struct Work {
    jobs: VecDeque<Job>,
    known: Known,
    calling: Option<Calling>,
    paused: Option<Time>,
    tries: u32,
    /// When its key is looked at again, whatever happens.
    pub(super) alarm: Option<Time>,
    /// A call of this job has found another revision than was known.
    has_conflicted: bool,
    /// Nodes that are told when the key is free here.
    askers: Vec<u64>,
}

/// How a claim treats those of others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    As(IfTaken),
    /// It was there before: it stays unless another has taken the key.
    Keep,
}

impl Work {
    pub(super) fn new(owned: Option<&Owned>) -> Work {
        let known = match owned {
            // Nobody can have changed it since but by changing its revision.
            Some(owned) if owned.is_alone => {
                Known::Read { revision: owned.revision, holders: Vec::new(), is_fresh: false }
            }
            Some(_) => Known::Nothing,
            // Most keys are free.
            None => Known::Read { revision: Revision::NONE, holders: Vec::new(), is_fresh: false },
        };
        Work {
            jobs: VecDeque::new(),
            known,
            calling: None,
            paused: None,
            tries: 0,
            alarm: None,
            has_conflicted: false,
            askers: Vec::new(),
        }
    }

    /// Says whether there is a place for it.
    pub(super) fn login(&mut self, login: Login, until: Time) -> bool {
        let has_place = self.jobs.len() < MOST_JOBS;
        if has_place {
            self.jobs.push_back(Job::Login(login, until));
        }
        has_place
    }

    fn logs_in(&self, id: SessionId) -> bool {
        self.jobs.iter().any(|job| matches!(job, Job::Login(login, _) if login.id == id))
    }

    pub(super) fn settle(&mut self) {
        if !matches!(self.jobs.back(), Some(Job::Settle)) {
            self.jobs.push_back(Job::Settle);
        }
    }

    /// Another node is to be told when the key is free here.
    pub(super) fn tell_gone(&mut self, node: u64) {
        if self.askers.len() < MOST_ASKERS && !self.askers.contains(&node) {
            self.askers.push(node);
        }
    }

    /// The record may be another than is known.
    pub(super) fn look_anew(&mut self) {
        (self.known, self.paused) = (Known::Nothing, None);
    }

    /// Goes on until it has to rest, but not longer than the first login waits for its answer.
    pub(super) fn advance(&mut self, key: &Bytes, owned: &mut Option<Owned>, context: &mut Context<'_>) -> Rest {
        if self.calling.is_some() {
            return Rest::Called;
        }
        self.refuse_late(key, context);
        let rest = self.go_on(key, owned, context);
        // They came in this order.
        let mut limits =
            self.jobs.iter().filter_map(|job| if let Job::Login(_, until) = job { Some(*until) } else { None });
        let limit = limits.next().unwrap_or(Time::MAX);
        match rest {
            Rest::NoRoom(until) => Rest::NoRoom(until.min(limit)),
            Rest::Blocked(until) => Rest::Blocked(until.min(limit)),
            Rest::Pause(until) => Rest::Pause(until.min(limit)),
            Rest::Called | Rest::Done => rest,
        }
    }

    /// Answers the logins whose time is over, wherever they stand.
    fn refuse_late(&mut self, key: &Bytes, context: &mut Context<'_>) {
        let now = context.now;
        let is_late = |job: &Job| matches!(job, Job::Login(_, until) if *until <= now);
        let was_first = self.jobs.front().is_some_and(is_late);
        self.jobs.retain(|job| {
            let Job::Login(login, until) = job else { return true };
            let is_late = *until <= now;
            if is_late && context.local.has(key, login.id) {
                context.outgoing.notices.push(answer(login, Err(IdentifyError::Unreachable)));
            }
            !is_late
        });
        if was_first {
            // It may have been written all the same.
            (self.known, self.paused) = (Known::Nothing, None);
            (self.tries, self.has_conflicted) = (0, false);
            self.settle();
        }
    }

    fn go_on(&mut self, key: &Bytes, owned: &mut Option<Owned>, context: &mut Context<'_>) -> Rest {
        loop {
            if self.calling.is_some() {
                return Rest::Called;
            }
            if let Some(until) = self.paused.filter(|until| *until > context.now) {
                return Rest::Pause(until);
            }
            self.paused = None;
            let step = match self.jobs.front() {
                None => {
                    if owned.is_none() {
                        let gone = self.askers.drain(..).map(|node| (node, key.clone(), Letter::Gone));
                        context.outgoing.letters.extend(gone);
                    }
                    return Rest::Done;
                }
                Some(Job::Login(login, _)) => {
                    let login = login.clone();
                    self.log_in(key, &login, owned, context)
                }
                Some(Job::Settle) => self.bring_in_line(key, owned, context),
            };
            match step {
                Ok(()) => {}
                Err(rest) => return rest,
            }
        }
    }

    fn end_job(&mut self) {
        self.jobs.pop_front();
        (self.tries, self.has_conflicted) = (0, false);
    }

    fn log_in(
        &mut self,
        key: &Bytes,
        login: &Login,
        owned: &mut Option<Owned>,
        context: &mut Context<'_>,
    ) -> Result<(), Rest> {
        if !context.local.has(key, login.id) {
            self.end_job();
            return Ok(());
        }
        let shares = login.if_taken == IfTaken::Share;
        let is_shared = shares && owned.as_ref().is_none_or(|owned| owned.is_shared);
        match self.claim(key, login.id, is_shared, Manner::As(login.if_taken), &login.from, context) {
            Err(Stop::Rest(rest)) => Err(rest),
            Err(Stop::Refused(why)) => {
                context.outgoing.notices.push(answer(login, Err(why)));
                self.end_job();
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Makes the record say what is here.
    fn bring_in_line(&mut self, key: &Bytes, owned: &mut Option<Owned>, context: &mut Context<'_>) -> Result<(), Rest> {
        let held = context.lease.held();
        let Some(session) = context.local.find(key) else {
            // Without its lease, what the node has claimed is void.
            if held.is_none() {
                *owned = None;
                self.end_job();
                return Ok(());
            }
            return self.give_up(key, owned, context);
        };
        match owned {
            // It was given up, and the record may name it: this goes on when it has let go.
            None if self.jobs.len() == 1 && matches!(self.known, Known::Nothing) => {
                return Err(self.pause(context.now));
            }
            // It is being logged in, or was refused.
            None => self.end_job(),
            Some(owned) if held == Some(owned.epoch) && owned.session == session => self.end_job(),
            Some(claim) => {
                let is_shared = claim.is_shared;
                match self.claim(key, session, is_shared, Manner::Keep, &[], context) {
                    Ok(()) => {}
                    Err(Stop::Rest(rest)) => return Err(rest),
                    Err(Stop::Refused(_)) => {
                        lose(key, owned, Some(self), context);
                        self.end_job();
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes this node's claim out of the record.
    fn give_up(&mut self, key: &Bytes, owned: &mut Option<Owned>, context: &mut Context<'_>) -> Result<(), Rest> {
        let Known::Read { revision, holders, .. } = &self.known else { return self.read(key, context) };
        let is_alone = owned.as_ref().is_some_and(|owned| owned.is_alone && owned.revision == *revision);
        if !is_alone && !holders.iter().any(|holder| holder.node == context.number) {
            *owned = None;
            self.end_job();
            return Ok(());
        }
        let others: Vec<Holder> = holders.iter().filter(|holder| holder.node != context.number).cloned().collect();
        let revision = *revision;
        self.write(key, revision, None, others, context)
    }

    fn claim(
        &mut self,
        key: &Bytes,
        session: SessionId,
        is_shared: bool,
        manner: Manner,
        from: &[CameFrom],
        context: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let blocked = Stop::Rest(Rest::Blocked(Time::MAX));
        let Some(epoch) = context.lease.held() else { return Err(blocked) };
        let Known::Read { revision, holders, is_fresh } = &self.known else { return Ok(self.read(key, context)?) };
        let (revision, is_fresh) = (*revision, *is_fresh);
        let Some(mut others) = context.living(holders) else { return Err(blocked) };
        let is_taken = match manner {
            Manner::As(IfTaken::Share) => others.len() >= MOST_HOLDERS - 1,
            Manner::Keep => others.iter().any(|other| !is_shared || !other.is_shared),
            Manner::As(_) => !others.is_empty(),
        };
        if is_taken && !is_fresh {
            self.known = Known::Nothing;
            return Ok(());
        }
        if is_taken {
            let letter = |holder: &Holder| Named { epoch: holder.epoch, session: holder.session };
            let to =
                |letter: fn(Named) -> Letter, holder: &Holder, named: Named| (holder.node, key.clone(), letter(named));
            // The session that it was gives the key up, or has done so.
            let is_its_own = others.iter().all(|other| from.iter().any(|from| from.is(other.node, other.session)));
            let manner = if is_its_own { Manner::As(IfTaken::Replace) } else { manner };
            match manner {
                Manner::As(IfTaken::Replace) => {
                    let letters = others.iter().map(|other| to(Letter::GiveUp, other, letter(other)));
                    context.outgoing.letters.extend(letters);
                    // It answers when the key is free. This is for a letter that is lost.
                    self.known = Known::Nothing;
                    return Err(Stop::Rest(self.pause(context.now)));
                }
                Manner::As(IfTaken::Share) => return Err(Stop::Refused(IdentifyError::TooMany)),
                Manner::As(IfTaken::Refuse) | Manner::Keep => {
                    // One that has nobody with the key takes its claim out, for the next attempt.
                    let letters = others.iter().map(|other| to(Letter::Look, other, letter(other)));
                    context.outgoing.letters.extend(letters);
                    return Err(Stop::Refused(IdentifyError::TakenElsewhere));
                }
            }
        }
        if manner == Manner::As(IfTaken::Replace) || manner == Manner::As(IfTaken::Refuse) {
            others.clear();
        }
        let own = Holder { node: context.number, epoch, is_shared, session, name: context.name.clone() };
        Ok(self.write(key, revision, Some(own), others, context)?)
    }

    fn read(&mut self, key: &Bytes, context: &mut Context<'_>) -> Result<(), Rest> {
        if !context.calls.has_room() {
            return Err(Rest::NoRoom(Time::MAX));
        }
        self.calling = Some(Calling::Reading);
        context.calls.get(About::Key(key.clone()), &record_of(key));
        Ok(())
    }

    fn write(
        &mut self,
        key: &Bytes,
        expected: Revision,
        own: Option<Holder>,
        others: Vec<Holder>,
        context: &mut Context<'_>,
    ) -> Result<(), Rest> {
        if !context.calls.has_room() {
            return Err(Rest::NoRoom(Time::MAX));
        }
        let (about, name) = (About::Key(key.clone()), record_of(key));
        let all: Vec<Holder> = others.iter().chain(&own).cloned().collect();
        match all.is_empty() {
            true => context.calls.delete(about, &name, expected),
            false => context.calls.put(about, &name, holders::encode(&all), expected),
        }
        self.calling = Some(Calling::Writing { own, others });
        Ok(())
    }

    fn pause(&mut self, now: Time) -> Rest {
        let pause = PAUSES.0.saturating_mul(1 << self.tries.min(10)).min(PAUSES.1);
        self.tries += 1;
        let until = now + pause;
        self.paused = Some(until);
        Rest::Pause(until)
    }

    /// Its call is answered.
    pub(super) fn answered(
        &mut self,
        key: &Bytes,
        answer: Answer,
        owned: &mut Option<Owned>,
        context: &mut Context<'_>,
    ) {
        let written = match (self.calling.take(), answer) {
            (Some(Calling::Reading), Answer::Got(Ok(record))) => {
                self.known = known(record);
                return;
            }
            (Some(Calling::Writing { own, others }), Answer::Put(Ok(revision))) => (own, others, revision),
            (Some(Calling::Writing { own, others }), Answer::Deleted(Ok(()))) => (own, others, Revision::NONE),
            (_, Answer::Put(Err(error)) | Answer::Deleted(Err(error)) | Answer::Got(Err(error))) => {
                if error != RecordError::Refused {
                    self.known = Known::Nothing;
                }
                // Once is usual: another node has the key. Again and again, something is wrong.
                let is_usual = error == RecordError::Conflict && !self.has_conflicted;
                self.has_conflicted |= error == RecordError::Conflict;
                if !is_usual {
                    self.pause(context.now);
                }
                return;
            }
            _ => return,
        };
        self.has_written(key, written, owned, context);
    }

    fn has_written(
        &mut self,
        key: &Bytes,
        (own, others, revision): (Option<Holder>, Vec<Holder>, Revision),
        owned: &mut Option<Owned>,
        context: &mut Context<'_>,
    ) {
        let holders = others.iter().chain(&own).cloned().collect();
        self.known = Known::Read { revision, holders, is_fresh: true };
        let Some(Holder { epoch, session, is_shared, .. }) = own else {
            *owned = None;
            self.end_job();
            return;
        };
        if context.lease.held() != Some(epoch) {
            // It is void already. It is written anew when there is a lease.
            return;
        }
        *owned = Some(Owned { revision, epoch, session, is_shared, is_alone: others.is_empty() });
        if let Some(Job::Login(login, _)) = self.jobs.front()
            && context.local.has(key, login.id)
        {
            context.outgoing.notices.push(answer(login, Ok(())));
        }
        self.end_job();
        if context.local.find(key) != Some(session) {
            self.settle();
        }
    }
}

/// Why a claim is not written now.
enum Stop {
    Rest(Rest),
    Refused(IdentifyError),
}

impl From<Rest> for Stop {
    fn from(rest: Rest) -> Stop {
        Stop::Rest(rest)
    }
}

/// The sessions here have the key no longer. One that is being logged in has not had it yet: it
/// waits for its answer.
pub(super) fn lose(key: &Bytes, owned: &mut Option<Owned>, work: Option<&Work>, context: &mut Context<'_>) {
    let is_shared = owned.take().is_some_and(|owned| owned.is_shared);
    let last = context.local.find(key);
    if is_shared || !last.is_some_and(|id| work.is_some_and(|work| work.logs_in(id))) {
        context.end_all(key, CloseReason::KeyLost);
    }
}

fn answer(login: &Login, result: Result<(), IdentifyError>) -> Notice {
    Notice::Identified { id: login.id, ticket: login.ticket, result }
}

fn known(record: Option<Record>) -> Known {
    let Some(Record { value, revision }) = record else {
        return Known::Read { revision: Revision::NONE, holders: Vec::new(), is_fresh: true };
    };
    let holders = holders::parse(&value).unwrap_or_else(|| {
        // Not which key: it may be a secret.
        tracing::warn!("the record of a key is written anew: no node of a cluster has written it");
        Vec::new()
    });
    Known::Read { revision, holders, is_fresh: true }
}
