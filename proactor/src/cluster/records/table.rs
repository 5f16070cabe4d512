//! The records themselves, within a process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{MOST_RECORD_BYTES, Record, RecordError, Revision};

const MOST_RECORDS: usize = 1 << 24;

#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    records: BTreeMap<String, Record>,
    /// Of the last write, whatever its key.
    last: u64,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &str) -> Option<Record> {
        self.lock().records.get(key).cloned()
    }

    pub(super) fn put(&self, key: &str, value: Bytes, expected: Revision) -> Result<Revision, RecordError> {
        let Contents { records, last } = &mut *self.lock();
        let before = records.get(key).map_or(Revision::NONE, |record| record.revision);
        if before != expected {
            return Err(RecordError::Conflict);
        }
        let is_new = before == Revision::NONE;
        if value.len() > MOST_RECORD_BYTES || (is_new && records.len() >= MOST_RECORDS) {
            return Err(RecordError::Refused);
        }
        *last += 1;
        let revision = Revision(*last);
        records.insert(key.to_owned(), Record { value, revision });
        Ok(revision)
    }

    pub(super) fn delete(&self, key: &str, expected: Revision) -> Result<(), RecordError> {
        let records = &mut self.lock().records;
        if records.get(key).is_none_or(|record| record.revision != expected) {
            return Err(RecordError::Conflict);
        }
        records.remove(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn a_record_changes_only_from_the_revision_that_is_expected() {
        let table = Table::default();
        assert_eq!(table.get("a"), None);
        assert_eq!(table.put("a", value("1"), Revision(7)), Err(RecordError::Conflict));
        let first = table.put("a", value("1"), Revision::NONE).unwrap();
        assert_eq!(table.put("a", value("2"), Revision::NONE), Err(RecordError::Conflict));
        let second = table.put("a", value("2"), first).unwrap();
        assert_eq!(table.get("a"), Some(Record { value: value("2"), revision: second }));
        assert_eq!(table.delete("a", first), Err(RecordError::Conflict));
        assert_eq!((table.delete("a", second), table.get("a")), (Ok(()), None));
        assert_eq!(table.delete("a", second), Err(RecordError::Conflict), "it is gone already");
        let third = table.put("a", value("3"), Revision::NONE).unwrap();
        assert!(third > second && second > first, "a revision never comes again");
    }

    #[test]
    fn a_value_has_a_limit() {
        let table = Table::default();
        let put = |bytes: usize| table.put("a", vec![0; bytes].into(), Revision::NONE);
        assert_eq!(put(MOST_RECORD_BYTES + 1), Err(RecordError::Refused));
        assert!(put(MOST_RECORD_BYTES).is_ok());
    }
}
