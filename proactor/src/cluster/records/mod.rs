//! Small records that all nodes of a cluster share, changed by compare-and-set.

pub(super) mod in_process;
pub(super) mod simulated;
mod table;

use std::fmt;

use bytes::Bytes;

/// Bytes of a record's value.
pub const MOST_RECORD_BYTES: usize = 64 << 10;

/// The records of a cluster, as its nodes use them. A [`Bus`](super::Bus) that has them makes the
/// [keys](crate::Session::identify) of sessions the cluster's.
///
/// No call may wait: shards make them. Each calls `done` exactly once: within the call, or later on
/// any thread, but within a few seconds. A key has 1 to 3,100 characters: letters, digits, `-`,
/// `_`, `/` and `%`. A value has at most [`MOST_RECORD_BYTES`]. Records whose keys begin with `l/`
/// are the leases of nodes: no call about one should wait behind others, or nodes take this one for
/// dead.
pub trait Records: Send + Sync + fmt::Debug + 'static {
    /// The newest value of a record, and not an older one; `None` if there is none.
    fn get(&self, key: &str, done: Done<Option<Record>>);

    /// Writes a record, if its revision is what is expected. The answer is the new revision.
    fn put(&self, key: &str, value: Bytes, expected: Revision, done: Done<Revision>);

    /// Deletes a record, if its revision is what is expected.
    fn delete(&self, key: &str, expected: Revision, done: Done<()>);
}

/// Is told what came of a call.
pub type Done<T> = Box<dyn FnOnce(Result<T, RecordError>) + Send>;

/// A record and its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was written last.
    pub value: Bytes,
    /// Of that write.
    pub revision: Revision,
}

/// Tells one write from all others: no later one of the same key has the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// There is no record.
    pub const NONE: Revision = Revision(0);
}

/// Why a record was not read, or may not have been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The record has another revision than was expected. Nothing was changed.
    Conflict,
    /// It was not tried: there is no connection, too much waits, or it is not permitted. Nothing
    /// was changed.
    Refused,
    /// There was no answer in time. The change may have been made, or may still be made.
    Unknown,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordError::Conflict => "another node has changed the record",
            RecordError::Refused => "the records of the cluster cannot be reached now",
            RecordError::Unknown => "the records of the cluster have not answered in time",
        })
    }
}

impl std::error::Error for RecordError {}
