//! The peers of a shard's datagram sessions: found by address, heard in time, and answered as far
//! as their address is proved.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use overlapped::Time;

use crate::meter::Traffic;
use crate::session::id::SessionId;
use crate::wheel::Wheel;

/// A place from which datagrams come: a port of the shard, and an address.
pub(crate) type Origin = (u32, SocketAddr);

/// What a session's peer may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Anything: its address is proved.
    Proved,
    /// So many bytes on the wire, headers included.
    Owed(u64),
}

/// The peer of a datagram session.
#[derive(Debug)]
pub(crate) struct Peer {
    session: SessionId,
    pub(crate) origin: Origin,
    heard: Time,
    proof: Proof,
    /// What it has chosen for its exchange of cookies.
    pub(crate) nonce: Option<[u8; 8]>,
    /// Bytes of its outbox that wait in the port, and of those that were taken together with them.
    waiting: usize,
    taken: usize,
    /// Its session is closing, and waits for nothing.
    is_hasty: bool,
    /// Bytes of its datagrams.
    pub(crate) traffic: Traffic,
}

/// Headers of a datagram on the wire.
fn header_bytes(address: SocketAddr) -> u64 {
    if address.is_ipv4() { 28 } else { 48 }
}

/// An address as it is compared: the flow of an IPv6 datagram is no part of it.
pub(crate) fn comparable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mut address) => {
            address.set_flowinfo(0);
            address.into()
        }
        v4 => v4,
    }
}

impl Peer {
    pub(crate) fn new(session: SessionId, origin: Origin, proof: Proof, nonce: Option<[u8; 8]>, now: Time) -> Peer {
        Peer {
            session,
            origin,
            heard: now,
            proof,
            nonce,
            waiting: 0,
            taken: 0,
            is_hasty: false,
            traffic: Traffic::default(),
        }
    }

    /// A datagram of so many bytes has come.
    pub(crate) fn came(&mut self, bytes: usize, now: Time) {
        self.heard = now;
        self.traffic.received += bytes as u64;
        if let Proof::Owed(owed) = &mut self.proof {
            *owed = owed.saturating_add(bytes as u64 + header_bytes(self.origin.1));
        }
    }

    /// Whether it may be sent a datagram of so many bytes. If so, that is taken from what it may be
    /// sent.
    pub(crate) fn may_be_sent(&mut self, bytes: usize) -> bool {
        match &mut self.proof {
            Proof::Proved => true,
            Proof::Owed(owed) => {
                let left = owed.checked_sub(bytes as u64 + header_bytes(self.origin.1));
                *owed = left.unwrap_or(*owed);
                left.is_some()
            }
        }
    }

    pub(crate) fn confirm(&mut self) {
        self.proof = Proof::Proved;
    }

    pub(crate) fn is_proved(&self) -> bool {
        self.proof == Proof::Proved
    }

    /// So many bytes were taken from the outbox, and some of them wait in the port. Says whether
    /// any do.
    pub(crate) fn takes(&mut self, taken: usize, waiting: usize) -> bool {
        self.taken += taken;
        self.waiting += waiting;
        self.waiting > 0
    }

    /// So many bytes wait no longer. Says whether they were the last.
    pub(crate) fn waits_no_longer(&mut self, bytes: usize) -> bool {
        self.waiting -= bytes;
        self.waiting == 0
    }

    /// Its session is closing, and does not wait for what waits in the port. Says whether it did.
    pub(crate) fn hasten(&mut self) -> bool {
        !std::mem::replace(&mut self.is_hasty, true) && self.waiting > 0
    }

    /// Whether the end of its session waits for what is in the port.
    pub(crate) fn holds_up_end(&self) -> bool {
        self.waiting > 0 && !self.is_hasty
    }

    /// How many bytes were taken from the outbox since this was last asked.
    pub(crate) fn take_taken(&mut self) -> usize {
        std::mem::take(&mut self.taken)
    }
}

pub(crate) struct Peers {
    /// Those whose sessions are not closing. Ordered rather than hashed: it needs no random seed,
    /// and nobody can choose addresses that collide.
    by_origin: BTreeMap<Origin, u32>,
    /// Never gone through in its order, which differs from run to run.
    by_slot: HashMap<u32, Peer>,
    /// When to ask whether a peer was heard.
    silence: Wheel,
}

impl Default for Peers {
    fn default() -> Peers {
        Peers { by_origin: BTreeMap::new(), by_slot: HashMap::new(), silence: Wheel::new() }
    }
}

