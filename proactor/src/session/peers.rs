//! The addresses of a shard's peers, in little memory. Most have an IPv4 address, which takes 8
//! bytes in the session's record. Others are in a table, in which only they have a place.

use std::net::{SocketAddr, SocketAddrV4};

use overlapped::{Address, table::Table};

/// The address of a session's peer, as its record has it.
#[derive(Debug)]
pub(crate) enum Peer {
    V4(SocketAddrV4),
    /// The slot in the table of the others.
    Other(u32),
}

impl Peer {
    /// One that is not known yet.
    pub(crate) const UNKNOWN: Peer = Peer::Other(u32::MAX);
}

const _: () = assert!(size_of::<Peer>() == 8);

/// The addresses that do not fit into a record.
#[derive(Default)]
pub(crate) struct Peers(Table<Address>);

impl Peers {
    pub(crate) fn keep(&mut self, address: Address) -> Peer {
        match address {
            Address::Ip(SocketAddr::V4(address)) => Peer::V4(address),
            other => Peer::Other(self.0.insert(other).slot()),
        }
    }

    #[inline]
    pub(crate) fn address(&self, peer: &Peer) -> Address {
        match peer {
            Peer::V4(address) => Address::Ip(SocketAddr::V4(*address)),
            Peer::Other(slot) => self.other(*slot),
        }
    }

    #[inline(never)]
    fn other(&self, slot: u32) -> Address {
        self.0.at(slot).cloned().unwrap_or(Address::Unnamed)
    }

    /// A session is gone.
    pub(crate) fn forget(&mut self, peer: &Peer) {
        if let Peer::Other(slot) = peer {
            self.0.remove_at(*slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_is_kept_and_only_those_that_do_not_fit_take_a_place() {
        let mut peers = Peers::default();
        let all = ["10.0.0.1:80", "[2001:db8::1]:80", "[::ffff:10.0.0.1]:80", "unix:/run/client.sock"];
        let mut all: Vec<Address> = all.iter().map(|text| text.parse().unwrap()).collect();
        all.push(Address::Unnamed);
        let scoped = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 7, 3);
        all.push(SocketAddr::V6(scoped).into());
        let kept: Vec<Peer> = all.iter().map(|address| peers.keep(address.clone())).collect();
        assert_eq!(peers.0.len(), all.len() - 1);
        for (address, peer) in all.iter().zip(&kept) {
            assert_eq!(peers.address(peer), *address);
        }
        kept.iter().for_each(|peer| peers.forget(peer));
        assert!(peers.0.is_empty());
    }
}
