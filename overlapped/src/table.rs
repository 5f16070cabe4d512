//! A table whose slots are used again, each time under a new generation.
//!
//! It names what it holds by [`Key`]s: a slot and the slot's generation. When a value is removed,
//! its slot gets the next generation, so a key that was kept too long finds nothing, never a later
//! value. Operations, sockets, sessions and tasks are all kept in such tables.
//!
//! ```
//! use overlapped::table::Table;
//!
//! let mut table = Table::with_limit(2);
//! let first = table.insert("first");
//! let second = table.insert("second");
//! assert!(table.is_full());
//!
//! assert_eq!(table.remove(first), Some("first"));
//! let third = table.insert("third");
//! assert_eq!(third.slot(), first.slot());
//! assert_eq!(table.get(first), None);
//! assert_eq!(table.get(third), Some(&"third"));
//! assert_eq!(table[second.slot()], "second");
//! ```

use std::fmt;
use std::ops::{Index, IndexMut};

/// No slot.
const NONE: u32 = u32::MAX;

/// Names a value in a [`Table`]: a slot, and the slot's generation.
///
/// Generations wrap after 2^32 uses of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    slot: u32,
    generation: u32,
}

impl Key {
    /// Makes a key of what [`slot`](Key::slot) and [`generation`](Key::generation) returned.
    #[inline]
    pub const fn new(slot: u32, generation: u32) -> Key {
        Key { slot, generation }
    }

    /// The slot: small numbers, used again. At any moment no two values have the same one.
    #[inline]
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// How many values the slot held before this one, modulo 2^32.
    #[inline]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// Values in slots that are used again under a new generation.
///
/// It grows to its limit, by a thirty-second at a time, and never shrinks. The slot that was freed
/// last is used first, so that its memory is likely to be in the cache. Inserting allocates only
/// when no slot is free.
///
/// A value costs the space of `T` and a generation (4 bytes, plus padding) if `T` has a niche, as
/// types with an enum, a `bool` or a reference in them have.
pub struct Table<T> {
    entries: Vec<Entry<T>>,
    /// The first free slot.
    free: u32,
    len: usize,
    limit: usize,
}

struct Entry<T> {
    generation: u32,
    content: Content<T>,
}

enum Content<T> {
    Free { next: u32 },
    Full(T),
}

impl<T> Entry<T> {
    #[inline]
    fn value(&self) -> Option<&T> {
        match &self.content {
            Content::Full(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    #[inline]
    fn value_mut(&mut self) -> Option<&mut T> {
        match &mut self.content {
            Content::Full(value) => Some(value),
            Content::Free { .. } => None,
        }
    }
}

impl<T> Table<T> {
    /// The most values a table can hold, whatever its limit.
    pub const MAX: usize = NONE as usize;

    /// Bytes that a value takes in the table.
    pub const BYTES_PER_VALUE: usize = size_of::<Entry<T>>();

    /// An empty table without a limit of its own. It allocates nothing yet.
    pub const fn new() -> Table<T> {
        Table::with_limit(Table::<T>::MAX)
    }

    /// An empty table for at most `limit` values. It allocates nothing yet.
    pub const fn with_limit(limit: usize) -> Table<T> {
        let limit = if limit > Table::<T>::MAX { Table::<T>::MAX } else { limit };
        Table { entries: Vec::new(), free: NONE, len: 0, limit }
    }

    /// How many values there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no values.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there are as many values as the limit allows.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    /// How many values there may be.
    #[inline]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the limit. If there are more values than that, they stay; none can be inserted until
    /// there are fewer.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(Table::<T>::MAX);
    }

    /// The slots, used and free: for going through the table while it changes.
    #[inline]
    pub fn slots(&self) -> std::ops::Range<u32> {
        0..self.entries.len() as u32
    }

    /// The key that the next [`insert`](Table::insert) will return.
    #[inline]
    pub fn next_key(&self) -> Key {
        match self.entries.get(self.free as usize) {
            Some(entry) => Key { slot: self.free, generation: entry.generation },
            None => Key { slot: self.entries.len() as u32, generation: 0 },
        }
    }

    /// Puts a value in and names it.
    ///
    /// # Panics
    /// If the table is [full](Table::is_full).
    #[inline]
    pub fn insert(&mut self, value: T) -> Key {
        assert!(!self.is_full(), "a table of {} values is full", self.limit);
        self.len += 1;
        let slot = self.free;
        let Some(entry) = self.entries.get_mut(slot as usize) else { return self.grow(value) };
        let Content::Free { next } = entry.content else { unreachable!("a slot in the list of free ones is free") };
        self.free = next;
        entry.content = Content::Full(value);
        Key { slot, generation: entry.generation }
    }

    #[cold]
    fn grow(&mut self, value: T) -> Key {
        let slot = self.entries.len() as u32;
        make_room(&mut self.entries, slot as usize);
        self.entries.push(Entry { generation: 0, content: Content::Full(value) });
        Key { slot, generation: 0 }
    }

    /// Takes a value out. Its key finds nothing from then on.
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        if self.contains(key) { self.remove_at(key.slot) } else { None }
    }

    /// Takes out the value in a slot, if there is one.
    #[inline]
    pub fn remove_at(&mut self, slot: u32) -> Option<T> {
        let entry = self.entries.get_mut(slot as usize)?;
        match std::mem::replace(&mut entry.content, Content::Free { next: self.free }) {
            Content::Full(value) => {
                entry.generation = entry.generation.wrapping_add(1);
                self.free = slot;
                self.len -= 1;
                Some(value)
            }
            free => {
                entry.content = free;
                None
            }
        }
    }

    /// Drops the value in a slot where it is, if there is one, and says whether there was. For a
    /// large one whose parts have been taken: it is not moved.
    #[inline]
    pub fn drop_at(&mut self, slot: u32) -> bool {
        let Some(entry) = self.entries.get_mut(slot as usize).filter(|entry| entry.value().is_some()) else {
            return false;
        };
        // Before the value is dropped, which may panic.
        entry.generation = entry.generation.wrapping_add(1);
        let next = std::mem::replace(&mut self.free, slot);
        self.len -= 1;
        entry.content = Content::Free { next };
        true
    }

    /// Whether a key's value is still there.
    #[inline]
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key; `None` if it was removed.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        self.entries.get(key.slot as usize).filter(|entry| entry.generation == key.generation)?.value()
    }

