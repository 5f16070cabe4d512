//! Whether a session is at work, which a drain waits for; and what a drain does with those that are
//! not, and with those that are left at its deadline.

use overlapped::driver::CloseMode;

use super::{
    close,
    drain::{Found, QUIET},
    holds::Hold,
    id::SessionId,
    reason::CloseReason,
};
use crate::codec::Codec;
use crate::panic::contained;
use crate::server::drain_options::DrainOptions;
use crate::shard::state::ShardState;
use crate::transport::Transport;

/// Whether a session that is not closing is at work. What a pair passes on says more: see
/// [`look`].
///
/// - Its peer's bytes have not all been handed over, or end within a packet.
/// - Something that it sent has not been taken by the system.
/// - Its logic holds a busy guard, or waits for a connection.
/// - A message waits to be handed over to it: see [`go_on`].
/// - It has a task, and that waits for anything but the next packet.
fn is_at_work(state: &mut ShardState, slot: u32) -> bool {
    let ShardState { sessions, tasks, busy, driver, transports, .. } = state;
    let Some(id) = sessions.id(slot) else { return false };
    let Some(record) = sessions.open_at(slot) else { return false };
    let is_paused = record.holds.contains(Hold::Paused);
    let is_idle = (is_paused || record.receiving || record.ends.has_peer_ended())
        && !record.holds.any_but(Hold::Paused)
        && !record.is_resuming()
        && !record.will_send()
        && record.outbox.len() == 0
        && !record.has_attempts()
        && record.assembly.is_empty()
        && (!record.has_transport() || !transports.at(slot).is_some_and(Transport::is_partial))
        && contained(|| record.codec.buffered()).is_ok_and(|bytes| bytes == 0)
        && !busy.has(id)
        && (record.partner().is_some()
            || record.link.as_ref().is_none_or(|link| link.is_of_handler.get() || link.awaits_packet(|task| tasks.is_woken(task))))
        // Last, for it asks the system.
        && driver.unread(record.socket).unwrap_or(0) == 0;
    !is_idle
}

/// Whether the first packet of a new session may be on its way, and has to be answered.
fn is_awaited(state: &ShardState, slot: u32) -> bool {
    state.drain.is_handing_over()
        && state
            .sessions
            .at(slot)
            .is_some_and(|record| record.last_handed() == 0 && state.timers.age(&record.activity) < QUIET)
}

fn look(state: &mut ShardState, slot: u32) -> Found {
    let partner = state.sessions.at(slot).and_then(|record| record.partner());
    if is_at_work(state, slot) || partner.is_some_and(|partner| is_at_work(state, partner)) {
        return Found::AtWork;
    }
    let handed = |slot: u32| state.sessions.at(slot).map_or(0, |record| record.last_handed());
    // A handshake has the time that a pair has for an answer, and so has a new client if no other
    // server can answer it.
    let is_quiet_first = partner.is_some() || state.transports.is_opening(slot) || is_awaited(state, slot);
    Found::Idle { handed: (handed(slot), partner.map_or(0, handed)), is_paired: is_quiet_first }
}

/// Begins a drain. Returns the sessions whose logic is to be told. Those whose turn comes later are
/// told when it has: see [`take_due`].
pub(crate) fn begin_drain(state: &mut ShardState, options: DrainOptions) -> Vec<SessionId> {
    // Nobody is let in any more, so nobody comes back.
    for slot in state.away.slots() {
        close::begin(state, slot, CloseReason::Drained);
    }
    let ShardState { sessions, drain, attempts, driver, .. } = state;
    let now = driver.now();
    drain.begin(now, options);
    attempts.drain(driver);
    let ids: Vec<SessionId> = sessions.slots().filter_map(|slot| sessions.id(slot)).collect();
    drain.spread(ids, now, options.window());
    drain.take_due(now)
}

/// The sessions whose turn to end has come. Their logic is to be told.
pub(crate) fn take_due(state: &mut ShardState) -> Vec<SessionId> {
    match state.drain.has_later() {
        true => state.drain.take_due(state.driver.now()),
        false => Vec::new(),
    }
}

/// A turn of a drain: asks the sessions that are idle to end. Says whether there is more to do at
/// once.
pub(crate) fn go_on(state: &mut ShardState) -> bool {
    if !state.drain.is_on() {
        return false;
    }
    let (turn, now) = (state.turn, state.timers.now());
    let (mut list, looks) = state.drain.begin_round();
    // What a turn has not handed over is work too.
    let awaited = state.pending.sessions();
    let mut asked = false;
    for _ in 0..looks {
        let Some(place) = state.drain.place(&list) else { break };
        let id = list[place].id;
        let found = match state.sessions.open(id) {
            Some(_) if awaited.contains(&id) => Found::AtWork,
            Some(_) => look(state, id.slot()),
            None => Found::Gone,
        };
        if state.drain.note(&mut list, found, turn, now) {
            asked = true;
            let partner = state.sessions.at(id.slot()).and_then(|record| record.partner());
            for slot in [Some(id.slot()), partner].into_iter().flatten() {
                close::begin(state, slot, CloseReason::Drained);
            }
        }
    }
    state.drain.end_round(list, looks, now);
    asked || state.drain.has_idle()
}

/// The drain is over, or there was none: ends every session at once. Those at work are reset, so
/// that their peers do not take what they have for the whole.
pub(crate) fn cut_all(state: &mut ShardState) {
    let slots: Vec<u32> = state.sessions.slots().collect();
    // Before any is closed: the end of one also changes its partner.
    let mut ends = Vec::new();
    for slot in slots {
        let Some(record) = state.sessions.at(slot) else { continue };
        let (is_open, is_paired) = (record.reason.is_none(), record.partner().is_some());
        ends.push((slot, is_open, is_open && (is_paired || is_at_work(state, slot))));
    }
    let (mut whole, mut cut) = (0, 0);
    for (slot, is_open, works) in ends {
        match (is_open, works) {
            (true, true) => {
                cut += 1;
                state.endings.cut(slot, 0);
                close::begin_as(state, slot, CloseReason::ServerStopping, CloseMode::Abort);
            }
            (true, false) => {
                whole += 1;
                close::begin_as(state, slot, CloseReason::ServerStopping, CloseMode::Now);
            }
            (false, _) => cut += u64::from(close::cut_short(state, slot)),
        }
    }
    if state.drain.has_begun() {
        let mut stats = state.directory.stats();
        stats.drained += whole;
        stats.drain_cut += cut;
    }
}
