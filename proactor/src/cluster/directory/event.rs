//! What the directory is told, by shards, by records and by other nodes.

use bytes::Bytes;

use super::query::Query;
use crate::cluster::mail::NodeMail;
use crate::cluster::records::{Record, RecordError, Revision};
use crate::registry::keys::IfTaken;
use crate::session::id::SessionId;

pub(crate) enum Event {
    Login(Login),
    /// A session has this key no longer.
    Left(Bytes),
    Answer(About, Answer),
    /// Another node has written.
    Letter(NodeMail),
    Query(Bytes, Query),
}

/// A session that has a key on this node wants it in the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) key: Bytes,
    pub(crate) id: SessionId,
    /// Tells the logins of a session apart.
    pub(crate) ticket: u64,
    pub(crate) if_taken: IfTaken,
    /// What the session was on other nodes before, which had the key and give it up.
    pub(crate) from: Vec<CameFrom>,
}

/// A session of another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CameFrom {
    /// What the number of the node begins with.
    pub(crate) node: [u8; 6],
    pub(crate) session: SessionId,
}

impl CameFrom {
    /// Whether it is this session of this node.
    pub(crate) fn is(&self, node: u64, session: SessionId) -> bool {
        node.to_be_bytes().starts_with(&self.node) && session == self.session
    }
}

/// What a call of the records was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    OwnLease,
    Peer(u64),
    Key(Bytes),
    Query(Bytes),
}

/// What came of a call of the records.
#[derive(Debug)]
pub(crate) enum Answer {
    Got(Result<Option<Record>, RecordError>),
    Put(Result<Revision, RecordError>),
    Deleted(Result<(), RecordError>),
}
