//! Closing sessions: gracefully if a peer waits for what is queued, at once otherwise. Also the
//! ends of a session's two streams, each on its own. When both have ended, the session is closed.

use std::time::Duration;

use overlapped::Op;
use overlapped::driver::{CloseMode, Completion, OpId, ShutdownHow, SocketId};

use super::{away, deadlines::MOST, id::SessionId, reason::CloseReason, send, table::Record};
use crate::codec::Assembly;
use crate::connect::{ConnectError, ConnectFailure, Origin};
use crate::flight::FlightKind;
use crate::group::membership;
use crate::shard::state::{ShardState, token};
use crate::transport::Transport;
use crate::transport::opening::OutboundOpening;

/// How often a drain asks whether a peer has confirmed everything, at most.
const LEAST_LINGER: Duration = Duration::from_millis(50);
/// The shard keeps the time of a graceful close ([`linger_over`]).
const GRACEFUL: CloseMode = CloseMode::Graceful { linger: MOST };

/// Begins to close a session, in the way that fits the reason. The first reason stays. One that has
/// lost its connection, and can go on with another, waits for that.
pub(crate) fn begin(state: &mut ShardState, slot: u32, reason: CloseReason) {
    if away::keeps(state, slot, reason) {
        return;
    }
    let mode = match reason {
        CloseReason::ByPeer
        | CloseReason::ByHandler
        | CloseReason::FrameTooLarge
        | CloseReason::Protocol
        | CloseReason::Truncated
        | CloseReason::TlsFailed
        | CloseReason::UpgradeFailed
        | CloseReason::Replaced
        | CloseReason::KeyLost
        | CloseReason::Drained
        | CloseReason::Idle
        | CloseReason::Lifetime => GRACEFUL,
        CloseReason::TooSlow
        | CloseReason::ReceiveTimeout
        | CloseReason::WriteTimeout
        | CloseReason::Limit
        | CloseReason::Moved => CloseMode::Abort,
        _ => CloseMode::Now,
    };
    begin_as(state, slot, reason, mode);
}

/// Begins to close a session, if it is not closing.
pub(crate) fn begin_if_open(state: &mut ShardState, id: SessionId, reason: CloseReason) {
    if state.sessions.open(id).is_some() {
        begin(state, id.slot(), reason);
    }
}

