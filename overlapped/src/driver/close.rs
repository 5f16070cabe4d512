//! Closing, step by step. A close is an operation. It closes the socket when every other operation
//! on it has ended.
//!
//! ```text
//! Graceful:   Flushing → ShuttingDown → Discarding → Ending → Closing → gone
//! Now:        Trying →                               Ending → Closing → gone
//! Abort:                                             Ending → Closing → gone
//! ```
//!
//! A graceful close goes straight to `Ending` when a step fails, when the connection is dead or a
//! send broke it, when the peer's stream has already been read to its end, and on a datagram
//! socket. When it runs out of time, or is cancelled, it goes on as by `Now`.
//!
//! `Trying` does what a system does that was handed every send when it was started: each is tried
//! once, in order, and the first that the system does not take whole without waiting ends that.

use std::time::Duration;

use crate::error::{Action, Error, ErrorKind};
use crate::flags::{Direction, Role};
use crate::id::OpId;
use crate::sys::op::{CloseHow, Failure, OpKind, Outcome};

use super::Driver;
use super::operations::{CloseStep, Completion, NONE, Stage, Verdict};

impl Driver {
    pub(super) fn start_close(&mut self, socket: u32, how: CloseHow, linger: Duration, token: u64) -> OpId {
        let graceful =
            how == CloseHow::Graceful && !matches!(self.sockets[socket].role, Role::Listener | Role::Watched);
        let id = self.operations.insert(OpKind::Close { how }, Stage::Parked, socket, token, NONE);
        let slot = id.slot();
        self.operations[slot].close_step = match how {
            _ if graceful => CloseStep::Flushing,
            CloseHow::Abort => CloseStep::Ending,
            CloseHow::Now | CloseHow::Graceful => CloseStep::Trying,
        };
        self.sockets[socket].closing = slot;
        self.cancel_queue(socket, Direction::Receive);
        if graceful {
            let at = self.now() + linger;
            self.set_deadline(slot, at);
        } else if how == CloseHow::Abort {
            self.cancel_queue(socket, Direction::Send);
        }
        self.continue_close(socket);
        id
    }

    /// Takes the next step of the socket's close, if nothing holds it up any more. For when an
    /// operation on the socket has ended.
    pub(super) fn continue_close(&mut self, socket: u32) {
        let slot = self.sockets[socket].closing;
        let operation = &self.operations[slot];
        if operation.stage != Stage::Parked {
            return;
        }
        let entry = &self.sockets[socket];
        match operation.close_step {
            CloseStep::Flushing if entry.is_dead() || entry.broken.is_some() => self.end_everything(slot),
            // The peer's stream has been read to its end, or there is none. Closing loses nothing
            // and tells the peer, so the steps between are not needed.
            CloseStep::Flushing if entry.is_idle() && (entry.ended || entry.role == Role::Datagram) => {
                self.end_everything(slot);
            }
            // The program has shut it down. A system that has seen both ends would refuse it now.
            CloseStep::Flushing if entry.is_idle() && entry.shut => self.take_step(slot, CloseStep::Discarding),
            CloseStep::Flushing if entry.is_idle() => self.take_step(slot, CloseStep::ShuttingDown),
            CloseStep::Trying => match entry.sends.head().map(|head| self.operations[head].kind) {
                // `flush` comes to the close after it has handed over the head.
                Some(OpKind::Send { .. } | OpKind::SendTo | OpKind::Shutdown { .. }) => self.list(slot),
                // Nothing is left, or it waits: a connect, a descriptor that is watched.
                _ => self.end_everything(slot),
            },
            CloseStep::Ending if entry.is_idle() => {
                self.clear_deadline(slot);
                self.take_step(slot, CloseStep::Closing);
            }
            _ => {}
        }
    }

    /// Has the send that is the head of a closing socket's queue end now, for the close in a slot:
    /// whatever the system has taken of it.
    #[cold]
    pub(super) fn hasten_head(&mut self, slot: u32) {
        let close = &self.operations[slot];
        if close.close_step != CloseStep::Trying || !matches!(close.kind, OpKind::Close { .. }) {
            return;
        }
        let Some(head) = self.sockets[close.socket].sends.head() else { return };
        let operation = &self.operations[head];
        // A cancel by the program has been passed on, and a shutdown waits for nothing.
        let waits = !operation.cancelled && operation.kind.action() == Action::Send;
        if operation.stage == Stage::Submitting {
            // It is in the list too, and comes first now.
            self.list(slot);
        } else if operation.stage == Stage::Kernel && waits && self.backend.hasten(self.operations.id(head)) {
            self.operations[slot].set_hastened(head);
        }
    }

    /// Whether the sends of an operation's socket are being tried, because it is being closed.
    fn is_trying(&self, slot: u32) -> bool {
        let closing = self.sockets[self.operations[slot].socket].closing;
        closing != NONE && self.operations[closing].close_step == CloseStep::Trying
    }

    /// Whether a send goes on after the system has just taken `bytes` bytes of it, and not all. If
    /// that was its last try, it goes on only if the system was not offered more.
    pub(super) fn may_go_on(&mut self, slot: u32, bytes: u64) -> bool {
        !self.is_trying(slot)
            || !self.operations[self.sockets[self.operations[slot].socket].closing].has_hastened(slot)
            || self.operations.owned_mut(slot).is_some_and(|owned| owned.offered_at_most(bytes))
    }

