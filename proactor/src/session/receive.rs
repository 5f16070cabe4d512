//! Receiving: from a pooled buffer through the session's codec to the handler, packet by packet, or
//! aside until the session may be handed packets again.

use overlapped::{Error, ErrorKind, Outcome, buf::Packet};

use super::arrival::{end, keep, may_go_on};
use super::burst::{Burst, Handed};
#[cfg(feature = "tls")]
use super::start_tls;
use super::{Session, away, away::moving, close, holds::Hold, opening, pair, pause, reading, reason::CloseReason};
#[cfg(feature = "websocket")]
use super::{control, websocket};
use crate::codec::{Assembly, Codec, FrameError};
use crate::handler::{Flow, Handler};
use crate::panic::contained;
use crate::shard::logic::Logic;
use crate::shard::state::ShardState;
use crate::task::executor::Executor;
#[cfg(feature = "websocket")]
use crate::task::lending::Lent;
#[cfg(feature = "http")]
use crate::task::served;
use crate::transport::failure::TlsFailure;
use crate::transport::table::Heard;

/// Why no more packets of a session are handed over.
enum Stop {
    /// More bytes must come.
    NeedsMore,
    /// It is held, has had its share of the turn, or its shard's handlers have broadcast enough.
    NotNow,
    Closed,
    /// The peer sent an invalid frame.
    InvalidFrame(FrameError),
}

/// A session's receive has completed.
pub(crate) fn completed<H: Handler>(logic: &mut Logic<H>, tasks: &Executor, slot: u32, result: Result<Outcome, Error>) {
    let mut state = logic.state();
    let ShardState { sessions, groups, limits, turn, timers, meter, traffics, away, .. } = &mut *state;
    let Some(record) = sessions.at_mut(slot) else { return };
    match result {
        Ok(Outcome::Packet(packet)) => {
            if record.reason.is_some() {
                return;
            }
            if let Some(meter) = meter {
                meter.of(record.activity.listener()).received_bytes.add(packet.len() as u64);
                traffics.received(slot, packet.len() as u64);
            }
            if !record.is_plain() {
                drop(state);
                return specially(logic, tasks, slot, packet);
            }
            let may_go_on = record.assembly.is_waiting()
                && !record.holds.any()
                && !groups.is_budget_spent()
                && record.handed_in(*turn) < limits.bytes_per_turn;
            if may_go_on {
                drop(state);
                tasks.lending.lend(packet, |piece| hand_over(logic, slot, piece, piece.len()));
                return;
            }
            bytes_came(&mut state, slot, packet.len());
            // The buffer goes back to the pool; the bytes wait for their session.
            keep(&mut state, slot, &packet);
        }
        // The end of the stream.
        Ok(_) => {
            record.receiving = false;
            if !record.is_plain() {
                drop(state);
                return stream_ended(logic, tasks, slot);
            }
            record.ends.peer_ended();
            timers.stream_ended(slot, &record.activity);
            // What is kept is handed over first. A held session learns of the end when it goes on.
            if record.assembly.is_waiting() && !record.holds.any() {
                drop(state);
                hand_over(logic, slot, &[], 0);
            }
        }
        Err(error) => {
            record.receiving = false;
            away.look_again();
            if error.kind() != ErrorKind::Cancelled {
                if record.has_transport() && state.transports.is_opening(slot) {
                    return opening::fail(&mut state, slot, TlsFailure::Ended.into());
                }
                close::begin(&mut state, slot, CloseReason::Reset);
            } else if record.assembly.is_waiting() {
                // The hold that cancelled it may be gone already. If not, this does nothing.
                reading::start(&mut state, slot);
            }
        }
    }
}

