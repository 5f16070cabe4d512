//! What can be asked of the directory about a key.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::session::id::SessionId;

pub(crate) enum Query {
    Find(Box<dyn FnOnce(Result<Vec<Place>, DirectoryError>) + Send>),
    Send(Bytes, Reached),
    Close(Reached),
}

/// Is told for how many nodes something was sent.
pub(crate) type Reached = Box<dyn FnOnce(Result<usize, DirectoryError>) + Send>;

/// A node where sessions have a [key](crate::Session::identify).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The name of the node; empty for a server without a cluster.
    pub node: Arc<str>,
    /// The session, if it is on this server; of several, the one that was given the key last.
    pub session: Option<SessionId>,
}

/// Why nothing is known of a key in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The records of the cluster cannot be reached, or do not answer.
    Unreachable,
    /// Too many questions wait.
    Full,
    /// The key has more than 1,024 bytes.
    TooLong,
    /// The packet is longer than what carries messages between nodes takes.
    PacketTooLarge,
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DirectoryError::Unreachable => "the records of the cluster cannot be reached; try again later",
            DirectoryError::Full => "too many questions to the cluster wait; try again later",
            DirectoryError::TooLong => "a key must have at most 1024 bytes",
            DirectoryError::PacketTooLarge => "the packet is too large to be sent to another node",
        })
    }
}

impl std::error::Error for DirectoryError {}

impl Query {
    /// The bytes that it sends.
    pub(super) fn bytes(&self) -> usize {
        if let Query::Send(packet, _) = self { packet.len() } else { 0 }
    }

    /// Keeps something until it is answered.
    pub(super) fn holding(self, kept: impl Send + 'static) -> Query {
        match self {
            Query::Find(done) => Query::Find(Box::new(move |found| {
                drop(kept);
                done(found);
            })),
            Query::Send(packet, done) => Query::Send(packet, until(kept, done)),
            Query::Close(done) => Query::Close(until(kept, done)),
        }
    }

    pub(super) fn refuse(self, why: DirectoryError) {
        match self {
            Query::Find(done) => done(Err(why)),
            Query::Send(_, done) | Query::Close(done) => done(Err(why)),
        }
    }
}

fn until(kept: impl Send + 'static, done: Reached) -> Reached {
    Box::new(move |reached| {
        drop(kept);
        done(reached);
    })
}
