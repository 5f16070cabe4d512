//! Sessions that a shard fetches from other nodes, each for a connection that waits for it.

use std::collections::BTreeMap;
use std::time::Duration;

use overlapped::Time;

use super::MOST_BYTES;
use super::letter::{Answer, Ask, Letter};
use super::packed::VERSION;
use crate::resume::token::Token;
use crate::resume::wire::Afresh;

/// How long another node has to hand a session over.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
/// When it is asked again, if it did not answer.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// So many nodes one behind the other are asked at once. Those behind them are asked when it is
/// time to ask again: two nodes may each take the other to have the session.
const MOST_HOPS: u8 = 3;
/// Connections that may wait on a shard. One more is reset: its client tries again.
const MOST: usize = 1024;
/// Bytes that have come of sessions that are not whole. A part over it is asked for again.
const MOST_CAME: usize = 64 << 20;

/// Where a session is wanted: by which token, and what its client has.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) token: Token,
    pub(crate) has: u64,
    pub(crate) listener: u64,
}

pub(crate) struct Fetches<T> {
    shard: u16,
    count: u64,
    by_ticket: BTreeMap<u64, Fetch<T>>,
    /// Bytes that have come.
    came: usize,
    /// When something is to be done next.
    next: Time,
}

struct Fetch<T> {
    /// The connection that waits.
    waits: T,
    wanted: Wanted,
    /// The node that is asked, and how many were before it.
    node: u64,
    hops: u8,
    came: Vec<u8>,
    /// The packing that this is of, and how many bytes that has. 0: nothing has come.
    packing: u64,
    total: u32,
    again: Time,
    until: Time,
}

/// What is to be done for a fetch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// To be written to a node.
    Write(u64, Vec<u8>),
    /// The session has come, for this ticket.
    Whole(T, u64, Vec<u8>),
    /// It does not.
    Not(T, Afresh),
}

/// The shard whose fetch has this ticket.
pub(crate) fn shard_of(ticket: u64) -> u16 {
    (ticket >> 48) as u16
}

impl<T> Fetches<T> {
    pub(crate) fn new(shard: u16) -> Fetches<T> {
        Fetches { shard, count: 0, by_ticket: BTreeMap::new(), came: 0, next: Time::MAX }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_ticket.is_empty()
    }

    /// When there is something to do.
    pub(crate) fn deadline(&self) -> Time {
        if self.by_ticket.is_empty() { Time::MAX } else { self.next }
    }

    /// Begins to fetch a session from a node for a connection. If another waits for the session, it
    /// is given back: the newer wins. The last is the connection itself, if too many wait, or one
    /// from another listener.
    pub(crate) fn begin(&mut self, waits: T, wanted: Wanted, node: u64, now: Time) -> Result<Option<T>, T> {
        self.next = now;
        let same = self.by_ticket.values_mut().find(|fetch| fetch.wanted.token.is(&wanted.token));
        if let Some(fetch) = same {
            // What has come is for the first.
            if fetch.wanted.listener != wanted.listener {
                return Err(waits);
            }
            (fetch.wanted, fetch.until) = (wanted, now + GIVE_UP_AFTER);
            return Ok(Some(std::mem::replace(&mut fetch.waits, waits)));
        }
        if self.by_ticket.len() >= MOST {
            return Err(waits);
        }
        self.count += 1;
        let until = now + GIVE_UP_AFTER;
        let fetch = Fetch { waits, wanted, node, hops: 0, came: Vec::new(), packing: 0, total: 0, again: now, until };
        self.by_ticket.insert(u64::from(self.shard) << 48 | self.count, fetch);
        Ok(None)
    }