/// Received bytes of a session with a transport, or of a WebSocket.
#[cold]
fn specially<H: Handler>(logic: &mut Logic<H>, tasks: &Executor, slot: u32, packet: Packet) {
    #[cfg(feature = "websocket")]
    if logic.state().sessions.at(slot).is_some_and(|record| !record.has_transport()) {
        let bytes = packet.len();
        websocket::take(logic, tasks, slot, Lent::Packet(packet));
        // Counted after the packets, because the byte rate may hold the session.
        return bytes_came(&mut logic.state(), slot, bytes);
    }
    through_transport(logic, tasks, slot, Some(packet));
}

/// Bytes of a new session that came before it was one.
pub(crate) fn came_before(state: &mut ShardState, slot: u32, bytes: &[u8]) {
    if let (Some(meter), Some(record)) = (&state.meter, state.sessions.at(slot)) {
        meter.of(record.activity.listener()).received_bytes.add(bytes.len() as u64);
        state.traffics.received(slot, bytes.len() as u64);
    }
    if state.sessions.open_at(slot).is_some_and(|record| record.has_transport()) {
        state.transports.postpone(slot, bytes);
        return reading::hold(state, slot, Hold::Opening);
    }
    bytes_came(state, slot, bytes.len());
    keep(state, slot, bytes);
}

/// Goes on with sessions whose opening has waited for its turn.
pub(crate) fn go_on_opening<H: Handler>(logic: &mut Logic<H>, tasks: &Executor) {
    let postponed = {
        let state = &mut *logic.state();
        state.transports.take_postponed(state.turn)
    };
    for slot in postponed {
        if logic.state().transports.is_postponed(slot) {
            through_transport(logic, tasks, slot, None);
        }
        // If it is not postponed, the end of its stream came meanwhile.
        let state = &mut *logic.state();
        if !state.away.is_asking(slot) {
            reading::release(state, slot, Hold::Opening);
        }
    }
}

/// Received bytes of a session with a transport, which may become open or end by them. `None`:
/// those that were postponed.
#[cold]
fn through_transport<H: Handler>(logic: &mut Logic<H>, tasks: &Executor, slot: u32, mut packet: Option<Packet>) {
    let bytes = packet.as_ref().map_or(0, |packet| packet.len());
    let heard = {
        let state = &mut *logic.state();
        let received = packet.as_mut().and_then(Packet::bytes_mut).unwrap_or_default();
        if bytes > 0 && state.transports.postpones(slot, received, state.turn) {
            return reading::hold(state, slot, Hold::Opening);
        }
        let Some(mut heard) = state.transports.receive(slot, received) else { return };
        if heard.is_asked {
            if !moving::answer(state, slot) {
                return state.transports.give_back(heard.plain);
            }
            heard.is_open = true;
        }
        if heard.has_output || heard.may_send_more {
            state.sessions.send_later(slot);
        }
        heard
    };
    // The buffer goes back to the pool.
    drop(packet);
    let Heard { mut plain, is_open, has_ended, is_partial, failure, .. } = heard;
    if is_open {
        open(logic, slot);
        let may_go_on = may_go_on(&mut logic.state(), slot);
        // The byte rate counts the bytes of the wire, once: a record in pieces has been counted but
        // for its last one when it is handed over.
        let mut more = bytes;
        if !plain.is_empty() && is_websocket(&logic.state(), slot) {
            #[cfg(feature = "websocket")]
            if let Lent::Bytes(bytes) = websocket::take(logic, tasks, slot, Lent::Bytes(std::mem::take(&mut plain))) {
                plain = bytes;
            }
        } else if !plain.is_empty() && may_go_on {
            more = 0;
            plain = tasks.lending.lend_bytes(plain, |piece| hand_over(logic, slot, piece, bytes));
        } else if !plain.is_empty() {
            keep(&mut logic.state(), slot, &plain);
        }
        bytes_came(&mut logic.state(), slot, more);
    }
    let mut state = logic.state();
    state.transports.give_back(plain);
    if let Some(failure) = failure {
        return opening::fail(&mut state, slot, failure);
    }
    let ShardState { sessions, timers, .. } = &mut *state;
    let Some(record) = sessions.open_at(slot) else { return };
    if !is_open {
        timers.heard(slot, &record.activity);
    } else if has_ended {
        drop(state);
        peer_ended(logic, slot);
    } else if is_partial {
        timers.packet_is_partial(slot, &record.activity);
    } else if record.assembly.is_empty() && contained(|| record.codec.buffered()).is_ok_and(|bytes| bytes == 0) {
        timers.forget_partial(slot, &record.activity);
    }
}

