//! Admission: limits on sessions in all, sessions of one address, sessions in their handshake, and
//! connections per second.
//!
//! The acceptor asks, and gets a [`Permit`] or a [`Refusal`]. The permit goes with the connection,
//! to whichever thread, and gives back what it holds when it is dropped. So no place is ever lost,
//! and there is never one session too many. An address is remembered as long as it has sessions, so
//! the table is no larger than the number of sessions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use overlapped::{Time, table::Table};

use super::bucket::{Bucket, Rate};
use super::refusal::Refusal;

#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmissionLimits {
    pub(crate) sessions: usize,
    pub(crate) per_ip: Option<usize>,
    /// IPv6 addresses with so many equal leading bits count as one.
    pub(crate) v6_prefix: u8,
    /// Sessions that may be waiting for their first packet.
    pub(crate) handshakes: Option<usize>,
    pub(crate) rate: Option<Rate>,
}

/// No listener: a connection that the server made itself.
pub(crate) const NO_LISTENER: u8 = u8::MAX;

/// Decides about connections. Several acceptors could ask it, and it would be as exact.
pub(crate) struct Admission {
    limits: AdmissionLimits,
    /// What each listener limits of its own, besides.
    listeners: Box<[AdmissionLimits]>,
    gate: Arc<Gate>,
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Admission {
        Admission::of_listeners(limits, Vec::new())
    }

    /// With limits for the connections of each listener, besides those for all.
    pub(crate) fn of_listeners(limits: AdmissionLimits, listeners: Vec<AdmissionLimits>) -> Admission {
        let places = Places {
            all: Counts::default(),
            listeners: listeners.iter().map(|_| Counts::default()).collect(),
            prefixes: Table::new(),
        };
        Admission { limits, listeners: listeners.into(), gate: Arc::new(Mutex::new(places)) }
    }

    /// Admits a connection, or says which limit it met. A peer without an IP address (on a Unix
    /// socket) counts for no address. A connection that is refused for another reason does not
    /// count towards the rate, so an address over its limit takes nothing from others.
    pub(crate) fn admit(&self, peer: Option<IpAddr>, now: Time) -> Result<Permit, Refusal> {
        self.admit_at(NO_LISTENER, peer, now)
    }

    /// As [`admit`](Admission::admit), for a connection of one listener.
    pub(crate) fn admit_at(&self, listener: u8, peer: Option<IpAddr>, now: Time) -> Result<Permit, Refusal> {
        let (limits, own) = (&self.limits, self.listeners.get(usize::from(listener)));
        let counts_ip = limits.per_ip.is_some() || own.is_some_and(|own| own.per_ip.is_some());
        let prefix = peer.filter(|_| counts_ip).map(|ip| Prefix::of(ip, limits.v6_prefix));
        let mut places = lock(&self.gate);
        let Places { all, listeners, prefixes } = &mut *places;
        let mut own = own.zip(listeners.get_mut(usize::from(listener)));
        all.check(limits, prefix)?;
        if let Some((own_limits, counts)) = &own {
            counts.check(own_limits, prefix)?;
        }
        let bucket = all.bucket_after(limits, now)?;
        if let Some((own_limits, counts)) = &mut own {
            counts.bucket = counts.bucket_after(own_limits, now)?;
            counts.enter(own_limits, prefix);
        }
        all.bucket = bucket;
        all.enter(limits, prefix);
        let prefix = prefix.map_or(NO_PREFIX, |prefix| prefixes.insert(prefix).slot());
        drop(places);
        Ok(Permit { gate: Arc::clone(&self.gate), prefix, listener, shaking: true })
    }

