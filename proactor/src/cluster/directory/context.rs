//! What the parts of the directory work with, in one turn.

use std::sync::Arc;

use bytes::Bytes;
use overlapped::Time;

use super::calls::Calls;
use super::holders::Holder;
use super::lease::Lease;
use super::letters::Letter;
use super::local::{Local, Notice};
use super::peers::{Life, Peers};
use crate::session::reason::CloseReason;

pub(super) struct Context<'c> {
    pub(super) now: Time,
    /// This node.
    pub(super) number: u64,
    pub(super) name: &'c Arc<str>,
    pub(super) lease: &'c Lease,
    pub(super) peers: &'c mut Peers,
    pub(super) calls: &'c mut Calls,
    pub(super) local: &'c dyn Local,
    pub(super) outgoing: &'c mut Outgoing,
}

/// What is sent when the turn is over.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) notices: Vec<Notice>,
    /// To a node, about a key.
    pub(super) letters: Vec<(u64, Bytes, Letter)>,
    /// Answers to questions.
    pub(super) done: Vec<Done>,
}

/// Tells an answer. It may run user code.
pub(super) type Done = Box<dyn FnOnce() + Send>;

impl Context<'_> {
    /// The holders on other nodes whose leases live; `None` if that is not known of one.
    pub(super) fn living(&mut self, holders: &[Holder]) -> Option<Vec<Holder>> {
        let (now, number) = (self.now, self.number);
        let others = holders.iter().filter(|holder| holder.node != number);
        let lives: Vec<_> = others.map(|holder| (holder, self.peers.life(holder.node, holder.epoch, now))).collect();
        let is_known = lives.iter().all(|(_, life)| *life != Life::Unknown);
        let living = lives.into_iter().filter(|(_, life)| *life == Life::Live).map(|(holder, _)| holder.clone());
        is_known.then(|| living.collect())
    }

    /// Takes the key from the sessions here, which are closed.
    pub(super) fn end_all(&mut self, key: &Bytes, reason: CloseReason) {
        let ended = self.local.take(key).into_iter();
        self.outgoing.notices.extend(ended.map(|id| Notice::Ended { id, key: key.clone(), reason }));
    }
}

/// The name of a key's record.
pub(super) fn record_of(key: &[u8]) -> String {
    crate::cluster::subject::subject("u/", key)
}
