//! Token buckets: so many per second, so many at once.

use overlapped::Time;

/// How often something may happen: so many times (or bytes) per second, and so many at once after a
/// pause. A number can stand for a rate; its burst is then one second's worth.
///
/// ```
/// use proactor::Rate;
///
/// let rate = Rate::per_second(100).burst(20);
/// assert_eq!(Rate::from(50), Rate::per_second(50).burst(50));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// So many per second, and one second's worth at once.
    pub const fn per_second(per_second: u32) -> Rate {
        Rate { per_second, burst: per_second }
    }

    /// So many at once, after a pause.
    pub const fn burst(self, burst: u32) -> Rate {
        Rate { burst, ..self }
    }

    /// A rate of nothing lets nothing pass.
    pub(crate) fn is_possible(&self) -> bool {
        self.per_second > 0 && self.burst > 0
    }
}

impl From<u32> for Rate {
    fn from(per_second: u32) -> Rate {
        Rate::per_second(per_second)
    }
}

/// Billionths of a token in a token: what a rate of one per second gives in a nanosecond. In this
/// unit the arithmetic is exact.
const TOKEN: i64 = 1_000_000_000;

/// One use of a rate: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// In billionths of a token. Negative if more was charged than there was.
    level: i64,
    filled: Time,
}

impl Bucket {
    /// A bucket with its whole burst.
    pub(crate) fn full(rate: Rate, now: Time) -> Bucket {
        Bucket { level: i64::from(rate.burst) * TOKEN, filled: now }
    }

    fn fill(&mut self, rate: Rate, now: Time) {
        let nanos = now.as_nanos().saturating_sub(self.filled.as_nanos());
        let gained = u128::from(nanos) * u128::from(rate.per_second);
        let gained = i64::try_from(gained).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(gained).min(i64::from(rate.burst) * TOKEN);
        self.filled = self.filled.max(now);
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Time) -> bool {
        self.fill(rate, now);
        let there_is = self.level >= TOKEN;
        if there_is {
            self.level -= TOKEN;
        }
        there_is
    }

    /// Takes tokens for what has happened already. If there are not enough, the rest is a debt.
    pub(crate) fn charge(&mut self, rate: Rate, now: Time, tokens: u32) {
        self.fill(rate, now);
        self.level = self.level.saturating_sub(i64::from(tokens) * TOKEN);
    }

    /// When there will be a token, if there is none now.
    pub(crate) fn refilled_at(&mut self, rate: Rate, now: Time) -> Option<Time> {
        self.fill(rate, now);
        let missing = u64::try_from(TOKEN.saturating_sub(self.level)).ok().filter(|missing| *missing > 0)?;
        let nanos = missing.div_ceil(u64::from(rate.per_second.max(1)));
        Some(Time::from_nanos(now.as_nanos().saturating_add(nanos)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate() -> impl Strategy<Value = Rate> {
        (prop_oneof![1..20_u32, 1..=u32::MAX], prop_oneof![1..20_u32, 1..=u32::MAX])
            .prop_map(|(per_second, burst)| Rate::per_second(per_second).burst(burst))
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_what_the_time_is_worth(
            rate in rate(),
            began in 0..1_u64 << 60,
            gaps in prop::collection::vec(prop_oneof![Just(0_u64), 0..2_000_000_000_u64], 1..200),
        ) {
            let mut now = Time::from_nanos(began);
            let mut bucket = Bucket::full(rate, now);
            let mut taken = 0_u128;
            for gap in gaps {
                now = now + Duration::from_nanos(gap);
                taken += u128::from(bucket.take(rate, now));
                let worth = u128::from(now.since(Time::from_nanos(began)).as_nanos() as u64)
                    * u128::from(rate.per_second) / TOKEN as u128;
                prop_assert!(taken <= u128::from(rate.burst) + worth, "{} taken", taken);
            }
        }

        #[test]
        fn a_token_is_there_when_it_was_said_to_be_and_not_before(
            rate in rate(),
            charged in 0..=u32::MAX,
            began in 0..1_u64 << 60,
        ) {
            let began = Time::from_nanos(began);
            let mut bucket = Bucket::full(rate, began);
            bucket.charge(rate, began, charged);
            match bucket.refilled_at(rate, began) {
                None => prop_assert!(bucket.take(rate, began)),
                Some(at) => {
                    let before = Time::from_nanos(at.as_nanos() - 1);
                    prop_assert!(at > began);
                    prop_assert!(!bucket.clone().take(rate, before), "it was there at {:?}", before);
                    prop_assert!(bucket.take(rate, at));
                }
            }
        }

        #[test]
        fn whoever_takes_whatever_there_is_gets_the_rate_to_the_token(
            per_second in 1..5000_u32,
            seconds in 1..20_u32,
            every in 1..1_000_000_u64,
        ) {
            let rate = Rate::per_second(per_second).burst(per_second * 2);
            let mut now = Time::ZERO;
            let mut bucket = Bucket::full(rate, now);
            while bucket.take(rate, now) {}
            let end = Time::ZERO + SECOND * seconds;
            let mut taken = 0;
            // Odd steps, so that every fraction of a token comes up.
            while now < end {
                now = (now + Duration::from_nanos(every * 997)).min(end);
                while bucket.take(rate, now) {
                    taken += 1;
                }
            }
            prop_assert_eq!(taken, per_second * seconds);
        }
    }

    #[test]
    fn a_clock_that_is_read_late_takes_nothing_away_and_gives_nothing_twice() {
        let rate = Rate::per_second(1);
        let later = Time::ZERO + SECOND * 5;
        let mut bucket = Bucket::full(rate, later);
        assert!(bucket.take(rate, later));
        assert!(!bucket.take(rate, Time::ZERO));
        assert!(!bucket.take(rate, later));
        assert!(bucket.take(rate, later + SECOND));
    }

    #[test]
    fn a_rate_of_nothing_is_no_rate() {
        assert!(Rate::per_second(1).burst(1).is_possible());
        assert!(!Rate::per_second(0).burst(1).is_possible());
        assert!(!Rate::per_second(1).burst(0).is_possible());
    }

    #[test]
    fn a_use_costs_16_bytes() {
        assert_eq!(size_of::<Bucket>(), 16);
    }
}
