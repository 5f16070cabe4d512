//! The nodes of a cluster that are alive, as one of them has heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use overlapped::Time;

use super::bus::Queued;
use super::status::Status;

/// How often a node tells the others how it is.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(2);
/// A node that is silent for longer is gone.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// A node tells newcomers of itself at once, but not more often than this.
const TELL_NEWCOMERS_EVERY: Duration = Duration::from_millis(200);
/// Nodes that are known at once. More are not noted until one of these is gone: who makes numbers
/// up takes no place of a live one.
const MOST_NODES: usize = 256;

/// A node of a cluster that is alive: [`Handle::nodes`](crate::Handle::nodes).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its number: no other start of any node has it.
    pub number: u64,
    /// Whether it is this server.
    pub is_self: bool,
    /// Sessions that it has accepted.
    pub sessions: usize,
    /// [Keys](crate::Session::identify) that sessions there have.
    pub keys: usize,
    /// Its shards.
    pub shards: usize,
    /// Whether it is being drained: it accepts no more.
    pub is_draining: bool,
    /// How long its server has been running.
    pub uptime: Duration,
    /// What waits in its bus to be published, if that knows.
    pub queued: Option<Queued>,
    /// Packets of other nodes that its members lack: [`ClusterStats`](super::ClusterStats), as the
    /// next two.
    pub missed: u64,
    /// Its packets that the bus did not take.
    pub unpublished: u64,
    /// How often it lost the connection to the cluster.
    pub interruptions: u64,
    /// How long ago it told this; zero for this server. One that is silent for 10 s is gone. This
    /// and [`uptime`](NodeInfo::uptime) are as of this node's last look, which is every 2 s.
    pub silence: Duration,
}

/// What a node has heard of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is new here. `owes` says that it should be told of this one now.
    New { owes: bool },
    /// It is still there, or there is no room for it.
    Known,
    /// It ends.
    Ended,
}

#[derive(Default)]
pub(crate) struct Nodes(Mutex<Table>);

#[derive(Default)]
struct Table {
    others: BTreeMap<u64, Known>,
    /// The latest moment that this node has seen.
    now: Time,
    /// When it told of itself last.
    told: Option<Time>,
}

struct Known {
    name: Arc<str>,
    status: Status,
    heard: Time,
    /// Sessions that were suggested to go there and may not be in its status yet.
    suggested: u32,
}

impl Known {
    fn info(&self, number: u64, now: Time) -> NodeInfo {
        NodeInfo { silence: now.since(self.heard), ..self.status.info(number, Arc::clone(&self.name)) }
    }

    fn has_less_to_do_than(&self, other: &Known) -> bool {
        let sessions = |known: &Known| u64::from(known.status.sessions) + u64::from(known.suggested);
        let shards = |known: &Known| u64::from(known.status.shards.max(1));
        sessions(self) * shards(other) < sessions(other) * shards(self)
    }
}

impl Nodes {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another node has told how it is.
    pub(crate) fn heard(&self, number: u64, name: Arc<str>, status: Status, now: Time) -> Heard {
        let Table { others, now: last, told } = &mut *self.lock();
        *last = now.max(*last);
        if status.ends {
            if others.remove(&number).is_some() {
                tracing::info!("node {name} of the cluster has ended");
            }
            return Heard::Ended;
        }
        let is_new = !others.contains_key(&number);
        if is_new && others.len() >= MOST_NODES {
            return Heard::Known;
        }
        if is_new {
            tracing::info!("node {name} is in the cluster");
        }
        // Who was sent there needs some time to arrive.
        let suggested = others.get(&number).map_or(0, |known| known.suggested / 2);
        others.insert(number, Known { name, status, heard: now, suggested });
        match is_new {
            true => Heard::New { owes: told.is_none_or(|told| now.since(told) >= TELL_NEWCOMERS_EVERY) },
            false => Heard::Known,
        }
    }

    /// This node tells of itself.
    pub(super) fn tells(&self, now: Time) {
        let Table { now: last, told, .. } = &mut *self.lock();
        (*last, *told) = (now.max(*last), Some(now));
    }

    /// Forgets those that were silent for too long. Returns them, and those that are there.
    pub(crate) fn expire(&self, now: Time) -> (Vec<u64>, BTreeSet<u64>) {
        let others = &mut self.lock().others;
        let mut gone = Vec::new();
        others.retain(|number, known| {
            let is_alive = now.since(known.heard) <= GONE_AFTER;
            if !is_alive {
                tracing::warn!("node {} of the cluster is gone: it was silent for {GONE_AFTER:?}", known.name);
                gone.push(*number);
            }
            is_alive
        });
        (gone, others.keys().copied().collect())
    }

    /// The other nodes.
    pub(crate) fn others(&self) -> Vec<NodeInfo> {
        let Table { others, now, .. } = &*self.lock();
        others.iter().map(|(number, known)| known.info(*number, *now)).collect()
    }

