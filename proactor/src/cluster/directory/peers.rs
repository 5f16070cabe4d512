//! The leases of other nodes, as this one sees them. A lease that is read unchanged after its time
//! is deleted: then the node that had it finds out, and its keys are free. Knows no records, only
//! what came of its calls, and only this node's clock.

use std::collections::BTreeMap;
use std::time::Duration;

use overlapped::Time;

use super::event::Answer;
use super::lease::{self, Written};
use crate::cluster::records::Revision;

/// Nodes that are watched at once; the one that was asked for longest ago is forgotten.
const MOST_PEERS: usize = 1024;
/// A node that nobody asks for is watched so much longer.
const WATCHED: Duration = Duration::from_secs(600);
/// Between two attempts to read what could not be read.
const AGAIN: Duration = Duration::from_millis(250);
/// No lease is taken to be shorter or longer.
const TIMES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// The node had this lease a moment ago.
    Live,
    /// It will never have it again.
    Dead,
    /// It is being asked for.
    Unknown,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Read(u64),
    Delete(u64, Revision),
}

#[derive(Debug)]
struct Peer {
    seen: Option<Seen>,
    /// All epochs up to this one have ended.
    ended: Option<u32>,
    /// The latest epoch that was asked for, and the latest that an answer was about.
    asked_for: u32,
    answered_for: u32,
    /// It is watched until then.
    until: Time,
    next: Time,
    call: Option<Call>,
}

#[derive(Debug)]
struct Seen {
    lease: Written,
    revision: Revision,
    /// When this revision was read first.
    since: Time,
    /// It is to be deleted.
    is_over: bool,
}

#[derive(Debug)]
struct Call {
    sent: Time,
    /// What was asked for by then.
    asked_for: u32,
}

#[derive(Default)]
pub(super) struct Peers(BTreeMap<u64, Peer>);

