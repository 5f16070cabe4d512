//! From a backend's event to a completion: multishot operations go on, short sends are resumed, and
//! the end of an operation lets the one behind it begin.

use crate::error::{Action, Error, ErrorKind, code};
use crate::flags::{Flags, Role, ShutdownHow};
use crate::id::OpId;
use crate::sys::op::{Event, Failure, OpKind, Outcome};

use super::Driver;
use super::floods::FLOOD_BYTES;
use super::operations::{Completion, Ready, Stage};

impl Driver {
    /// The next completion, if there is one now.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would hold the driver borrowed while completions are handled"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Completion> {
        if !self.process.is_this() {
            // What has completed is the parent's.
            return None;
        }
        loop {
            match self.ready.pop_front() {
                Some(Ready::Ended(slot, result)) => return Some(self.finish(slot, result)),
                Some(Ready::Finished(completion)) => return Some(*completion),
                None => {}
            }
            let Some(event) = self.backend.next() else {
                return self.failure.as_mut()?.ends.pop_front();
            };
            if let Some(completion) = self.on_event(event) {
                return Some(completion);
            }
        }
    }

    /// The next completion of a send that ended as it was started, if that is what
    /// [`next`](Driver::next) returns. A program that has just started sends can so let go of their
    /// buffers without another turn. Where sends may end so early, what was started is handed over
    /// first, as in a turn. Not every backend ends a send so early.
    #[inline]
    pub fn next_sent(&mut self) -> Option<Completion> {
        if self.listed.is_empty() && !self.backend.has_ended() {
            return None;
        }
        self.next_of_sends()
    }

    fn next_of_sends(&mut self) -> Option<Completion> {
        if self.backend.starts_at_once(self.listed.len()) && self.process.is_this() && self.failure.is_none() {
            // If the backend fails, the next turn finds that too, and tells of it.
            self.flush().ok()?;
        }
        if !self.ready.is_empty() || !self.process.is_this() {
            return None;
        }
        while let Some(event) = self.backend.next_sent() {
            if let Some(completion) = self.on_event(event) {
                return Some(completion);
            }
        }
        None
    }

    /// Keeps a completion of an operation that the engine did not start, to be taken like others.
    pub(crate) fn complete(&mut self, completion: Completion) {
        self.ready.push_back(Ready::Finished(Box::new(completion)));
    }

    /// Makes a completion of a backend's event, if it comes to one.
    pub(super) fn on_event(&mut self, event: Event) -> Option<Completion> {
        let Some(operation) = self.operations.get_mut(event.id).filter(|found| found.stage == Stage::Kernel) else {
            // Dropping the event releases what it carries.
            self.stale += 1;
            return None;
        };
        if !event.more {
            // The backend has it no longer. What follows says where it goes.
            operation.stage = Stage::Submitting;
        }
        let (kind, cancelled, socket) = (operation.kind, operation.cancelled, operation.socket);
        let slot = event.id.slot();
        match kind {
            OpKind::RecvMulti | OpKind::RecvFromMulti => self.received_pooled(event, cancelled),
            OpKind::Send { .. } => self.sent(slot, event.result, cancelled),
            OpKind::SendFile => self.file_moved(slot, event.result, cancelled),
            OpKind::Recv { .. } if self.sockets[socket].role == Role::Datagram => {
                self.received_datagram(slot, event.result, false)
            }
            OpKind::Recv { flags } => self.received_own(slot, event.result, flags, cancelled),
            OpKind::Accept { multi } => self.accepted(event, multi, cancelled),
            OpKind::Close { .. } => self.on_close_event(slot, event.result),
            OpKind::Connect => Some(self.connect_ended(slot, event.result)),
            OpKind::Shutdown { how } => Some(match event.result {
                Ok(_) => {
                    self.sockets[socket].shut |= how != ShutdownHow::Receive;
                    self.finish(slot, Ok(Outcome::ShutDown))
                }
                Err(failure) => {
                    let error = self.failed_on(socket, Action::Shutdown, os_code(&failure));
                    self.finish(slot, Err(error))
                }
            }),
            OpKind::RecvFrom { .. } => self.received_datagram(slot, event.result, true),
            OpKind::Ready { .. } => match event.result {
                Ok(outcome) => Some(self.finish(slot, Ok(outcome))),
                Err(failure) if code::is_interrupted(os_code(&failure)) && !cancelled => {
                    self.begin(slot);
                    None
                }
                Err(failure) => Some(self.finish(slot, Err(Error::os(Action::Readiness, os_code(&failure))))),
            },
            OpKind::SendTo => match event.result {
                Ok(outcome) => Some(self.finish(slot, Ok(outcome))),
                Err(failure) if code::is_interrupted(os_code(&failure)) && !cancelled => {
                    self.transfer_again(slot);
                    None
                }
                Err(failure) => {
                    let error = self.failed_at_address(slot, Action::Send, os_code(&failure));
                    self.tried(slot, &error);
                    Some(self.finish(slot, Err(error)))
                }
            },
            OpKind::Discard | OpKind::Timer | OpKind::LookUp => {
                unreachable!("no operation of a program that a backend has")
            }
        }
    }

    /// Counts bytes that were moved. How many in all now, and of how many.
    fn progressed(&mut self, slot: u32, bytes: u64) -> (u64, u64) {
        let owned = self.operations.owned_mut(slot).expect("what moves bytes owns a buffer");
        owned.progress += bytes;
        (owned.progress, owned.total)
    }

    /// Whether a receive has room.
    fn wants_bytes(&mut self, slot: u32) -> bool {
        self.operations.owned_mut(slot).is_some_and(|owned| owned.total > 0)
    }

    pub(super) fn sent(&mut self, slot: u32, result: Result<Outcome, Failure>, cancelled: bool) -> Option<Completion> {
        let bytes = match result {
            Ok(Outcome::Sent(bytes)) => bytes,
            Ok(_) => unreachable!("a send sends bytes or fails"),
            Err(failure) => return self.moving_failed(slot, Action::Send, &failure),
        };
        let (progress, total) = self.progressed(slot, bytes);
        if progress >= total {
            return Some(self.finish(slot, Ok(Outcome::Sent(total))));
        }
        if cancelled || !self.may_go_on(slot, bytes) {
            let error = Error::new(Action::Send, ErrorKind::Cancelled);
            self.tried(slot, &error);
            let result = self.cut_short(slot, error);
            return Some(self.finish(slot, result));
        }
        self.transfer_again(slot);
        None
    }

    /// A stream has brought bytes into the operation's own buffers.
    fn received_own(
        &mut self,
        slot: u32,
        result: Result<Outcome, Failure>,
        flags: Flags,
        cancelled: bool,
    ) -> Option<Completion> {
        let bytes = match result {
            Ok(Outcome::Received(0)) if self.wants_bytes(slot) && self.died_of(slot).is_some() => {
                let code = self.died_of(slot).expect("just checked");
                return self.moving_failed(slot, Action::Receive, &Failure::Code(code));
            }
            Ok(Outcome::Received(bytes)) => bytes,
            Ok(_) => unreachable!("a receive brings bytes or fails"),
            Err(failure) => return self.moving_failed(slot, Action::Receive, &failure),
        };
        let (progress, total) = self.progressed(slot, bytes as u64);
        if bytes == 0 && total > 0 {
            self.sockets[self.operations[slot].socket].ended = true;
        } else if flags.contains(Flags::WAIT_ALL) && progress < total && !cancelled {
            self.begin(slot);
            return None;
        }
        let received = self.received(slot);
        Some(self.finish(slot, received))
    }

    /// A receive or a send has failed. The error is its end, unless it only has to be tried again.
    fn moving_failed(&mut self, slot: u32, action: Action, failure: &Failure) -> Option<Completion> {
        let code = os_code(failure);
        if code::is_interrupted(code) && !self.operations[slot].cancelled {
            self.transfer_again(slot);
            return None;
        }
        let error = self.moving_error(slot, action, code);
        self.note_death(slot, &error);
        self.tried(slot, &error);
        let result = self.cut_short(slot, error);
        Some(self.finish(slot, result))
    }

    /// A datagram has come into the operation's own buffers.
    fn received_datagram(
        &mut self,
        slot: u32,
        result: Result<Outcome, Failure>,
        with_address: bool,
    ) -> Option<Completion> {
        let (bytes, from, truncated) = match result {
            Ok(Outcome::ReceivedFrom(bytes, from)) => (bytes as u64, from, false),
            Ok(_) => unreachable!("a receive brings a datagram or fails"),
            Err(Failure::Truncated { bytes, from }) => (bytes.into(), from, true),
            Err(failure) => return self.moving_failed(slot, Action::Receive, &failure),
        };
        self.progressed(slot, bytes);
        let result = match (self.received(slot), truncated, with_address) {
            (Err(error), ..) => Err(error),
            (_, true, _) => Err(Error::truncated(from, bytes)),
            (_, false, true) => Ok(Outcome::ReceivedFrom(bytes as usize, from)),
            (received, false, false) => received,
        };
        Some(self.finish(slot, result))
    }

    /// A multishot receive has brought a packet or a datagram, or has ended.
    fn received_pooled(&mut self, event: Event, cancelled: bool) -> Option<Completion> {
        let slot = event.id.slot();
        match event.result {
            Ok(Outcome::Packet(packet)) => {
                match event.more {
                    true => {}
                    false if !cancelled && packet.len() >= FLOOD_BYTES => self.put_off(slot),
                    false => self.go_on(slot, cancelled),
                }
                Some(self.one_result(event.id, Ok(Outcome::Packet(packet))))
            }
            Ok(Outcome::Datagram(packet, from)) => {
                if !event.more {
                    self.go_on(slot, cancelled);
                }
                Some(self.one_result(event.id, Ok(Outcome::Datagram(packet, from))))
            }
            Err(Failure::Truncated { bytes, from }) => {
                if !event.more {
                    self.go_on(slot, cancelled);
                }
                Some(self.one_result(event.id, Err(Error::truncated(from, bytes.into()))))
            }
            Err(Failure::NoBuffer) => {
                if cancelled {
                    let result = self.cut_short(slot, Error::new(Action::Receive, ErrorKind::Cancelled));
                    return Some(self.finish(slot, result));
                }
                self.starve(slot);
                None
            }
            Ok(_) => {
                if let Some(code) = self.died_of(slot) {
                    return self.moving_failed(slot, Action::Receive, &Failure::Code(code));
                }
                self.sockets[self.operations[slot].socket].ended = true;
                Some(self.finish(slot, Ok(Outcome::Received(0))))
            }
            Err(failure) => self.moving_failed(slot, Action::Receive, &failure),
        }
    }

    /// The backend has ended a multishot operation after a result: it is started again, unless it
    /// was cancelled.
    pub(super) fn go_on(&mut self, slot: u32, cancelled: bool) {
        if cancelled { self.end_cancelled(slot) } else { self.begin(slot) }
    }

    /// One result of a multishot operation.
    #[inline]
    pub(super) fn one_result(&self, id: OpId, result: Result<Outcome, Error>) -> Completion {
        Completion { id, token: self.operations[id.slot()].token(), more: true, result, buf: None }
    }

    /// The last completion of an operation. Frees its slot, and lets the operation behind it begin.
    pub(super) fn finish(&mut self, slot: u32, mut result: Result<Outcome, Error>) -> Completion {
        if self.clear_deadline(slot) {
            result = result.map_err(Error::cancelled_by_deadline);
        }
        let id = self.operations.id(slot);
        let operation = &self.operations[slot];
        let (token, socket, direction) = (operation.token(), operation.socket, operation.kind.direction());
        let mut closing = false;
        if let Some(direction) = direction {
            let entry = &mut self.sockets[socket];
            closing = entry.is_closing();
            // It is not in its queue any more if it was cancelled behind others.
            let queue = entry.queue(direction);
            if queue.head() == Some(slot) {
                queue.pop(&mut self.operations);
                if let Some(next) = queue.head()
                    && self.operations[next].stage == Stage::Queued
                {
                    self.begin(next);
                }
            }
        }
        let buf = self.operations.remove(slot);
        if closing {
            self.continue_close(socket);
        }
        Completion { id, token, more: false, result, buf }
    }
}

/// The system's code of a failure of an operation that has no pooled buffers and takes no
/// datagrams.
pub(super) fn os_code(failure: &Failure) -> i32 {
    match failure {
        Failure::Code(code) => *code,
        Failure::NoBuffer | Failure::Truncated { .. } => unreachable!("only receives of packets fail so"),
        Failure::File(_) | Failure::FileEnded => unreachable!("only sends of files fail so"),
    }
}