    /// A send goes on, or another transfer. A close that has it tried has the rest tried too.
    pub(super) fn transfer_again(&mut self, slot: u32) {
        self.begin(slot);
        if self.is_trying(slot) {
            let socket = self.operations[slot].socket;
            self.operations[self.sockets[socket].closing].set_hastened(NONE);
            self.continue_close(socket);
        }
    }

    /// What should have made a send end has missed it.
    pub(super) fn hasten_again(&mut self, slot: u32) {
        if self.is_trying(slot) {
            self.continue_close(self.operations[slot].socket);
        }
    }

    /// A send has failed. If it has only been tried, so that the socket can be closed, those behind
    /// it are cancelled.
    pub(super) fn tried(&mut self, slot: u32, error: &Error) {
        let operation = &self.operations[slot];
        if error.kind() != ErrorKind::Cancelled || operation.cancelled || !self.is_trying(slot) {
            return;
        }
        let sends = self.sockets[operation.socket].sends.slots(&self.operations);
        for behind in sends.into_iter().skip_while(|send| *send != slot).skip(1) {
            self.cancel_slot(behind);
        }
    }

    /// Has the backend do a step.
    fn take_step(&mut self, slot: u32, step: CloseStep) {
        let operation = &mut self.operations[slot];
        operation.close_step = step;
        operation.stage = Stage::Submitting;
        self.list(slot);
    }

    /// Cancels every operation left on the socket. It is closed when they have ended.
    fn end_everything(&mut self, slot: u32) {
        let operation = &mut self.operations[slot];
        let socket = operation.socket;
        operation.close_step = CloseStep::Ending;
        operation.stage = Stage::Parked;
        // What was cancelled is the step before. `Closing` cannot be cancelled.
        operation.cancelled = false;
        self.cancel_queue(socket, Direction::Receive);
        self.cancel_queue(socket, Direction::Send);
        self.continue_close(socket);
    }

    /// Makes a graceful close go on as one that does not wait. Returns whether it did not do that
    /// before.
    fn cut_close_short(&mut self, slot: u32, verdict: Verdict) -> bool {
        let operation = &mut self.operations[slot];
        if matches!(operation.close_step, CloseStep::Trying | CloseStep::Ending | CloseStep::Closing) {
            return false;
        }
        operation.close_verdict = verdict;
        if operation.stage == Stage::Kernel {
            operation.cancelled = true;
            self.list(slot);
        } else if operation.close_step == CloseStep::Flushing {
            operation.close_step = CloseStep::Trying;
            let socket = operation.socket;
            self.clear_deadline(slot);
            self.continue_close(socket);
        } else {
            self.end_everything(slot);
        }
        true
    }

    /// A graceful close has run out of time.
    pub(super) fn close_expired(&mut self, slot: u32) {
        self.cut_close_short(slot, Verdict::Expired);
    }

    /// Cancels a close. Returns whether it could: one that does not wait any more cannot be
    /// cancelled.
    pub(super) fn cancel_close(&mut self, slot: u32) -> bool {
        self.cut_close_short(slot, Verdict::Hastened)
    }

    /// Hands the socket to the backend, to be closed.
    pub(super) fn close_handle(&mut self, id: OpId, socket: u32) {
        let handle = self.sockets[socket].handle.take().expect("a socket is closed once");
        // What a watched descriptor's program shares with it is not changed.
        let aborts = self.operations[id.slot()].kind == (OpKind::Close { how: CloseHow::Abort });
        if aborts && self.sockets[socket].role != Role::Watched {
            handle.reset_on_close();
        }
        self.backend.close(id, socket, handle);
    }

    /// The backend has done a step of a close. After the last step, the close has its completion.
    pub(super) fn on_close_event(&mut self, slot: u32, result: Result<Outcome, Failure>) -> Option<Completion> {
        let operation = &mut self.operations[slot];
        operation.stage = Stage::Parked;
        let (step, cancelled) = (operation.close_step, operation.cancelled);
        match (step, result) {
            // The socket is gone, whatever the system says of it.
            (CloseStep::Closing, _) => {
                let (socket, verdict, code) = (operation.socket, operation.close_verdict, operation.close_code());
                let result = match verdict {
                    Verdict::Clean => Ok(Outcome::Closed),
                    Verdict::Expired => Err(Error::new(Action::Close, ErrorKind::TimedOut)),
                    Verdict::Hastened => Err(Error::new(Action::Close, ErrorKind::Cancelled)),
                    Verdict::Failed => Err(self.failed_on(socket, Action::Close, code)),
                };
                let removed = self.sockets.remove_at(socket);
                debug_assert!(removed.is_some_and(|socket| socket.is_idle()));
                return Some(self.finish(slot, result));
            }
            (CloseStep::ShuttingDown, Ok(_)) if !cancelled => self.take_step(slot, CloseStep::Discarding),
            (CloseStep::Discarding, Ok(Outcome::Received(1..))) if !cancelled => {
                self.take_step(slot, CloseStep::Discarding);
            }
            (_, Err(Failure::Code(code))) if !cancelled => {
                operation.close_verdict = Verdict::Failed;
                operation.set_close_code(code);
                self.end_everything(slot);
            }
            _ => self.end_everything(slot),
        }
        None
    }
}
