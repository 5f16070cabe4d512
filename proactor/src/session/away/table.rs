//! Which of a shard's sessions are away, and what there is to do for them. Knows no socket.

use std::collections::{BTreeMap, BTreeSet};

use super::returning::Returning;
use crate::transport::opening::Place;

/// A shard's sessions that are away, and what there is to do for them.
#[derive(Default)]
pub(crate) struct Away {
    by_slot: BTreeMap<u32, Entry>,
    /// Sessions that closed while they had no socket, which nothing else tells of.
    ended: Vec<u32>,
    /// Connections that ask for a session, and are to be moved to it when nothing is in flight.
    asking: BTreeSet<u32>,
    /// Something of theirs has ended.
    is_news: bool,
    /// Connections that have come for sessions of this shard.
    came: Vec<Returning>,
    /// Sessions that have come from other nodes.
    moved_here: BTreeSet<u32>,
    /// Tokens that were made.
    tokens: u64,
}

struct Entry {
    /// One of those that the server has. None is needed while another connection is there.
    place: Option<Place>,
    /// The close of the old socket is in flight.
    is_closing: bool,
    /// The newest of the connections that wait for that.
    waiting: Option<Returning>,
}

impl Away {
    pub(crate) fn has(&self, slot: u32) -> bool {
        !self.by_slot.is_empty() && self.by_slot.contains_key(&slot)
    }

    /// Whether no session needs the shard for this.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_slot.is_empty() && self.ended.is_empty() && self.came.is_empty()
    }

    /// Whether there is something to do at once.
    #[inline]
    pub(crate) fn has_to_go_on(&self) -> bool {
        self.is_news || !self.ended.is_empty() || !self.came.is_empty()
    }

    pub(crate) fn take_ended(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.ended)
    }

    /// Connections that ask for a session, if something of theirs has ended.
    pub(crate) fn take_asking(&mut self) -> Vec<u32> {
        match std::mem::take(&mut self.is_news) {
            true => self.asking.iter().copied().collect(),
            false => Vec::new(),
        }
    }

    pub(crate) fn take_came(&mut self) -> Vec<Returning> {
        std::mem::take(&mut self.came)
    }

    pub(crate) fn came(&mut self, returning: Returning) {
        self.came.push(returning);
    }

    /// A connection asks for a session.
    pub(super) fn ask(&mut self, slot: u32) {
        self.asking.insert(slot);
        self.is_news = true;
    }

    /// Whether it is held until it can be moved.
    pub(crate) fn is_asking(&self, slot: u32) -> bool {
        self.asking.contains(&slot)
    }

    /// It asks no more.
    pub(super) fn stop_asking(&mut self, slot: u32) {
        self.asking.remove(&slot);
    }

    /// The number of the next token.
    pub(crate) fn next_token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// An operation of a session that may be asking has ended.
    pub(crate) fn look_again(&mut self) {
        self.is_news |= !self.asking.is_empty();
    }

    /// The sessions that are away.
    pub(crate) fn slots(&self) -> Vec<u32> {
        self.by_slot.keys().copied().collect()
    }

    /// A session has lost its connection, whose close is in flight.
    pub(super) fn begin(&mut self, slot: u32, place: Option<Place>) {
        self.by_slot.insert(slot, Entry { place, is_closing: true, waiting: None });
    }

    /// Whether it is away without a place.
    pub(super) fn lacks_place(&self, slot: u32) -> bool {
        self.by_slot.get(&slot).is_some_and(|entry| entry.place.is_none())
    }

    pub(super) fn give_place(&mut self, slot: u32, place: Place) {
        if let Some(entry) = self.by_slot.get_mut(&slot) {
            entry.place = Some(place);
        }
    }

    /// Its old socket is closed. `None` if it is not away; otherwise the connection that waits.
    pub(super) fn closed(&mut self, slot: u32) -> Option<Option<Returning>> {
        let entry = self.by_slot.get_mut(&slot)?;
        entry.is_closing = false;
        Some(entry.waiting.take())
    }

    /// It closes. If nothing is in flight that would tell of it, the shard is told by this.
    pub(crate) fn end(&mut self, slot: u32) {
        if self.by_slot.get(&slot).is_some_and(|entry| !entry.is_closing) {
            self.ended.push(slot);
        }
    }

    /// A session has come from another node.
    pub(crate) fn moved_here(&mut self, slot: u32) {
        self.moved_here.insert(slot);
    }

    /// A session is gone. Nobody may wait for it. Says whether it had come from another node.
    pub(crate) fn forget(&mut self, slot: u32) -> bool {
        self.asking.remove(&slot);
        if let Some(waiting) = self.by_slot.remove(&slot).and_then(|entry| entry.waiting) {
            waiting.reset();
        }
        self.moved_here.remove(&slot)
    }

    /// If the session is away: a connection that came for it waits until its old socket is closed,
    /// or can be used at once, and is given back. An older one that waits is dropped.
    pub(crate) fn wait(&mut self, slot: u32, returning: Returning) -> Option<Returning> {
        match self.by_slot.get_mut(&slot) {
            Some(entry) if entry.is_closing => entry.waiting.replace(returning).map(Returning::reset).and(None),
            _ => Some(returning),
        }
    }

    /// The session has a connection again.
    pub(crate) fn back(&mut self, slot: u32) {
        self.by_slot.remove(&slot);
    }
}
