//! WebSocket sessions: messages are handed over as packets, control frames are answered here, and
//! close frames are the ends of the streams.
//!
//! The frames of received bytes are unmasked where they lie. A WebSocket session without TLS has no
//! [transport](crate::transport) once its upgrade is over, so it sends as a plain one does.

use super::burst::Burst;
use super::control::queue_control;
use super::reason::CloseReason;
use super::{Session, arrival, close, id::SessionId, pair, pause, reading, send};
use crate::codec::{Codec, Framing, WebSocketFraming};
use crate::error::SendError;
use crate::handler::{Flow, Handler};
use crate::limits::LEAST_SHARE;
use crate::panic::contained;
use crate::shard::logic::Logic;
use crate::shard::state::ShardState;
use crate::task::executor::Executor;
use crate::task::lending::Lent;
use crate::websocket::close::{CloseCode, Violation};
use crate::websocket::decoder::{Found, Place, give_back};
use crate::websocket::frame::MessageKind;
use crate::websocket::upgrade::Upgrade;

/// Why no more messages of a session are handed over.
enum Stop {
    /// More bytes must come.
    NeedsMore,
    /// It is held, has had its share of the turn, or its shard's handlers have broadcast enough.
    NotNow,
    Closed,
    Violated(Violation),
}

/// Hands over the messages in received bytes, or keeps those that cannot be handed over now.
/// Returns the memory.
pub(super) fn take<H: Handler>(logic: &mut Logic<H>, tasks: &Executor, slot: u32, lent: Lent) -> Lent {
    if arrival::may_go_on(&mut logic.state(), slot) {
        return hand_over(logic, tasks, slot, lent, None);
    }
    arrival::keep(&mut logic.state(), slot, &lent);
    lent
}

/// Hands over what was kept for a session that may be handed packets again.
pub(super) fn resume<H: Handler>(logic: &mut Logic<H>, slot: u32) {
    let (tasks, (kept, start)) = {
        let state = &mut *logic.state();
        let Some(record) = state.sessions.open_at(slot) else { return };
        (std::rc::Rc::clone(&state.tasks), record.assembly.take_kept())
    };
    hand_over(logic, &tasks, slot, Lent::Bytes(kept), Some(start));
}

/// Hands over the messages in `lent`, until there is a reason to stop. What is left is kept.
/// Returns the memory. If `lent` is what was kept, it is handed over from `kept_from` on.
fn hand_over<H: Handler>(
    logic: &mut Logic<H>,
    tasks: &Executor,
    slot: u32,
    lent: Lent,
    kept_from: Option<usize>,
) -> Lent {
    let mut at = kept_from.unwrap_or(0);
    let (session, mut handed) = {
        let (shared, ..) = logic.parts(slot);
        let mut state = shared.borrow_mut();
        let ShardState { sessions, turn, .. } = &mut *state;
        let Some(id) = sessions.id(slot) else { return lent };
        let Some((record, peer)) = sessions.open_with_peer(slot) else { return lent };
        (Session::new(shared, id, record, peer), record.handed_in(*turn))
    };
    tasks.lending.begin(lent);
    let stop = contained(|| messages(logic, tasks, &session, &mut at, &mut handed));
    let lent = tasks.lending.end();
    let needs_more = match stop {
        Ok(Stop::NeedsMore) => true,
        Ok(Stop::NotNow) => false,
        Ok(Stop::Closed) => return lent,
        Ok(Stop::Violated(violation)) => {
            refuse(&mut logic.state(), &session, violation);
            return lent;
        }
        Err(_) => {
            close::begin(&mut logic.state(), slot, CloseReason::Panic);
            return lent;
        }
    };
    let mut state = logic.state();
    let ShardState { sessions, limits, timers, turn, .. } = &mut *state;
    let Some(record) = sessions.open(session.id()) else { return lent };
    record.set_handed(*turn, handed);
    let lent = match (lent, kept_from) {
        (Lent::Bytes(kept), Some(_)) => {
            record.assembly.put_back(kept, at);
            Lent::Bytes(Vec::new())
        }
        (lent, _) => {
            let rest = &lent[at..];
            if !rest.is_empty() && record.assembly.keep(rest, limits.leftover).is_err() {
                close::begin(&mut state, slot, CloseReason::Limit);
                return lent;
            }
            lent
        }
    };
    if !needs_more {
        // If it is held: the hold has stopped its receive, and the release resumes it.
        if !record.holds.any() {
            reading::stop(&mut state, slot);
            state.sessions.resume_later(slot);
        }
    } else if record.ends.has_peer_ended() {
        drop(state);
        arrival::end(logic, &session);
    } else {
        match record.codec.buffered() {
            // A control frame in pieces is no packet, and its end completes none.
            0 => timers.forget_partial(slot, &record.activity),
            _ => timers.packet_is_partial(slot, &record.activity),
        }
        reading::start(&mut state, slot);
    }
    lent
}

