//! Values by size.

use super::count::Count;

/// How many values were at most each of some bounds, and their sum. One thread writes it.
#[derive(Debug)]
pub(crate) struct Histogram<const BOUNDS: usize> {
    bounds: [u64; BOUNDS],
    /// Values up to each bound and over the one before; not cumulative.
    buckets: [Count; BOUNDS],
    /// Values over the last bound.
    over: Count,
    sum: Count,
}

/// A histogram as it was at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The bounds, and the values up to each and over the one before. The last has no bound.
    pub(crate) buckets: Vec<(Option<u64>, u64)>,
    pub(crate) sum: u64,
    /// All values: the sum of the buckets, so that a scrape never sees more in one than in all.
    pub(crate) count: u64,
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    /// With these upper bounds, which belong to their bucket, in ascending order.
    pub(crate) fn new(bounds: [u64; BOUNDS]) -> Histogram<BOUNDS> {
        debug_assert!(bounds.is_sorted());
        Histogram { bounds, buckets: [const { Count::new() }; BOUNDS], over: Count::default(), sum: Count::default() }
    }

    pub(crate) fn observe(&self, value: u64) {
        let place = self.bounds.iter().position(|bound| value <= *bound);
        place.map_or(&self.over, |place| &self.buckets[place]).add(1);
        self.sum.add(value);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let bounds = self.bounds.iter().map(|bound| Some(*bound)).chain([None]);
        let buckets: Vec<_> = bounds.zip(self.buckets.iter().chain([&self.over]).map(Count::get)).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        Snapshot { buckets, sum: self.sum.get(), count }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_below_it_and_the_sum_is_exact() {
        let histogram = Histogram::new([0, 10, 100]);
        [0, 1, 10, 11, 100, 101, 5_000].into_iter().for_each(|value| histogram.observe(value));
        let Snapshot { buckets, sum, count } = histogram.snapshot();
        assert_eq!(buckets, [(Some(0), 1), (Some(10), 2), (Some(100), 2), (None, 2)]);
        assert_eq!((sum, count), (5_223, 7));
    }

    proptest! {
        #[test]
        fn no_value_is_lost(values in proptest::collection::vec(0_u64..1_000, 0..200)) {
            let histogram = Histogram::new([5, 50, 500]);
            values.iter().for_each(|value| histogram.observe(*value));
            let Snapshot { buckets, sum, count } = histogram.snapshot();
            prop_assert_eq!((sum, count), (values.iter().sum(), values.len() as u64));
            let upto = |bound: u64| values.iter().filter(|value| **value <= bound).count() as u64;
            prop_assert_eq!(buckets[0].1, upto(5));
            prop_assert_eq!(buckets[0].1 + buckets[1].1, upto(50));
            prop_assert_eq!(buckets[3].1, count - upto(500));
        }
    }
}