impl Peers {
    pub(crate) fn insert(&mut self, peer: Peer, idle: Duration) {
        let slot = peer.session.slot();
        self.silence.insert(slot, peer.heard + idle);
        self.by_origin.insert(peer.origin, slot);
        self.by_slot.insert(slot, peer);
    }

    /// The session of an origin, if it is not closing.
    pub(crate) fn find(&self, origin: Origin) -> Option<u32> {
        self.by_origin.get(&origin).copied()
    }

    pub(crate) fn at(&mut self, slot: u32) -> Option<&mut Peer> {
        self.by_slot.get_mut(&slot)
    }

    /// The peer of a session, which may be closing.
    pub(crate) fn of(&mut self, id: SessionId) -> Option<&mut Peer> {
        self.by_slot.get_mut(&id.slot()).filter(|peer| peer.session == id)
    }

    /// The session is closing: what comes from its origin is not for it.
    pub(crate) fn part(&mut self, slot: u32) {
        self.silence.remove(slot);
        if let Some(peer) = self.by_slot.get(&slot)
            && self.by_origin.get(&peer.origin) == Some(&slot)
        {
            self.by_origin.remove(&peer.origin);
        }
    }

    /// The session is gone.
    pub(crate) fn forget(&mut self, slot: u32) {
        self.part(slot);
        self.by_slot.remove(&slot);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_slot.is_empty()
    }

    /// When the next peer may have been silent for too long.
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.silence.earliest()
    }

    /// A session whose peer was silent for the time that `idle` says of its port.
    pub(crate) fn pop_silent(&mut self, now: Time, idle: impl Fn(u32) -> Duration) -> Option<u32> {
        while let Some(slot) = self.silence.pop_due(now) {
            let Some(peer) = self.by_slot.get(&slot) else { continue };
            let due = peer.heard + idle(peer.origin.0);
            if due <= now {
                return Some(slot);
            }
            self.silence.insert(slot, due);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn peer(slot: u32, port: u16, now: Time) -> Peer {
        let session = SessionId::new(0, Key::new(slot, 1));
        Peer::new(session, (0, SocketAddr::from(([10, 0, 0, 1], port))), Proof::Owed(0), None, now)
    }

    #[test]
    fn a_peer_is_silent_when_nothing_came_for_the_time_and_is_found_until_it_closes() {
        let mut peers = Peers::default();
        let (ann, bob) = (peer(0, 1, at(0)), peer(1, 2, at(0)));
        let (anns, bobs) = (ann.origin, bob.origin);
        peers.insert(ann, MINUTE);
        peers.insert(bob, MINUTE);
        peers.at(0).unwrap().came(1, at(30));
        assert_eq!(peers.pop_silent(at(59), |_| MINUTE), None);
        assert_eq!(peers.pop_silent(at(61), |_| MINUTE), Some(1));
        assert_eq!(peers.pop_silent(at(61), |_| MINUTE), None);
        peers.part(1);
        assert_eq!((peers.find(anns), peers.find(bobs)), (Some(0), None));
        // Another session of the same origin, while the first one is closing.
        peers.insert(peer(2, 2, at(62)), MINUTE);
        peers.forget(1);
        assert_eq!(peers.find(bobs), Some(2));
        assert_eq!(peers.pop_silent(at(91), |_| MINUTE), Some(0));
        assert_eq!(peers.pop_silent(at(123), |_| MINUTE), Some(2));
        peers.forget(0);
        peers.forget(2);
        assert!(peers.is_empty() && peers.earliest().is_none() && peers.by_origin.is_empty());
    }

    #[test]
    fn no_more_is_sent_than_came_until_the_address_is_proved() {
        let mut peer = peer(0, 1, at(0));
        assert!(!peer.may_be_sent(0), "nothing came");
        peer.came(100, at(0));
        assert!(!peer.may_be_sent(101), "a longer answer");
        assert!(peer.may_be_sent(50));
        assert!(!peer.may_be_sent(50), "two datagrams have two headers");
        assert!(peer.may_be_sent(22) && !peer.may_be_sent(0));
        peer.came(0, at(0));
        assert!(peer.may_be_sent(0) && !peer.may_be_sent(0));
        peer.confirm();
        assert!(peer.may_be_sent(65_000) && peer.is_proved());
    }

    #[test]
    fn the_flow_of_an_ipv6_datagram_is_no_part_of_its_origin() {
        let address = |flow| SocketAddr::from(std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 80, flow, 3));
        assert_eq!(comparable(address(7)), address(0));
        let v4 = SocketAddr::from(([10, 0, 0, 1], 80));
        assert_eq!(comparable(v4), v4);
    }
}
