//! The keys of this node in the cluster: which are claimed, and what is still to be done for which.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use overlapped::Time;

use super::context::Context;
use super::event::{Answer, Login};
use super::letters::Named;
use super::local::Notice;
use super::waiting::Waiting;
use super::work::{Owned, Rest, Work, lose};
use crate::registry::keys::IdentifyError;
use crate::session::reason::CloseReason;

#[derive(Default)]
pub(super) struct Claims {
    entries: BTreeMap<Bytes, Entry>,
    /// Wait for a lease, or to know more of one.
    blocked: BTreeSet<Bytes>,
    /// Wait until fewer calls are without an answer.
    waiting: Waiting,
    alarms: BTreeSet<(Time, Bytes)>,
    /// When what is claimed in an epoch that has ended is lost.
    doom: Option<Time>,
}

#[derive(Default)]
struct Entry {
    owned: Option<Owned>,
    work: Option<Box<Work>>,
}

impl Entry {
    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_with(|| Box::new(Work::new(self.owned.as_ref())))
    }
}

impl Claims {
    pub(super) fn login(&mut self, login: Login, context: &mut Context<'_>) {
        // Long enough for a lease of another node to run out.
        let until = context.now + 2 * context.lease.time();
        let (key, id, ticket) = (login.key.clone(), login.id, login.ticket);
        if !self.entries.entry(key.clone()).or_default().work().login(login, until) {
            let result = Err(IdentifyError::Full);
            context.outgoing.notices.push(Notice::Identified { id, ticket, result });
        }
        self.step(&key, context);
    }

    /// A session here has the key no longer.
    pub(super) fn left(&mut self, key: &Bytes, context: &mut Context<'_>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.work().settle();
            self.step(key, context);
        }
    }

    pub(super) fn give_up(&mut self, from: u64, key: &Bytes, named: Named, context: &mut Context<'_>) {
        let is_here = context.local.find(key).is_some();
        if is_here && !context.local.has(key, named.session) {
            // Another session has it by now: the other node will read that.
            return;
        }
        context.end_all(key, CloseReason::Replaced);
        self.settle_for(from, key, context);
    }

    pub(super) fn look(&mut self, from: u64, key: &Bytes, named: Named, context: &mut Context<'_>) {
        if context.lease.held() == Some(named.epoch) && context.local.find(key).is_none() {
            self.settle_for(from, key, context);
        }
    }

    fn settle_for(&mut self, from: u64, key: &Bytes, context: &mut Context<'_>) {
        let entry = self.entries.entry(key.clone()).or_default();
        let is_known = entry.owned.is_some() || entry.work.is_some();
        let work = entry.work();
        if !is_known {
            work.look_anew();
        }
        work.tell_gone(from);
        work.settle();
        self.step(key, context);
    }

    /// Another node has the key no longer.
    pub(super) fn gone(&mut self, key: &Bytes, context: &mut Context<'_>) {
        if let Some(work) = self.entries.get_mut(key).and_then(|entry| entry.work.as_mut()) {
            work.look_anew();
            self.step(key, context);
        }
    }

    pub(super) fn answered(&mut self, key: &Bytes, answer: Answer, context: &mut Context<'_>) {
        if let Some(Entry { owned, work: Some(work) }) = self.entries.get_mut(key) {
            work.answered(key, answer, owned, context);
            self.step(key, context);
        }
    }

    /// The lease of this node is lost. What was claimed under it lasts until then.
    pub(super) fn lease_lost(&mut self, certain_until: Time) {
        self.doom = Some(self.doom.map_or(certain_until, |doom| doom.min(certain_until)));
    }

    /// There is a lease again, or for the first time: what is here is claimed anew.
    pub(super) fn lease_gained(&mut self, context: &mut Context<'_>) {
        let held = context.lease.held();
        let is_void = |owned: &Owned| Some(owned.epoch) != held;
        let void = self.entries.iter_mut().filter(|(_, entry)| entry.owned.as_ref().is_some_and(is_void));
        let void: Vec<Bytes> = void
            .map(|(key, entry)| {
                entry.work().settle();
                key.clone()
            })
            .collect();
        void.iter().for_each(|key| self.step(key, context));
        self.unblock(context);
    }

    /// More is known of leases.
    pub(super) fn unblock(&mut self, context: &mut Context<'_>) {
        for key in std::mem::take(&mut self.blocked) {
            self.step(&key, context);
        }
    }

    /// Whether this node alone has the key, for certain.
    pub(super) fn is_own(&self, key: &[u8], context: &Context<'_>) -> bool {
        let owned = self.entries.get(key).and_then(|entry| entry.owned.as_ref());
        owned.is_some_and(|owned| owned.is_alone && !owned.is_shared && context.lease.held() == Some(owned.epoch))
    }

    /// When there is something to do without being told.
    pub(super) fn deadline(&self) -> Time {
        let alarm = self.alarms.first().map_or(Time::MAX, |(time, _)| *time);
        alarm.min(self.doom.unwrap_or(Time::MAX))
    }

    pub(super) fn turn(&mut self, context: &mut Context<'_>) {
        if self.doom.is_some_and(|doom| doom <= context.now) {
            self.doom = None;
            self.lose_void(context);
        }
        while let Some((time, key)) = self.alarms.pop_first() {
            if time > context.now {
                self.alarms.insert((time, key));
                break;
            }
            self.step(&key, context);
        }
        while context.calls.has_room()
            && let Some(key) = self.waiting.take_first()
        {
            self.step_now(&key, context);
        }
    }

    /// Nothing that was claimed in an earlier epoch is certain any more.
    fn lose_void(&mut self, context: &mut Context<'_>) {
        let held = context.lease.held();
        for (key, Entry { owned, work }) in &mut self.entries {
            if owned.is_some_and(|owned| Some(owned.epoch) != held && !owned.is_shared) {
                lose(key, owned, work.as_deref(), context);
            }
        }
        self.entries.retain(|_, entry| entry.owned.is_some() || entry.work.is_some());
    }

    /// Goes on with a key, which makes no call while others wait to make one.
    fn step(&mut self, key: &Bytes, context: &mut Context<'_>) {
        context.calls.hold(!self.waiting.is_empty());
        self.step_now(key, context);
        context.calls.hold(false);
    }

    fn step_now(&mut self, key: &Bytes, context: &mut Context<'_>) {
        let Some(Entry { owned, work }) = self.entries.get_mut(key) else { return };
        let rest = work.as_mut().map_or(Rest::Done, |work| work.advance(key, owned, context));
        let alarm = match rest {
            Rest::NoRoom(until) | Rest::Blocked(until) | Rest::Pause(until) => Some(until),
            Rest::Called | Rest::Done => None,
        };
        let alarm = alarm.filter(|until| *until < Time::MAX);
        let before = work.as_mut().and_then(|work| std::mem::replace(&mut work.alarm, alarm));
        if let Some(time) = before {
            self.alarms.remove(&(time, key.clone()));
        }
        if let Some(time) = alarm {
            self.alarms.insert((time, key.clone()));
        }
        match rest {
            Rest::Called | Rest::Pause(_) => {}
            Rest::NoRoom(_) => self.waiting.add(key),
            Rest::Blocked(_) => _ = self.blocked.insert(key.clone()),
            Rest::Done => {
                *work = None;
                self.blocked.remove(key);
                self.waiting.remove(key);
                if owned.is_none() {
                    self.entries.remove(key);
                }
            }
        }
    }
}