/// Hands over one message of the lent bytes after the other, and answers control frames between
/// them, until there is a reason to stop. `handed` is what the session was handed in this turn.
fn messages<H: Handler>(
    logic: &mut Logic<H>,
    tasks: &Executor,
    session: &Session,
    at: &mut usize,
    handed: &mut usize,
) -> Stop {
    let (id, slot) = (session.id(), session.id().slot());
    let (shared, look_again, handler, mut handler_state) = logic.parts_for_burst(slot);
    let mut state = shared.borrow_mut();
    loop {
        let ShardState { sessions, groups, limits, timers, frame: memory, meter, .. } = &mut *state;
        let Some(record) = sessions.open(id) else { return Stop::Closed };
        if record.holds.any() || groups.is_budget_spent() || *handed >= limits.bytes_per_turn {
            return Stop::NotNow;
        }
        let Framing::WebSocket(websocket) = &mut record.codec else { return Stop::Closed };
        let found = match tasks.lending.change(|bytes| websocket.decoder.next(bytes, at)) {
            Ok(Some(found)) => found,
            Ok(None) => return Stop::NeedsMore,
            Err(violation) => return Stop::Violated(violation),
        };
        let (kind, place) = match found {
            Found::Message(kind, place) => (kind, place),
            Found::Close(code) => {
                websocket.peer_closed(code);
                record.ends.peer_said_end();
                timers.stream_ended(slot, &record.activity);
                return Stop::NeedsMore;
            }
            control => {
                *handed += LEAST_SHARE;
                memory.clear();
                if let Found::Ping(place) = control {
                    tasks.lending.change(|bytes| websocket.append_pong(&place, bytes, memory));
                }
                if let Some(until) = timers.control_came(slot, &record.activity) {
                    reading::hold_until(&mut state, slot, until);
                }
                queue_control(&mut state, id);
                continue;
            }
        };
        websocket.came = kind;
        // It lies in the lent bytes, or in memory of its own.
        let (range, gathered) = match place {
            Place::Given(range) => (range, None),
            Place::Gathered(range) => (range, Some(websocket.decoder.take_gathered())),
        };
        *handed += range.len().max(LEAST_SHARE);
        if let Some(meter) = meter {
            meter.of(session.listener).received_packets.add(1);
        }
        let (held, is_paired) = (timers.packet_came(slot, &mut record.activity), record.partner().is_some());
        if let Some(until) = held {
            reading::hold_until(&mut state, slot, until);
        }
        let read = |read: &mut dyn FnMut(&[u8])| match &gathered {
            Some(gathered) => read(&gathered[range.clone()]),
            None => tasks.lending.read(range.clone(), read),
        };
        if is_paired {
            read(&mut |message| pass_on(&mut state, slot, kind, message));
            gathered.into_iter().for_each(give_back);
            continue;
        }
        let Some(handler_state) = handler_state.as_deref_mut() else { return Stop::Closed };
        drop(state);
        let mut flow = Flow::Continue;
        read(&mut |message| {
            let mut burst = Burst { codec: None, bytes: 0, share: 0, budget: 0, look_again };
            flow = burst.hand_over((&mut *handler, session, &mut *handler_state), message, &mut &[][..]);
        });
        gathered.into_iter().for_each(give_back);
        state = shared.borrow_mut();
        match flow {
            Flow::Continue => {}
            Flow::Pause => pause(&mut state, id),
            Flow::Close => close::begin_if_open(&mut state, id, CloseReason::ByHandler),
        }
    }
}

/// Closes a session whose peer broke the protocol. The peer is told what was wrong.
fn refuse(state: &mut ShardState, session: &Session, violation: Violation) {
    let slot = session.id().slot();
    let Some(record) = state.sessions.open(session.id()) else { return };
    let Framing::WebSocket(websocket) = &mut record.codec else { return };
    tracing::debug!("{session:?}: {}", websocket.error_of(violation));
    websocket.close_with(violation.code, violation.what);
    let reason = match violation.code {
        CloseCode::TOO_BIG => CloseReason::FrameTooLarge,
        _ => CloseReason::Protocol,
    };
    close::begin(state, slot, reason);
}

