//! How a session came to be.

use crate::session::id::SessionId;

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A peer connected to one of the server's listeners.
    Accepted,
    /// The server connected to the peer.
    Connected {
        /// The token that was given to [`Session::connect`](crate::Session::connect) or
        /// [`Handle::connect`](crate::Handle::connect).
        token: u64,
        /// The session that asked for it, if one did.
        opener: Option<SessionId>,
    },
}
