//! The keys and their values.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use bytes::Bytes;

/// Bytes of all keys and values. Commands that need more are refused.
const STORE_BYTES: usize = 1 << 30;
/// Expired keys that one command removes on its way.
const SWEEP: usize = 16;

struct Entry {
    value: Bytes,
    expires: Option<Instant>,
}

/// All keys, for all shards.
#[derive(Default)]
pub(crate) struct Store {
    entries: HashMap<Bytes, Entry>,
    /// The keys that expire, in that order.
    expiring: BTreeSet<(Instant, Bytes)>,
    bytes: usize,
}

impl Store {
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&Bytes> {
        let expired = self.entries.get(key)?.expires.is_some_and(|at| at <= Instant::now());
        if expired {
            self.remove(key);
            return None;
        }
        self.entries.get(key).map(|entry| &entry.value)
    }

    pub(crate) fn set(&mut self, key: &[u8], value: &[u8], expires: Option<Instant>) -> Result<(), &'static str> {
        if self.bytes + key.len() + value.len() > STORE_BYTES {
            return Err("OOM the store is full");
        }
        self.bytes += value.len();
        if let Some(entry) = self.entries.get_mut(key) {
            self.bytes -= entry.value.len();
            entry.value = Bytes::copy_from_slice(value);
        } else {
            self.bytes += key.len();
            let entry = Entry { value: Bytes::copy_from_slice(value), expires: None };
            self.entries.insert(Bytes::copy_from_slice(key), entry);
        }
        self.expire(key, expires);
        Ok(())
    }

    /// Says whether there is such a key.
    pub(crate) fn expire(&mut self, key: &[u8], expires: Option<Instant>) -> bool {
        let Some((key, _)) = self.entries.get_key_value(key) else { return false };
        let key = key.clone();
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let before = std::mem::replace(&mut entry.expires, expires);
        if before == expires {
            return true;
        }
        if let Some(before) = before {
            self.expiring.remove(&(before, key.clone()));
        }
        if let Some(at) = expires {
            self.expiring.insert((at, key));
        }
        true
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let Some((key, entry)) = self.entries.remove_entry(key) else { return false };
        self.bytes -= key.len() + entry.value.len();
        if let Some(at) = entry.expires {
            self.expiring.remove(&(at, key));
        }
        true
    }

    pub(crate) fn sweep(&mut self) {
        for _ in 0..SWEEP {
            match self.expiring.first() {
                Some((at, key)) if *at <= Instant::now() => {
                    let key = key.clone();
                    self.remove(&key);
                }
                _ => break,
            }
        }
    }

    /// When a key expires, if it does.
    pub(crate) fn expiry(&self, key: &[u8]) -> Option<Instant> {
        self.entries.get(key)?.expires
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