    /// The other node that has the fewest sessions a shard and does not drain. One more session is
    /// counted there, so that not all are sent to one.
    pub(crate) fn suggest(&self) -> Option<NodeInfo> {
        let Table { others, now, .. } = &mut *self.lock();
        let taking = others.iter_mut().filter(|(_, known)| !known.status.drains);
        let (number, known) =
            taking.reduce(|best, next| if next.1.has_less_to_do_than(best.1) { next } else { best })?;
        known.suggested = known.suggested.saturating_add(1);
        Some(known.info(*number, *now))
    }

    /// The other node whose number begins with this.
    pub(crate) fn beginning_with(&self, first: [u8; 6]) -> Option<u64> {
        self.lock().others.keys().copied().find(|number| number.to_be_bytes().starts_with(&first))
    }

    /// The latest moment that this node has seen.
    pub(crate) fn now(&self) -> Time {
        self.lock().now
    }
}

impl Status {
    pub(crate) fn info(&self, number: u64, name: Arc<str>) -> NodeInfo {
        NodeInfo {
            name,
            number,
            is_self: false,
            sessions: self.sessions as usize,
            keys: usize::try_from(self.keys).unwrap_or(usize::MAX),
            shards: self.shards.into(),
            is_draining: self.drains,
            uptime: self.uptime,
            queued: self.lag.queued,
            missed: self.lag.missed,
            unpublished: self.lag.unpublished,
            interruptions: self.lag.interruptions,
            silence: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn numbers(nodes: &Nodes) -> Vec<u64> {
        nodes.others().iter().map(|node| node.number).collect()
    }

    #[test]
    fn a_node_is_there_until_it_says_goodbye_or_is_silent_for_too_long() {
        let (nodes, status) = (Nodes::default(), Status { sessions: 5, ..Status::default() });
        let hear = |number: u64, millis: u64| nodes.heard(number, "n".into(), status, at(millis));
        nodes.tells(at(0));
        let [owes, owes_not] = [true, false].map(|owes| Heard::New { owes });
        assert_eq!([hear(1, 1_000), hear(1, 2_000), hear(2, 2_000)], [owes, Heard::Known, owes]);
        assert_eq!(nodes.others()[0].sessions, 5);
        assert_eq!(nodes.heard(2, "n".into(), Status { ends: true, ..status }, at(3_000)), Heard::Ended);
        assert_eq!(numbers(&nodes), [1]);
        nodes.tells(at(12_000));
        assert_eq!(nodes.expire(at(12_000)), (vec![], BTreeSet::from([1])));
        assert_eq!((numbers(&nodes), nodes.others()[0].silence), (vec![1], GONE_AFTER));
        assert_eq!(nodes.expire(at(12_001)), (vec![1], BTreeSet::new()));
        assert_eq!(numbers(&nodes), [] as [u64; 0]);
        assert_eq!(hear(1, 12_100), owes_not, "it is told a little later");
        assert_eq!(numbers(&nodes), [1], "and is there again");
    }

    #[test]
    fn who_is_sent_away_is_spread_over_the_nodes_by_their_load() {
        let nodes = Nodes::default();
        assert_eq!(nodes.suggest(), None);
        let hear = |number: u64, shards: u16, sessions: u32, drains: bool| {
            nodes.heard(number, "n".into(), Status { shards, sessions, drains, ..Status::default() }, at(0));
        };
        hear(1, 2, 20, false);
        hear(2, 1, 4, false);
        hear(3, 1, 0, true);
        let mut suggested = [0; 4];
        let mut suggest = |count: usize| {
            for _ in 0..count {
                suggested[nodes.suggest().unwrap().number as usize] += 1;
            }
            suggested
        };
        // 10 a shard and 4, then 10 and 10, then one after the other.
        assert_eq!(suggest(6), [0, 0, 6, 0]);
        assert_eq!(suggest(30), [0, 20, 16, 0]);
        hear(2, 1, 4, false);
        assert_eq!(suggest(8), [0, 20, 24, 0], "half of those are still on their way");
    }

    #[test]
    fn made_up_numbers_take_no_place_of_a_node_that_is_alive() {
        let nodes = Nodes::default();
        nodes.heard(7, "real".into(), Status::default(), at(0));
        for number in 1_000..3_000 {
            nodes.heard(number, "made up".into(), Status::default(), at(1));
        }
        let others = nodes.others();
        assert_eq!((others.len(), others.iter().any(|node| &*node.name == "real")), (MOST_NODES, true));
        nodes.heard(7, "real".into(), Status::default(), at(9_000));
        nodes.expire(at(10_500));
        assert_eq!(numbers(&nodes), [7], "they are gone when they are silent");
    }
}
