//! The way of what comes: from a pooled buffer through the session's codec to the handler, packet by packet, or aside until the session may be
//! handed packets again.

use std::rc::Rc;

use overlapped::{Error, ErrorKind, Outcome};

use super::{Shard, contained};
use crate::close::CloseReason;
use crate::codec::{Assembly, Codec, FrameError, Payload};
use crate::handler::{Flow, Handler};
use crate::session::{Entry, LEAST_SHARE, Session};

/// Why no more packets of a session are handed over.
enum Stop {
    /// More bytes must come.
    NeedsMore,
    /// It is held, or has had its share.
    Held,
    /// It is being closed.
    Closed,
    /// What came is no frame.
    Refused(FrameError),
}

impl<H: Handler> Shard<H> {
    /// What a session's receive brought.
    pub(super) fn received(&mut self, slot: u32, result: Result<Outcome, Error>) {
        let mut core = self.core.borrow_mut();
        let (limits, grown) = (core.limits, core.has_grown());
        let Some(entry) = core.entry(slot) else { return };
        match result {
            Ok(Outcome::Packet(packet)) => {
                if entry.reason.is_some() {
                    return;
                }
                let spent = grown || entry.has_had_its_share(self.turns, limits.bytes_per_turn);
                if entry.assembly.is_waiting() && !entry.is_held() && !spent {
                    drop(core);
                    let (tasks, bytes) = (Rc::clone(&self.tasks), packet.len());
                    tasks.lend(packet, |piece| self.hand_over(slot, piece));
                    // Only now, since it may hold the session.
                    return self.core.borrow_mut().bytes_came(slot, bytes);
                }
                core.bytes_came(slot, packet.len());
                let Some(entry) = core.entry(slot) else { return };
                // The buffer goes back to the pool; the bytes wait for their session.
                if entry.keep(&packet, &limits).is_err() {
                    return core.begin_close(slot, CloseReason::Limit);
                }
                if !entry.is_held() {
                    core.stop_receiving(slot);
                    core.pump_later(slot);
                }
            }
            Ok(_) => {
                entry.receive = None;
                entry.ended = true;
                // What is kept is handed over first, and a held session hears of it when it is handed packets again.
                if entry.assembly.is_waiting() && !entry.is_held() {
                    drop(core);
                    self.hand_over(slot, &[]);
                }
            }
            Err(error) => {
                entry.receive = None;
                if error.kind() != ErrorKind::Cancelled {
                    core.begin_close(slot, CloseReason::Reset);
                } else if entry.assembly.is_waiting() {
                    core.start_receiving(slot);
                }
            }
        }
    }

    /// A session may be handed packets again.
    pub(super) fn pump(&mut self, slot: u32) {
        let mut core = self.core.borrow_mut();
        let Some(entry) = core.entry(slot) else { return };
        entry.pumping = false;
        drop(core);
        self.hand_over(slot, &[]);
    }

    /// Hands over the packets in what was kept and in `piece` behind it, until more must come, or the session is held or closed or has had its
    /// share of this turn. Then what is left is kept.
    fn hand_over(&mut self, slot: u32, mut piece: &[u8]) {
        // The handler reads a slice of it while it uses the session, so it is not in the table meanwhile.
        let (session, mut assembly, mut handed) = {
            let mut core = self.core.borrow_mut();
            let Some(id) = core.id(slot) else { return };
            let Some(entry) = core.open(id) else { return };
            let (assembly, handed) = (std::mem::take(&mut entry.assembly), entry.handed_in(self.turns));
            let (peer, origin) = (entry.peer.clone(), entry.origin());
            (Session { id, peer, origin, core: Rc::clone(&self.core) }, assembly, handed)
        };
        let all = match contained(|| self.packets(&session, &mut assembly, &mut piece, &mut handed)) {
            Ok(Stop::NeedsMore) => true,
            Ok(Stop::Held) => false,
            Ok(Stop::Closed) => return,
            Ok(Stop::Refused(error)) => return self.refuse(&session, error),
            Err(_) => {
                let mut core = self.core.borrow_mut();
                core.end_call();
                return core.begin_close(slot, CloseReason::Panic);
            }
        };
        let mut core = self.core.borrow_mut();
        let limits = core.limits;
        let Some(entry) = core.open(session.id) else { return };
        entry.assembly = assembly;
        entry.set_handed(self.turns, handed);
        if entry.keep(piece, &limits).is_err() {
            return core.begin_close(slot, CloseReason::Limit);
        }
        match (all, entry.is_held()) {
            (true, _) if entry.ended => {
                drop(core);
                self.end(&session);
            }
            (true, _) => {
                match contained(|| entry.codec.buffered()) {
                    Ok(0) if entry.assembly.is_empty() => {}
                    Ok(_) => core.packet_is_partial(slot),
                    Err(_) => return core.begin_close(slot, CloseReason::Panic),
                }
                core.start_receiving(slot);
            }
            // Whoever held it has stopped its receive, and whoever lets it go pumps it.
            (false, true) => {}
            (false, false) => {
                core.stop_receiving(slot);
                core.pump_later(slot);
            }
        }
    }

