//! Who a node is, what it has counted, and what its logic is still to be told.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use overlapped::driver::WakeHandle;

use super::gap::Gap;

/// Bytes of the name of a node.
pub(crate) const MOST_NODE_NAME_BYTES: usize = 64;
/// Gaps of different groups and nodes that wait to be told. What is over that is told without the
/// name of a group.
const MOST_REPORTS: usize = 1024;
/// Gaps that are told in one turn of a shard.
const MOST_PER_TURN: usize = 64;
/// Stands for the names of nodes when too many gaps wait.
const SEVERAL_NODES: &str = "(several)";

pub(crate) struct Ledger {
    pub(crate) name: Arc<str>,
    /// No other start of any node has it.
    pub(crate) number: u64,
    pub(crate) counts: Counts,
    reports: Mutex<Vec<Report>>,
    has_reports: AtomicBool,
    /// The shards of the node's server: each can tell the logic.
    shards: Vec<WakeHandle>,
    /// Whose turn it is.
    turns: AtomicUsize,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) published: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) missed: AtomicU64,
    pub(crate) unpublished: AtomicU64,
    pub(crate) interruptions: AtomicU64,
    pub(crate) invalid: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) mail_received: AtomicU64,
    pub(crate) mail_missed: AtomicU64,
}

/// What the logic is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The name of the group; `None` if it is about all, or about too many to name them.
    pub(crate) group: Option<Bytes>,
    pub(crate) gap: Gap,
}

impl Ledger {
    pub(crate) fn new(name: Arc<str>, number: u64, shards: Vec<WakeHandle>) -> Ledger {
        Ledger {
            name,
            number,
            counts: Counts::default(),
            reports: Mutex::default(),
            has_reports: AtomicBool::new(false),
            shards,
            turns: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Members here lack packets of another node.
    #[cold]
    pub(crate) fn missed(&self, group: &Bytes, node: &str, packets: u64) {
        let sum = |missed: u64| Some(missed.saturating_add(packets));
        let _ = self.counts.missed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
        self.report(Some(group), Gap::Missed { node: node.into(), packets });
    }

    /// Mail of another node is lost: to this node, or to all.
    #[cold]
    pub(crate) fn missed_mail(&self, is_own: bool, node: &str, messages: u64) {
        let sum = |missed: u64| Some(missed.saturating_add(messages));
        let _ = self.counts.mail_missed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
        // What is told to all is told again.
        if is_own {
            self.report(None, Gap::MissedMail { node: node.into(), messages });
        }
    }

    /// A packet of this node was not published.
    #[cold]
    pub(crate) fn unpublished(&self, group: &Bytes) {
        self.counts.unpublished.fetch_add(1, Ordering::Relaxed);
        self.report(Some(group), Gap::Unpublished { packets: 1 });
    }

    /// The connection is lost: anything may have been lost.
    #[cold]
    pub(crate) fn interrupted(&self) {
        self.counts.interruptions.fetch_add(1, Ordering::Relaxed);
        self.report(None, Gap::Interrupted);
    }

    /// Members here may lack anything.
    #[cold]
    pub(crate) fn may_have_missed(&self) {
        self.report(None, Gap::Interrupted);
    }

    fn report(&self, group: Option<&Bytes>, mut gap: Gap) {
        let had_reports = {
            let mut reports = self.lock();
            if !add(&mut reports, group, &gap) {
                let has_room = reports.len() < MOST_REPORTS;
                if !has_room && let Gap::Missed { node, .. } | Gap::MissedMail { node, .. } = &mut gap {
                    // A sender to the bus can make up any number of names.
                    *node = SEVERAL_NODES.into();
                }
                if has_room || !add(&mut reports, None, &gap) {
                    reports.push(Report { group: group.filter(|_| has_room).cloned(), gap });
                }
            }
            self.has_reports.swap(true, Ordering::AcqRel)
        };
        if !had_reports {
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            if let Some(shard) = self.shards.get(turn % self.shards.len().max(1)) {
                shard.wake();
            }
        }
    }

    #[inline]
    pub(crate) fn has_reports(&self) -> bool {
        self.has_reports.load(Ordering::Acquire)
    }

    /// What is to be told in one turn.
    pub(crate) fn take_reports(&self) -> Vec<Report> {
        let mut reports = self.lock();
        let count = reports.len().min(MOST_PER_TURN);
        let taken = reports.drain(..count).collect();
        self.has_reports.store(!reports.is_empty(), Ordering::Relaxed);
        taken
    }
}

/// Adds a gap to one that waits. Says whether there is one of its kind.
fn add(reports: &mut [Report], group: Option<&Bytes>, gap: &Gap) -> bool {
    let same_group = reports.iter_mut().filter(|report| report.group.as_ref() == group);
    for Report { gap: waiting, .. } in same_group {
        match (waiting, gap) {
            (Gap::Interrupted, Gap::Interrupted) => return true,
            (Gap::Unpublished { packets }, Gap::Unpublished { packets: more }) => {
                *packets = packets.saturating_add(*more);
                return true;
            }
            (Gap::Missed { node, packets }, Gap::Missed { node: other, packets: more }) if node == other => {
                *packets = packets.saturating_add(*more);
                return true;
            }
            (Gap::MissedMail { node, messages }, Gap::MissedMail { node: other, messages: more }) if node == other => {
                *messages = messages.saturating_add(*more);
                return true;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(group: Option<&str>, node: &str, packets: u64) -> Report {
        let group = group.map(|group| Bytes::copy_from_slice(group.as_bytes()));
        Report { group, gap: Gap::Missed { node: node.into(), packets } }
    }

    #[test]
    fn gaps_of_one_group_and_node_are_told_together_and_their_sum_is_exact() {
        let ledger = Ledger::new("a".into(), 1, Vec::new());
        let (one, two) = (Bytes::from("one"), Bytes::from("two"));
        assert!(!ledger.has_reports());
        ledger.missed(&one, "b", 2);
        ledger.missed(&one, "b", 3);
        ledger.missed(&one, "c", 1);
        ledger.missed(&two, "b", 1);
        ledger.unpublished(&one);
        ledger.unpublished(&one);
        ledger.interrupted();
        ledger.interrupted();
        let unpublished = Report { group: Some(one), gap: Gap::Unpublished { packets: 2 } };
        let interrupted = Report { group: None, gap: Gap::Interrupted };
        let missed = [missed(Some("one"), "b", 5), missed(Some("one"), "c", 1), missed(Some("two"), "b", 1)];
        assert_eq!(ledger.take_reports(), [&missed[..], &[unpublished, interrupted]].concat());
        assert!(!ledger.has_reports() && ledger.take_reports().is_empty());
    }

    #[test]
    fn gaps_of_more_groups_than_can_wait_are_told_without_their_names() {
        let ledger = Ledger::new("a".into(), 1, Vec::new());
        for group in 0..MOST_REPORTS + 500 {
            ledger.missed(&Bytes::from(group.to_string()), "b", 1);
        }
        // Anybody can make up names.
        for node in 0..500 {
            ledger.missed(&Bytes::from("0"), &format!("made up {node}"), 1);
        }
        let mut reports = Vec::new();
        while ledger.has_reports() {
            let some = ledger.take_reports();
            assert!(some.len() <= MOST_PER_TURN);
            reports.extend(some);
        }
        assert_eq!(reports.len(), MOST_REPORTS + 1);
        assert_eq!(reports.last(), Some(&missed(None, SEVERAL_NODES, 1000)));
    }
}
