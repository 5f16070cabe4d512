//! Who is in a group on all nodes, and what of it the logic has not been told.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::part::Part;
use super::text::Page;

/// Nodes whose parts are kept.
const MOST_NODES: usize = 256;
/// Keys of all nodes, and bytes of them. Members with other keys are counted only.
const MOST_KEYS: usize = 16_384;
const MOST_KEY_BYTES: usize = 1 << 20;
/// A node is asked so often for what is missing, every 2 s. Then its part is forgotten, and it is
/// asked after twice the time each, up to so many times.
const MOST_ASKED: u32 = 3;
const SELDOM: u32 = 32;
/// Changes that wait to be told one by one.
const MOST_UNTOLD: usize = 1024;

/// Who is in a group, on all nodes: [`Group::present`](crate::Group::present).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Present {
    /// The [keys](crate::Session::identify) of members, in their order, and how many members have
    /// each.
    pub keys: Vec<(Bytes, usize)>,
    /// Members without a key.
    pub unnamed: usize,
    /// Members with a key that is not in the list: there are too many.
    pub unlisted: usize,
}

impl Present {
    /// How many members there are.
    pub fn members(&self) -> usize {
        self.keys.iter().map(|(_, count)| count).sum::<usize>() + self.unnamed + self.unlisted
    }
}

/// What has changed in who is in a group:
/// [`Handler::presence`](crate::Handler::presence).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceChange {
    /// A member with this key is there. There was none on any node.
    Joined(Bytes),
    /// No member with this key is there any more, on any node.
    Left(Bytes),
    /// There are more or fewer members without a key, or with one that is not listed.
    Counted,
    /// More has changed than is told one by one.
    Several,
}

#[derive(Default)]
pub(super) struct Roll {
    pub(super) own: Part,
    others: BTreeMap<u64, Other>,
    all: All,
}

#[derive(Default)]
struct Other {
    part: Part,
    /// Nothing of it is missing.
    is_whole: bool,
    /// How often it was asked for what is missing.
    asked: u32,
    /// When the nodes were looked at last, this was none of them.
    is_unknown: bool,
}

/// The keys of all parts.
#[derive(Default)]
struct All {
    keys: BTreeMap<Bytes, u32>,
    bytes: usize,
    untold: Vec<PresenceChange>,
}

impl All {
    fn has_room(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key) || (self.keys.len() < MOST_KEYS && self.bytes + key.len() <= MOST_KEY_BYTES)
    }

    /// So many members of one part have a key, after it was another number.
    fn change(&mut self, key: &Bytes, before: u32, after: u32) {
        let count = self.keys.get(key).copied().unwrap_or(0);
        let now = count.saturating_sub(before).saturating_add(after);
        match (count, now) {
            (0, 0) => {}
            (0, _) => {
                self.bytes += key.len();
                self.keys.insert(key.clone(), now);
                self.tell(PresenceChange::Joined(key.clone()));
            }
            (_, 0) => {
                self.bytes -= key.len();
                self.keys.remove(key);
                self.tell(PresenceChange::Left(key.clone()));
            }
            _ => _ = self.keys.insert(key.clone(), now),
        }
    }

    fn tell(&mut self, change: PresenceChange) {
        if self.untold.first() == Some(&PresenceChange::Several) {
            return;
        }
        if self.untold.len() >= MOST_UNTOLD {
            self.untold.clear();
            self.untold.push(PresenceChange::Several);
            return;
        }
        if change != PresenceChange::Counted || !self.untold.contains(&change) {
            self.untold.push(change);
        }
    }
}

impl Roll {
    fn own_changes(&mut self, key: Option<&Bytes>, change: impl FnOnce(&mut Part)) {
        let Roll { own, all, .. } = self;
        let of_key = |own: &Part| key.map_or(0, |key| own.count_of(key));
        let (before, counted) = (of_key(own), own.counted());
        change(own);
        if let Some(key) = key {
            all.change(key, before, of_key(own));
        }
        if own.counted() != counted {
            all.tell(PresenceChange::Counted);
        }
    }

    /// A session of this node has joined.
    pub(super) fn joins(&mut self, key: Option<&Bytes>) {
        self.own_changes(key, |own| own.join(key));
    }

    /// A session of this node that has joined with this key has left.
    pub(super) fn leaves(&mut self, key: Option<&Bytes>) {
        self.own_changes(key, |own| own.leave(key));
    }

    /// Another node has told what has changed there. Says whether something of it is missing here.
    pub(super) fn hears_changes(&mut self, node: u64, page: &Page<'_>) -> bool {
        let Some(other) = self.hears(node, page, page.keys()) else { return false };
        !other.is_whole
    }