    /// What is due now.
    pub(crate) fn turn(&mut self, now: Time) -> Vec<Step<T>> {
        if self.next > now {
            return Vec::new();
        }
        let over: Vec<u64> =
            self.by_ticket.iter().filter(|(_, fetch)| fetch.until <= now).map(|(ticket, _)| *ticket).collect();
        let mut steps: Vec<Step<T>> =
            over.into_iter().filter_map(|ticket| self.refuse(ticket, Afresh::NodeSilent)).collect();
        for (ticket, fetch) in &mut self.by_ticket {
            if fetch.again <= now {
                fetch.again = now + AGAIN_AFTER;
                steps.push(fetch.ask(*ticket));
            }
        }
        self.next = self.by_ticket.values().map(|fetch| fetch.again.min(fetch.until)).min().unwrap_or(Time::MAX);
        steps
    }

    /// A node has answered.
    pub(crate) fn hear(&mut self, ticket: u64, from: u64, answer: Answer<'_>, now: Time) -> Option<Step<T>> {
        let fetch = self.by_ticket.get_mut(&ticket).filter(|fetch| fetch.node == from)?;
        match answer {
            Answer::Refused(reason) => self.refuse(ticket, reason),
            Answer::Elsewhere(node) => {
                // That node may be this one: then it is on another shard, or is to be soon.
                self.came -= fetch.restart();
                (fetch.node, fetch.hops) = (node, fetch.hops.saturating_add(1));
                fetch.again = now + AGAIN_AFTER;
                (fetch.hops <= MOST_HOPS).then(|| fetch.ask(ticket))
            }
            Answer::Part { packing, total, at, bytes } => {
                if packing > fetch.packing && at == 0 {
                    // The session has gone on meanwhile, and is packed anew.
                    self.came -= fetch.restart();
                    (fetch.packing, fetch.total) = (packing, total);
                }
                let is_next = (packing, total, at as usize) == (fetch.packing, fetch.total, fetch.came.len());
                let len = fetch.came.len() + bytes.len();
                if !is_next
                    || len > total as usize
                    || total as usize > MOST_BYTES
                    || self.came + bytes.len() > MOST_CAME
                {
                    return None;
                }
                self.came += bytes.len();
                fetch.came.extend_from_slice(bytes);
                if len < total as usize {
                    fetch.again = now + AGAIN_AFTER;
                    return Some(fetch.ask(ticket));
                }
                let fetch = self.remove(ticket)?;
                Some(Step::Whole(fetch.waits, ticket, fetch.came))
            }
        }
    }

    /// Another node is to be asked, when it is time to ask again.
    pub(crate) fn go_to(&mut self, ticket: u64, node: u64) {
        if let Some(fetch) = self.by_ticket.get_mut(&ticket).filter(|fetch| fetch.node != node) {
            self.came -= fetch.restart();
            fetch.node = node;
        }
    }

    pub(crate) fn refuse(&mut self, ticket: u64, reason: Afresh) -> Option<Step<T>> {
        self.remove(ticket).map(|fetch| Step::Not(fetch.waits, reason))
    }

    fn remove(&mut self, ticket: u64) -> Option<Fetch<T>> {
        let fetch = self.by_ticket.remove(&ticket)?;
        self.came -= fetch.came.len();
        Some(fetch)
    }

    /// The connection that waits for a fetch, which is over.
    pub(crate) fn take(&mut self, ticket: u64) -> Option<T> {
        self.remove(ticket).map(|fetch| fetch.waits)
    }

    /// All that wait: nobody is let in any more.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        (self.came, self.next) = (0, Time::MAX);
        std::mem::take(&mut self.by_ticket).into_values().map(|fetch| fetch.waits).collect()
    }
}

impl<T> Fetch<T> {
    /// Nothing has come. Says how many bytes had.
    fn restart(&mut self) -> usize {
        (self.packing, self.total) = (0, 0);
        std::mem::take(&mut self.came).len()
    }

    fn ask(&self, ticket: u64) -> Step<T> {
        let Wanted { token, has, listener } = self.wanted.clone();
        let at = u32::try_from(self.came.len()).unwrap_or(u32::MAX);
        Step::Write(
            self.node,
            Letter::Ask(Ask { version: VERSION, ticket, packing: self.packing, at, has, token, listener }).encode(),
        )
    }
}
