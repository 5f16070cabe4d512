//! The network's source of random numbers, and the hash of what has happened.

/// SplitMix64: small, and the same everywhere.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.0)
    }

    /// A number below `limit`, which is not zero.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Whether something happens that happens once in `times` times; 0 is never.
    pub(super) fn once_in(&mut self, times: u32) -> bool {
        times != 0 && self.next().is_multiple_of(times.into())
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of everything that has happened, in its order.
#[derive(Debug)]
pub(super) struct Trace(u64);

impl Trace {
    pub(super) fn new(seed: u64) -> Trace {
        Trace(finish(seed))
    }

    pub(super) fn words(&mut self, words: &[u64]) {
        for word in words {
            self.0 = finish(self.0.rotate_left(23) ^ word);
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.words(&[bytes.len() as u64]);
        // All bytes that arrive are hashed, so it takes one multiplication for eight of them.
        let mut hash = self.0;
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let word = u64::from_le_bytes(chunk.try_into().expect("exactly eight"));
            hash = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        let mut rest = [0; 8];
        rest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.0 = hash;
        self.words(&[u64::from_le_bytes(rest)]);
    }

    pub(super) fn value(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_depends_on_order_and_on_every_byte() {
        let hash = |pieces: &[&[u8]]| {
            let mut trace = Trace::new(1);
            pieces.iter().for_each(|piece| trace.bytes(piece));
            trace.value()
        };
        assert_eq!(hash(&[b"one", b"two"]), hash(&[b"one", b"two"]));
        let others: [&[&[u8]]; 4] = [&[b"two", b"one"], &[b"onetwo"], &[b"one", b"twp"], &[b"one", b"two\0"]];
        for other in others {
            assert_ne!(hash(&[b"one", b"two"]), hash(other), "{other:?}");
        }
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut random = Random::new(3);
        let mut items: Vec<u32> = (0..100).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