fn is_websocket(state: &ShardState, slot: u32) -> bool {
    state.sessions.at(slot).is_some_and(|record| record.is_websocket())
}

/// If a session's transport has just become open, tells the logic of the session.
pub(crate) fn open<H: Handler>(logic: &mut Logic<H>, slot: u32) {
    let opened = {
        let state = &mut *logic.state();
        if !state.transports.is_opening(slot) {
            return;
        }
        opening::opened(state, slot)
    };
    let Some(opened) = opened else { return };
    #[cfg(feature = "websocket")]
    control::forget_upgrade(&mut logic.state(), slot);
    let Some(session) = logic.session(slot) else { return };
    if logic.state().transports.is_of_running(slot) {
        logic.state().sessions.send_later(slot);
        return logic.secured(&session);
    }
    #[cfg(feature = "http")]
    let is_served = opened.service.is_some();
    #[cfg(not(feature = "http"))]
    let is_served = false;
    #[cfg(feature = "http")]
    if let Some((http, limits)) = opened.service {
        served::begin(&session, &http, limits);
    }
    if !is_served {
        logic.connected(&session);
    }
    let is_told = {
        let state = logic.state();
        state.drain.has_begun() && !state.drain.is_later(session.id())
    };
    if is_told {
        logic.draining(session.id());
    }
    if let Some(waiter) = opened.outbound.and_then(|outbound| outbound.waiter) {
        waiter.ended(Ok(session.id()));
    }
}

/// The peer of a session with a transport, or of a WebSocket, has ended its stream: by saying so,
/// or without.
#[cold]
fn stream_ended<H: Handler>(logic: &mut Logic<H>, tasks: &Executor, slot: u32) {
    if logic.state().transports.is_postponed(slot) {
        through_transport(logic, tasks, slot, None);
    }
    {
        let state = &mut *logic.state();
        if state.sessions.open_at(slot).is_none() {
            return;
        }
        if state.transports.is_opening(slot) {
            return opening::fail(state, slot, TlsFailure::Ended.into());
        }
        // So the connection is lost. The session may go on with another.
        if state.transports.is_resumable(slot) && away::begin(state, slot) {
            return;
        }
        let ShardState { sessions, transports, .. } = state;
        let Some(record) = sessions.open_at(slot) else { return };
        // The end of a WebSocket is its close frame, over TLS too.
        if record.is_websocket() || transports.at(slot).is_some_and(|transport| !transport.has_ended()) {
            record.ends.peer_cut();
        }
    }
    peer_ended(logic, slot);
}

/// Tells of the end of the peer's stream when what has come before is handed over.
fn peer_ended<H: Handler>(logic: &mut Logic<H>, slot: u32) {
    {
        let state = &mut *logic.state();
        if close::peer_ended_away(state, slot) {
            return;
        }
        let ShardState { sessions, timers, .. } = state;
        let Some(record) = sessions.open_at(slot) else { return };
        if record.is_websocket() {
            record.ends.peer_cut();
        }
        record.ends.peer_ended();
        timers.stream_ended(slot, &record.activity);
        if !record.assembly.is_waiting() || record.holds.any() {
            return;
        }
    }
    hand_over_kept(logic, slot);
}

pub(super) fn bytes_came(state: &mut ShardState, slot: u32, bytes: usize) {
    let ShardState { sessions, timers, .. } = state;
    let Some(record) = sessions.at(slot) else { return };
    if let Some(until) = timers.bytes_came(slot, &record.activity, bytes) {
        reading::hold_until(state, slot, until);
    }
}

