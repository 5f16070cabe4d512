//! Which address of a host is tried when: happy eyeballs, after RFC 8305. Knows no socket and no
//! clock.
//!
//! Address families alternate, so a family that leads nowhere costs one stagger. The next address
//! is tried when the one before has failed, or has not answered for 250 ms; earlier ones go on. The
//! first to connect wins.

use std::time::Duration;

use overlapped::{Address, Time};

/// How long an address has before the next is tried too, as RFC 8305 recommends.
pub(crate) const STAGGER: Duration = Duration::from_millis(250);
/// The most addresses that are tried for one connection.
pub(crate) const MOST: usize = 16;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start connecting to the address of this index, and ask again.
    Start(usize),
    /// Ask again at this moment, or when something has failed.
    WaitUntil(Time),
    /// Ask again when something has failed: all have been started.
    Wait,
    /// None is left.
    Lost,
}

/// One connection, as a race of its addresses.
#[derive(Debug)]
pub(crate) struct Race {
    addresses: Vec<Address>,
    /// The first address that has not been started.
    next: usize,
    /// Addresses that have been started and have not failed.
    running: usize,
    /// When the next is started although others run.
    next_at: Time,
}

impl Race {
    /// A race of these addresses, the preferred ones first.
    pub(crate) fn new(addresses: impl IntoIterator<Item = Address>) -> Race {
        let mut addresses = interleaved(addresses);
        addresses.truncate(MOST);
        Race { addresses, next: 0, running: 0, next_at: Time::ZERO }
    }

    pub(crate) fn address(&self, index: usize) -> &Address {
        &self.addresses[index]
    }

    /// What to do now.
    pub(crate) fn step(&mut self, now: Time) -> Step {
        if self.next == self.addresses.len() {
            return if self.running == 0 { Step::Lost } else { Step::Wait };
        }
        if self.running > 0 && now < self.next_at {
            return Step::WaitUntil(self.next_at);
        }
        let index = self.next;
        self.next += 1;
        self.running += 1;
        self.next_at = now + STAGGER;
        Step::Start(index)
    }

    /// A started address has failed: the next need not wait.
    pub(crate) fn failed(&mut self, now: Time) {
        self.running -= 1;
        self.next_at = now;
    }
}

/// The addresses, each once, with alternating families as long as there are both, beginning with
/// the first one's.
fn interleaved(addresses: impl IntoIterator<Item = Address>) -> Vec<Address> {
    let mut unique: Vec<Address> = Vec::new();
    for address in addresses {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    let is_v4 = |address: &Address| address.ip().is_some_and(|address| address.is_ipv4());
    let first = unique.first().is_some_and(is_v4);
    let (same, other): (Vec<Address>, Vec<Address>) = unique.into_iter().partition(|address| is_v4(address) == first);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut all = Vec::new();
    loop {
        let pair = (same.next(), other.next());
        if pair == (None, None) {
            return all;
        }
        all.extend(pair.0);
        all.extend(pair.1);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use proptest::prelude::*;

    use super::*;

    fn v4(last: u8) -> Address {
        SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 80)).into()
    }

    fn v6(last: u16) -> Address {
        SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last), 80)).into()
    }

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn families_alternate_beginning_with_the_preferred_one_and_none_comes_twice() {
        let order = interleaved([v6(1), v6(2), v6(3), v6(1), v4(1), v4(2), v4(1)]);
        assert_eq!(order, [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(interleaved([v4(1), v4(2), v6(1)]), [v4(1), v6(1), v4(2)]);
        assert!(interleaved([]).is_empty());
    }

    #[test]
    fn the_next_begins_after_the_stagger_and_those_before_go_on() {
        let mut race = Race::new([v6(1), v4(1)]);
        assert_eq!(race.step(at(0)), Step::Start(0));
        assert_eq!(race.step(at(0)), Step::WaitUntil(at(250)));
        assert_eq!(race.step(at(249)), Step::WaitUntil(at(250)));
        assert_eq!(race.step(at(250)), Step::Start(1));
        assert_eq!(race.step(at(250)), Step::Wait);
        race.failed(at(300));
        assert_eq!(race.step(at(300)), Step::Wait, "the other still runs");
        race.failed(at(400));
        assert_eq!(race.step(at(400)), Step::Lost);
    }

    #[test]
    fn a_failure_starts_the_next_at_once() {
        let mut race = Race::new([v6(1), v4(1), v6(2)]);
        assert_eq!(race.step(at(0)), Step::Start(0));
        race.failed(at(10));
        assert_eq!(race.step(at(10)), Step::Start(1));
        assert_eq!(race.step(at(10)), Step::WaitUntil(at(260)));
        race.failed(at(20));
        assert_eq!(race.step(at(20)), Step::Start(2));
        assert_eq!(race.step(at(20)), Step::Wait);
    }

    #[test]
    fn without_an_address_it_is_lost() {
        assert_eq!(Race::new([]).step(at(0)), Step::Lost);
    }

    proptest! {
        /// Each address is started once and in order. Two never begin within the stagger unless one
        /// has failed in between. The race is lost exactly when all have failed.
        #[test]
        fn every_course_is_fair(
            families in prop::collection::vec(any::<bool>(), 0..24),
            course in prop::collection::vec((0..400_u64, any::<bool>()), 0..100),
        ) {
            let addresses: Vec<Address> = families.iter().enumerate()
                .map(|(n, is_v4)| if *is_v4 { v4(n as u8) } else { v6(n as u16) }).collect();
            let count = addresses.len().min(MOST);
            let mut race = Race::new(addresses);
            let (mut now, mut started, mut failed) = (Time::ZERO, 0, 0);
            let mut last_start = None;
            let mut has_failed_since = true;
            for (pause, fails) in course {
                now = now + Duration::from_millis(pause);
                loop {
                    match race.step(now) {
                        Step::Start(index) => {
                            prop_assert_eq!(index, started);
                            prop_assert!(has_failed_since || last_start.is_none_or(|last| now >= last + STAGGER));
                            started += 1;
                            (last_start, has_failed_since) = (Some(now), false);
                        }
                        Step::WaitUntil(until) => {
                            prop_assert!(until > now && started < count && started > failed);
                            break;
                        }
                        Step::Wait => {
                            prop_assert!(started == count && failed < count);
                            break;
                        }
                        Step::Lost => {
                            prop_assert_eq!((started, failed), (count, count));
                            break;
                        }
                    }
                }
                if fails && failed < started {
                    race.failed(now);
                    failed += 1;
                    has_failed_since = true;
                }
            }
        }
    }
}