impl Peers {
    /// What is known of an epoch that a record names.
    pub(super) fn life(&mut self, node: u64, epoch: u32, now: Time) -> Life {
        if !self.0.contains_key(&node) && self.0.len() >= MOST_PEERS {
            let oldest = self.0.iter().min_by_key(|(_, peer)| peer.until).map(|(node, _)| *node);
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        let peer = self.0.entry(node).or_insert_with(|| Peer {
            seen: None,
            ended: None,
            asked_for: epoch,
            answered_for: 0,
            until: now,
            next: now,
            call: None,
        });
        peer.until = now + WATCHED;
        peer.asked_for = peer.asked_for.max(epoch);
        match &peer.seen {
            _ if peer.ended.is_some_and(|ended| epoch <= ended) => Life::Dead,
            Some(seen) if seen.lease.epoch == epoch => Life::Live,
            Some(seen) if seen.lease.epoch > epoch => Life::Dead,
            _ => {
                // An answer that says nothing of it will not be another at once.
                if epoch > peer.answered_for {
                    peer.next = now;
                }
                Life::Unknown
            }
        }
    }

    /// When there is something to do without being told.
    pub(super) fn deadline(&self) -> Time {
        let next = |peer: &Peer| if peer.call.is_some() { Time::MAX } else { peer.next };
        self.0.values().map(next).min().unwrap_or(Time::MAX)
    }

    pub(super) fn turn(&mut self, now: Time) -> Vec<Deed> {
        self.0.retain(|_, peer| peer.until > now || peer.call.is_some());
        let due = self.0.iter_mut().filter(|(_, peer)| peer.call.is_none() && peer.next <= now);
        let begin = |(node, peer): (&u64, &mut Peer)| {
            peer.call = Some(Call { sent: now, asked_for: peer.asked_for });
            match &peer.seen {
                Some(seen) if seen.is_over => Deed::Delete(*node, seen.revision),
                _ => Deed::Read(*node),
            }
        };
        due.map(begin).collect()
    }

    /// Says whether something may be known now that was not.
    pub(super) fn answered(&mut self, node: u64, answer: Answer, now: Time) -> bool {
        let Some(peer) = self.0.get_mut(&node) else { return false };
        let Some(Call { sent, asked_for }) = peer.call.take() else { return false };
        // What was asked for meanwhile is not answered by this.
        if matches!(answer, Answer::Got(Ok(_))) {
            peer.answered_for = asked_for;
        }
        let again = if peer.asked_for > asked_for { now } else { Time::MAX };
        match answer {
            Answer::Got(Ok(None)) => {
                // Who names an epoch had its lease by then.
                let ended = peer.seen.as_ref().map_or(asked_for, |seen| seen.lease.epoch.max(asked_for));
                peer.end(ended);
                peer.next = again.min(now + WATCHED);
                true
            }
            Answer::Got(Ok(Some(record))) => {
                let Some(lease) = lease::parse(&record.value) else {
                    tracing::warn!("the lease of node {node:016x} cannot be read: no node has written it");
                    peer.next = now + WATCHED;
                    return false;
                };
                let time = lease.time.clamp(TIMES.0, TIMES.1);
                peer.next = again.min(now + time / 4);
                let is_new = match &mut peer.seen {
                    Some(seen) if seen.revision == record.revision => {
                        seen.is_over = sent >= seen.since + time;
                        if seen.is_over {
                            peer.next = now;
                        }
                        false
                    }
                    _ => true,
                };
                if is_new {
                    if lease.epoch > 0 && peer.seen.as_ref().is_none_or(|seen| seen.lease.epoch != lease.epoch) {
                        peer.ended = peer.ended.max(Some(lease.epoch - 1));
                    }
                    peer.seen = Some(Seen { lease, revision: record.revision, since: now, is_over: false });
                }
                is_new
            }
            Answer::Deleted(Ok(())) => {
                let ended = peer.seen.as_ref().map_or(0, |seen| seen.lease.epoch);
                peer.end(ended);
                peer.next = again.min(now + WATCHED);
                true
            }
            Answer::Deleted(Err(_)) => {
                // It was renewed, or deleted, or nothing is known: it is looked at anew.
                peer.seen = None;
                peer.next = now;
                false
            }
            Answer::Got(Err(_)) | Answer::Put(_) => {
                peer.next = now + AGAIN;
                false
            }
        }
    }
}

impl Peer {
    fn end(&mut self, epoch: u32) {
        self.seen = None;
        self.ended = self.ended.max(Some(epoch));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::{Record, RecordError};

    const NODE: u64 = 7;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    /// The record of a lease of 16 s.
    fn lease(epoch: u32, revision: u64) -> Answer {
        let bytes = [&[1][..], &epoch.to_be_bytes(), &16_000u64.to_be_bytes(), b"b"].concat();
        Answer::Got(Ok(Some(Record { value: bytes.into(), revision: Revision(revision) })))
    }

    fn read(peers: &mut Peers, now: Time, answer: Answer) -> bool {
        assert_eq!(peers.turn(now), [Deed::Read(NODE)]);
        peers.answered(NODE, answer, now)
    }

    #[test]
    fn a_lease_that_is_read_unchanged_after_its_time_is_deleted_and_then_over() {
        let mut peers = Peers::default();
        assert_eq!(peers.life(NODE, 3, at(0)), Life::Unknown);
        assert!(read(&mut peers, at(0), lease(3, 10)));
        assert_eq!((peers.life(NODE, 3, at(1)), peers.life(NODE, 2, at(1))), (Life::Live, Life::Dead));
        assert!(peers.turn(at(3)).is_empty(), "a quarter of its time is not over");
        assert!(!read(&mut peers, at(15), lease(3, 10)));
        assert!(read(&mut peers, at(19), lease(3, 11)), "it is renewed");
        assert!(!read(&mut peers, at(34), lease(3, 11)));
        assert_eq!(peers.life(NODE, 3, at(38)), Life::Live, "nobody has ended it");
        assert!(!read(&mut peers, at(38), lease(3, 11)));
        assert_eq!(peers.turn(at(38)), [Deed::Delete(NODE, Revision(11))]);
        assert!(!peers.answered(NODE, Answer::Deleted(Err(RecordError::Conflict)), at(39)));
        assert!(read(&mut peers, at(39), lease(3, 12)), "it was renewed at the last moment");
        assert_eq!(peers.life(NODE, 3, at(39)), Life::Live);
        assert!(!read(&mut peers, at(55), lease(3, 12)));
        assert_eq!(peers.turn(at(55)), [Deed::Delete(NODE, Revision(12))]);
        assert!(peers.answered(NODE, Answer::Deleted(Ok(())), at(56)));
        assert_eq!(peers.life(NODE, 3, at(56)), Life::Dead);
        assert_eq!(peers.life(NODE, 4, at(57)), Life::Unknown, "it may have taken another since");
        assert!(read(&mut peers, at(57), lease(4, 20)));
        assert_eq!((peers.life(NODE, 3, at(57)), peers.life(NODE, 4, at(57))), (Life::Dead, Life::Live));
    }

    #[test]
    fn a_lease_that_is_not_there_says_nothing_of_what_was_asked_for_later() {
        let mut peers = Peers::default();
        peers.life(NODE, 1, at(0));
        assert_eq!(peers.turn(at(0)), [Deed::Read(NODE)]);
        assert_eq!(peers.life(NODE, 2, at(1)), Life::Unknown, "its record was seen after the call");
        assert!(peers.answered(NODE, Answer::Got(Ok(None)), at(2)));
        assert_eq!((peers.life(NODE, 1, at(2)), peers.life(NODE, 2, at(2))), (Life::Dead, Life::Unknown));
        assert!(read(&mut peers, at(2), lease(2, 4)));
        assert_eq!(peers.life(NODE, 2, at(2)), Life::Live);
    }

    #[test]
    fn what_cannot_be_read_is_asked_for_again_and_what_nobody_asks_for_is_forgotten() {
        let mut peers = Peers::default();
        peers.life(NODE, 1, at(0));
        assert!(!read(&mut peers, at(0), Answer::Got(Err(RecordError::Unknown))));
        assert_eq!(peers.life(NODE, 1, at(1)), Life::Unknown);
        assert!(read(&mut peers, at(1), lease(1, 1)));
        peers.turn(at(700));
        assert_eq!((peers.deadline(), peers.0.len()), (Time::MAX, 0));
        (0..=MOST_PEERS as u64).for_each(|node| assert_eq!(peers.life(node, 1, at(800 + node)), Life::Unknown));
        assert!(peers.0.len() == MOST_PEERS && !peers.0.contains_key(&0));
    }
}
