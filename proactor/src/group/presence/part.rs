//! Who is in a group on one node.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Keys that one node tells of a group, and bytes of them. Members with other keys are counted
/// only.
const MOST_KEYS: usize = 4096;
const MOST_KEY_BYTES: usize = 256 * 1024;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// How many members have each.
    keys: BTreeMap<Bytes, u32>,
    key_bytes: usize,
    /// Members whose key is listed.
    listed: u32,
    /// All members.
    members: u32,
    /// Those without a key.
    unnamed: u32,
}

impl Part {
    pub(super) fn members(&self) -> u32 {
        self.members
    }

    pub(super) fn unnamed(&self) -> u32 {
        self.unnamed
    }

    /// Members that have a key which is not listed.
    pub(super) fn unlisted(&self) -> u32 {
        self.members.saturating_sub(self.listed).saturating_sub(self.unnamed)
    }

    /// Members that are counted only.
    pub(super) fn counted(&self) -> u32 {
        self.members.saturating_sub(self.listed)
    }

    pub(super) fn count_of(&self, key: &[u8]) -> u32 {
        self.keys.get(key).copied().unwrap_or(0)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (&Bytes, u32)> {
        self.keys.iter().map(|(key, count)| (key, *count))
    }

    /// Whether a key can be listed.
    pub(super) fn has_room(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key) || (self.keys.len() < MOST_KEYS && self.key_bytes + key.len() <= MOST_KEY_BYTES)
    }

    /// A session has joined. A key that was not listed stays so until all such members have left:
    /// then no member's key is listed that is not counted there.
    pub(super) fn join(&mut self, key: Option<&Bytes>) {
        let is_listed =
            key.is_some_and(|key| self.keys.contains_key(key) || (self.unlisted() == 0 && self.has_room(key)));
        self.members += 1;
        match key {
            None => self.unnamed += 1,
            Some(key) if is_listed => self.set(key, self.count_of(key) + 1),
            Some(_) => {}
        }
    }

    /// A session that has joined with this key has left.
    pub(super) fn leave(&mut self, key: Option<&Bytes>) {
        self.members = self.members.saturating_sub(1);
        match key {
            None => self.unnamed = self.unnamed.saturating_sub(1),
            Some(key) => match self.count_of(key) {
                0 => {}
                count => self.set(key, count - 1),
            },
        }
    }

    /// Sets how many members have a key that there is room for.
    pub(super) fn set(&mut self, key: &Bytes, count: u32) {
        let before = match count {
            0 => self.keys.remove(key),
            _ => self.keys.insert(key.clone(), count),
        };
        match (before, count) {
            (None, 1..) => self.key_bytes += key.len(),
            (Some(_), 0) => self.key_bytes -= key.len(),
            _ => {}
        }
        self.listed = self.listed.saturating_sub(before.unwrap_or(0)).saturating_add(count);
    }

    /// Sets how many members there are in all.
    pub(super) fn set_members(&mut self, members: u32, unnamed: u32) {
        (self.members, self.unnamed) = (members, unnamed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_listed_by_their_keys_or_counted() {
        let (mut part, ann) = (Part::default(), Bytes::from("ann"));
        part.join(Some(&ann));
        part.join(Some(&ann));
        part.join(None);
        assert_eq!((part.count_of(b"ann"), part.members(), part.unnamed(), part.unlisted()), (2, 3, 1, 0));
        part.leave(Some(&ann));
        part.leave(None);
        part.leave(Some(&ann));
        assert_eq!(part, Part::default());
    }

    #[test]
    fn over_the_limit_members_are_counted_until_all_of_them_have_left() {
        let mut part = Part::default();
        let key = |number: usize| Bytes::from(format!("{number:06}"));
        let joined = MOST_KEYS + 10;
        (0..joined).for_each(|number| part.join(Some(&key(number))));
        assert_eq!((part.keys().count(), part.unlisted(), part.members() as usize), (MOST_KEYS, 10, joined));
        part.leave(Some(&key(0)));
        part.join(Some(&key(joined - 1)));
        assert_eq!((part.keys().count(), part.unlisted()), (MOST_KEYS - 1, 11), "a second session of a counted one");
        (MOST_KEYS..joined).chain([joined - 1]).for_each(|number| part.leave(Some(&key(number))));
        assert_eq!((part.keys().count(), part.unlisted()), (MOST_KEYS - 1, 0));
        part.join(Some(&key(joined)));
        assert_eq!(part.count_of(&key(joined)), 1);
        let long = |number: usize| Bytes::from(format!("{number:01024}"));
        let mut part = Part::default();
        (0..1_000).for_each(|number| part.join(Some(&long(number))));
        assert_eq!(part.keys().count(), MOST_KEY_BYTES / 1024);
    }
}
