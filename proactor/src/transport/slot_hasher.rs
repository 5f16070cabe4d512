//! A hash of slots. They are small numbers that this server has chosen, so nobody can make them
//! collide, and a keyed hash would cost more than the rest of a lookup.

use std::hash::Hasher;

/// An odd number whose multiples differ in their high and in their low bits.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Default)]
pub(crate) struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, slot: u32) {
        self.write_u64(u64::from(slot));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(FACTOR);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;

    #[test]
    fn slots_in_a_row_differ_in_the_bits_that_a_table_looks_at() {
        let hash = |slot: u32| BuildHasherDefault::<SlotHasher>::default().hash_one(slot);
        let low: HashSet<u64> = (0..1024).map(|slot| hash(slot) & 1023).collect();
        let high: HashSet<u64> = (0..1024).map(|slot| hash(slot) >> 57).collect();
        assert_eq!((low.len(), high.len()), (1024, 128));
    }
}