    /// Hands over one packet after the other, until there is a reason to stop. `handed` is what the session was handed in this turn.
    fn packets(&mut self, session: &Session, assembly: &mut Assembly, piece: &mut &[u8], handed: &mut usize) -> Stop {
        let slot = session.id.slot;
        let state = &mut self.states[slot as usize];
        let mut core = self.core.borrow_mut();
        loop {
            let (most, grown) = (core.limits.bytes_per_turn, core.has_grown());
            let (watch, entry) = core.watch_and_entry(slot);
            let open = |entry: &&mut Entry| entry.generation == session.id.generation && entry.reason.is_none();
            let Some(entry) = entry.filter(open) else { return Stop::Closed };
            if entry.is_held() || grown || *handed >= most {
                return Stop::Held;
            }
            let packet = match assembly.first_of(&entry.codec, piece) {
                Some((packet, rest)) => {
                    *piece = rest;
                    Payload::Slice(packet)
                }
                None => match assembly.next_or_end(&mut entry.codec, piece, entry.ended) {
                    Ok(Some(packet)) => packet,
                    Ok(None) => return Stop::NeedsMore,
                    Err(error) => return Stop::Refused(error),
                },
            };
            *handed += packet.len().max(LEAST_SHARE);
            let (held, paired) = (entry.watched.packet_came(watch), entry.partner.is_some());
            if let Some(until) = held {
                core.hold_until(slot, until);
            }
            if paired {
                core.pass_on(slot, &packet);
                continue;
            }
            let Some(state) = state else { return Stop::Closed };
            core.begin_call();
            drop(core);
            let flow = self.handler.received(session, state, &packet);
            core = self.core.borrow_mut();
            core.end_call();
            match flow {
                Flow::Continue => {}
                Flow::Pause => core.pause(session.id),
                Flow::Close => core.close(session.id),
            }
        }
    }

    /// All packets of the peer's stream have been handed over, and it has ended: tells whom it concerns, once.
    fn end(&mut self, session: &Session) {
        let slot = session.id.slot;
        {
            let mut core = self.core.borrow_mut();
            let Some(entry) = core.open(session.id) else { return };
            if std::mem::replace(&mut entry.ends.told, true) || core.pass_on_end(slot) {
                return;
            }
        }
        let (handler, Some(state)) = (&mut self.handler, self.states[slot as usize].as_mut()) else { return };
        let flow = contained(|| handler.ended(session, state));
        let mut core = self.core.borrow_mut();
        if core.open(session.id).is_none() {
            return;
        }
        match flow {
            Ok(Flow::Close) => core.begin_close(slot, CloseReason::ByPeer),
            Ok(Flow::Continue | Flow::Pause) => core.close_if_both_ended(slot),
            Err(_) => core.begin_close(slot, CloseReason::Panic),
        }
    }

    /// What came is no frame.
    fn refuse(&self, session: &Session, error: FrameError) {
        match error {
            FrameError::Fault(_) => tracing::error!("{session:?}: {error}"),
            _ => tracing::debug!("{session:?}: {error}"),
        }
        let reason = match error {
            FrameError::TooLarge { .. } => CloseReason::FrameTooLarge,
            _ => CloseReason::Protocol,
        };
        self.core.borrow_mut().begin_close(session.id.slot, reason);
    }
}
