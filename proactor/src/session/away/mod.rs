//! Sessions whose connection is gone, and whose peer may come back by another.
//!
//! Such a session has its place, its state, its groups and its key. It is held
//! ([`Hold::Away`]), so that nothing is handed to it, and counts as one with a send in flight: what
//! is queued for it waits in its outbox, within the limit and by the policy of all outboxes. It has
//! no socket. [`moving`] gives it one. [`finding`] knows where a session is, [`leaving`] takes one
//! out that goes on on another node.

pub(crate) mod finding;
pub(crate) mod leaving;
pub(crate) mod moving;
pub(crate) mod returning;
pub(crate) mod table;

use overlapped::Op;
use overlapped::driver::{CloseMode, SocketId};

use self::returning::Returning;
use super::{holds::Hold, reading, reason::CloseReason};
use crate::shard::state::{ShardState, token};
use crate::transport::Transport;
use crate::transport::opening::Place;

/// A session is to be closed for this reason. Says whether it waits for its peer instead.
#[inline]
pub(super) fn keeps(state: &mut ShardState, slot: u32, reason: CloseReason) -> bool {
    let has_transport = state.sessions.open_at(slot).is_some_and(|record| record.has_transport());
    let is_lost = matches!(
        reason,
        CloseReason::Reset
            | CloseReason::Truncated
            | CloseReason::TlsFailed
            | CloseReason::ReceiveTimeout
            | CloseReason::WriteTimeout
    );
    has_transport && is_lost && begin(state, slot)
}

/// A session has lost its connection, or is to lose it. Says whether it waits for another, which
/// it does already if it is away.
#[cold]
pub(super) fn begin(state: &mut ShardState, slot: u32) -> bool {
    if state.away.has(slot) {
        return true;
    }
    let ShardState { transports, directory, .. } = state;
    let Some(resuming) = transports.at(slot).and_then(Transport::resuming) else { return false };
    let place = Place::take(&directory.away, resuming.settings().most_sessions_away());
    place.is_some() && begin_in(state, slot, place)
}

/// As [`begin`], with this place among the sessions that are away.
fn begin_in(state: &mut ShardState, slot: u32, place: Option<Place>) -> bool {
    if state.away.has(slot) {
        return true;
    }
    let ShardState { sessions, transports, drain, .. } = state;
    let Some(record) = sessions.open_at(slot) else { return false };
    let Some(transport) = transports.at(slot).filter(|transport| !transport.is_opening()) else { return false };
    if transport.resuming().is_none() {
        return false;
    }
    // What one side has ended is not resumed, nor is anything when nobody is let in.
    if record.ends.has_peer_ended() || !record.ends.takes_more() || drain.has_begun() {
        return false;
    }
    let window = transport.window();
    record.sending = true;
    let socket = record.socket;
    reading::hold(state, slot, Hold::Away);
    // What is in flight ends before the close does.
    state.submit(Op::close(socket, CloseMode::Abort), token::of(token::CLOSE, slot));
    let ShardState { sessions, timers, away, .. } = state;
    away.begin(slot, place);
    if let Some(record) = sessions.at(slot) {
        timers.open_within(slot, &record.activity, window);
    }
    true
}

/// The close of a socket has completed. Says whether its session goes on, and which connection
/// waits for it.
pub(crate) fn socket_closed(state: &mut ShardState, slot: u32) -> Option<Option<Returning>> {
    let ShardState { sessions, away, .. } = state;
    let record = sessions.open_at(slot)?;
    let waiting = away.closed(slot)?;
    (record.socket, record.receiving) = (SocketId::NONE, false);
    Some(waiting)
}

/// Bytes that are in flight, and those that a session's peer has not confirmed, if it can be
/// resumed.
pub(super) fn unconfirmed(state: &ShardState, slot: u32) -> (usize, usize) {
    let Some(transport) = state.transports.at(slot) else { return (0, 0) };
    let stream = transport.resuming().and_then(|resuming| resuming.stream());
    (transport.in_flight(), stream.map_or(0, |stream| stream.kept()))
}
