//! The server's logic, which its user writes.

use crate::connect::ConnectError;
use crate::session::{Session, id::SessionId, reason::CloseReason};

/// What to do with a session after a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Hand over no more packets until [`Session::resume`]. What has arrived is kept, and the peer
    /// is held up by its own window. The end of the peer's stream is noticed only after that.
    Pause,
    /// Send what is queued, then close.
    Close,
}

/// A server's logic. Every shard has its own clone, which is called on that shard's thread, one
/// call after the other. Put what shards share behind an `Arc`.
///
/// A panic in a call closes that session, with [`CloseReason::Panic`], and no other but two: its
/// [partner](Session::pair), and the session that [opened](Session::connect) it, with
/// [`CloseReason::ByOpened`], since that one may wait for it.
pub trait Handler: Clone + Send + 'static {
    /// What is kept for each session.
    type State: 'static;

    /// A peer has connected, or the server has connected to a peer: [`Session::origin`] tells.
    fn connected(&mut self, session: &Session) -> Self::State;

    /// A packet has come: the bytes that the server's [codec](crate::Builder::codec) found in a
    /// frame. With [`Raw`](crate::codec::Raw), the default, that is whatever arrived at once, at
    /// least 1 byte and at most 16 KiB.
    fn received(&mut self, session: &Session, state: &mut Self::State, packet: &[u8]) -> Flow;

    /// The peer has ended its stream: no more packets come. It can still be sent to. By default the
    /// session is closed as [`ByPeer`](CloseReason::ByPeer) when what is queued is sent
    /// ([`Flow::Close`]). Any other answer keeps it until [`Session::shutdown`] has ended our
    /// stream too, or it is closed.
    fn ended(&mut self, session: &Session, state: &mut Self::State) -> Flow {
        let _ = (session, state);
        Flow::Close
    }

    /// Nothing has been sent to the peer for as long as
    /// [`Timeouts::heartbeat`](crate::Timeouts::heartbeat) says, or it is time for one that comes
    /// [always](crate::Timeouts::heartbeat_always). Send something to show the peer,
    /// and every box on the way, that the connection is alive. By default nothing is done.
    fn heartbeat(&mut self, session: &Session, state: &mut Self::State) {
        let _ = (session, state);
    }

    /// A connection that [`Session::connect`] or [`Handle::connect`](crate::Handle::connect) asked
    /// for could not be made. `token` is what was given there, `opener` the session that asked,
    /// unless it is closed too. By default nothing is done.
    fn connect_failed(&mut self, opener: Option<&Session>, token: u64, error: &ConnectError) {
        let _ = (opener, token, error);
    }

    /// The session has ended. Nothing can be sent to it any more.
    fn closed(&mut self, id: SessionId, state: Self::State, reason: &CloseReason) {
        let _ = (id, state, reason);
    }
}
