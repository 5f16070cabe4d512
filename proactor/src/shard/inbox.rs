//! What other threads tell a shard.

use bytes::Bytes;
use overlapped::Address;
use overlapped::driver::Stream;
use overlapped::resolve::Found;
use overlapped::table::Key;

use crate::connect::Target;
use crate::group::Group;
use crate::group::local::LocalGroup;
use crate::limits::Permit;
use crate::session::id::SessionId;

/// A connection that has been admitted.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Address,
    pub(crate) permit: Permit,
}

/// A connection that another thread has asked for.
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) token: u64,
    pub(crate) permit: Permit,
}

/// A message to a shard. `stamp` is the latest one at the moment of the call.
pub(crate) enum Mail {
    /// The connection is counted in the shard's load already.
    Accepted(Accepted),
    Send {
        id: SessionId,
        packet: Bytes,
        stamp: u64,
    },
    /// The local group has seen nothing later than the stamp.
    Join {
        id: SessionId,
        stamp: u64,
        local: Box<LocalGroup>,
    },
    Leave {
        id: SessionId,
        group: Group,
        stamp: u64,
    },
    Close(SessionId),
    /// The connection is counted in the shard's load already.
    Connect(Box<Wanted>),
    /// The answer to an attempt's look-up.
    Found(Key, Found),
}