/// Begins to close a session in a way that the reason does not tell.
pub(crate) fn begin_as(state: &mut ShardState, slot: u32, reason: CloseReason, mode: CloseMode) {
    let is_away = state.away.has(slot);
    let mode = if is_away { CloseMode::Abort } else { mode };
    // What is in flight is in the outbox and kept too.
    let (in_flight, kept) = if is_away { away::unconfirmed(state, slot) } else { (0, 0) };
    let ShardState { sessions, timers, logic_timers, to_wake, directory, endings, driver, look_again, .. } = state;
    let graceful = matches!(mode, CloseMode::Graceful { .. });
    let id = sessions.id(slot);
    let Some(record) = sessions.open_at(slot) else { return };
    if let Some(link) = &record.link {
        link.closing(reason, to_wake);
    }
    let (opener, has_transport) = (record.origin().opener(), record.has_transport());
    #[cfg(feature = "websocket")]
    let is_websocket = record.is_websocket();
    record.reason = Some(reason);
    look_again.set(true);
    record.assembly = Assembly::new();
    if let Some(id) = id {
        endings.tell(id, reason);
    }
    if let Some(flight) = &state.flight {
        flight.record(id, FlightKind::Closing(reason));
    }
    if let Some(meter) = &state.meter
        && reason == CloseReason::TooSlow
    {
        meter.of(record.activity.listener()).too_slow.add(1);
    }
    let left = record.outbox.len().saturating_sub(in_flight);
    // A reset also takes back what the peer's system has not confirmed.
    let unconfirmed = if mode == CloseMode::Abort && !is_away { driver.unsent(record.socket).unwrap_or(0) } else { 0 };
    // What goes on elsewhere has taken its bytes with it.
    let missing = if reason == CloseReason::Moved { 0 } else { left.max(unconfirmed) + kept };
    if !graceful && missing > 0 {
        endings.cut(slot, missing);
        if let Some(outbox) = record.outbox.get() {
            outbox.clear();
        }
    }
    let (socket, has_groups) = (record.socket, !record.outbox.positions.is_empty());
    timers.forget(slot);
    logic_timers.forget(slot);
    if let Some(id) = id {
        directory.inboxes(id.shard()).forget(id, to_wake);
    }
    if graceful {
        timers.linger(slot, state.limits.linger);
    }
    if has_groups {
        if graceful {
            // News that are not counted yet may belong before private sends. Leaving puts them
            // there.
            let complete = membership::complete_upto(state, slot);
            send::send_all(state, slot, complete);
        }
        // The session is closing already: that it is too slow changes nothing.
        let _ = membership::leave_all(state, slot, graceful.then_some(u64::MAX));
    }
    let is_whole = reason == CloseReason::ServerStopping && mode == CloseMode::Now && missing == 0;
    #[cfg(feature = "websocket")]
    if is_websocket && (graceful || mode == CloseMode::Now && missing == 0) {
        super::control::queue_close(state, slot, reason);
        if !graceful && !has_transport {
            send::send_all(state, slot, u64::MAX);
        }
    }
    if has_transport && (graceful || is_whole) {
        // A peer that is not told of the end takes the stream for a cut one.
        send::finish(state, slot);
    } else if graceful {
        // What was answered to good packets before a bad one reaches the peer.
        send::send_all(state, slot, u64::MAX);
    }
    if has_transport && state.transports.is_opening(slot) {
        tell_not_open(state, slot, reason);
    }
    match (&mut state.datagrams, id) {
        _ if is_away => state.away.end(slot),
        (Some(ports), Some(id)) if socket == SocketId::NONE => ports.close(id, !graceful),
        _ => drop(state.submit(Op::close(socket, mode), token::of(token::CLOSE, slot))),
    }
    let is_cut = matches!(reason, CloseReason::Truncated | CloseReason::TlsFailed | CloseReason::UpgradeFailed);
    close_partner(state, slot, reason, graceful && !is_cut);
    cancel_attempts(state, slot);
    if reason == CloseReason::Panic {
        log_panic(state, slot);
        end_opener(state, opener);
    }
}

/// A connection that the logic has asked for was made, and closes before its transport is open.
fn tell_not_open(state: &mut ShardState, slot: u32, reason: CloseReason) {
    let ShardState { sessions, transports, attempts, .. } = state;
    let Some(Origin::Connected { token, opener }) = sessions.at(slot).map(Record::origin) else { return };
    let Some(opening) = transports.at_mut(slot).and_then(Transport::opening_mut) else { return };
    let Some(OutboundOpening { target, waiter }) = opening.outbound.take() else { return };
    let error = match (&opening.failure, reason) {
        (Some(failure), _) => ConnectError::not_open(target, failure),
        (None, CloseReason::Drained | CloseReason::ServerStopping) => ConnectError::new(target, ConnectFailure::Ending),
        (None, CloseReason::ByPartner) => ConnectError::new(target, ConnectFailure::Cancelled),
        (None, reason) => ConnectError::not_open_by(target, reason),
    };
    attempts.failed_to_open(opener, token, error, waiter);
}

/// The panic itself is reported by the program's panic hook, which knows no session.
#[cold]
fn log_panic(state: &ShardState, slot: u32) {
    if let (Some(id), Some(peer)) = (state.sessions.id(slot), state.sessions.peer_at(slot)) {
        tracing::error!("the logic panicked in a call for {id:?} of {peer}: this session is closed");
        state.directory.log_flight_of(id);
    }
}

/// A call panicked for a session that another has opened: the other, which may wait for it, ends
/// too, by a reset, so that its peer does not take this for a clean end.
pub(crate) fn end_opener(state: &mut ShardState, opener: Option<SessionId>) {
    let Some(opener) = opener.filter(|opener| state.sessions.open(*opener).is_some()) else { return };
    // Not by `Panic`, which would go on to the opener's own opener: that one is told by `closed`.
    begin_as(state, opener.slot(), CloseReason::ByOpened, CloseMode::Abort);
}

