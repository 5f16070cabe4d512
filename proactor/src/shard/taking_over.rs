//! Sessions of other nodes that go on on this shard, because their clients have come here.

use super::Shard;
use super::directory::Phase;
use super::handing_over::mark_of;
use crate::cluster::directory::event::CameFrom;
use crate::cluster::mail::MailKind;
use crate::codec::Assembly;
use crate::group::membership;
use crate::handler::Handler;
use crate::registry::keys::{IdentifyError, IfTaken};
use crate::resume::handover::fetches::{Step, Wanted};
use crate::resume::handover::letter::{Answer, Letter};
use crate::resume::handover::packed::Packed;
use crate::resume::{Afresh, stream::Stream, token::Token};
use crate::session::away::finding::{Found, find};
use crate::session::away::returning::Returning;
use crate::session::{Session, id::SessionId, identity, opening, send};
use crate::shard::state::ShardState;
use crate::transport::Transport;

impl<H: Handler> Shard<H> {
    /// A connection has come whose session is on another node: it waits until that has handed it
    /// over.
    pub(super) fn fetch(&mut self, returning: Returning, node: u64) {
        if self.phase != Phase::Running {
            return returning.reset();
        }
        let (token, has) = (returning.token.clone(), returning.has);
        let begun = {
            let state = &mut *self.logic.state();
            let listener = mark_of(state, returning.permit.listener());
            let now = state.driver.now();
            let wanted = Wanted { token: token.clone(), has, listener };
            state.fetches.begin(returning, wanted, node, now)
        };
        match begun {
            Ok(None) => self.directory.hand_overs.fetches(&token, true),
            Ok(Some(refused)) | Err(refused) => refused.reset(),
        }
        self.turn_fetches();
    }

    /// Does what is due for the sessions that are fetched. Says whether there was anything.
    pub(super) fn turn_fetches(&mut self) -> bool {
        let steps = {
            let state = &mut *self.logic.state();
            if state.fetches.is_empty() {
                return false;
            }
            let now = state.driver.now();
            state.fetches.turn(now)
        };
        let busy = !steps.is_empty();
        steps.into_iter().for_each(|step| self.take_step(step, 0));
        busy
    }

    /// Nobody is let in any more.
    pub(super) fn end_fetches(&mut self) {
        let waiting = self.logic.state().fetches.take_all();
        for returning in waiting {
            self.directory.hand_overs.fetches(&returning.token, false);
            returning.reset();
        }
    }

    /// A node has answered a fetch of this shard.
    pub(super) fn was_answered(&mut self, ticket: u64, from: u64, answer: Answer<'_>) {
        let step = {
            let state = &mut *self.logic.state();
            let now = state.driver.now();
            state.fetches.hear(ticket, from, answer, now)
        };
        if let Some(step) = step {
            self.take_step(step, from);
        }
    }

    fn write(&self, node: u64, letter: &[u8]) {
        let Some(own) = &self.directory.node else { return };
        if let Err(why) = own.mail(node, MailKind::Sessions, letter) {
            tracing::debug!("node {node:016x} is not written to: {why}");
        }
    }

    /// `from` is the node that has just answered.
    fn take_step(&mut self, step: Step<Returning>, from: u64) {
        match step {
            Step::Write(node, letter) if !self.is_own(node) => self.write(node, &letter),
            // It was to come to this node.
            Step::Write(_, letter) => self.look_here(&letter),
            Step::Whole(returning, ticket, packed) => {
                let token = returning.token.clone();
                let goes_on = self.go_on_with(returning, &packed);
                self.write(from, &Letter::Came { ticket, token: token.clone(), goes_on }.encode());
                self.directory.hand_overs.fetches(&token, false);
            }
            Step::Not(returning, afresh) => {
                self.directory.hand_overs.fetches(&returning.token, false);
                self.admit_afresh(returning, afresh);
            }
        }
    }

    fn is_own(&self, node: u64) -> bool {
        self.directory.node.as_ref().is_some_and(|own| own.ledger.number == node)
    }

    /// The node that was asked says that this one was given the session: another connection has
    /// fetched it, or does.
    fn look_here(&mut self, letter: &[u8]) {
        let Some(Letter::Ask(ask)) = Letter::parse(letter) else { return };
        match find(&self.directory, &ask.token) {
            Ok(Found::Here(_) | Found::Packed) => {
                let waits = self.logic.state().fetches.take(ask.ticket);
                if let Some(returning) = waits {
                    self.directory.hand_overs.fetches(&returning.token, false);
                    self.logic.state().away.came(returning);
                }
            }
            // It has gone on from here, or is on its way.
            Ok(Found::On(node)) => self.logic.state().fetches.go_to(ask.ticket, node),
            Err(afresh) => {
                let step = self.logic.state().fetches.refuse(ask.ticket, afresh);
                if let Some(step) = step {
                    self.take_step(step, 0);
                }
            }
        }
    }

