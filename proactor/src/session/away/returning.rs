//! A connection on its way to the session that its client has asked for.

use overlapped::Address;
use overlapped::driver::Stream;

use crate::limits::Permit;
use crate::proxy_protocol::ProxyHeader;
use crate::resume::token::Token;
use crate::transport::resuming::Moving;

/// A connection without a session, whose client has asked for one.
pub(crate) struct Returning {
    pub(crate) token: Token,
    /// It has so much of what was sent.
    pub(crate) has: u64,
    pub(crate) connection: Stream,
    pub(crate) peer: Address,
    pub(crate) permit: Permit,
    pub(crate) header: Option<Box<ProxyHeader>>,
    pub(crate) transport: Moving,
}

impl Returning {
    /// The connection is of no use.
    pub(crate) fn reset(self) {
        self.connection.reset_on_drop();
    }
}