    /// Another node has told all that are there.
    pub(super) fn hears_all(&mut self, node: u64, page: &Page<'_>) {
        let told: BTreeSet<&[u8]> = page.keys().map(|(key, _)| key).collect();
        let before = self.others.get(&node).map(|other| other.part.keys().map(|(key, _)| key.clone()));
        let left: Vec<Bytes> = before.into_iter().flatten().filter(|key| !told.contains(&key[..])).collect();
        let left = left.iter().map(|key| (&key[..], 0));
        if let Some(other) = self.hears(node, page, left.chain(page.keys())) {
            (other.is_whole, other.asked) = (true, 0);
        }
    }

    fn hears<'k>(
        &mut self,
        node: u64,
        page: &Page<'_>,
        keys: impl Iterator<Item = (&'k [u8], u32)>,
    ) -> Option<&mut Other> {
        let Roll { others, all, .. } = self;
        if others.len() >= MOST_NODES && !others.contains_key(&node) {
            return None;
        }
        let other = others.entry(node).or_default();
        let counted = other.part.counted();
        for (key, count) in keys {
            let before = other.part.count_of(key);
            let has_room = before > 0 || (all.has_room(key) && other.part.has_room(key));
            if count != before && (has_room || count == 0) {
                let key = Bytes::copy_from_slice(key);
                other.part.set(&key, count);
                all.change(&key, before, count);
            }
        }
        other.part.set_members(page.members, page.unnamed);
        if other.part.counted() != counted {
            all.tell(PresenceChange::Counted);
        }
        Some(other)
    }

    /// Something that another node has told is missing here.
    pub(super) fn missed(&mut self, node: u64) {
        if let Some(other) = self.others.get_mut(&node) {
            other.is_whole = false;
        }
    }

    /// Something that any node has told may be missing here.
    pub(super) fn may_have_missed(&mut self) {
        self.others.values_mut().for_each(|other| other.is_whole = false);
    }

    /// A node is gone, with its part.
    pub(super) fn forget(&mut self, node: u64) {
        let Some(Other { part, .. }) = self.others.remove(&node) else { return };
        for (key, count) in part.keys() {
            self.all.change(key, count, 0);
        }
        if part.counted() > 0 {
            self.all.tell(PresenceChange::Counted);
        }
    }

    /// Forgets the parts of those that were no nodes twice: of one that has just begun, this may
    /// be heard first. Returns the nodes to be asked for what is missing. The part of one that
    /// does not answer is forgotten too: it has the group no longer, or cannot be heard.
    pub(super) fn look_at(&mut self, nodes: &BTreeSet<u64>) -> Vec<u64> {
        let (mut gone, mut asked) = (Vec::new(), Vec::new());
        for (number, other) in &mut self.others {
            let was_unknown = std::mem::replace(&mut other.is_unknown, !nodes.contains(number));
            other.asked = other.asked.saturating_add(u32::from(!other.is_whole));
            let is_over = other.asked == MOST_ASKED + 1;
            if is_over || (was_unknown && other.is_unknown) {
                gone.push((*number, !other.is_unknown));
            }
            let is_time = other.asked <= MOST_ASKED || other.asked.is_power_of_two() || other.asked % SELDOM == 0;
            if !other.is_whole && is_time {
                asked.push(*number);
            }
        }
        for (number, is_node) in gone {
            self.forget(number);
            if is_node {
                self.others.insert(number, Other { asked: MOST_ASKED + 1, ..Other::default() });
            } else {
                asked.retain(|asked| *asked != number);
            }
        }
        asked
    }

    /// Whether the logic is to be told something.
    pub(super) fn has_untold(&self) -> bool {
        !self.all.untold.is_empty()
    }

    pub(super) fn take_untold(&mut self) -> Vec<PresenceChange> {
        std::mem::take(&mut self.all.untold)
    }

