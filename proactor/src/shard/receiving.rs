//! The way of what comes: from a pooled buffer through the session's codec to the handler, packet by packet, or aside until the session may be
//! handed packets again.

use std::rc::Rc;

use overlapped::{Completion, ErrorKind, Outcome};

use super::{Shard, contained};
use crate::close::CloseReason;
use crate::codec::{Codec, FrameError};
use crate::handler::{Flow, Handler};
use crate::session::Session;

impl<H: Handler> Shard<H> {
    /// A completion of a session's receive.
    pub(super) fn received(&mut self, slot: u32, completion: Completion) {
        let mut core = self.core.borrow_mut();
        let (limits, grown) = (core.limits, core.has_grown());
        let Some(entry) = core.entry(slot) else { return };
        match completion.result {
            Ok(Outcome::Packet(packet)) => {
                if entry.reason.is_some() {
                    return;
                }
                let spent = grown || entry.has_had_its_share(self.turns, &limits);
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

    /// A session may be handed packets again, or its close is to be tried again.
    pub(super) fn pump(&mut self, slot: u32) {
        let mut core = self.core.borrow_mut();
        let Some(entry) = core.entry(slot) else { return };
        entry.pumping = false;
        if let Some(reason) = entry.reason {
            if entry.close.is_none() {
                entry.reason = None;
                core.begin_close(slot, reason);
            }
            return;
        }
        drop(core);
        self.hand_over(slot, &[]);
    }

    /// Hands over the packets in what was kept and in `piece` behind it, until more must come, or the session is held or closed or has had its
    /// share of this turn. Then what is left is kept.
    fn hand_over(&mut self, slot: u32, mut piece: &[u8]) {
        // The handler reads a slice of it while it uses the session, so it is not in the table meanwhile.
        let (session, mut assembly) = {
            let mut core = self.core.borrow_mut();
            let Some(id) = core.id(slot) else { return };
            let Some(entry) = core.open(id) else { return };
            let assembly = std::mem::take(&mut entry.assembly);
            let (peer, origin) = (entry.peer.clone(), entry.origin());
            (Session { id, peer, origin, core: Rc::clone(&self.core) }, assembly)
        };
        let all = loop {
            let asked = {
                let mut core = self.core.borrow_mut();
                let (limits, grown) = (core.limits, core.has_grown());
                let Some(entry) = core.open(session.id) else { return };
                if entry.is_held() || grown || entry.has_had_its_share(self.turns, &limits) {
                    break false;
                }
                let (codec, ended) = (&mut entry.codec, entry.ended);
                let (assembly, piece) = (&mut assembly, &mut piece);
                let asked = contained(move || assembly.next_or_end(codec, piece, ended));
                if let Ok(Ok(Some(packet))) = &asked {
                    entry.count(self.turns, packet.len());
                    core.packet_came(slot);
                }
                asked
            };
            match asked {
                Ok(Ok(Some(packet))) => self.call(&session, &packet),
                Ok(Ok(None)) => break true,
                Ok(Err(error)) => return self.refuse(&session, error),
                Err(_) => return self.core.borrow_mut().begin_close(slot, CloseReason::Panic),
            }
        };
        let mut core = self.core.borrow_mut();
        let limits = core.limits;
        let Some(entry) = core.open(session.id) else { return };
        entry.assembly = assembly;
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

    /// Calls the handler with a packet, or passes it on to the session's partner.
    fn call(&mut self, session: &Session, packet: &[u8]) {
        let slot = session.id.slot;
        if self.core.borrow_mut().pass_on(slot, packet) {
            return;
        }
        let (handler, Some(state)) = (&mut self.handler, self.states[slot as usize].as_mut()) else { return };
        let stamp = self.core.borrow().delivery.now();
        let flow = contained(|| handler.received(session, state, packet));
        self.core.borrow_mut().count_growth(stamp);
        match flow {
            Ok(Flow::Continue) => {}
            Ok(Flow::Pause) => session.pause(),
            Ok(Flow::Close) => session.close(),
            Err(_) => self.core.borrow_mut().begin_close(slot, CloseReason::Panic),
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