/// The close of a session that is in flight.
fn close_of(state: &ShardState, slot: u32) -> Option<OpId> {
    state.driver.close_of(state.sessions.at(slot)?.socket)
}

/// Bytes for the peer of a closing session that the system has not taken.
fn untaken(state: &ShardState, slot: u32) -> usize {
    state.sessions.at(slot).map_or(0, |record| record.outbox.len())
}

/// Bytes of ended sends that a closing session's peer has not confirmed, if the system says.
fn unconfirmed(state: &ShardState, slot: u32) -> Option<usize> {
    state.driver.unsent(state.sessions.at(slot)?.socket)
}

/// The peer of a session that is being closed gracefully has had its time, and has not ended its
/// stream.
///
/// It is reset if the system could not even take everything. If it could, the system goes on
/// delivering that on its own. A drain has more patience with a peer that has not confirmed all:
/// its deadline ends that. One that has is only waited for, and is reset.
pub(crate) fn linger_over(state: &mut ShardState, slot: u32) {
    if hasten_datagrams(state, slot).is_some() {
        return;
    }
    let Some(close) = close_of(state, slot) else { return };
    let (untaken, unconfirmed) = (untaken(state, slot), unconfirmed(state, slot));
    let drains = state.drain.is_on();
    if drains && (untaken > 0 || unconfirmed.is_some_and(|bytes| bytes > 0)) {
        let time = state.limits.linger.max(LEAST_LINGER);
        state.timers.linger(slot, time);
    } else if untaken > 0 {
        if state.driver.abort(close) {
            state.endings.cut(slot, untaken);
        }
    } else if drains && unconfirmed == Some(0) {
        state.driver.abort(close);
    } else {
        state.driver.cancel(close);
    }
}

/// Has the end of a closing session wait no longer for what its port has not sent, if its packets
/// are datagrams. Says whether something is cut.
fn hasten_datagrams(state: &mut ShardState, slot: u32) -> Option<bool> {
    let missing = untaken(state, slot);
    let ShardState { sessions, datagrams, endings, .. } = state;
    let id = sessions.id(slot)?;
    sessions.at(slot).filter(|record| record.is_datagrams())?;
    let is_cut = datagrams.as_mut().is_some_and(|ports| ports.hasten(id)) && !endings.has_cut(slot);
    if is_cut {
        endings.cut(slot, missing);
    }
    Some(is_cut)
}

/// Closes at once a session that is being closed gracefully: by a reset if the system has not taken
/// everything. If it has, it goes on delivering, and the end comes behind the last byte. Says
/// whether it is a reset.
pub(crate) fn cut_short(state: &mut ShardState, slot: u32) -> bool {
    if let Some(is_cut) = hasten_datagrams(state, slot) {
        return is_cut;
    }
    let Some(close) = close_of(state, slot) else { return false };
    let missing = untaken(state, slot);
    if state.endings.has_cut(slot) {
        // It has been cut already.
        return false;
    }
    if missing == 0 {
        state.driver.cancel(close);
        return false;
    }
    let is_cut = state.driver.abort(close);
    if is_cut {
        state.endings.cut(slot, missing);
    }
    is_cut
}

/// Ends a session at once by a reset, whether it is closing or not.
pub(crate) fn abort(state: &mut ShardState, id: SessionId) {
    if state.sessions.open(id).is_some() {
        begin_as(state, id.slot(), CloseReason::ByHandler, CloseMode::Abort);
    } else if state.sessions.get_mut(id).is_some_and(|record| record.is_datagrams()) {
        hasten_datagrams(state, id.slot());
    } else if state.sessions.get_mut(id).is_some()
        && let Some(close) = close_of(state, id.slot())
    {
        // The end of our stream, which counts as one, is not a byte that was queued.
        let unconfirmed = unconfirmed(state, id.slot()).unwrap_or(0).saturating_sub(1);
        let missing = untaken(state, id.slot()).max(unconfirmed);
        if state.driver.abort(close) && missing > 0 {
            state.endings.cut(id.slot(), missing);
        }
    }
}

