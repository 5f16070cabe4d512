//! Who is in a group, on all nodes of a cluster, for groups that are asked to know it.
//!
//! Each node has a part: the keys of its own members. It tells the others all of its part when it
//! begins and when it is asked, and in between what changes; a node from which something is missing
//! is asked. All that is told is told by one shard of the server, the group's, so that it leaves in
//! order; members join and leave on any.

pub(crate) mod hub;
mod part;
mod roll;
mod text;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use overlapped::Time;

pub use self::roll::{PresenceChange, Present};

use self::hub::Hub;
use self::roll::Roll;
use self::text::Text;
use crate::cluster::ledger::Ledger;
use crate::cluster::node::Node;
use crate::cluster::receiver::Receiver;
use crate::cluster::roster::Roster;
use crate::cluster::wire::{Kind, Message};

/// A group's server may be asked again and again for all of its part. It tells that not more often.
const TELL_ALL_EVERY: Duration = Duration::from_millis(200);
/// Nodes that are asked one by one; of more, all are asked at once.
const MOST_ASKED: usize = 16;
/// Changes of keys that wait to be told one by one.
const MOST_UNTOLD: usize = 4096;
/// A question to all is repeated, because one may be lost.
const QUESTIONS: u32 = 3;

pub(crate) type PresenceHub = Hub<Presence>;

/// The presence of one group.
pub(crate) struct Presence {
    hub: Arc<PresenceHub>,
    shard: u16,
    /// Of the group.
    name: Bytes,
    board: Mutex<Board>,
    /// If the server is a node of a cluster.
    roster: OnceLock<Roster>,
    /// All shards are asked to count the members that there were.
    is_counted: AtomicBool,
}

#[derive(Default)]
struct Board {
    roll: Roll,
    /// Keys of this node's members that the others have not been told of.
    untold: BTreeSet<Bytes>,
    has_untold: bool,
    /// The others are to be told of all members.
    tells_all: bool,
    told_all: Option<Time>,
    /// Nodes to be asked for all of their members.
    asked: BTreeSet<u64>,
    /// All are to be asked, and so often again when it is looked at.
    asks_all: bool,
    questions: u32,
    /// It waits for its shard.
    is_noted: bool,
}

impl Presence {
    pub(super) fn new(name: &Bytes, hub: &Arc<PresenceHub>, node: Option<&Arc<Node>>) -> Arc<Presence> {
        let board = Board { tells_all: true, asks_all: true, questions: QUESTIONS - 1, ..Board::default() };
        let presence = Arc::new(Presence {
            hub: Arc::clone(hub),
            shard: hub.shard_of(name),
            name: name.clone(),
            board: Mutex::new(board),
            roster: OnceLock::new(),
            is_counted: AtomicBool::new(false),
        });
        if let Some(node) = node {
            let weak: Weak<Presence> = Arc::downgrade(&presence);
            presence.roster.get_or_init(|| Roster::open(node, name, weak));
        }
        hub.watch(&presence);
        presence.note(|_| {});
        presence
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the board, and has the group's shard look at it if there is something to do.
    fn note(self: &Arc<Presence>, change: impl FnOnce(&mut Board)) {
        let has_to_note = {
            let board = &mut *self.lock();
            change(board);
            board.has_to_do() && !std::mem::replace(&mut board.is_noted, true)
        };
        if has_to_note {
            self.hub.note(self.shard, Arc::clone(self));
        }
    }

    /// The name of the group.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// A session of this server has joined.
    pub(crate) fn joined(self: &Arc<Presence>, key: Option<&Bytes>) {
        self.note(|board| {
            board.roll.joins(key);
            board.own_changed(key);
        });
    }

    /// A session of this server that had this key has left.
    pub(crate) fn left(self: &Arc<Presence>, key: Option<&Bytes>) {
        self.note(|board| {
            board.roll.leaves(key);
            board.own_changed(key);
        });
    }

    /// A member of this server has another key now.
    pub(crate) fn renamed(self: &Arc<Presence>, before: Option<&Bytes>, after: Option<&Bytes>) {
        self.note(|board| {
            board.roll.leaves(before);
            board.own_changed(before);
            board.roll.joins(after);
            board.own_changed(after);
        });
    }

    /// Another node is there: it may not have heard what this one has told, nor this one it.
    pub(crate) fn node_came(self: &Arc<Presence>, node: u64) {
        self.note(|board| _ = board.asked.insert(node));
    }

    /// Another node is gone.
    pub(crate) fn node_left(self: &Arc<Presence>, node: u64) {
        self.note(|board| board.roll.forget(node));
    }

    /// Anything may be lost of what was told, or of what the others have told.
    pub(crate) fn may_have_missed(self: &Arc<Presence>) {
        self.note(|board| {
            board.roll.may_have_missed();
            board.tells_all = true;
            board.asks_all = true;
        });
    }

    /// From time to time: asks again who has not answered, and forgets who is no node.
    pub(crate) fn look_again(self: &Arc<Presence>, nodes: &BTreeSet<u64>) {
        self.note(|board| {
            board.asked.extend(board.roll.look_at(nodes));
            board.asks_all |= board.questions > 0;
            board.questions = board.questions.saturating_sub(1);
        });
    }

    /// Tells the others what there is to tell, on the group's shard. Returns what the logic is to
    /// be told.
    pub(crate) fn turn(&self, now: Time) -> Vec<PresenceChange> {
        let (texts, changes) = {
            let board = &mut *self.lock();
            board.is_noted = false;
            let texts = board.take_texts(self.roster.get().map_or(0, Roster::most_bytes), now);
            (texts, board.roll.take_untold())
        };
        if let Some(roster) = self.roster.get() {
            for text in texts {
                if let Err(why) = roster.send(&text) {
                    tracing::debug!("other nodes are not told who is in a group: {why}");
                    // When it is looked at next.
                    let board = &mut *self.lock();
                    board.tells_all = true;
                    board.questions = board.questions.max(1);
                }
            }
        }
        changes
    }

    /// Whether all shards are asked to count the members that there were when it began.
    pub(crate) fn is_counted(&self) -> bool {
        self.is_counted.load(Ordering::Acquire)
    }

    pub(crate) fn set_counted(&self) {
        self.is_counted.store(true, Ordering::Release);
    }

    pub(super) fn present(&self) -> Present {
        self.lock().roll.present()
    }
}

impl Board {
    fn own_changed(&mut self, key: Option<&Bytes>) {
        self.has_untold = true;
        if let Some(key) = key {
            self.untold.insert(key.clone());
        }
        if self.untold.len() > MOST_UNTOLD {
            self.untold.clear();
            self.tells_all = true;
        }
    }

