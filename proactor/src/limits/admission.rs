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
    /// What each listener limits of its own, besides those for all.
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
            limits,
            all: Counts::default(),
            listeners: listeners.iter().map(|_| Counts::default()).collect(),
            prefixes: Table::new(),
        };
        Admission { listeners: listeners.into(), gate: Arc::new(Mutex::new(places)) }
    }

    /// Has other limits for all. Who is in stays, also where there are too many now. Sessions that
    /// came while none were counted by address are not.
    pub(crate) fn set_limits(&self, limits: AdmissionLimits) {
        lock(&self.gate).limits = limits;
    }

    /// Admits a connection, or says which limit it met. A peer without an IP address (on a Unix
    /// socket) counts for no address. A connection that is refused for another reason does not
    /// count towards the rate, so an address over its limit takes nothing from others.
    pub(crate) fn admit(&self, peer: Option<IpAddr>, now: Time) -> Result<Permit, Refusal> {
        self.admit_at(NO_LISTENER, peer, now)
    }

    /// As [`admit`](Admission::admit), for a connection of one listener.
    pub(crate) fn admit_at(&self, listener: u8, peer: Option<IpAddr>, now: Time) -> Result<Permit, Refusal> {
        let own = self.listeners.get(usize::from(listener));
        let mut places = lock(&self.gate);
        let Places { limits, all, listeners, prefixes } = &mut *places;
        let counts_ip = limits.per_ip.is_some() || own.is_some_and(|own| own.per_ip.is_some());
        let prefix = peer.filter(|_| counts_ip).map(|ip| Prefix::of(ip, limits.v6_prefix));
        let mut own = own.zip(listeners.get_mut(usize::from(listener)));
        all.check(limits, prefix)?;
        if let Some((own_limits, counts)) = &own {
            counts.check(own_limits, prefix)?;
        }
        let bucket = all.bucket_after(limits, now)?;
        if let Some((own_limits, counts)) = &mut own {
            counts.bucket = counts.bucket_after(own_limits, now)?;
            counts.enter(prefix);
        }
        all.bucket = bucket;
        all.enter(prefix);
        let prefix = prefix.map_or(NO_PREFIX, |prefix| prefixes.insert(prefix).slot());
        drop(places);
        Ok(Permit { gate: Arc::clone(&self.gate), prefix, listener, shaking: true })
    }

    /// A connection that counted for no address is one of this address's. Says if it may not be.
    pub(crate) fn settle(&self, permit: &mut Permit, peer: Option<IpAddr>) -> Result<(), Refusal> {
        let own = self.listeners.get(usize::from(permit.listener));
        let mut places = lock(&self.gate);
        let Places { limits, all, listeners, prefixes } = &mut *places;
        let counts_ip = limits.per_ip.is_some() || own.is_some_and(|own| own.per_ip.is_some());
        let Some(prefix) = peer.filter(|_| counts_ip).map(|ip| Prefix::of(ip, limits.v6_prefix)) else {
            return Ok(());
        };
        debug_assert_eq!(permit.prefix, NO_PREFIX, "it counts for an address already");
        all.check_address(limits, prefix)?;
        if let Some((own, counts)) = own.zip(listeners.get_mut(usize::from(permit.listener))) {
            counts.check_address(own, prefix)?;
            counts.enter_address(prefix);
        }
        all.enter_address(prefix);
        permit.prefix = prefixes.insert(prefix).slot();
        Ok(())
    }

    /// The sessions in their handshake that came by a listener.
    #[cfg(feature = "metrics")]
    pub(crate) fn handshakes_of(&self, listener: usize) -> usize {
        lock(&self.gate).listeners.get(listener).map_or(0, |counts| counts.handshakes)
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
    limits: AdmissionLimits,
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

    /// Counted whether or not there is a limit here: if there will be, what leaves has come.
    fn enter_address(&mut self, prefix: Prefix) {
        *self.by_prefix.entry(prefix).or_default() += 1;
    }

    /// The bucket without the token of one more connection. It is taken only if all limits are met.
    fn bucket_after(&self, limits: &AdmissionLimits, now: Time) -> Result<Option<Bucket>, Refusal> {
        let Some(rate) = limits.rate else { return Ok(None) };
        let mut bucket = self.bucket.unwrap_or_else(|| Bucket::full(rate, now));
        if bucket.take(rate, now) { Ok(Some(bucket)) } else { Err(Refusal::AcceptRate) }
    }

    fn enter(&mut self, prefix: Option<Prefix>) {
        self.sessions += 1;
        self.handshakes += 1;
        if let Some(prefix) = prefix {
            self.enter_address(prefix);
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
mod tests;