    /// A connection has come whose session is packed here for another node, which did not get it.
    pub(super) fn take_back(&mut self, returning: Returning) {
        if self.phase != Phase::Running {
            // Nobody is let in. The other node may get it.
            return returning.reset();
        }
        let mark = mark_of(&self.logic.state(), returning.permit.listener());
        match self.directory.hand_overs.take_back(&returning.token, mark) {
            Ok(Some((number, packed))) => {
                let goes_on = self.go_on_with(returning, &packed);
                self.directory.hand_overs.is_back(number, goes_on);
            }
            // Its last part has just left.
            Ok(None) => self.logic.state().away.came(returning),
            Err(afresh) => self.admit_afresh(returning, afresh),
        }
    }

    /// A session goes on with a connection. Says whether it does, or what was packed is still the
    /// session.
    fn go_on_with(&mut self, returning: Returning, packed: &[u8]) -> bool {
        let has = returning.has;
        let Some(packed) = Packed::parse(packed) else {
            tracing::warn!("a session of another node cannot go on: no node of a cluster has packed it");
            self.admit_afresh(returning, Afresh::NotHandedOver);
            return false;
        };
        let (tokens, listener) = (packed.tokens.clone(), returning.permit.listener());
        let Some(id) = self.admit(returning) else { return false };
        if let Err(afresh) = self.restore(id, has, packed) {
            let (mark, window, now) = {
                let state = &*self.logic.state();
                let window = state.transports.at(id.slot()).map(Transport::window).unwrap_or_default();
                (mark_of(state, listener), window, state.driver.now())
            };
            self.directory.hand_overs.dropped(&tokens, mark, window, now);
            let is_open = forget(&mut self.logic.state(), id);
            if is_open {
                self.begin_afresh(id.slot(), afresh);
            }
        }
        true
    }

    fn restore(&mut self, id: SessionId, has: u64, packed: Packed) -> Result<(), Afresh> {
        let slot = id.slot();
        let Packed { tokens, received, confirmed, kept, unread, key, saved } = packed;
        let Some(session) = self.logic.session(slot) else { return Ok(()) };
        let keep = {
            let state = &mut *self.logic.state();
            let ShardState { sessions, transports, limits, .. } = state;
            let resuming = transports.at(slot).and_then(|transport| transport.resuming());
            let keep = resuming.ok_or(Afresh::NotHandedOver)?.settings().keep_bytes();
            let record = sessions.open(id).ok_or(Afresh::NotHandedOver)?;
            record.assembly.keep(&unread, limits.leftover).map_err(|_| Afresh::NotHandedOver)?;
            keep
        };
        let stream = Stream::going_on(keep, received, confirmed, kept);
        if !stream.reaches(has) {
            return Err(Afresh::OutOfWindow);
        }
        let refused = key.and_then(|(key, if_taken)| identify(&session, key, if_taken, &tokens));
        if !self.logic.restore(&session, &saved) {
            return Err(Afresh::NotHandedOver);
        }
        {
            let state = &mut *self.logic.state();
            if state.sessions.open(id).is_none() {
                return Ok(());
            }
            self.directory.hand_overs.came(&tokens, id);
            state.away.moved_here(slot);
            let token = self.directory.mint.token(id, state.away.next_token());
            let mut wire = state.send_memory.buffer();
            let gone_on = state
                .transports
                .at_mut(slot)
                .map(|transport| transport.go_on_from((token, tokens), stream, has, &mut wire));
            if let Some(Err(failure)) = gone_on {
                opening::fail(state, slot, failure);
                return Ok(());
            }
            opening::opened(state, slot);
            self.directory.stats().resumed += 1;
            send::start_wire(state, slot, wire);
            state.sessions.resume_later(slot);
        }
        if let Some((key, why)) = refused {
            self.logic.refused_key(&session, &key, why);
        }
        Ok(())
    }
}

/// Gives a session the key that it had elsewhere. Returns why not, if it does not have it.
fn identify(session: &Session, key: Vec<u8>, if_taken: IfTaken, tokens: &[Token]) -> Option<(Vec<u8>, IdentifyError)> {
    // The cluster's record may still be that of a node before the last.
    let from = tokens.iter().map(|token| CameFrom { node: token.server(), session: token.session() }).collect();
    session.identify_from(&key, if_taken, from).err().map(|why| (key, why))
}

/// What was to go on is not restored: another session begins in its place, with nothing of it. Says
/// whether that can be.
fn forget(state: &mut ShardState, id: SessionId) -> bool {
    identity::forget(state, id);
    // It cannot be too slow: nothing was sent.
    let _ = membership::leave_all(state, id.slot(), None);
    let ShardState { sessions, logic_timers, outboxes, .. } = state;
    logic_timers.forget(id.slot());
    let Some(record) = sessions.open(id) else { return false };
    record.assembly = Assembly::new();
    if let Some(outbox) = record.outbox.get() {
        outbox.clear();
    }
    record.outbox.give_back(outboxes);
    true
}
