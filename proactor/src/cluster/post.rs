//! Mail to other nodes: to one, or to all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bus::{Bus, Unpublished};
use super::ledger::Ledger;
use super::mail::{ALL_NODES, MailKind, subject_of};
use super::outlet::Outlet;
use super::wire::{HEADER_BYTES, Kind};

/// Nodes whose subjects are kept; the one that was written to longest ago is forgotten.
const MOST_KEPT: usize = 256;

/// Why mail was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The bus carries at most so many bytes.
    TooLong {
        limit: usize,
    },
    Unpublished(Unpublished),
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsent::TooLong { limit } => write!(f, "mail to another node has at most {limit} bytes"),
            Unsent::Unpublished(why) => why.fmt(f),
        }
    }
}

pub(super) struct Post {
    bus: Arc<dyn Bus>,
    ledger: Arc<Ledger>,
    addresses: Mutex<Addresses>,
}

/// Held while something is published: each address has its mail in the order of its numbers.
struct Addresses {
    all: Outlet,
    nodes: BTreeMap<u64, Address>,
    /// How many there were so far.
    made: u32,
    /// How often something was sent.
    turns: u64,
}

struct Address {
    outlet: Outlet,
    used: u64,
}

impl Post {
    pub(super) fn new(bus: &Arc<dyn Bus>, ledger: &Arc<Ledger>) -> Post {
        let all = Outlet::new(&**bus, ALL_NODES, 0);
        let addresses = Addresses { all, nodes: BTreeMap::new(), made: 1, turns: 0 };
        Post { bus: Arc::clone(bus), ledger: Arc::clone(ledger), addresses: Mutex::new(addresses) }
    }

    fn lock(&self) -> MutexGuard<'_, Addresses> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of a body that the bus carries.
    pub(super) fn longest(&self) -> usize {
        self.bus.max_message().saturating_sub(HEADER_BYTES + 1)
    }

    fn packet(&self, kind: MailKind, body: &[u8]) -> Result<Vec<u8>, Unsent> {
        let limit = self.longest();
        if body.len() > limit { Err(Unsent::TooLong { limit }) } else { Ok(kind.with(body)) }
    }

    pub(super) fn to_all(&self, kind: MailKind, body: &[u8]) -> Result<(), Unsent> {
        let packet = self.packet(kind, body)?;
        self.lock().all.send(&self.ledger, Kind::Mail, &packet).map_err(Unsent::Unpublished)
    }

    pub(super) fn to_one(&self, node: u64, kind: MailKind, body: &[u8]) -> Result<(), Unsent> {
        let packet = self.packet(kind, body)?;
        let Addresses { nodes, made, turns, .. } = &mut *self.lock();
        if !nodes.contains_key(&node) && nodes.len() >= MOST_KEPT {
            let oldest = nodes.iter().min_by_key(|(_, address)| address.used).map(|(node, _)| *node);
            oldest.and_then(|oldest| nodes.remove(&oldest));
        }
        let address = nodes.entry(node).or_insert_with(|| {
            *made = made.wrapping_add(1);
            Address { outlet: Outlet::new(&*self.bus, &subject_of(node), *made), used: 0 }
        });
        *turns += 1;
        address.used = *turns;
        address.outlet.send(&self.ledger, Kind::Mail, &packet).map_err(Unsent::Unpublished)
    }
}
