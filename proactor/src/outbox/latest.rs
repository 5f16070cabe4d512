//! The newest packet of each key, while it waits: until a send starts, one can replace another.

use crate::codec::Frame;

/// Keys whose packets may wait for one session.
const MOST_KEYS: usize = 64;
/// Memory that a key's packet keeps for a longer one.
const KEPT_FRAME_BYTES: usize = 512;

#[derive(Debug)]
struct Entry {
    key: u64,
    /// The stamp of the first packet of the key that waited here: a packet that replaces it has the
    /// same place.
    stamp: u64,
    frame: Vec<u8>,
}

/// The newest packet of each key, in the order in which the keys came.
#[derive(Debug, Default)]
pub(super) struct Latest(Vec<Entry>);

impl Latest {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of the frame that waits under a key.
    pub(super) fn bytes_of(&self, key: u64) -> Option<usize> {
        Some(self.0.iter().find(|entry| entry.key == key)?.frame.len())
    }

    /// Whether the key is here, or is not one too many.
    pub(super) fn takes(&self, key: u64) -> bool {
        self.0.len() < MOST_KEYS || self.bytes_of(key).is_some()
    }

    /// Puts a frame there in place of the one of its key, if one waits.
    pub(super) fn put(&mut self, key: u64, frame: Frame<'_>, stamp: u64) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.key == key) {
            entry.frame.clear();
            // What one long packet needed is not kept for short ones: it counts no more.
            entry.frame.shrink_to(KEPT_FRAME_BYTES.max(2 * frame.len()));
            frame.append_to(&mut entry.frame);
            return;
        }
        let mut entry = Entry { key, stamp, frame: Vec::new() };
        frame.append_to(&mut entry.frame);
        self.0.push(entry);
    }

    /// Takes out the frames whose keys came up to a stamp. Returns how many bytes they have.
    pub(super) fn take_upto(&mut self, stamp: u64, mut take: impl FnMut(&[u8])) -> usize {
        let mut bytes = 0;
        self.0.retain(|entry| {
            let waits = entry.stamp > stamp;
            if !waits {
                take(&entry.frame);
                bytes += entry.frame.len();
            }
            waits
        });
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(latest: &mut Latest, key: u64, packet: &[u8], stamp: u64) {
        latest.put(key, Frame::of(packet), stamp);
    }

    #[test]
    fn the_newest_of_each_key_leaves_in_the_place_of_the_first() {
        let mut latest = Latest::default();
        put(&mut latest, 7, b"old", 1);
        put(&mut latest, 3, b"other", 2);
        put(&mut latest, 7, b"newer", 5);
        assert_eq!((latest.bytes_of(7), latest.bytes_of(3), latest.bytes_of(1)), (Some(5), Some(5), None));
        put(&mut latest, 1, b"later", 4);
        let mut taken = Vec::new();
        assert_eq!(latest.take_upto(3, |frame| taken.push(frame.to_vec())), 10);
        assert_eq!(taken, [b"newer".to_vec(), b"other".to_vec()]);
        assert!(!latest.is_empty());
        assert_eq!(latest.take_upto(3, |_| panic!("it came later")), 0);
        assert_eq!(latest.take_upto(4, |frame| assert_eq!(frame, b"later")), 5);
        assert!(latest.is_empty());
    }

    #[test]
    fn memory_goes_with_the_long_packets_that_needed_it() {
        let mut latest = Latest::default();
        for key in 0..MOST_KEYS as u64 {
            put(&mut latest, key, &[0; 100_000], key);
            put(&mut latest, key, b"short", key);
        }
        let memory: usize = latest.0.iter().map(|entry| entry.frame.capacity()).sum();
        assert!(memory <= MOST_KEYS * KEPT_FRAME_BYTES, "{memory} bytes for 64 short packets");
    }

    #[test]
    fn there_are_so_many_keys_and_no_more() {
        let mut latest = Latest::default();
        for key in 0..MOST_KEYS as u64 {
            assert!(latest.takes(key));
            put(&mut latest, key, b"x", key);
        }
        assert!(latest.takes(5) && !latest.takes(64));
        latest.take_upto(0, |_| {});
        assert!(latest.takes(64));
    }
}
