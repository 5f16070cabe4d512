//! Receiving: from a pooled buffer through the session's codec to the handler, packet by packet, or
//! aside until the session may be handed packets again.

use overlapped::{Error, ErrorKind, Outcome};

use super::{Session, close, pair, pause, reading, reason::CloseReason};
use crate::codec::{Assembly, Codec, FrameError, Payload};
use crate::handler::{Flow, Handler};
use crate::limits::LEAST_SHARE;
use crate::panic::contained;
use crate::shard::logic::Logic;
use crate::shard::state::ShardState;
use crate::task::executor::Executor;

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
    let ShardState { sessions, groups, limits, turn, timers, .. } = &mut *state;
    let Some(record) = sessions.at_mut(slot) else { return };
    match result {
        Ok(Outcome::Packet(packet)) => {
            if record.reason.is_some() {
                return;
            }
            let may_go_on = record.assembly.is_waiting()
                && !record.holds.any()
                && !groups.is_budget_spent()
                && record.handed_in(*turn) < limits.bytes_per_turn;
            if may_go_on {
                drop(state);
                let bytes = packet.len();
                tasks.lending.during(packet, |piece| hand_over(logic, slot, piece));
                // Counted after the packets, because the byte rate may hold the session.
                bytes_came(&mut logic.state(), slot, bytes);
                return;
            }
            bytes_came(&mut state, slot, packet.len());
            let ShardState { sessions, limits, .. } = &mut *state;
            let Some(record) = sessions.at_mut(slot) else { return };
            // The buffer goes back to the pool; the bytes wait for their session.
            if record.assembly.keep(&packet, limits.leftover).is_err() {
                close::begin(&mut state, slot, CloseReason::Limit);
            } else if !record.holds.any() {
                reading::stop(&mut state, slot);
                state.sessions.resume_later(slot);
            }
        }
        // The end of the stream.
        Ok(_) => {
            record.receiving = false;
            record.ends.peer_ended();
            timers.stream_ended(slot, &record.activity);
            // What is kept is handed over first. A held session learns of the end when it goes on.
            if record.assembly.is_waiting() && !record.holds.any() {
                drop(state);
                hand_over(logic, slot, &[]);
            }
        }
        Err(error) => {
            record.receiving = false;
            if error.kind() != ErrorKind::Cancelled {
                close::begin(&mut state, slot, CloseReason::Reset);
            } else if record.assembly.is_waiting() {
                // The hold that cancelled it may be gone already. If not, this does nothing.
                reading::start(&mut state, slot);
            }
        }
    }
}

fn bytes_came(state: &mut ShardState, slot: u32, bytes: usize) {
    let ShardState { sessions, timers, .. } = state;
    let Some(record) = sessions.at(slot) else { return };
    if let Some(until) = timers.bytes_came(slot, &record.activity, bytes) {
        reading::hold_until(state, slot, until);
    }
}

/// Hands over what was kept for a session that may be handed packets again.
pub(crate) fn resume<H: Handler>(logic: &mut Logic<H>, slot: u32) {
    if logic.state().sessions.resumed(slot) {
        hand_over(logic, slot, &[]);
    }
}