    pub(super) fn present(&self) -> Present {
        let parts = || std::iter::once(&self.own).chain(self.others.values().map(|other| &other.part));
        Present {
            keys: self.all.keys.iter().map(|(key, count)| (key.clone(), *count as usize)).collect(),
            unnamed: parts().map(|part| part.unnamed() as usize).sum(),
            unlisted: parts().map(|part| part.unlisted() as usize).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::presence::text::{self, Text, parse};

    fn part(keys: &[&str]) -> Part {
        let mut part = Part::default();
        keys.iter().for_each(|key| part.join(Some(&Bytes::copy_from_slice(key.as_bytes()))));
        part
    }

    fn tell_all(roll: &mut Roll, node: u64, keys: &[&str]) {
        let text = text::all(&part(keys), usize::MAX);
        let Some(Text::All(page)) = parse(&text) else { panic!() };
        roll.hears_all(node, &page);
    }

    fn tell_change(roll: &mut Roll, node: u64, keys: &[&str], changed: &str) -> bool {
        let changed = Bytes::copy_from_slice(changed.as_bytes());
        let texts = text::changes(&part(keys), std::iter::once(&changed), usize::MAX);
        let Some(Text::Changes(page)) = parse(&texts[0]) else { panic!() };
        roll.hears_changes(node, &page)
    }

    fn told(roll: &mut Roll) -> Vec<String> {
        let text = |change: &PresenceChange| match change {
            PresenceChange::Joined(key) => format!("+{}", String::from_utf8_lossy(key)),
            PresenceChange::Left(key) => format!("-{}", String::from_utf8_lossy(key)),
            other => format!("{other:?}"),
        };
        roll.take_untold().iter().map(text).collect()
    }

    #[test]
    fn a_key_is_there_while_a_member_on_any_node_has_it() {
        let (mut roll, ann) = (Roll::default(), Bytes::from("ann"));
        roll.joins(Some(&ann));
        tell_all(&mut roll, 2, &["ann", "ben"]);
        assert_eq!(told(&mut roll), ["+ann", "+ben"]);
        roll.leaves(Some(&ann));
        assert_eq!(told(&mut roll), [] as [&str; 0], "she is on the other node");
        assert!(!tell_change(&mut roll, 2, &["ben"], "ann"));
        tell_all(&mut roll, 2, &["zoe"]);
        assert_eq!(told(&mut roll), ["-ann", "-ben", "+zoe"]);
        assert_eq!(roll.present().keys, [(Bytes::from("zoe"), 1)]);
        roll.forget(2);
        assert_eq!((told(&mut roll), roll.present()), (vec!["-zoe".into()], Present::default()));
    }

    #[test]
    fn of_a_node_that_was_not_heard_whole_something_is_missing() {
        let mut roll = Roll::default();
        assert!(tell_change(&mut roll, 2, &["ann"], "ann"));
        assert_eq!(roll.look_at(&BTreeSet::from([2])), [2]);
        tell_all(&mut roll, 2, &["ann", "ben"]);
        assert!(roll.look_at(&BTreeSet::from([2])).is_empty());
        roll.missed(2);
        assert_eq!(roll.look_at(&BTreeSet::new()), [2], "it may be new");
        assert_eq!(told(&mut roll), ["+ann", "+ben"]);
        assert!(roll.look_at(&BTreeSet::new()).is_empty());
        assert_eq!(told(&mut roll), ["-ann", "-ben"]);
        // It has the group no longer, and what it told last was lost.
        tell_all(&mut roll, 2, &["ann"]);
        roll.may_have_missed();
        let asked: Vec<_> = (0..3).map(|_| roll.look_at(&BTreeSet::from([2]))).collect();
        assert_eq!((asked, told(&mut roll)), (vec![vec![2]; 3], vec!["+ann".into()]));
        // Or it cannot be heard: it is asked on, more seldom.
        let asked: Vec<_> = (4..=64).filter(|_| !roll.look_at(&BTreeSet::from([2])).is_empty()).collect();
        assert_eq!((asked, told(&mut roll)), (vec![4, 8, 16, 32, 64], vec!["-ann".into()]));
        tell_all(&mut roll, 2, &["ann"]);
        assert!(roll.look_at(&BTreeSet::from([2])).is_empty());
        roll.missed(2);
        assert_eq!(roll.look_at(&BTreeSet::from([2])), [2]);
        assert_eq!(told(&mut roll), ["+ann"]);
        (0..3).for_each(|_| drop(roll.look_at(&BTreeSet::new())));
        assert!(roll.others.is_empty(), "it is no node");
    }

    #[test]
    fn who_is_over_the_limits_is_counted_and_too_many_changes_are_told_as_several() {
        let mut roll = Roll::default();
        let names: Vec<String> = (0..4_000).map(|number| format!("{number:06}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        tell_all(&mut roll, 2, &names);
        assert_eq!(told(&mut roll), ["Several"]);
        for node in 3..1_000 {
            let own: Vec<String> = (0..1_000).map(|number| format!("{node}.{number}")).collect();
            tell_all(&mut roll, node, &own.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let present = roll.present();
        assert_eq!((present.keys.len(), present.members()), (MOST_KEYS, 4_000 + 255 * 1_000));
        assert!(present.unlisted > 0 && roll.others.len() == MOST_NODES);
        (2..1_000).for_each(|node| roll.forget(node));
        assert_eq!((roll.present(), roll.all.bytes), (Present::default(), 0));
        roll.take_untold();
        (0..10).for_each(|_| roll.joins(None));
        assert_eq!((told(&mut roll), roll.present().unnamed), (vec!["Counted".into()], 10));
    }
}
