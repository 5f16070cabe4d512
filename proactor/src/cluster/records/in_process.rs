//! Records within one process: each call has its answer when it returns.

use bytes::Bytes;

use super::table::Table;
use super::{Done, Record, Records, Revision};

#[derive(Debug, Default)]
pub(crate) struct InProcessRecords(Table);

impl Records for InProcessRecords {
    fn get(&self, key: &str, done: Done<Option<Record>>) {
        done(Ok(self.0.get(key)));
    }

    fn put(&self, key: &str, value: Bytes, expected: Revision, done: Done<Revision>) {
        done(self.0.put(key, value, expected));
    }

    fn delete(&self, key: &str, expected: Revision, done: Done<()>) {
        done(self.0.delete(key, expected));
    }
}
