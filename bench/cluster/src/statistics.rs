//! Medians and other ranks.

/// The value below which this share of them lies. There is at least one.
pub(crate) fn rank(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The middle value; of an even number of them, the mean of the middle two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranks() {
        assert_eq!((median(&[9.0, 1.0, 5.0]), median(&[4.0, 1.0, 3.0, 2.0])), (5.0, 2.5));
        let mut values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!((rank(&mut values, 0.5), rank(&mut values, 0.99)), (50.0, 99.0));
        assert!(median(&[]).is_nan());
    }
}
