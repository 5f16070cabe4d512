//! The server's logic, as its user writes it.

use crate::connect::error::ConnectError;
use crate::session::Session;
use crate::session::id::SessionId;
use crate::session::reason::CloseReason;

/// What becomes of a session after a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Hand over no more packets until [`Session::resume`]. What has arrived is kept; the peer is held up by its own window. That the peer has
    /// ended its stream is seen only then.
    Pause,
    /// Send what is queued, then close.
    Close,
}

/// A server's logic. Every shard has a clone of its own, whose calls come one after the other on that shard's thread; share what
/// must be shared behind an `Arc`.
///
/// A panic in a call closes that session, with [`CloseReason::Panic`], and no other.
pub trait Handler: Clone + Send + 'static {
    /// What is kept for each session.
    type State: 'static;

    /// A peer has connected; or the server has connected to a peer, as [`Session::origin`] says.
    fn connected(&mut self, session: &Session) -> Self::State;

    /// A packet has come: the bytes that the server's [codec](crate::Builder::codec) found in a frame. With [`Raw`](crate::codec::Raw), which it is unless it was told otherwise, that is
    /// whatever arrived at once, at least 1 byte and at most 16 KiB.
    fn received(&mut self, session: &Session, state: &mut Self::State, packet: &[u8]) -> Flow;

    /// The peer has ended its stream: no packet comes any more. It can still be sent to. Unless it is written, the session is closed when what is queued is sent
    /// ([`Flow::Close`]), as [`ByPeer`](CloseReason::ByPeer); any other answer keeps it until [`Session::shutdown`] has ended our stream too, or it is closed.
    fn ended(&mut self, session: &Session, state: &mut Self::State) -> Flow {
        let _ = (session, state);
        Flow::Close
    }

    /// Nothing has been sent to the peer for as long as [`Timeouts::heartbeat`](crate::Timeouts::heartbeat) says: the moment to send something that shows the peer, and
    /// every box on the way, that the connection is alive. Unless it is written, nothing is done.
    fn heartbeat(&mut self, session: &Session, state: &mut Self::State) {
        let _ = (session, state);
    }

    /// A connection that was asked for with [`Session::connect`] or [`Handle::connect`](crate::Handle::connect) could not be made, and why; `token` is what was given there, `opener` the session
    /// that had asked for it, unless that is closed too. Unless it is written, nothing is done.
    fn connect_failed(&mut self, opener: Option<&Session>, token: u64, error: &ConnectError) {
        let _ = (opener, token, error);
    }

    /// The session has ended; nothing can be sent to it any more.
    fn closed(&mut self, id: SessionId, state: Self::State, reason: &CloseReason) {
        let _ = (id, state, reason);
    }
}