/// Hands over the packets in what was kept and in `piece` behind it, until there is a reason to
/// stop. What is left is kept.
fn hand_over<H: Handler>(logic: &mut Logic<H>, slot: u32, mut piece: &[u8]) {
    // The handler reads a slice of the assembly while it uses the session, so it is taken out.
    let (session, mut assembly, mut handed) = {
        let (shared, ..) = logic.parts(slot);
        let mut state = shared.borrow_mut();
        let ShardState { sessions, turn, .. } = &mut *state;
        let Some(id) = sessions.id(slot) else { return };
        let Some((record, peer)) = sessions.open_with_peer(slot) else { return };
        let session = Session::new(shared, id, record, peer);
        (session, std::mem::take(&mut record.assembly), record.handed_in(*turn))
    };
    let needs_more = match contained(|| packets(logic, &session, &mut assembly, &mut piece, &mut handed)) {
        Ok(Stop::NeedsMore) => true,
        Ok(Stop::NotNow) => false,
        Ok(Stop::Closed) => return,
        Ok(Stop::InvalidFrame(error)) => return refuse(&mut logic.state(), &session, error),
        Err(_) => return close::begin(&mut logic.state(), slot, CloseReason::Panic),
    };
    let mut state = logic.state();
    let ShardState { sessions, limits, timers, turn, .. } = &mut *state;
    let Some(record) = sessions.open(session.id()) else { return };
    record.assembly = assembly;
    record.set_handed(*turn, handed);
    if record.assembly.keep(piece, limits.leftover).is_err() {
        return close::begin(&mut state, slot, CloseReason::Limit);
    }
    if !needs_more {
        // If it is held: the hold has stopped its receive, and the release resumes it.
        if !record.holds.any() {
            reading::stop(&mut state, slot);
            state.sessions.resume_later(slot);
        }
    } else if record.ends.has_peer_ended() {
        drop(state);
        end(logic, &session);
    } else {
        match contained(|| record.codec.buffered()) {
            Ok(0) if record.assembly.is_empty() => {}
            Ok(_) => timers.packet_is_partial(slot, &record.activity),
            Err(_) => return close::begin(&mut state, slot, CloseReason::Panic),
        }
        reading::start(&mut state, slot);
    }
}

/// Hands over one packet after the other, until there is a reason to stop. `handed` is what the
/// session was handed in this turn.
fn packets<H: Handler>(
    logic: &mut Logic<H>,
    session: &Session,
    assembly: &mut Assembly,
    piece: &mut &[u8],
    handed: &mut usize,
) -> Stop {
    let slot = session.id().slot();
    let (shared, handler, mut handler_state) = logic.parts(slot);
    let mut state = shared.borrow_mut();
    loop {
        let ShardState { sessions, groups, limits, timers, .. } = &mut *state;
        let Some(record) = sessions.open(session.id()) else { return Stop::Closed };
        if record.holds.any() || groups.is_budget_spent() || *handed >= limits.bytes_per_turn {
            return Stop::NotNow;
        }
        let packet = match assembly.first_of(&record.codec, piece) {
            Some((packet, rest)) => {
                *piece = rest;
                Payload::Slice(packet)
            }
            None => match assembly.next_or_end(&mut record.codec, piece, record.ends.has_peer_ended()) {
                Ok(Some(packet)) => packet,
                Ok(None) => return Stop::NeedsMore,
                Err(error) => return Stop::InvalidFrame(error),
            },
        };
        *handed += packet.len().max(LEAST_SHARE);
        let (held, is_paired) = (timers.packet_came(slot, &mut record.activity), record.partner().is_some());
        if let Some(until) = held {
            reading::hold_until(&mut state, slot, until);
        }
        if is_paired {
            pair::pass_on(&mut state, slot, &packet);
            continue;
        }
        let Some(handler_state) = handler_state.as_deref_mut() else { return Stop::Closed };
        drop(state);
        let flow = handler.received(session, handler_state, &packet);
        state = shared.borrow_mut();
        match flow {
            Flow::Continue => {}
            Flow::Pause => pause(&mut state, session.id()),
            Flow::Close => close::begin_if_open(&mut state, session.id(), CloseReason::ByHandler),
        }
    }
}

/// The peer's stream has ended and all its packets are handed over: tells the partner or the
/// handler, once.
fn end<H: Handler>(logic: &mut Logic<H>, session: &Session) {
    let slot = session.id().slot();
    {
        let mut state = logic.state();
        let Some(record) = state.sessions.open(session.id()) else { return };
        if !record.ends.tell() || pair::pass_on_end(&mut state, slot) {
            return;
        }
    }
    let Some(flow) = logic.ended(session) else { return };
    let mut state = logic.state();
    if state.sessions.open(session.id()).is_none() {
        return;
    }
    match flow {
        Ok(Flow::Close) => close::begin(&mut state, slot, CloseReason::ByPeer),
        Ok(Flow::Continue | Flow::Pause) => close::close_if_both_ended(&mut state, slot),
        Err(_) => close::begin(&mut state, slot, CloseReason::Panic),
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
