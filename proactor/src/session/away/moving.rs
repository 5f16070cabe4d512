//! Connections that ask for a session: from the hello to the session that goes on with it, perhaps
//! on another shard.

use overlapped::driver::CloseMode;
use overlapped::mailbox::MailError;

use super::finding::{Found, find};
use super::returning::Returning;
use crate::connect::reset;
use crate::flight::FlightKind;
use crate::resume::{Afresh, token::Token, wire::Hello};
use crate::session::{
    close, delivery::Delivery, holds::Hold, id::SessionId, opening, reading, reason::CloseReason, send,
};
use crate::shard::directory::Mail;
use crate::shard::state::ShardState;
use crate::transport::Transport;
use crate::transport::opening::Place;

/// A new connection's hello has come. Says whether it is a session from now on; otherwise it is
/// moved to the session that it asks for.
#[cold]
pub(crate) fn answer(state: &mut ShardState, slot: u32) -> bool {
    let ShardState { sessions, transports, .. } = state;
    let Some(listener) = sessions.open_at(slot).map(|record| record.activity.listener()) else { return false };
    let asked = transports.at(slot).and_then(|transport| transport.resuming()?.asked());
    let afresh = match asked.cloned() {
        None => return false,
        Some(Hello::New) => None,
        Some(Hello::Resume { token, has }) => {
            let admitted = match find(&state.directory, &token) {
                Ok(Found::Here(id)) if id.shard() == state.shard => admits(state, id, &token, has, listener),
                found => found.map(drop),
            };
            match admitted {
                Ok(()) => {
                    // It may be taken out when its receive has ended.
                    reading::hold(state, slot, Hold::Opening);
                    state.away.ask(slot);
                    return false;
                }
                Err(afresh) => Some(afresh),
            }
        }
    };
    begin(state, slot, afresh);
    true
}

/// A connection becomes a new session.
pub(crate) fn begin(state: &mut ShardState, slot: u32, afresh: Option<Afresh>) {
    let ShardState { sessions, transports, away, directory, .. } = state;
    let Some(id) = sessions.id(slot) else { return };
    if let Some(reason) = afresh {
        directory.stats().count_afresh(reason);
    }
    let token = directory.mint.token(id, away.next_token());
    let Some(transport) = transports.at_mut(slot) else { return };
    match transport.begin_session(token, afresh) {
        Ok(()) => sessions.send_later(slot),
        Err(failure) => opening::fail(state, slot, failure),
    }
}

/// Whether a client that came by this listener may go on with a session of this shard.
pub(super) fn admits(
    state: &mut ShardState,
    id: SessionId,
    token: &Token,
    has: u64,
    listener: u8,
) -> Result<(), Afresh> {
    let ShardState { sessions, transports, .. } = state;
    let record = sessions.open(id).ok_or(Afresh::Unknown)?;
    // Another listener may ask less of its clients, and its packets are in other frames.
    let is_other = record.activity.listener() != listener;
    if is_other || record.ends.has_peer_ended() || !record.ends.takes_more() {
        return Err(Afresh::Unknown);
    }
    let transport = transports.at(id.slot()).filter(|transport| !transport.is_opening());
    let resuming = transport.and_then(|transport| transport.resuming()).ok_or(Afresh::Unknown)?;
    resuming.admits(token, has)
}

/// Takes a connection that asks for a session out of the shard, if nothing of it is in flight.
/// Says why that cannot be done, if it cannot.
pub(crate) fn depart(state: &mut ShardState, slot: u32) -> Result<(), Afresh> {
    let ShardState { sessions, transports, away, driver, .. } = state;
    let Some(record) = sessions.open_at(slot).filter(|record| !record.receiving && !record.sending) else {
        return Ok(());
    };
    let asked = transports.at(slot).and_then(|transport| transport.resuming()?.asked().cloned());
    away.stop_asking(slot);
    let Some(Hello::Resume { token, has }) = asked else { return Ok(()) };
    let Ok(connection) = driver.release(record.socket) else { return Err(Afresh::CannotMove) };
    let transport = transports.remove(slot).and_then(|transport| transport.depart());
    let (peer, id) = (sessions.peer_at(slot), sessions.id(slot));
    let (Some(mut record), Some(transport), Some(peer)) = (sessions.remove(slot), transport, peer) else {
        connection.reset_on_drop();
        return Ok(());
    };
    let header = state.proxy_headers.remove(&slot);
    record.outbox.give_back(&mut state.outboxes);
    state.timers.forget(slot);
    if let Some(meter) = &state.meter {
        meter.of(record.activity.listener()).ended.add(1);
    }
    if let Some(flight) = &state.flight {
        flight.record(id, FlightKind::Ended(Delivery::Flushed));
    }
    state.directory.count_out(state.shard);
    let permit = record.activity.into_permit();
    state.away.came(Returning { token, has, connection, peer, permit, header, transport });
    Ok(())
}