    /// A connection that counted for no address is one of this address's. Says if it may not be.
    pub(crate) fn settle(&self, permit: &mut Permit, peer: Option<IpAddr>) -> Result<(), Refusal> {
        let (limits, own) = (&self.limits, self.listeners.get(usize::from(permit.listener)));
        let counts_ip = limits.per_ip.is_some() || own.is_some_and(|own| own.per_ip.is_some());
        let Some(prefix) = peer.filter(|_| counts_ip).map(|ip| Prefix::of(ip, limits.v6_prefix)) else {
            return Ok(());
        };
        debug_assert_eq!(permit.prefix, NO_PREFIX, "it counts for an address already");
        let mut places = lock(&self.gate);
        let Places { all, listeners, prefixes } = &mut *places;
        all.check_address(limits, prefix)?;
        if let Some((own, counts)) = own.zip(listeners.get_mut(usize::from(permit.listener))) {
            counts.check_address(own, prefix)?;
            counts.enter_address(own, prefix);
        }
        all.enter_address(limits, prefix);
        permit.prefix = prefixes.insert(prefix).slot();
        Ok(())
    }

    /// The number of sessions, and of those in their handshake.
    pub(crate) fn sessions(&self) -> (usize, usize) {
        let all = &lock(&self.gate).all;
        (all.sessions, all.handshakes)
    }
}

/// The counts, under one lock, which makes the limits exact. A session takes the lock three times:
/// when it comes, at its first packet, and at its end.
type Gate = Mutex<Places>;

struct Places {
    all: Counts,
    /// Of the sessions of each listener.
    listeners: Box<[Counts]>,
    /// The prefixes of sessions that count for one. Their permits have the slots.
    prefixes: Table<Prefix>,
}

#[derive(Default)]
struct Counts {
    sessions: usize,
    handshakes: usize,
    /// Only addresses with sessions. Ordered rather than hashed: it needs no random seed, and
    /// nobody can choose addresses that collide.
    by_prefix: BTreeMap<Prefix, usize>,
    /// The bucket of the accept rate, full when the first connection comes.
    bucket: Option<Bucket>,
}

impl Counts {
    fn check(&self, limits: &AdmissionLimits, prefix: Option<Prefix>) -> Result<(), Refusal> {
        if self.sessions >= limits.sessions {
            return Err(Refusal::Sessions);
        }
        prefix.map_or(Ok(()), |prefix| self.check_address(limits, prefix))?;
        if limits.handshakes.is_some_and(|most| self.handshakes >= most) {
            return Err(Refusal::Handshakes);
        }
        Ok(())
    }

    fn check_address(&self, limits: &AdmissionLimits, prefix: Prefix) -> Result<(), Refusal> {
        let sessions = self.by_prefix.get(&prefix).copied().unwrap_or(0);
        if limits.per_ip.is_some_and(|most| sessions >= most) { Err(Refusal::SessionsPerIp) } else { Ok(()) }
    }

    fn enter_address(&mut self, limits: &AdmissionLimits, prefix: Prefix) {
        if limits.per_ip.is_some() {
            *self.by_prefix.entry(prefix).or_default() += 1;
        }
    }

    /// The bucket without the token of one more connection. It is taken only if all limits are met.
    fn bucket_after(&self, limits: &AdmissionLimits, now: Time) -> Result<Option<Bucket>, Refusal> {
        let Some(rate) = limits.rate else { return Ok(None) };
        let mut bucket = self.bucket.unwrap_or_else(|| Bucket::full(rate, now));
        if bucket.take(rate, now) { Ok(Some(bucket)) } else { Err(Refusal::AcceptRate) }
    }

    fn enter(&mut self, limits: &AdmissionLimits, prefix: Option<Prefix>) {
        self.sessions += 1;
        self.handshakes += 1;
        if let Some(prefix) = prefix {
            self.enter_address(limits, prefix);
        }
    }

    fn leave(&mut self, prefix: Option<Prefix>, shaking: bool) {
        self.sessions -= 1;
        self.handshakes -= usize::from(shaking);
        if let Some(prefix) = prefix
            && let Some(sessions) = self.by_prefix.get_mut(&prefix)
        {
            *sessions -= 1;
            if *sessions == 0 {
                self.by_prefix.remove(&prefix);
            }
        }
    }
}

