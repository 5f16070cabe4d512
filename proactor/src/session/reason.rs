//! Why sessions end.

use std::fmt;

/// Why a session ended.
///
/// What becomes of the bytes that are queued for the peer, and what the peer sees:
///
/// - `ByPeer`, `ByHandler`, `Replaced`, `KeyLost`, `FrameTooLarge`, `Protocol`, `Truncated`,
///   `Drained`, `Idle`, `Lifetime`: they are sent, for at most the
///   [linger time](crate::Timeouts::linger). Then the peer sees the end of the stream, or a reset
///   if bytes are missing after that time.
/// - `TooSlow`, `ReceiveTimeout`, `WriteTimeout`, `Limit`, `ByOpened`: they are discarded, and the
///   peer sees a reset.
/// - `Lost`: they are discarded. There is no connection.
/// - `Moved`: they go to the other node, and the peer gets them from there. Its connection here, if
///   it still has one, is reset.
/// - `Panic`, `ReadTimeout`, `HandshakeTimeout`: they are discarded, except what the system takes
///   at once; the peer sees the end of the stream, or a reset.
/// - `TlsFailed`, `UpgradeFailed`: they are discarded, and the peer is told by an alert, or by the
///   answer to its request.
/// - `ServerStopping`: they are discarded. If bytes are missing, the peer sees a reset.
/// - `ByPartner`: as for the partner; by a reset if that was `Truncated` or `TlsFailed`.
///
/// Over TLS, a graceful close begins with `close_notify`; that of a WebSocket with a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The peer sent a frame over the codec's maximum. What was queued for it before was sent.
    FrameTooLarge,
    /// The peer sent an invalid frame, or its stream ended in the middle of one. What was queued
    /// for it before was sent.
    Protocol,
    /// TLS failed: in the handshake, so that the logic never knew the session, or because a record
    /// was not valid, or by an alert of the peer.
    /// [`Stats::tls_failures`](crate::Stats::tls_failures) counts what was wrong.
    TlsFailed,
    /// The peer's stream over TLS was cut: it ended without the `close_notify` that says that it is
    /// whole. Or that of its WebSocket was, by an end without a close frame. What was queued for
    /// the peer was sent.
    Truncated,
    /// The upgrade to WebSocket was refused, was malformed, or took too long, so that the logic
    /// never knew the session.
    UpgradeFailed,
    /// A limit of the shard was reached.
    Limit,
    /// No byte went either way for the [idle timeout](crate::Timeouts::idle).
    Idle,
    /// Nothing came from the peer for the [receive timeout](crate::Timeouts::receive).
    ReceiveTimeout,
    /// A packet was not complete within the [read timeout](crate::Timeouts::read).
    ReadTimeout,
    /// The peer took none of what was queued for it within the [write
    /// timeout](crate::Timeouts::write).
    WriteTimeout,
    /// There was no packet within the [handshake timeout](crate::Timeouts::handshake).
    HandshakeTimeout,
    /// It lasted as long as a session [may](crate::Timeouts::lifetime).
    Lifetime,
    /// The session that it was [paired](crate::Session::pair) with was closed.
    ByPartner,
    /// The logic panicked in a call for a session that this one has opened
    /// ([`Session::connect`](crate::Session::connect)).
    ByOpened,
    /// Another session took its [key](crate::Session::identify_with), on this server or on another
    /// node of the cluster.
    Replaced,
    /// Its connection was gone, and its peer did not [come back](crate::Listener::resume) in time.
    Lost,
    /// The server was drained, and the session was idle.
    Drained,
    /// The server was stopped, or the time of its drain was over.
    ServerStopping,
    /// The node was cut off from the [cluster](crate::cluster) for too long: another session may
    /// have its [key](crate::Session::identify_with) by now, or has it.
    KeyLost,
    /// Its peer came back to another node of the [cluster](crate::cluster), where the session [goes
    /// on](crate::Handler::restore).
    Moved,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::ByPeer => "closed by the peer",
            CloseReason::ByHandler => "closed by the server's logic",
            CloseReason::Panic => "the server's logic panicked",
            CloseReason::Reset => "the connection was reset",
            CloseReason::TooSlow => "the peer was too slow",
            CloseReason::FrameTooLarge => "a frame was over the limit",
            CloseReason::Protocol => "the peer broke the protocol",
            CloseReason::TlsFailed => "TLS failed",
            CloseReason::UpgradeFailed => "the upgrade to WebSocket failed",
            CloseReason::Truncated => "the peer's stream was cut",
            CloseReason::Limit => "a limit was reached",
            CloseReason::Idle => "nothing was sent or received for too long",
            CloseReason::ReceiveTimeout => "nothing was received for too long",
            CloseReason::ReadTimeout => "a packet took too long to arrive",
            CloseReason::WriteTimeout => "the peer took nothing for too long",
            CloseReason::HandshakeTimeout => "the first packet took too long",
            CloseReason::Lifetime => "it had lasted as long as it may",
            CloseReason::ByPartner => "the session it was paired with was closed",
            CloseReason::ByOpened => "the server's logic panicked for a connection that it had opened",
            CloseReason::Replaced => "another session took its key",
            CloseReason::Lost => "its peer was away for too long",
            CloseReason::Drained => "the server was drained",
            CloseReason::ServerStopping => "the server was stopped",
            CloseReason::KeyLost => "the node was cut off from the cluster, which may have given its key to another",
            CloseReason::Moved => "it goes on on another node of the cluster",
        })
    }
}