    fn has_to_do(&self) -> bool {
        self.has_untold || self.tells_all || self.asks_all || !self.asked.is_empty() || self.roll.has_untold()
    }

    /// What other nodes are to be told now.
    fn take_texts(&mut self, most_bytes: usize, now: Time) -> Vec<Vec<u8>> {
        let mut texts = Vec::new();
        let may_tell_all = self.told_all.is_none_or(|told| now.since(told) >= TELL_ALL_EVERY);
        if self.tells_all && may_tell_all {
            (self.tells_all, self.told_all) = (false, Some(now));
            texts.push(text::all(&self.roll.own, most_bytes));
        } else if self.has_untold {
            texts = text::changes(&self.roll.own, self.untold.iter(), most_bytes);
        }
        self.has_untold = false;
        self.untold.clear();
        let asked = std::mem::take(&mut self.asked);
        if std::mem::take(&mut self.asks_all) || asked.len() > MOST_ASKED {
            texts.push(text::question(0));
        } else {
            texts.extend(asked.into_iter().map(text::question));
        }
        texts
    }
}

impl Receiver for Presence {
    fn takes(&self, message: &Message<'_>) -> bool {
        message.kind == Kind::Presence && text::parse(message.packet).is_some()
    }

    fn missed(self: Arc<Presence>, _: &Ledger, message: &Message<'_>, _: u64) {
        self.note(|board| {
            board.roll.missed(message.publisher);
            board.asked.insert(message.publisher);
        });
    }

    fn receive(self: Arc<Presence>, ledger: &Ledger, message: &Message<'_>) {
        let node = message.publisher;
        self.note(|board| match text::parse(message.packet) {
            Some(Text::All(page)) => {
                board.roll.hears_all(node, &page);
                board.asked.remove(&node);
            }
            Some(Text::Changes(page)) => {
                if board.roll.hears_changes(node, &page) {
                    board.asked.insert(node);
                }
            }
            Some(Text::Question(asked)) if asked == 0 || asked == ledger.number => board.tells_all = true,
            Some(Text::Question(_)) | None => {}
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_asked_three_times_however_often_members_come_meanwhile() {
        let hub = Arc::new(Hub::new(std::iter::empty()));
        let presence = Presence::new(&Bytes::from("room"), &hub, None);
        let asks = |presence: &Arc<Presence>| {
            let texts = presence.lock().take_texts(usize::MAX, Time::ZERO);
            texts.iter().filter(|text| matches!(text::parse(text), Some(Text::Question(0)))).count()
        };
        assert_eq!(asks(&presence), 1);
        for looks in [1, 1, 0] {
            (0..8).for_each(|_| {
                presence.joined(None);
                assert_eq!(asks(&presence), 0, "it was not looked at");
            });
            presence.look_again(&BTreeSet::new());
            assert_eq!(asks(&presence), looks);
        }
    }
}