fn lock(gate: &Gate) -> MutexGuard<'_, Places> {
    // Nothing that holds it can panic half-way.
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No slot of a prefix.
const NO_PREFIX: u32 = u32::MAX;

const _: () = assert!(size_of::<Permit>() == 16);

/// One session's place, given back when this is dropped.
pub(crate) struct Permit {
    gate: Arc<Gate>,
    /// The slot of its prefix, or [`NO_PREFIX`].
    prefix: u32,
    /// The listener that it came by, or [`NO_LISTENER`].
    listener: u8,
    /// It waits for its first packet.
    shaking: bool,
}

impl Permit {
    /// The permit of a session that is alone in the world.
    #[cfg(test)]
    pub(crate) fn alone() -> Permit {
        let limits = AdmissionLimits { sessions: 1, per_ip: None, v6_prefix: 64, handshakes: None, rate: None };
        Admission::new(limits).admit(None, Time::ZERO).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// The listener that it came by, or [`NO_LISTENER`].
    pub(crate) fn listener(&self) -> u8 {
        self.listener
    }

    /// Whether the session waits for its first packet.
    pub(crate) fn is_shaking(&self) -> bool {
        self.shaking
    }

    /// The session has had its first packet.
    #[inline]
    pub(crate) fn established(&mut self) {
        if std::mem::take(&mut self.shaking) {
            self.count_established();
        }
    }

    #[cold]
    fn count_established(&self) {
        let mut places = lock(&self.gate);
        places.all.handshakes -= 1;
        if let Some(counts) = places.listeners.get_mut(usize::from(self.listener)) {
            counts.handshakes -= 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut places = lock(&self.gate);
        let prefix = places.prefixes.remove_at(self.prefix);
        places.all.leave(prefix, self.shaking);
        if let Some(counts) = places.listeners.get_mut(usize::from(self.listener)) {
            counts.leave(prefix, self.shaking);
        }
    }
}

/// What counts as one address: an IPv4 address, or all IPv6 addresses with the same leading bits,
/// since a network hands each customer a whole block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Prefix([u8; 16]);

impl Prefix {
    fn of(ip: IpAddr, v6_prefix: u8) -> Prefix {
        // A listener for both families sees IPv4 peers as mapped addresses, whose leading bits are
        // all the same.
        match ip.to_canonical() {
            IpAddr::V4(ip) => Prefix(ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => {
                let dropped = 128 - u32::from(v6_prefix.min(128));
                Prefix((ip.to_bits() & u128::MAX.checked_shl(dropped).unwrap_or(0)).to_be_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use proptest::prelude::*;

    use super::*;

    fn limits(sessions: usize) -> AdmissionLimits {
        AdmissionLimits { sessions, per_ip: None, v6_prefix: 64, handshakes: None, rate: None }
    }

    fn v4(last: u8) -> Option<IpAddr> {
        Some(Ipv4Addr::new(127, 0, 0, last).into())
    }

    fn left(admission: &Admission) -> (usize, usize, usize) {
        let places = admission.gate.lock().unwrap();
        assert_eq!(places.prefixes.is_empty(), places.all.by_prefix.is_empty());
        (places.all.sessions, places.all.handshakes, places.all.by_prefix.len())
    }

    /// All kinds of peers: an address of each family, a mapped one, two of one block, and none.
    fn peer(index: u8) -> Option<IpAddr> {
        let v6 = |block: u16, host: u16| Some(Ipv6Addr::new(0x2001, 0xdb8, 0, block, 0, 0, 0, host).into());
        match index {
            0 | 1 => v4(index),
            2 => Some(Ipv4Addr::new(127, 0, 0, 1).to_ipv6_mapped().into()),
            3 => v6(1, 1),
            4 => v6(1, 2),
            5 => v6(2, 1),
            _ => None,
        }
    }

    /// The block that a peer belongs to.
    fn kin(index: u8) -> Option<u8> {
        match index {
            2 => Some(1),
            4 => Some(3),
            6.. => None,
            other => Some(other),
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Come(u8),
        Establish(usize),
        Go(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..8_u8).prop_map(Step::Come),
            1 => any::<usize>().prop_map(Step::Establish),
            2 => any::<usize>().prop_map(Step::Go),
        ]
    }

    proptest! {
        #[test]
        fn counts_are_exact_in_every_order_and_nothing_is_left(
            most in 1..12_usize,
            per_ip in prop::option::of(1..5_usize),
            handshakes in prop::option::of(1..6_usize),
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let admission = Admission::new(AdmissionLimits { per_ip, handshakes, ..limits(most) });
            // The sessions: index, permit, and whether the first packet has come.
            let mut there: Vec<(u8, Permit, bool)> = Vec::new();
            for step in steps {
                match step {
                    Step::Come(index) => {
                        let kin_there = there.iter().filter(|(other, ..)| kin(*other) == kin(index)).count();
                        let shaking = there.iter().filter(|(_, _, established)| !established).count();
                        let expected = if there.len() >= most {
                            Some(Refusal::Sessions)
                        } else if kin(index).is_some() && per_ip.is_some_and(|most| kin_there >= most) {
                            Some(Refusal::SessionsPerIp)
                        } else if handshakes.is_some_and(|most| shaking >= most) {
                            Some(Refusal::Handshakes)
                        } else {
                            None
                        };
                        match admission.admit(peer(index), Time::ZERO) {
                            Ok(permit) => {
                                prop_assert_eq!(expected, None);
                                there.push((index, permit, false));
                            }
                            Err(refusal) => prop_assert_eq!(expected, Some(refusal)),
                        }
                    }
                    Step::Establish(at) if !there.is_empty() => {
                        let at = at % there.len();
                        there[at].1.established();
                        there[at].2 = true;
                    }
                    Step::Go(at) if !there.is_empty() => drop(there.swap_remove(at % there.len())),
                    _ => {}
                }
                let shaking = there.iter().filter(|(_, _, established)| !established).count();
                let mut blocks: Vec<u8> = there.iter().filter_map(|(index, ..)| kin(*index)).collect();
                blocks.sort_unstable();
                blocks.dedup();
                let remembered = if per_ip.is_some() { blocks.len() } else { 0 };
                prop_assert_eq!(left(&admission), (there.len(), shaking, remembered));
            }
            drop(there);
            prop_assert_eq!(left(&admission), (0, 0, 0));
        }

        #[test]
        fn a_prefix_is_what_addresses_have_in_common(a: u128, b: u128, bits in 0..=128_u8) {
            let of = |ip: u128| Prefix::of(Ipv6Addr::from_bits(ip).into(), bits);
            // Above the mapped addresses, which are IPv4.
            let (a, b) = (a | 1 << 127, b | 1 << 127);
            let same = (a ^ b).leading_zeros() >= u32::from(bits);
            prop_assert_eq!(of(a) == of(b), same);
        }
    }

    #[test]
    fn a_storm_from_one_address_takes_nothing_from_the_rate_of_others() {
        let rate = Some(Rate::per_second(10));
        let admission = Admission::new(AdmissionLimits { per_ip: Some(1), rate, ..limits(100) });
        let _first = admission.admit(v4(1), Time::ZERO).unwrap_or_else(|refusal| panic!("{refusal}"));
        for _ in 0..1000 {
            assert_eq!(admission.admit(v4(1), Time::ZERO).err(), Some(Refusal::SessionsPerIp));
        }
        let rest: Vec<Permit> = (2..11).filter_map(|last| admission.admit(v4(last), Time::ZERO).ok()).collect();
        assert_eq!(rest.len(), 9);
        assert_eq!(admission.admit(v4(20), Time::ZERO).err(), Some(Refusal::AcceptRate));
        assert!(admission.admit(v4(20), Time::from_nanos(100_000_000)).is_ok(), "a tenth of a second is worth one");
    }

    #[test]
    fn a_listener_has_limits_of_its_own_below_those_for_all() {
        let none = limits(usize::MAX);
        let rate = Some(Rate::per_second(1));
        let own = [
            AdmissionLimits { handshakes: Some(1), per_ip: Some(1), ..limits(2) },
            AdmissionLimits { rate, ..none },
            none,
        ];
        let admission =
            Admission::of_listeners(AdmissionLimits { rate: Some(Rate::per_second(4)), ..limits(3) }, own.into());
        let refused = |listener, ip| admission.admit_at(listener, ip, Time::ZERO).err();
        let admit =
            |listener, ip| admission.admit_at(listener, ip, Time::ZERO).unwrap_or_else(|refusal| panic!("{refusal}"));
        let mut first = admit(0, v4(1));
        assert_eq!(refused(0, v4(1)), Some(Refusal::SessionsPerIp));
        assert_eq!(refused(0, v4(2)), Some(Refusal::Handshakes));
        first.established();
        let mut second = admit(0, v4(2));
        second.established();
        assert_eq!(refused(0, v4(3)), Some(Refusal::Sessions));
        // An address over one listener's limit is still admitted by another.
        drop(admit(1, v4(1)));
        assert_eq!(refused(1, v4(1)), Some(Refusal::AcceptRate));
        // What a listener refused has taken nothing from the rate for all: this is its fourth.
        let third = admit(2, v4(1));
        assert_eq!(refused(2, v4(1)), Some(Refusal::Sessions), "the total of the server");
        drop(second);
        assert_eq!(refused(2, v4(1)), Some(Refusal::AcceptRate), "the rate of the server");
        assert_eq!((first.listener(), third.listener()), (0, 2));
        drop((first, third));
        assert_eq!(left(&admission), (0, 0, 0));
        let places = admission.gate.lock().unwrap();
        assert!(
            places.listeners.iter().all(|counts| counts.sessions + counts.handshakes + counts.by_prefix.len() == 0)
        );
    }

    #[test]
    fn permits_given_back_by_other_threads_in_a_storm() {
        const MOST: usize = 50;
        const PER_IP: usize = 7;
        let admission = Admission::new(AdmissionLimits { per_ip: Some(PER_IP), ..limits(MOST) });
        let (there, of_ip) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 16]);
        let mut refused = 0;
        std::thread::scope(|scope| {
            let shards: Vec<mpsc::Sender<(u8, Permit)>> = (0..3)
                .map(|_| {
                    let (sender, sessions) = mpsc::channel::<(u8, Permit)>();
                    let (there, of_ip) = (&there, &of_ip);
                    scope.spawn(move || {
                        for (index, mut permit) in sessions {
                            if index % 2 == 0 {
                                permit.established();
                            }
                            // Counted out before the permit is dropped, so the count never exceeds
                            // the places taken.
                            there.fetch_sub(1, Ordering::SeqCst);
                            of_ip[usize::from(index)].fetch_sub(1, Ordering::SeqCst);
                            drop(permit);
                        }
                    });
                    sender
                })
                .collect();
            for round in 0..30_000_usize {
                let index = (round % 16) as u8;
                match admission.admit(v4(index), Time::ZERO) {
                    Ok(permit) => {
                        assert!(there.fetch_add(1, Ordering::SeqCst) < MOST);
                        assert!(of_ip[usize::from(index)].fetch_add(1, Ordering::SeqCst) < PER_IP);
                        shards[round % 3].send((index, permit)).expect("it reads until it is told to end");
                    }
                    Err(_) => {
                        refused += 1;
                        std::thread::yield_now();
                    }
                }
            }
        });
        assert!(refused < 30_000, "nobody was admitted");
        assert_eq!(left(&admission), (0, 0, 0));
    }
}
