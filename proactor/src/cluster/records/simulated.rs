//! Records on a simulated network: a call takes simulated time, and may be lost, or its answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::agenda::Agenda;
use super::table::Table;
use super::{Done, Record, RecordError, Records, Revision};

/// How long a node waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The records of a cluster. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(crate) struct Store {
    agenda: Agenda,
    table: Arc<Table>,
}

impl Store {
    pub(crate) fn new(agenda: &Agenda) -> Store {
        Store { agenda: agenda.clone(), table: Arc::default() }
    }
}

/// As one node reaches them.
pub(crate) struct SimulatedRecords {
    store: Store,
    /// The name of the node.
    node: Arc<str>,
}

impl SimulatedRecords {
    pub(crate) fn new(store: &Store, node: &Arc<str>) -> SimulatedRecords {
        SimulatedRecords { store: store.clone(), node: Arc::clone(node) }
    }

    fn call<T: Send + 'static>(
        &self,
        done: Done<T>,
        change: impl FnOnce(&Table) -> Result<T, RecordError> + Send + 'static,
    ) {
        let Store { agenda, table } = self.store.clone();
        let (now, faults, node) = (agenda.now(), agenda.faults(), Arc::clone(&self.node));
        let given_up = now + PATIENCE;
        let reaches = now + agenda.delay(faults.delay);
        if agenda.happens(faults.refused) {
            agenda.at(reaches, || done(Err(RecordError::Refused)));
            return;
        }
        if agenda.is_cut_off(&node) || agenda.happens(faults.lost) {
            agenda.at(given_up, || done(Err(RecordError::Unknown)));
            return;
        }
        if agenda.happens(faults.answers_lost) {
            let is_late = agenda.happens(2);
            agenda.at(given_up, || done(Err(RecordError::Unknown)));
            let reaches = if is_late { given_up + agenda.delay((Duration::ZERO, PATIENCE)) } else { reaches };
            agenda.at(reaches, move || drop(change(&table)));
            return;
        }
        let back = agenda.clone();
        agenda.at(reaches, move || {
            let answer = change(&table);
            let returns = back.now() + back.delay(faults.delay);
            let ways = back.clone();
            back.at(returns, move || match ways.is_cut_off(&node) {
                true => ways.at(given_up.max(returns), || done(Err(RecordError::Unknown))),
                false => done(answer),
            });
        });
    }
}

impl Records for SimulatedRecords {
    fn get(&self, key: &str, done: Done<Option<Record>>) {
        let key = key.to_owned();
        self.call(done, move |table| Ok(table.get(&key)));
    }

    fn put(&self, key: &str, value: Bytes, expected: Revision, done: Done<Revision>) {
        let key = key.to_owned();
        self.call(done, move |table| table.put(&key, value, expected));
    }

    fn delete(&self, key: &str, expected: Revision, done: Done<()>) {
        let key = key.to_owned();
        self.call(done, move |table| table.delete(&key, expected));
    }
}

impl fmt::Debug for SimulatedRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedRecords").field("node", &self.node).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use overlapped::{Time, sim::Network};

    use super::super::super::faults::ClusterFaults;
    use super::*;

    /// Makes a change and lets time pass until the answer is there.
    fn put(network: &Network, records: &SimulatedRecords, value: &'static str) -> Result<Revision, RecordError> {
        let (told, answer) = mpsc::channel();
        records.put("key", value.into(), Revision::NONE, Box::new(move |result| told.send(result).unwrap()));
        loop {
            records.store.agenda.turn();
            if let Ok(answer) = answer.try_recv() {
                return answer;
            }
            assert!(network.advance_to(records.store.agenda.deadline().expect("each call has an answer")));
        }
    }

    #[test]
    fn a_call_takes_time_and_a_lost_answer_says_so_whether_the_change_is_made_at_once_or_late() {
        let (mut at_once, mut late) = (0, 0);
        for seed in 0..20 {
            let network = Network::new(seed);
            let agenda = Agenda::new(&network);
            let records = SimulatedRecords::new(&Store::new(&agenda), &"a".into());
            agenda.set_faults(ClusterFaults::new().answers_lost(1));
            assert_eq!(put(&network, &records, "1"), Err(RecordError::Unknown));
            assert_eq!(network.now(), Time::ZERO + PATIENCE);
            at_once += usize::from(records.store.table.get("key").is_some());
            while let Some(next) = agenda.deadline() {
                late += usize::from(records.store.table.get("key").is_none());
                network.advance_to(next);
                agenda.turn();
            }
            agenda.set_faults(ClusterFaults::new());
            assert_eq!(put(&network, &records, "2"), Err(RecordError::Conflict), "seed {seed}: it was made");
        }
        assert!(at_once > 0 && late > 0 && at_once + late == 20, "{at_once} at once, {late} late");
    }

    #[test]
    fn what_is_refused_lost_or_of_a_node_that_is_cut_off_is_not_made() {
        let network = Network::new(1);
        let agenda = Agenda::new(&network);
        let store = Store::new(&agenda);
        let [here, there] = ["a", "b"].map(|node| SimulatedRecords::new(&store, &node.into()));
        agenda.set_faults(ClusterFaults::new().refused(1));
        assert_eq!(put(&network, &here, "1"), Err(RecordError::Refused));
        agenda.set_faults(ClusterFaults::new().lost(1));
        assert_eq!(put(&network, &here, "1"), Err(RecordError::Unknown));
        agenda.set_faults(ClusterFaults::new());
        agenda.set_cut_off("a", true);
        assert_eq!(put(&network, &here, "1"), Err(RecordError::Unknown));
        assert!(put(&network, &there, "1").is_ok(), "the other is not");
        agenda.set_cut_off("a", false);
        assert_eq!(put(&network, &here, "1"), Err(RecordError::Conflict));
    }
}