/// Hands over what was kept for a session that may be handed packets again.
pub(crate) fn resume<H: Handler>(logic: &mut Logic<H>, slot: u32) {
    if logic.state().sessions.resumed(slot) {
        hand_over_kept(logic, slot);
    }
}

/// Hands over what was kept.
fn hand_over_kept<H: Handler>(logic: &mut Logic<H>, slot: u32) {
    #[cfg(feature = "websocket")]
    if is_websocket(&logic.state(), slot) {
        return websocket::resume(logic, slot);
    }
    hand_over(logic, slot, &[], 0);
}

/// Hands over the packets in what was kept and in `piece`, which has just come in `came` bytes,
/// behind it, until there is a reason to stop. What is left is kept.
pub(super) fn hand_over<H: Handler>(logic: &mut Logic<H>, slot: u32, mut piece: &[u8], came: usize) {
    // The handler reads a slice of the assembly while it uses the session, so it is taken out.
    let (session, mut assembly, bytes) = {
        let (shared, ..) = logic.parts(slot);
        let mut state = shared.borrow_mut();
        let ShardState { sessions, turn, .. } = &mut *state;
        let Some(id) = sessions.id(slot) else { return };
        let Some((record, peer)) = sessions.open_with_peer(slot) else { return };
        let session = Session::new(shared, id, record, peer);
        (session, std::mem::take(&mut record.assembly), record.handed_in(*turn))
    };
    let (mut handed, whole) = (Handed::new(bytes), piece);
    let needs_more = match contained(|| packets(logic, &session, &mut assembly, &mut piece, &mut handed)) {
        Ok(Stop::NeedsMore) => true,
        Ok(Stop::NotNow) => false,
        ended => return end_burst(&mut logic.state(), &session, ended, (handed, whole, piece)),
    };
    let mut state = logic.state();
    let ShardState { sessions, limits, timers, turn, meter, .. } = &mut *state;
    if let Some(meter) = meter {
        meter.of(session.listener).received_packets.add(handed.packets);
    }
    let Some(record) = sessions.open(session.id()) else { return };
    record.assembly = assembly;
    record.set_handed(*turn, handed.bytes);
    // Counted after the packets, because the byte rate may hold the session.
    let held = if came > 0 { timers.bytes_came(slot, &record.activity, came) } else { None };
    if !piece.is_empty() && record.assembly.keep(piece, limits.leftover).is_err() {
        return close::begin(&mut state, slot, CloseReason::Limit);
    }
    if !needs_more {
        // If it is held: the hold has stopped its receive, and the release resumes it.
        if !record.holds.any() {
            reading::stop(&mut state, slot);
            state.sessions.resume_later(slot);
        } else {
            #[cfg(feature = "tls")]
            start_tls::go_on(&mut state, slot);
        }
    } else if record.ends.has_peer_ended() {
        drop(state);
        return end(logic, &session);
    } else {
        match record.codec.buffered_by_own() {
            Ok(0) if record.assembly.is_empty() => {}
            Ok(_) => timers.packet_is_partial(slot, &record.activity),
            Err(_) => return close::begin(&mut state, slot, CloseReason::Panic),
        }
        if !record.receiving {
            reading::start(&mut state, slot);
        }
    }
    if let Some(until) = held {
        reading::hold_until(&mut state, slot, until);
    }
}

