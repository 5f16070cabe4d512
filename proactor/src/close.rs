//! Why sessions end.

use std::fmt;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer ended its stream; what was queued for it was sent.
    ByPeer,
    /// The handler, or a [`Handle`](crate::Handle), closed it.
    ByHandler,
    /// The handler panicked in one of its calls.
    Panic,
    /// The connection was reset, or failed.
    Reset,
    /// More was queued for the peer than its outbox may hold.
    TooSlow,
    /// A limit of the shard was reached.
    Limit,
    /// The server was drained.
    Drained,
    /// The server was stopped.
    ServerStopping,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::ByPeer => "closed by the peer",
            CloseReason::ByHandler => "closed by the server's logic",
            CloseReason::Panic => "the server's logic panicked",
            CloseReason::Reset => "the connection was reset",
            CloseReason::TooSlow => "the peer was too slow",
            CloseReason::Limit => "a limit was reached",
            CloseReason::Drained => "the server was drained",
            CloseReason::ServerStopping => "the server was stopped",
        })
    }
}
