//! Closing, step by step. A close owns one slot and sees to it that everything else on the socket has ended first.
//!
//! ```text
//! Graceful:  Flushing → ShuttingDown → Discarding ┐
//! Now, Abort:                                     └→ Ending → Closing → gone
//! ```
//!
//! A graceful close that runs out of time, is cancelled, or finds the connection dead goes straight to `Ending`.

use crate::error::{Action, Error, ErrorKind};
use crate::flags::{CloseMode, Direction, Role};
use crate::id::OpId;
use crate::op::{Completion, Outcome};
use crate::sys::Happened;

use super::Driver;
use super::slots::{CloseStep, Stage, Verdict, What};

impl Driver {
    pub(super) fn start_close(&mut self, socket: u32, mode: CloseMode, token: u64) -> OpId {
        let graceful = match mode {
            CloseMode::Graceful { linger } if self.sockets[socket].role != Role::Listener => Some(linger),
            _ => None,
        };
        let step = if graceful.is_some() { CloseStep::Flushing } else { CloseStep::Ending };
        let slot = self.slots.insert(socket, token, What::Close { abort: mode == CloseMode::Abort, step }, None);
        self.slots[slot].stage = Stage::Parked;
        self.sockets[socket].closing = slot;
        self.cancel_queue(socket, Direction::Receive);
        match graceful {
            Some(linger) => {
                let at = self.now() + linger;
                self.set_deadline(slot, at);
            }
            None => self.cancel_queue(socket, Direction::Send),
        }
        self.close_goes_on(socket);
        self.slots.id(slot)
    }

    pub(super) fn cancel_queue(&mut self, socket: u32, direction: Direction) {
        let queue = *self.sockets[socket].queue(direction);
        if queue.is_empty() {
            return;
        }
        for slot in queue.indices(&self.slots) {
            self.cancel_slot(slot);
        }
    }

    /// Something on the socket has ended; the close may take its next step.
    pub(super) fn close_goes_on(&mut self, socket: u32) {
        let slot = self.sockets[socket].closing;
        let What::Close { step, .. } = self.slots[slot].what else { unreachable!("a close is a close") };
        if self.slots[slot].stage != Stage::Parked {
            return;
        }
        let entry = &self.sockets[socket];
        match step {
            CloseStep::Flushing if entry.dead || entry.broken => self.close_ends(slot),
            // The peer's stream is read to its end, or there is no stream: closing loses nothing and says the rest.
            CloseStep::Flushing if entry.is_idle() && (entry.ended || entry.role == Role::Datagram) => {
                self.close_ends(slot);
            }
            CloseStep::Flushing if entry.is_idle() => self.close_step(slot, CloseStep::ShuttingDown),
            CloseStep::Ending if entry.is_idle() => {
                self.clear_deadline(slot);
                self.close_step(slot, CloseStep::Closing);
            }
            _ => {}
        }
    }

    fn close_step(&mut self, slot: u32, next: CloseStep) {
        let What::Close { step, .. } = &mut self.slots[slot].what else { unreachable!("a close is a close") };
        *step = next;
        self.slots[slot].stage = Stage::Submitting;
        self.list(slot);
    }

    /// Whatever is left on the socket is cancelled; when it has ended the socket is closed.
    fn close_ends(&mut self, slot: u32) {
        let socket = self.slots[slot].socket;
        let What::Close { step, .. } = &mut self.slots[slot].what else { unreachable!("a close is a close") };
        *step = CloseStep::Ending;
        self.slots[slot].stage = Stage::Parked;
        // That was about the step it was in: the closing itself is not to be cancelled.
        self.slots[slot].cancelled = false;
        self.cancel_queue(socket, Direction::Receive);
        self.cancel_queue(socket, Direction::Send);
        self.close_goes_on(socket);
    }

    /// A graceful close is to end now, because its time is over or someone cancelled it.
    fn close_now(&mut self, slot: u32, step: CloseStep) -> bool {
        match (step, self.slots[slot].stage) {
            (CloseStep::Ending | CloseStep::Closing, _) => false,
            (_, Stage::Kernel) => {
                self.slots[slot].cancelled = true;
                self.list(slot);
                true
            }
            _ => {
                self.close_ends(slot);
                true
            }
        }
    }

    pub(super) fn close_expired(&mut self, slot: u32) {
        let What::Close { step, .. } = self.slots[slot].what else { unreachable!("a close is a close") };
        if self.close_now(slot, step) {
            self.slots[slot].verdict = Verdict::Expired;
        }
    }

    /// Cancels a close: only a graceful one that is still being graceful can be hastened.
    pub(super) fn hasten(&mut self, slot: u32, step: CloseStep) -> bool {
        let asked = self.close_now(slot, step);
        if asked {
            self.slots[slot].verdict = Verdict::Hastened;
        }
        asked
    }

    /// A step of a close has ended; the last is its completion.
    pub(super) fn close_event(&mut self, slot: u32, step: CloseStep, happened: Happened) -> Option<Completion> {
        self.slots[slot].stage = Stage::Parked;
        let cancelled = self.slots[slot].cancelled;
        match (step, happened) {
            (CloseStep::ShuttingDown, Happened::Moved(_)) if !cancelled => {
                self.close_step(slot, CloseStep::Discarding);
            }
            (CloseStep::Discarding, Happened::Moved(bytes)) if !cancelled && bytes > 0 => {
                self.close_step(slot, CloseStep::Discarding);
            }
            (CloseStep::Closing, _) => {
                let socket = self.slots[slot].socket;
                self.sockets.remove(socket);
                let error = |kind| Error::new(Action::Close, kind);
                let result = match self.slots[slot].verdict {
                    Verdict::Clean => Ok(Outcome::Closed),
                    Verdict::Expired => Err(error(ErrorKind::TimedOut)),
                    Verdict::Hastened => Err(error(ErrorKind::Cancelled)),
                    Verdict::Failed(code) => Err(Error::os(Action::Close, code)),
                };
                return Some(self.finish(slot, result));
            }
            (_, Happened::Failed(code)) if !cancelled => {
                self.slots[slot].verdict = Verdict::Failed(code);
                self.close_ends(slot);
            }
            _ => self.close_ends(slot),
        }
        None
    }
}