/// Hands over one packet after the other, until there is a reason to stop.
fn packets<H: Handler>(
    logic: &mut Logic<H>,
    session: &Session,
    assembly: &mut Assembly,
    piece: &mut &[u8],
    handed: &mut Handed,
) -> Stop {
    let slot = session.id().slot();
    let (shared, look_again, handler, mut handler_state) = logic.parts_for_burst(slot);
    let mut state = shared.borrow_mut();
    loop {
        let ShardState { sessions, groups, limits, timers, meter, .. } = &mut *state;
        let Some(record) = sessions.open(session.id()) else { return Stop::Closed };
        if record.holds.any() || groups.is_budget_spent() || handed.bytes >= limits.bytes_per_turn {
            return Stop::NotNow;
        }
        let has_ended = record.ends.has_peer_finished();
        let (flow, codec) = {
            let gathered;
            let (first, codec) = match assembly.first_of(&record.codec, piece) {
                Some((packet, rest)) => {
                    *piece = rest;
                    // Packets that are counted are handed over one by one.
                    (packet, if timers.is_free(slot, &record.activity) { record.codec.plain() } else { None })
                }
                None if !has_ended && assembly.is_used_up(&record.codec, piece) => return Stop::NeedsMore,
                None => match assembly.next_or_end(&mut record.codec, piece, has_ended) {
                    Ok(Some(packet)) => {
                        gathered = packet;
                        (&*gathered, None)
                    }
                    Ok(None) => return Stop::NeedsMore,
                    Err(error) => return Stop::InvalidFrame(error),
                },
            };
            look_again.set(false);
            let (held, is_paired) = (timers.packet_came(slot, &mut record.activity), record.partner().is_some());
            let (share, budget, is_metered) = (limits.bytes_per_turn, groups.budget(), meter.is_some());
            if is_metered {
                handed.begin(piece);
            }
            if let Some(until) = held {
                reading::hold_until(&mut state, slot, until);
            }
            if is_paired {
                handed.add(first);
                pair::pass_on(&mut state, slot, first);
                continue;
            }
            let Some(handler_state) = handler_state.as_deref_mut() else {
                #[cfg(feature = "http")]
                {
                    handed.add(first);
                    drop(state);
                    if served::hand_over(session, first) {
                        state = shared.borrow_mut();
                        continue;
                    }
                }
                return Stop::Closed;
            };
            drop(state);
            let (behind, mut burst) = (*piece, Burst { codec, bytes: handed.bytes, share, budget, look_again });
            let flow = burst.hand_over((&mut *handler, session, handler_state), first, piece);
            handed.bytes = burst.bytes;
            if is_metered {
                handed.end(codec, behind, piece);
            }
            (flow, codec)
        };
        state = shared.borrow_mut();
        match flow {
            Flow::Continue => {}
            Flow::Pause => pause(&mut state, session.id()),
            Flow::Close => close::begin_if_open(&mut state, session.id(), CloseReason::ByHandler),
        }
        if codec.is_some() && piece.is_empty() && !has_ended {
            assembly.use_up();
            return Stop::NeedsMore;
        }
    }
}

/// A session ended with the last packet that it was handed, or is to end because of it.
#[cold]
fn end_burst(
    state: &mut ShardState,
    session: &Session,
    ended: std::thread::Result<Stop>,
    (handed, piece, left): (Handed, &[u8], &[u8]),
) {
    let ShardState { sessions, meter, .. } = state;
    if let Some(meter) = meter {
        let codec = sessions.get_mut(session.id()).map(|record| &record.codec);
        meter.of(session.listener).received_packets.add(handed.packets_in_all(codec, piece, left));
    }
    match ended {
        Ok(Stop::InvalidFrame(error)) => refuse(state, session, error),
        Ok(_) => {}
        Err(_) => close::begin(state, session.id().slot(), CloseReason::Panic),
    }
}

/// Closes a session whose peer sent an invalid frame.
fn refuse(state: &mut ShardState, session: &Session, error: FrameError) {
    match error {
        FrameError::Fault(_) => tracing::error!("{session:?}: {error}"),
        _ => tracing::debug!("{session:?}: {error}"),
    }
    let reason = match error {
        FrameError::TooLarge { .. } => CloseReason::FrameTooLarge,
        _ => CloseReason::Protocol,
    };
    close::begin(state, session.id().slot(), reason);
}