/// Closes the partner of a session too, unless it will be told another reason, or both its streams
/// have ended and it has only to send what is left.
fn close_partner(state: &mut ShardState, slot: u32, reason: CloseReason, graceful: bool) {
    let Some(partner) = state.sessions.at_mut(slot).and_then(|record| record.take_partner()) else { return };
    let Some(record) = state.sessions.at_mut(partner) else { return };
    record.take_partner();
    let is_ending = record.ends.is_told() && !record.ends.takes_more();
    match reason {
        CloseReason::Drained | CloseReason::ServerStopping => {}
        CloseReason::ByPeer if is_ending => {}
        _ => {
            let mode = if graceful { GRACEFUL } else { CloseMode::Abort };
            begin_as(state, partner, CloseReason::ByPartner, mode);
        }
    }
}

/// Cancels the connections that a session has asked for.
fn cancel_attempts(state: &mut ShardState, slot: u32) {
    let ShardState { sessions, attempts, transports, driver, .. } = state;
    let Some(id) = sessions.id(slot) else { return };
    if !sessions.at(slot).is_some_and(Record::has_attempts) {
        return;
    }
    attempts.cancel_of(id, driver);
    for slot in transports.outbound_openings() {
        let opener = state.sessions.open_at(slot).and_then(|record| record.origin().opener());
        if opener == Some(id) {
            begin_as(state, slot, CloseReason::ByPartner, CloseMode::Abort);
        }
    }
}

/// Ends our stream behind what is queued. The end of the turn finds out whether the last send is
/// still to come.
pub(crate) fn shut_down(state: &mut ShardState, slot: u32) {
    let Some(record) = state.sessions.open_at(slot).filter(|record| record.ends.takes_more()) else { return };
    // There is no stream to end, or nobody could come back to it.
    if record.is_datagrams() || state.away.has(slot) {
        return begin(state, slot, CloseReason::ByHandler);
    }
    record.ends.ask_own();
    if let Some(outbox) = record.outbox.get() {
        outbox.end_appending();
    }
    // What was broadcast until now is still sent.
    if !record.outbox.positions.is_empty() {
        let now = state.groups.now();
        if membership::leave_all(state, slot, Some(now)) {
            return begin(state, slot, CloseReason::TooSlow);
        }
    }
    state.sessions.send_later(slot);
}

/// The peer has ended its stream. Says whether its session is away, which closes: nobody could come
/// back to it.
pub(super) fn peer_ended_away(state: &mut ShardState, slot: u32) -> bool {
    let is_away = state.away.has(slot);
    if is_away {
        begin_as(state, slot, CloseReason::Reset, CloseMode::Abort);
    }
    is_away
}

/// After a turn's sends: if our stream is to end and nothing is left to be sent, it ends.
pub(crate) fn end_own_stream(state: &mut ShardState, slot: u32) {
    let Some(record) = state.sessions.open_at(slot) else { return };
    if !record.ends.is_own_asked() || record.outbox.has_queued() {
        return;
    }
    record.ends.own_started();
    let has_transport = record.has_transport();
    #[cfg(feature = "websocket")]
    if record.is_websocket() {
        super::control::queue_close(state, slot, CloseReason::ByHandler);
        if !has_transport {
            send::send_all(state, slot, u64::MAX);
        }
    }
    if has_transport {
        send::finish(state, slot);
    }
    let Some(record) = state.sessions.open_at(slot) else { return };
    let op = Op::shutdown(record.socket, ShutdownHow::Send);
    state.submit(op, token::of(token::SHUTDOWN, slot));
}

/// Our stream has ended, or could not be ended.
pub(crate) fn own_stream_ended(state: &mut ShardState, slot: u32, completion: &Completion) {
    let Some(record) = state.sessions.open_at(slot) else { return };
    if completion.result.is_err() {
        return begin(state, slot, CloseReason::Reset);
    }
    record.ends.own_ended();
    close_if_both_ended(state, slot);
}

pub(crate) fn close_if_both_ended(state: &mut ShardState, slot: u32) {
    if state.sessions.at(slot).is_some_and(|record| record.ends.have_both_ended()) {
        begin(state, slot, CloseReason::ByPeer);
    }
}
