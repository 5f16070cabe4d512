//! Medians, and how far to trust them.

use loadgen::Random;
use serde::{Deserialize, Serialize};

/// Resamples drawn for one interval.
const RESAMPLES: usize = 5_000;

/// Distance from the median, relative to it, up to which an interval decides.
const DECIDED_WITHIN: f64 = 0.05;

/// A median and the 95 % interval around it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Whether the interval lies within ±5 % of the median. If not: run more rounds.
    pub(crate) decided: bool,
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.decided { "" } else { " ~" };
        write!(f, "{:.3} [{:.3}, {:.3}]{mark}", self.median, self.low, self.high)
    }
}

/// The middle value; of an even number of them, the mean of the middle two.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    median_reordering(&mut values)
}

fn median_reordering(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let odd = values.len() % 2 == 1;
    let middle = values.len() / 2;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(f64::midpoint(lower, upper))
}

/// The median with its bootstrap percentile interval: the values are drawn anew, with replacement,
/// as many as there are, again and again, and the interval holds the middle 95 % of the medians of
/// these draws.
///
/// The draws come from a fixed seed, so that a report made twice from the same rounds says the
/// same. Fewer than three values decide nothing, however close they lie.
pub(crate) fn estimate(values: &[f64]) -> Option<Estimate> {
    let median = median(values)?;
    let mut random = Random::new(0x5eed);
    let mut draw = vec![0.0; values.len()];
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            draw.fill_with(|| values[random.below(values.len())]);
            median_reordering(&mut draw).expect("there are as many draws as values, and there is a value")
        })
        .collect();
    medians.sort_unstable_by(f64::total_cmp);
    let low = medians[RESAMPLES * 25 / 1000];
    let high = medians[RESAMPLES * 975 / 1000 - 1];
    let reach = (median - low).max(high - median);
    Some(Estimate { median, low, high, decided: values.len() >= 3 && reach <= median.abs() * DECIDED_WITHIN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_even_and_no_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[2.0, 1.0]), Some(1.5));
    }

    #[test]
    fn values_that_agree_have_no_spread() {
        let estimate = estimate(&[0.9; 20]).unwrap();
        assert_eq!((estimate.low, estimate.median, estimate.high), (0.9, 0.9, 0.9));
        assert!(estimate.decided);
    }

    #[test]
    fn two_rounds_decide_nothing() {
        assert!(!estimate(&[0.9, 0.9]).unwrap().decided);
    }

    #[test]
    fn a_wide_spread_is_undecided() {
        let values: Vec<f64> = (0..20).map(|n| 0.5 + f64::from(n) * 0.05).collect();
        let estimate = estimate(&values).unwrap();
        assert!(estimate.low < estimate.median && estimate.median < estimate.high);
        assert!(!estimate.decided);
    }

    /// The interval is what it claims to be: it misses the true median in about one of twenty
    /// experiments.
    #[test]
    fn the_interval_holds_the_true_median_nearly_always() {
        let mut random = Random::new(1);
        let experiments = 200;
        let held = (0..experiments)
            .filter(|_| {
                let values: Vec<f64> = (0..21).map(|_| random.next() as f64 / u64::MAX as f64).collect();
                let estimate = estimate(&values).unwrap();
                estimate.low <= 0.5 && 0.5 <= estimate.high
            })
            .count();
        let share = held as f64 / f64::from(experiments);
        assert!((0.88..=0.99).contains(&share), "held in {share}");
    }
}