/// Passes a message on to the session's partner, as a message of the same kind if that is a
/// WebSocket too.
fn pass_on(state: &mut ShardState, slot: u32, kind: MessageKind, message: &[u8]) {
    let Some(partner) = state.sessions.at(slot).and_then(|record| record.partner()) else { return };
    let before = send_next_as(state, partner, Some(kind));
    pair::pass_on(state, slot, message);
    send_next_as(state, partner, before);
}

/// Sets what the next packets of a session are sent as. Returns what that was.
fn send_next_as(state: &mut ShardState, slot: u32, kind: Option<MessageKind>) -> Option<MessageKind> {
    match state.sessions.open_at(slot).map(|record| &mut record.codec) {
        Some(Framing::WebSocket(websocket)) => std::mem::replace(&mut websocket.kind, kind),
        _ => None,
    }
}

/// Queues a packet as a message of this kind, if the session is a WebSocket.
pub(crate) fn queue_as(
    state: &mut ShardState,
    id: SessionId,
    kind: MessageKind,
    packet: &[u8],
    stamp: u64,
) -> Result<(), SendError> {
    if state.sessions.open(id).is_none() {
        return Err(SendError::Closed);
    }
    let before = send_next_as(state, id.slot(), Some(kind));
    let queued = send::queue(state, id, packet, stamp);
    send_next_as(state, id.slot(), before);
    queued
}

impl Session {
    /// Reads of the session's WebSocket, if it is one and open.
    fn read<R>(&self, read: impl FnOnce(&mut WebSocketFraming) -> R) -> Option<R> {
        let mut state = self.state().borrow_mut();
        match &mut state.sessions.open(self.id())?.codec {
            Framing::WebSocket(websocket) => Some(read(websocket)),
            _ => None,
        }
    }

    /// What the upgrade of a WebSocket session has said: path, query, subprotocol, headers. `None`
    /// if it is no WebSocket, or has ended.
    ///
    /// ```
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// /// A room for each path.
    /// #[derive(Clone)]
    /// struct Rooms;
    ///
    /// impl Handler for Rooms {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, session: &Session) {
    ///         if let Some(upgrade) = session.upgrade()
    ///             && let Ok(room) = session.handle().group(upgrade.path())
    ///         {
    ///             let _ = session.join(&room);
    ///         }
    ///     }
    ///     fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
    ///         Flow::Continue
    ///     }
    /// }
    /// ```
    pub fn upgrade(&self) -> Option<Upgrade> {
        self.read(|websocket| websocket.upgrade().cloned())?
    }

    /// Whether the packet that was handed over last came as text or as binary. Always
    /// [`Binary`](MessageKind::Binary) if the session is no WebSocket.
    pub fn packet_kind(&self) -> MessageKind {
        self.read(|websocket| websocket.came).unwrap_or_default()
    }

    /// As [`send`](Session::send), as a message of this kind. A session that is no WebSocket sends
    /// the packet as any other.
    ///
    /// ```
    /// use proactor::{Flow, Handler, NoMessage, Session};
    ///
    /// /// Text for text, bytes for bytes.
    /// #[derive(Clone)]
    /// struct Echo;
    ///
    /// impl Handler for Echo {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) {}
    ///     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
    ///         let sent = session.send_as(session.packet_kind(), packet);
    ///         sent.map_or(Flow::Close, |()| Flow::Continue)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`send`](Session::send); `Frame` also if it is to be text and is not UTF-8.
    pub fn send_as(&self, kind: MessageKind, packet: &[u8]) -> Result<(), SendError> {
        let before = self.read(|websocket| websocket.kind.replace(kind)).flatten();
        let sent = self.send(packet);
        self.read(|websocket| websocket.kind = before);
        sent
    }

    /// As [`close`](Session::close). A WebSocket's peer is told this code and this text; at most
    /// 123 bytes of that are sent.
    pub fn close_with(&self, code: CloseCode, text: &str) {
        self.read(|websocket| websocket.close_with(code, text));
        self.close();
    }

    /// The code of the peer's close frame, in [`Handler::ended`](crate::Handler::ended). `None` if
    /// none has come, or it had none.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.read(|websocket| websocket.peer_code())?
    }
}