    /// The value of a key, to change it; `None` if it was removed.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries.get_mut(key.slot as usize).filter(|entry| entry.generation == key.generation)?.value_mut()
    }

    /// The value in a slot, if there is one.
    #[inline]
    pub fn at(&self, slot: u32) -> Option<&T> {
        self.entries.get(slot as usize)?.value()
    }

    /// The value in a slot, to change it, if there is one.
    #[inline]
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.entries.get_mut(slot as usize)?.value_mut()
    }

    /// The key of the value in a slot, if there is one.
    #[inline]
    pub fn key_of(&self, slot: u32) -> Option<Key> {
        let entry = self.entries.get(slot as usize)?;
        entry.value().map(|_| Key { slot, generation: entry.generation })
    }

    /// The values with their keys, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries.iter().zip(0u32..).filter_map(|(entry, slot)| {
            let key = Key { slot, generation: entry.generation };
            entry.value().map(|value| (key, value))
        })
    }

    /// The values with their keys, by slot, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.entries.iter_mut().zip(0u32..).filter_map(|(entry, slot)| {
            let key = Key { slot, generation: entry.generation };
            entry.value_mut().map(|value| (key, value))
        })
    }
}

/// Fills a list with `absent` values up to and including an index. It grows by a thirty-second, as
/// a [`Table`] does: a list that doubled could take twice the memory of what is in it.
///
/// ```
/// let mut counts = Vec::new();
/// overlapped::table::grow(&mut counts, 2, || 0);
/// assert_eq!(counts, [0, 0, 0]);
/// ```
#[inline]
pub fn grow<T>(list: &mut Vec<T>, index: usize, absent: impl FnMut() -> T) {
    if index >= list.len() {
        grow_to(list, index, absent);
    }
}

#[cold]
fn grow_to<T>(list: &mut Vec<T>, index: usize, absent: impl FnMut() -> T) {
    make_room(list, index);
    list.resize_with(index + 1, absent);
}

const LEAST_GROWTH: usize = 32;

fn make_room<T>(list: &mut Vec<T>, index: usize) {
    if index >= list.capacity() {
        list.reserve_exact(index + 1 + (index / 32).max(LEAST_GROWTH) - list.len());
    }
}

/// The value in a slot. Panics if the slot is free.
impl<T> Index<u32> for Table<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: u32) -> &T {
        self.entries[slot as usize].value().expect("the slot of a value that is there")
    }
}

/// The value in a slot, to change it. Panics if the slot is free.
impl<T> IndexMut<u32> for Table<T> {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut T {
        self.entries[slot as usize].value_mut().expect("the slot of a value that is there")
    }
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
