//! Sessions of this shard that go on on other nodes, and what those write about it.

use bytes::Bytes;
use overlapped::Time;

use super::Shard;
use super::directory::Mail;
use super::listeners::ListenerInfo;
use crate::cluster::mail::{MailKind, NodeMail};
use crate::cluster::node::Node;
use crate::handler::Handler;
use crate::resume::Afresh;
use crate::resume::handover::MOST_BYTES;
use crate::resume::handover::fetches::shard_of;
use crate::resume::handover::letter::{Answer, Ask, Letter, PART_HEAD};
use crate::resume::handover::packed::VERSION;
use crate::session::away::{finding, leaving};
use crate::session::{close, id::SessionId, reason::CloseReason};
use crate::shard::state::ShardState;
use crate::transport::Transport;

/// Differs for listeners that are not to have each other's sessions.
pub(super) fn mark_of(state: &ShardState, listener: u8) -> u64 {
    let mark = state.directory.listeners.get(usize::from(listener)).map_or(0, ListenerInfo::mark);
    mark ^ u64::from(state.profiles.of(listener).is_secure())
}

impl<H: Handler> Shard<H> {
    /// Another node has written of sessions that go from one to another.
    pub(super) fn wrote(&mut self, mail: NodeMail) {
        let Some(node) = self.directory.node.clone() else { return };
        let body: Bytes = mail.body.clone();
        match Letter::parse(&body) {
            None => tracing::warn!("{mail:?} is dropped: no node of a cluster has made it"),
            Some(Letter::Ask(ask)) => self.asked(&node, mail, &ask),
            Some(Letter::Came { ticket, token, goes_on }) => {
                self.directory.hand_overs.came_there(&token, (mail.from, ticket), goes_on);
            }
            Some(Letter::Answer(ticket, _)) if shard_of(ticket) != self.shard => {
                self.pass_on(shard_of(ticket), mail);
            }
            Some(Letter::Answer(ticket, answer)) => self.was_answered(ticket, mail.from, answer),
        }
    }

    /// Another shard is to read it. If that takes it not, who wrote it writes again.
    fn pass_on(&self, shard: u16, mail: NodeMail) {
        let _ = self.directory.mail(shard, Mail::FromNode(mail));
    }

    /// Another node asks for a session.
    fn asked(&mut self, node: &Node, mail: NodeMail, ask: &Ask) {
        let (from, now) = (mail.from, self.logic.state().driver.now());
        let say = |answer: Answer<'_>| {
            let said = node.mail(from, MailKind::Sessions, &Letter::Answer(ask.ticket, answer).encode());
            if let Err(why) = &said {
                tracing::debug!("node {from:016x} is not answered: {why}");
            }
            said.is_ok()
        };
        let refuse = |why| _ = say(Answer::Refused(why));
        if ask.version < VERSION {
            // It could not go on there.
            return refuse(Afresh::NotHandedOver);
        }
        let hand_overs = &self.directory.hand_overs;
        let longest = node.longest_mail().saturating_sub(PART_HEAD);
        if hand_overs.answer(ask, from, longest, now, say) || hand_overs.is_fetched(&ask.token) {
            return;
        }
        let Ok(finding::Found::Here(id)) = finding::find(&self.directory, &ask.token) else {
            return refuse(Afresh::Unknown);
        };
        if id.shard() != self.shard {
            return self.pass_on(id.shard(), mail);
        }
        if ask.packing != 0 {
            // What it has the first parts of has gone on here. A connection that comes there from
            // now on is another matter.
            return refuse(Afresh::Unknown);
        }
        match self.hand_over(id, ask, from) {
            Ok(()) => _ = self.directory.hand_overs.answer(ask, from, longest, now, say),
            Err(Some(afresh)) => refuse(afresh),
            Err(None) => {}
        }
    }

    /// Packs a session for another node, and closes it. Says why that cannot be; `None`: not now.
    fn hand_over(&mut self, id: SessionId, ask: &Ask, from: u64) -> Result<(), Option<Afresh>> {
        self.check(id, ask)?;
        let session = self.logic.session(id.slot()).ok_or(Some(Afresh::Unknown))?;
        let Some(saved) = self.logic.save(&session) else {
            // If it panicked, there is no session any more.
            self.check(id, ask)?;
            return Err(Some(Afresh::NotHandedOver));
        };
        let size = self.check(id, ask)? + saved.len();
        if size > MOST_BYTES {
            tracing::warn!("{session:?} cannot go on on another node: it has {size} bytes, of at most {MOST_BYTES}");
            return Err(Some(Afresh::NotHandedOver));
        }
        let state = &mut *self.logic.state();
        let (window, now): (_, Time) =
            (state.transports.at(id.slot()).map(Transport::window).unwrap_or_default(), state.driver.now());
        let packed = leaving::pack(state, id, &ask.token, saved).ok_or(Some(Afresh::Unknown))?;
        let bytes = packed.encode().ok_or(Some(Afresh::NotHandedOver))?;
        // Before it is closed: who looks for it finds it in one place or the other.
        self.directory.hand_overs.went(&packed.tokens, bytes, ask, from, window, now);
        close::begin(state, id.slot(), CloseReason::Moved);
        Ok(())
    }

    /// Whether a session may go to the node that asks, and how many bytes it would be.
    fn check(&self, id: SessionId, ask: &Ask) -> Result<usize, Option<Afresh>> {
        let state = &mut *self.logic.state();
        let size = leaving::size(state, id, &ask.token, ask.has).map_err(Some)?;
        let listener = state.sessions.open(id).map(|record| record.activity.listener());
        // Another listener may ask less of its clients.
        if listener.is_none_or(|listener| mark_of(state, listener) != ask.listener) {
            return Err(Some(Afresh::Unknown));
        }
        if size > MOST_BYTES {
            return Err(Some(Afresh::NotHandedOver));
        }
        if self.directory.hand_overs.make_room(size, state.driver.now()) { Ok(size) } else { Err(None) }
    }
}
