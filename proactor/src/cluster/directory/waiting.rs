//! Keys that wait for a call, each once, in the order in which they came.

use std::collections::BTreeMap;

use bytes::Bytes;

#[derive(Default)]
pub(super) struct Waiting {
    order: BTreeMap<u64, Bytes>,
    places: BTreeMap<Bytes, u64>,
    next: u64,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// One that waits already keeps its place.
    pub(super) fn add(&mut self, key: &Bytes) {
        if !self.places.contains_key(key) {
            self.places.insert(key.clone(), self.next);
            self.order.insert(self.next, key.clone());
            self.next += 1;
        }
    }

    pub(super) fn remove(&mut self, key: &Bytes) {
        if let Some(place) = self.places.remove(key) {
            self.order.remove(&place);
        }
    }

    pub(super) fn take_first(&mut self) -> Option<Bytes> {
        let (_, key) = self.order.pop_first()?;
        self.places.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_once_and_who_came_first_goes_first() {
        let mut waiting = Waiting::default();
        for key in ["z", "a", "z", "m"] {
            waiting.add(&Bytes::from_static(key.as_bytes()));
        }
        waiting.remove(&Bytes::from_static(b"a"));
        assert_eq!(waiting.take_first().as_deref(), Some(&b"z"[..]));
        waiting.add(&Bytes::from_static(b"z"));
        assert_eq!(waiting.take_first().as_deref(), Some(&b"m"[..]));
        assert_eq!(waiting.take_first().as_deref(), Some(&b"z"[..]));
        assert!(waiting.take_first().is_none() && waiting.places.is_empty() && waiting.is_empty());
    }
}
