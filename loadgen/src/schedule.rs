//! When the messages of an open loop are due: evenly spaced, one connection after the other,
//! whether or not earlier messages were answered.
//!
//! Pure arithmetic: messages that are due but not sent take no memory.

use std::ops::Range;

use overlapped::Time;

/// Evenly spaced moments: number `i` is `i / rate` seconds after the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    start: Time,
    per_second: u64,
}

impl Rhythm {
    pub(crate) fn new(start: Time, per_second: u64) -> Rhythm {
        Rhythm { start, per_second }
    }

    pub(crate) fn moment(self, number: u64) -> Time {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.per_second);
        Time::from_nanos(self.start.as_nanos().saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

/// One thread's part of an open loop: every connection whose number modulo the number of threads is
/// `thread`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrivals {
    rhythm: Rhythm,
    /// Of all threads.
    connections: u64,
    thread: u64,
    threads: u64,
    /// Of this one.
    own: u64,
    /// Messages of this thread that have come to be due.
    passed: u64,
}

impl Arrivals {
    pub(crate) fn new(rhythm: Rhythm, connections: usize, thread: usize, threads: usize) -> Arrivals {
        let [connections, thread, threads] = [connections, thread, threads].map(|number| number as u64);
        let own = (connections - thread).div_ceil(threads);
        Arrivals { rhythm, connections, thread, threads, own, passed: 0 }
    }

    /// When message `number` of one of this thread's connections is due.
    pub(crate) fn due(&self, own: usize, number: u64) -> Time {
        let connection = own as u64 * self.threads + self.thread;
        self.rhythm.moment(number * self.connections + connection)
    }

    /// How many of these messages of one of its connections are due at `from` or later.
    pub(crate) fn count_since(&self, own: usize, mut numbers: Range<u64>, from: Time) -> u64 {
        let end = numbers.end;
        while numbers.start < numbers.end {
            let middle = numbers.start + (numbers.end - numbers.start) / 2;
            match self.due(own, middle) < from {
                true => numbers.start = middle + 1,
                false => numbers.end = middle,
            }
        }
        end.saturating_sub(numbers.start)
    }

    /// When the next is due.
    pub(crate) fn next(&self) -> Time {
        self.due((self.passed % self.own) as usize, self.passed / self.own)
    }

    /// The connection whose message the next one is, which thereby is the one before.
    pub(crate) fn pass(&mut self) -> usize {
        let own = (self.passed % self.own) as usize;
        self.passed += 1;
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_together_are_one_even_stream() {
        for (connections, threads, rate) in [(7, 3, 1_000), (1, 1, 7), (4, 4, 1_000_000_000), (64, 2, 333)] {
            let start = Time::from_nanos(500);
            let rhythm = Rhythm::new(start, rate);
            let mut all = Vec::new();
            for thread in 0..threads {
                let mut arrivals = Arrivals::new(rhythm, connections, thread, threads);
                let mut before = Time::ZERO;
                let mut counts = vec![0; connections];
                while all.len() < 1_000 * (thread + 1) {
                    let at = arrivals.next();
                    assert!(at >= before, "a thread's own come in order");
                    before = at;
                    let own = arrivals.pass();
                    assert_eq!(at, arrivals.due(own, counts[own]), "and each connection's by its own count");
                    counts[own] += 1;
                    all.push(at);
                }
            }
            all.sort();
            // As far as every thread has come.
            for (number, at) in all.iter().take(900).enumerate() {
                assert_eq!(*at, rhythm.moment(number as u64), "{connections} {threads} {rate}");
            }
        }
    }

    #[test]
    fn messages_due_from_a_moment_on_are_counted() {
        let arrivals = Arrivals::new(Rhythm::new(Time::ZERO, 1_000), 4, 1, 2);
        for from in 0..200 {
            let from = Time::from_nanos(from * 500_000);
            let counted = (3..20).filter(|number| arrivals.due(1, *number) >= from).count() as u64;
            assert_eq!(arrivals.count_since(1, 3..20, from), counted, "{from:?}");
        }
        assert_eq!(arrivals.count_since(0, 5..5, Time::ZERO), 0);
    }

    #[test]
    fn the_rate_is_met_to_the_nanosecond_after_a_day() {
        let rhythm = Rhythm::new(Time::ZERO, 3);
        assert_eq!(rhythm.moment(3 * 86_400).as_nanos(), 86_400 * 1_000_000_000);
        assert_eq!(rhythm.moment(u64::MAX).as_nanos(), 6_148_914_691_236_517_205_u64.saturating_mul(1_000_000_000));
    }
}
