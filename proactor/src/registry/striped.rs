//! A map from names to values for many threads. Its locks are held for one look-up each, and names
//! are spread over them, so that threads seldom wait for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

const STRIPES: usize = 16;
/// A table with room for so many is not made smaller.
const KEPT_ROOM: usize = 64;

pub(crate) struct Striped<V> {
    hashes: RandomState,
    stripes: [Mutex<HashMap<Bytes, V>>; STRIPES],
    len: AtomicUsize,
}

impl<V> Default for Striped<V> {
    fn default() -> Striped<V> {
        Striped { hashes: RandomState::new(), stripes: Default::default(), len: AtomicUsize::new(0) }
    }
}

impl<V> Striped<V> {
    /// How many names have a value.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    fn lock(&self, name: &[u8]) -> MutexGuard<'_, HashMap<Bytes, V>> {
        let stripe = self.hashes.hash_one(name) as usize % STRIPES;
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a function for the value of a name, under the lock of the name's stripe: it must not
    /// use the map, nor drop a value that does.
    pub(crate) fn read<R>(&self, name: &[u8], read: impl FnOnce(Option<&V>) -> R) -> R {
        read(self.lock(name).get(name))
    }

    /// Calls a function that may change, add or take away the value of a name, as
    /// [`read`](Striped::read) does.
    pub(crate) fn update<R>(&self, name: &[u8], update: impl FnOnce(&mut Option<V>) -> R) -> R {
        let map = &mut *self.lock(name);
        // Out of the map meanwhile, with its name, which then needs no new memory.
        let (before, mut value) = map.remove_entry(name).unzip();
        let was_there = before.is_some();
        let result = update(&mut value);
        let is_there = value.is_some();
        if let Some(value) = value {
            map.insert(before.unwrap_or_else(|| Bytes::copy_from_slice(name)), value);
        }
        match (was_there, is_there) {
            (false, true) => drop(self.len.fetch_add(1, Ordering::AcqRel)),
            (true, false) => {
                self.len.fetch_sub(1, Ordering::AcqRel);
                if map.capacity() > KEPT_ROOM && map.len() * 4 < map.capacity() {
                    map.shrink_to(KEPT_ROOM.max(map.len() * 2));
                }
            }
            _ => {}
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_added_changed_and_taken_away_and_the_memory_goes_with_them() {
        let map = Striped::<u32>::default();
        let name = |number: u32| format!("name {number}").into_bytes();
        for number in 0..10_000 {
            assert!(map.update(&name(number), |value| value.replace(number).is_none()));
        }
        assert_eq!(map.len(), 10_000);
        assert_eq!(map.read(&name(77), |value| value.copied()), Some(77));
        assert_eq!(map.update(&name(77), |value| value.replace(5)), Some(77));
        assert_eq!(map.read(&name(77), |value| value.copied()), Some(5));
        for number in 0..10_000 {
            assert!(map.update(&name(number), |value| value.take().is_some()));
        }
        assert_eq!((map.len(), map.read(&name(77), |value| value.copied())), (0, None));
        let room: usize = map.stripes.iter().map(|stripe| stripe.lock().unwrap().capacity()).sum();
        assert!(room <= STRIPES * 4 * KEPT_ROOM, "room for {room} is left");
    }
}
