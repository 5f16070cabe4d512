//! Pairs of sessions: what comes from the peer of one is sent to the peer of the other, both ways, without the handler. What makes a proxy one.
//!
//! - **Bounded.** While more than half of one's outbox is queued, the other is not read from; below a quarter it is again. The two ways do not hold each other up.
//! - **Half-close.** The end of one peer's stream ends the other's behind what is queued; the opposite way goes on. When both ways have ended, both sessions close.
//! - **One end.** When one is closed so is the other, in order if the first was, else by a reset: what one peer sees, the other sees.

use std::fmt;
use std::mem::replace;
use std::rc::Rc;

use overlapped::driver::CloseMode;

use crate::close::CloseReason;
use crate::codec::{Codec, Framing};
use crate::error::SendError;
use crate::session::{Core, Session};

/// Why two sessions were not paired. Nothing has changed for either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairError {
    /// One of them has ended, or is being closed.
    Closed,
    /// One of them has a partner.
    Paired,
    /// They are on different shards, or are the same.
    Apart,
    /// A codec holds bytes, or a task has not taken a packet, that cannot be had back as they came.
    Codec,
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PairError::Closed => "one of the sessions is closed",
            PairError::Paired => "one of the sessions has a partner",
            PairError::Apart => "only two sessions of one shard can be paired",
            PairError::Codec => "the codec of one of the sessions has bytes that cannot be had back as they came",
        })
    }
}

impl std::error::Error for PairError {}

impl Session {
    /// Pairs this session with another of its shard: from now on the bytes that come from the peer of one are sent to the peer of the other, both ways, and
    /// [`received`](crate::Handler::received), [`ended`](crate::Handler::ended) and [`heartbeat`](crate::Handler::heartbeat) are called for neither. Bytes are passed on as they come, without the server's codec, and
    /// so are those that had come and were not handed over. They leave their groups.
    ///
    /// While more than half of one's outbox is queued the other is not read from, and neither way holds up the other way. The end of one peer's stream ends
    /// the other's behind what is queued, and the opposite way goes on. When one is closed, so is the other, as
    /// [`ByPartner`](CloseReason::ByPartner): in order if the first was, else at once, by a reset.
    ///
    /// # Errors
    /// Neither may be closed or have a partner, and they must be two of one shard, which a session and the one that it asked to
    /// [`connect`](Session::connect) are.
    pub fn pair(&self, other: &Session) -> Result<(), PairError> {
        if !Rc::ptr_eq(&self.core, &other.core) || self.id == other.id {
            return Err(PairError::Apart);
        }
        let mut core = self.core.borrow_mut();
        for id in [self.id, other.id] {
            let entry = core.open(id).ok_or(PairError::Closed)?;
            if entry.partner.is_some() {
                return Err(PairError::Paired);
            }
            let is_kept = entry.link.as_ref().is_some_and(|link| !link.kept.borrow().is_empty());
            if entry.codec.buffered() > 0 || is_kept && !matches!(entry.codec, Framing::Raw(_)) {
                return Err(PairError::Codec);
            }
        }
        core.join_pair(self.id.slot, other.id.slot);
        core.join_pair(other.id.slot, self.id.slot);
        for id in [self.id, other.id] {
            core.pass_on_kept(id.slot);
        }
        Ok(())
    }

    /// Whether it has a partner.
    pub fn is_paired(&self) -> bool {
        self.core.borrow_mut().open(self.id).is_some_and(|entry| entry.partner.is_some())
    }
}

impl Core {
    /// One half of a new pair.
    fn join_pair(&mut self, slot: u32, partner: u32) {
        let high = self.limits.high();
        let Some(entry) = self.entry(slot) else { return };
        entry.partner = Some(partner);
        // Packets of a group have no place among its bytes.
        self.leave_all(slot, Some(self.delivery.now()));
        let Some(entry) = self.entry(slot) else { return };
        entry.codec = Framing::default();
        entry.assembly.begin_anew();
        // From here on it is its partner who is held up by what is queued for its peer.
        entry.throttled = false;
        let (is_full, has_ended) = (entry.outbox.len() >= high, entry.ended && entry.ends.told);
        if is_full {
            self.block(partner);
        }
        if has_ended {
            self.shut_down(partner);
        }
        self.pump_later(slot);
    }

    /// Passes on what has come from the peer of a paired session; says whether it is one.
    pub(crate) fn pass_on(&mut self, slot: u32, bytes: &[u8]) -> bool {
        let Some(partner) = self.entry(slot).and_then(|entry| entry.partner) else { return false };
        let Some(id) = self.id(partner) else { return true };
        let stamp = self.delivery.now();
        match self.queue(id, bytes, stamp) {
            Ok(()) => {}
            // Its own stream was ended by the handler: the rest has nowhere to go.
            Err(SendError::Closed) => {}
            Err(error) => {
                tracing::warn!("{id:?} cannot be sent what came from its partner: {error}");
                self.begin_close(slot, CloseReason::Limit);
            }
        }
        true
    }

    /// What a session's task had not taken when it was paired goes to its partner, before what comes.
    fn pass_on_kept(&mut self, slot: u32) {
        let Some(link) = self.entry(slot).and_then(|entry| entry.link.clone()) else { return };
        let kept = link.kept.take();
        if !kept.is_empty() {
            self.taken(slot);
        }
        for packet in kept {
            self.pass_on(slot, &packet);
        }
    }

    /// The peer of a paired session has ended its stream; says whether it is paired.
    pub(crate) fn pass_on_end(&mut self, slot: u32) -> bool {
        let Some(partner) = self.entry(slot).and_then(|entry| entry.partner) else { return false };
        self.shut_down(partner);
        self.close_if_both_ended(slot);
        true
    }

    /// A session is not read from: its partner's peer does not take what is queued.
    pub(crate) fn block(&mut self, slot: u32) {
        let Some(entry) = self.entry(slot) else { return };
        if !replace(&mut entry.blocked, true) {
            self.stop_receiving(slot);
            self.hold_changed(slot);
        }
    }

    /// It is read from again.
    pub(crate) fn unblock(&mut self, slot: u32) {
        let Some(entry) = self.entry(slot) else { return };
        if replace(&mut entry.blocked, false) {
            self.pump_later(slot);
            self.hold_changed(slot);
        }
    }

    /// A session begins to close for a reason: its partner does too, unless it is to be told another reason, or both streams have ended and it has only to send
    /// what is left.
    pub(crate) fn close_partner(&mut self, slot: u32, reason: CloseReason, graceful: bool) {
        let Some(partner) = self.entry(slot).and_then(|entry| entry.partner.take()) else { return };
        let linger = self.limits.linger;
        let Some(entry) = self.entry(partner) else { return };
        entry.partner = None;
        let is_ending = entry.ended && entry.ends.told && !entry.ends.takes_more();
        match reason {
            CloseReason::Drained | CloseReason::ServerStopping => {}
            CloseReason::ByPeer if is_ending => {}
            _ if graceful => {
                self.begin_close_as(partner, CloseReason::ByPartner, CloseMode::Graceful { linger });
            }
            _ => self.begin_close_as(partner, CloseReason::ByPartner, CloseMode::Abort),
        }
    }
}