/// Mails a connection to the shard of its session.
pub(crate) fn forward(state: &ShardState, shard: u16, returning: Returning) {
    let mailed = state.directory.mail(shard, Mail::Returning(Box::new(returning)));
    if let Err(MailError::Full(Mail::Returning(returning)) | MailError::Closed(Mail::Returning(returning))) = mailed {
        returning.reset();
    }
}

/// A connection has come for a session of this shard. Gives it back if it is to begin afresh.
pub(crate) fn arrive(
    state: &mut ShardState,
    id: SessionId,
    returning: Returning,
) -> Result<(), (Box<Returning>, Afresh)> {
    let listener = returning.permit.listener();
    if let Err(afresh) = admits(state, id, &returning.token, returning.has, listener) {
        return Err((Box::new(returning), afresh));
    }
    let slot = id.slot();
    // The newer connection wins. It is here, so the session needs no place among those away.
    if !super::begin_in(state, slot, None) {
        return Err((Box::new(returning), Afresh::Unknown));
    }
    if let Some(returning) = state.away.wait(slot, returning) {
        attach(state, slot, returning);
    }
    Ok(())
}

/// A session goes on with a new connection, or is away as before.
pub(crate) fn attach(state: &mut ShardState, slot: u32, returning: Returning) {
    goes_on(state, slot, returning);
    take_place(state, slot);
}

/// A session that is still away needs a place for that. Without one it ends.
fn take_place(state: &mut ShardState, slot: u32) {
    if !state.away.lacks_place(slot) {
        return;
    }
    let ShardState { transports, directory, away, .. } = state;
    let settings = transports.at(slot).and_then(Transport::resuming).map(|resuming| resuming.settings());
    match settings.and_then(|settings| Place::take(&directory.away, settings.most_sessions_away())) {
        Some(place) => away.give_place(slot, place),
        None => close::begin_as(state, slot, CloseReason::Reset, CloseMode::Abort),
    }
}

fn goes_on(state: &mut ShardState, slot: u32, returning: Returning) {
    // While it waited, the old connection may have confirmed more than its client says to have.
    let listener = returning.permit.listener();
    let id = state.sessions.id(slot);
    if id.is_none_or(|id| admits(state, id, &returning.token, returning.has, listener).is_err()) {
        return returning.reset();
    }
    let Returning { has, connection, peer, mut permit, header, transport, .. } = returning;
    let socket = match state.driver.adopt(connection) {
        Ok(socket) => socket,
        Err(failed) => {
            tracing::warn!("{peer} cannot come back now: {}", failed.error);
            return failed.given.reset_on_drop();
        }
    };
    let Some(wire) = take_over(state, slot, transport.arrive(), has) else {
        return reset(socket, &mut state.driver);
    };
    let ShardState { sessions, away, timers, proxy_headers, directory, .. } = state;
    away.back(slot);
    directory.stats().resumed += 1;
    match header {
        Some(header) => drop(proxy_headers.insert(slot, header)),
        None => drop(proxy_headers.remove(&slot)),
    }
    sessions.set_peer(slot, peer);
    let Some(record) = sessions.open_at(slot) else { return };
    permit.established();
    record.activity.set_permit(permit);
    (record.socket, record.receiving) = (socket, false);
    timers.opened(slot, &record.activity);
    send::start_wire(state, slot, wire);
    // The end of that hold was that of the window.
    reading::release(state, slot, Hold::OverRate);
    reading::release(state, slot, Hold::Away);
    reading::start(state, slot);
}

/// What the new connection is to be sent first.
fn take_over(state: &mut ShardState, slot: u32, mut transport: Transport, has: u64) -> Option<Vec<u8>> {
    let ShardState { transports, send_memory, .. } = state;
    let old = transports.remove(slot)?;
    let mut wire = send_memory.buffer();
    let taken = transport.take_over(*old, has, &mut wire);
    transports.insert(slot, transport);
    // If it failed, the connection is closed, and the client comes again.
    taken.ok().map(|()| wire)
}
