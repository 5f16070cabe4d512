//! What the backend reports, turned into completions: multishot operations go on, short sends are resumed, and a last completion
//! lets go on what waited for it.

use std::num::NonZeroI32;
use std::time::Duration;

use crate::buf::AnyBuf;
use crate::error::{Action, Error, ErrorKind, code};
use crate::flags::{Flags, Role, ShutdownHow};
use crate::op::{Completion, Outcome};
use crate::sys::{Event, Happened, Stream};

use super::Driver;
use super::slots::{Stage, What};

/// How long accepting pauses when descriptors or memory have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Driver {
    /// What the backend reports, as a completion if it is one.
    pub(super) fn handle_event(&mut self, event: Event) -> Option<Completion> {
        let Some(slot) = self.slots.find(event.id).filter(|slot| self.slots[*slot].stage == Stage::Kernel) else {
            // Dropping the event releases what it carries.
            self.stale += 1;
            return None;
        };
        if !event.more {
            // With the backend no longer: back in the program's hands, until it is said where it goes.
            self.slots[slot].stage = Stage::Submitting;
        }
        let cancelled = self.slots[slot].cancelled;
        match self.slots[slot].what {
            What::Accept { multi } => self.accepted(slot, multi, event),
            What::RecvMulti | What::RecvFromMulti => self.packet(slot, event),
            What::Close { step, .. } => self.close_event(slot, step, event.happened),
            What::Connect => Some(match event.happened {
                Happened::Failed(code) => {
                    let error = self.failed_at_address(slot, Action::Connect, code);
                    self.finish(slot, Err(error))
                }
                _ => {
                    let socket = self.slots[slot].socket;
                    self.sockets[socket].connected();
                    self.finish(slot, Ok(Outcome::Connected))
                }
            }),
            What::Shutdown { how } => Some(match event.happened {
                Happened::Failed(code) => self.finish(slot, Err(Error::os(Action::Shutdown, code))),
                _ => {
                    self.sockets[self.slots[slot].socket].shut |= how != ShutdownHow::Receive;
                    self.finish(slot, Ok(Outcome::ShutDown))
                }
            }),
            What::RecvFrom { .. } => self.received_datagram(slot, event.happened, true),
            What::Recv { .. } if self.sockets[self.slots[slot].socket].role == Role::Datagram => {
                self.received_datagram(slot, event.happened, false)
            }
            What::SendTo => match event.happened {
                Happened::Moved(bytes) => Some(self.finish(slot, Ok(Outcome::Sent(bytes.into())))),
                Happened::Failed(code) if code::is_interrupted(code) && !cancelled => {
                    self.begin(slot);
                    None
                }
                Happened::Failed(code) => {
                    let error = self.failed_at_address(slot, Action::Send, code);
                    Some(self.finish(slot, Err(error)))
                }
                _ => unreachable!("a send moves bytes or fails"),
            },
            What::Recv { flags } => match event.happened {
                Happened::Moved(0) if self.wants_bytes(slot) && self.was_reset(slot).is_some() => {
                    let code = self.was_reset(slot).expect("seen just now");
                    self.moving_failed(slot, Action::Receive, code)
                }
                Happened::Moved(bytes) => {
                    let (progress, total) = self.progressed(slot, bytes);
                    if bytes == 0 && total > 0 {
                        self.sockets[self.slots[slot].socket].ended = true;
                    } else if flags.contains(Flags::WAIT_ALL) && progress < total && !cancelled {
                        self.begin(slot);
                        return None;
                    }
                    let outcome = self.received(slot);
                    Some(self.finish(slot, Ok(outcome)))
                }
                Happened::Failed(code) => self.moving_failed(slot, Action::Receive, code),
                _ => unreachable!("a receive moves bytes or fails"),
            },
            What::Send { .. } => match event.happened {
                Happened::Moved(bytes) => {
                    let (progress, total) = self.progressed(slot, bytes);
                    if progress >= total {
                        return Some(self.finish(slot, Ok(Outcome::Sent(total))));
                    }
                    if cancelled {
                        let result = self.cut_short(slot, Error::new(Action::Send, ErrorKind::Cancelled));
                        return Some(self.finish(slot, result));
                    }
                    self.begin(slot);
                    None
                }
                Happened::Failed(code) => self.moving_failed(slot, Action::Send, code),
                _ => unreachable!("a send moves bytes or fails"),
            },
            What::Timer => unreachable!("timers are not the backend's"),
        }
    }

    /// So many bytes more were moved. How many in all, and of how many.
    fn progressed(&mut self, slot: u32, bytes: u32) -> (u64, u64) {
        let cargo = self.slots.cargo(slot).expect("what moves bytes owns a buffer");
        cargo.progress += u64::from(bytes);
        (cargo.progress, cargo.total)
    }

    /// Whether a receive has room.
    fn wants_bytes(&mut self, slot: u32) -> bool {
        self.slots.cargo(slot).is_some_and(|cargo| cargo.total > 0)
    }

    fn failed_at_address(&mut self, slot: u32, action: Action, code: i32) -> Error {
        let error = Error::os(action, code);
        match self.slots.cargo(slot).and_then(|cargo| cargo.address.as_ref()) {
            Some(address) => error.at(address),
            None => error,
        }
    }

    /// A receive or send failed; the error is its end, unless it only means "once more".
    fn moving_failed(&mut self, slot: u32, action: Action, code: i32) -> Option<Completion> {
        if code::is_interrupted(code) && !self.slots[slot].cancelled {
            self.begin(slot);
            return None;
        }
        let error = Error::os(action, code);
        self.note_death(slot, &error);
        let result = self.cut_short(slot, error);
        Some(self.finish(slot, result))
    }

    /// A datagram has come into an operation's buffers.
    fn received_datagram(&mut self, slot: u32, happened: Happened, with_address: bool) -> Option<Completion> {
        match happened {
            Happened::MovedFrom { bytes, from, truncated } => {
                self.progressed(slot, bytes);
                self.received(slot);
                Some(match (truncated, with_address) {
                    (true, _) => self.finish(slot, Err(Error::truncated(from, bytes.into()))),
                    (false, true) => self.finish(slot, Ok(Outcome::ReceivedFrom(bytes as usize, from))),
                    (false, false) => self.finish(slot, Ok(Outcome::Received(bytes as usize))),
                })
            }
            Happened::Failed(code) => self.moving_failed(slot, Action::Receive, code),
            _ => unreachable!("a receive brings a datagram or fails"),
        }
    }

    fn note_death(&mut self, slot: u32, error: &Error) {
        let socket = &mut self.sockets[self.slots[slot].socket];
        // A send that comes too late fails as it would on a dead connection.
        let late = socket.shut && matches!(self.slots[slot].what, What::Send { .. });
        // A datagram socket outlives what peers and routers answer; a stream, what only this operation is refused.
        let lives = matches!(
            error.kind(),
            ErrorKind::Cancelled
                | ErrorKind::OutOfMemory
                | ErrorKind::InvalidArgument
                | ErrorKind::Unsupported
                | ErrorKind::NotPermitted
        );
        if socket.role == Role::Stream && !lives && !late {
            socket.dead = true;
            let code = error.os_code().filter(|code| code::is_reset(*code));
            socket.reset = socket.reset.or(code.and_then(NonZeroI32::new));
        }
    }

    /// The code by which another operation was told of a reset. To this one the system then says "end of stream", which it is not.
    fn was_reset(&self, slot: u32) -> Option<i32> {
        let socket = &self.sockets[self.slots[slot].socket];
        socket.reset.filter(|_| !socket.ended).map(NonZeroI32::get)
    }

    fn accepted(&mut self, slot: u32, multi: bool, event: Event) -> Option<Completion> {
        let cancelled = self.slots[slot].cancelled;
        match event.happened {
            Happened::Accepted(handle, peer) => {
                let result = Ok(Outcome::Accepted(Stream(handle), peer));
                if !multi {
                    return Some(self.finish(slot, result));
                }
                if !event.more {
                    if cancelled { self.end_cancelled(slot) } else { self.begin(slot) }
                }
                Some(self.result(slot, result))
            }
            // A request that goes on although it was cancelled has yet to say that it has ended.
            Happened::Failed(code) if code::accept_goes_on(code) && (event.more || !cancelled) => {
                // A connection that died in the backlog: nobody is there to be told.
                if !event.more {
                    self.begin(slot);
                }
                None
            }
            Happened::Failed(code) => {
                let error = Error::os(Action::Accept, code);
                let pause = matches!(error.kind(), ErrorKind::TooManyFiles | ErrorKind::OutOfMemory);
                if !(pause && multi) || cancelled {
                    return Some(self.finish(slot, Err(error)));
                }
                if !event.more {
                    self.slots[slot].stage = Stage::Parked;
                    let at = self.now() + ACCEPT_PAUSE;
                    self.set_deadline(slot, at);
                }
                Some(self.result(slot, Err(error)))
            }
            _ => unreachable!("an accept brings a connection or fails"),
        }
    }

    fn packet(&mut self, slot: u32, event: Event) -> Option<Completion> {
        let cancelled = self.slots[slot].cancelled;
        match event.happened {
            Happened::Packet(packet) => {
                if !event.more {
                    if cancelled { self.end_cancelled(slot) } else { self.begin(slot) }
                }
                Some(self.result(slot, Ok(Outcome::Packet(packet))))
            }
            Happened::PacketFrom { packet, from, truncated } => {
                if !event.more {
                    if cancelled { self.end_cancelled(slot) } else { self.begin(slot) }
                }
                let result = match truncated {
                    true => Err(Error::truncated(from, packet.len() as u64)),
                    false => Ok(Outcome::Datagram(packet, from)),
                };
                Some(self.result(slot, result))
            }
            Happened::Starved => {
                if cancelled {
                    let result = self.cut_short(slot, Error::new(Action::Receive, ErrorKind::Cancelled));
                    return Some(self.finish(slot, result));
                }
                self.starve(slot);
                None
            }
            Happened::Moved(_) if self.was_reset(slot).is_some() => {
                let code = self.was_reset(slot).expect("seen just now");
                self.moving_failed(slot, Action::Receive, code)
            }
            Happened::Moved(_) => {
                self.sockets[self.slots[slot].socket].ended = true;
                Some(self.finish(slot, Ok(Outcome::Received(0))))
            }
            Happened::Failed(code) => self.moving_failed(slot, Action::Receive, code),
            Happened::Accepted(..) | Happened::MovedFrom { .. } => {
                unreachable!("a receive brings a packet or fails")
            }
        }
    }

    /// One result of a multishot operation.
    fn result(&self, slot: u32, result: Result<Outcome, Error>) -> Completion {
        let (id, token) = (self.slots.id(slot), self.slots[slot].token);
        Completion { id, token, more: true, result, buf: None }
    }

    /// The last completion of an operation: frees its slot, and lets go on what waited for it.
    pub(super) fn finish(&mut self, slot: u32, result: Result<Outcome, Error>) -> Completion {
        self.clear_deadline(slot);
        let (id, token, socket) = (self.slots.id(slot), self.slots[slot].token, self.slots[slot].socket);
        let direction = self.slots[slot].what.direction();
        if let Some(direction) = direction {
            // Out of its queue, unless it was cancelled while it stood behind others.
            let entry = &mut self.sockets[socket];
            let queue = entry.queue(direction);
            if queue.head() == Some(slot) {
                queue.remove(&mut self.slots, slot);
                if let Some(next) = queue.head()
                    && self.slots[next].stage == Stage::Queued
                {
                    self.begin(next);
                }
            }
        }
        let buf: Option<AnyBuf> = self.slots.remove(slot);
        if direction.is_some() && self.sockets[socket].is_closing() {
            self.close_goes_on(socket);
        }
        Completion { id, token, more: false, result, buf }
    }
}
