//! From an entry of the completion queue to an event.

use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue;

use crate::address::Address;
use crate::id::OpId;

use super::super::message::Message;
use super::super::op::{Event, Failure, Outcome};
use super::super::{handle::Handle, stream::Stream};
use super::request::{Request, op_id};
use super::{NO_MESSAGE, Slot, Uring, accept, direct_table};

impl Uring {
    #[inline]
    pub(super) fn translate(&mut self, entry: &cqueue::Entry) -> Option<Event> {
        let (id, result, flags) = (op_id(entry.user_data()), entry.result(), entry.flags());
        let more = cqueue::more(flags);
        let result = match Request::of(entry.user_data()) {
            Request::Recv => received(result),
            Request::RecvParts => {
                self.release(id);
                received(result)
            }
            Request::Send => done(result, Outcome::Sent(result as u64)),
            Request::SendParts => {
                self.release(id);
                done(result, Outcome::Sent(result as u64))
            }
            Request::ReadFile if result < 0 => Err(Failure::File(-result)),
            Request::ReadFile => received(result),
            Request::RecvMulti => self.received_pooled(result, cqueue::buffer_select(flags)),
            Request::RecvPieces => {
                self.received_piece(result, cqueue::buffer_select(flags), cqueue::buffer_more(flags))
            }
            Request::Accept => {
                let accepted = self.accepted(id, entry);
                if !more {
                    self.release(id);
                }
                accepted
            }
            Request::Connect => {
                self.release(id);
                done(result, Outcome::Connected)
            }
            Request::RecvFrom => {
                let received = self.received_from(id, result);
                self.release(id);
                received
            }
            Request::RecvFromMulti => {
                let received = self.received_datagram(id, result, cqueue::buffer_select(flags));
                if !more {
                    self.release(id);
                }
                received
            }
            Request::Shutdown => done(result, Outcome::ShutDown),
            Request::Discard => received(result),
            Request::Ready => done(result, Outcome::Ready),
            Request::Close => done(result, Outcome::Closed),
            Request::CloseDirect => {
                if result >= 0 {
                    self.direct.closed();
                }
                done(result, Outcome::Closed)
            }
            Request::Cancel => {
                if result == -libc::ENOENT {
                    self.missed.push(id);
                }
                return None;
            }
            Request::Wake => {
                self.wake_armed = false;
                return None;
            }
            Request::Install => {
                // What asked for it has given up.
                drop(direct_table::installed(result));
                return None;
            }
        };
        Some(Event { id, more, result })
    }

    fn received_pooled(&mut self, result: i32, buffer: Option<u16>) -> Result<Outcome, Failure> {
        if let (1.., Some(buffer)) = (result, buffer) {
            return Ok(Outcome::Packet(self.buffers.packet(buffer, result as usize)));
        }
        if let Some(buffer) = buffer {
            self.buffers.put_back(buffer);
        }
        nothing_pooled(result)
    }

    fn received_piece(&mut self, result: i32, buffer: Option<u16>, goes_on: bool) -> Result<Outcome, Failure> {
        match (result, buffer, &self.pieces) {
            (1.., Some(buffer), Some(pieces)) => Ok(Outcome::Packet(pieces.piece(buffer, result as usize, goes_on))),
            (_, _, Some(pieces)) if -result == libc::ENOBUFS => {
                pieces.ran_out();
                Err(Failure::NoBuffer)
            }
            // If nothing was taken, the buffer stays in the ring.
            _ => nothing_pooled(result),
        }
    }

    /// A datagram in the operation's own buffers.
    fn received_from(&self, id: OpId, result: i32) -> Result<Outcome, Failure> {
        let message = self.message_of(id).expect("it was given one");
        let Ok(bytes) = u32::try_from(result) else { return Err(Failure::Code(-result)) };
        let from = message.name();
        match message.header.msg_flags & libc::MSG_TRUNC {
            0 => Ok(Outcome::ReceivedFrom(bytes as usize, from)),
            _ => Err(Failure::Truncated { bytes, from }),
        }
    }

    fn accepted(&mut self, id: OpId, entry: &cqueue::Entry) -> Result<Outcome, Failure> {
        if entry.result() < 0 {
            return Err(Failure::Code(-entry.result()));
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(entry.result()) };
        if self.message_of(id).is_some()
            && self.early.borrow().is_empty()
            && accept::is_last(&mut self.ring, entry.user_data())
        {
            let peer = self.message_of(id).map_or(Address::Unnamed, |message| message.name());
            return Ok(Outcome::Accepted(Stream(Handle::accepted_from(fd, &peer)), peer));
        }
        let handle = Handle::accepted(fd);
        let peer = handle.system().accepted_peer();
        Ok(Outcome::Accepted(Stream(handle), peer))
    }

    /// A datagram in a pooled buffer, behind a head and its sender's address.
    fn received_datagram(&mut self, id: OpId, result: i32, buffer: Option<u16>) -> Result<Outcome, Failure> {
        let Some(buffer) = buffer else {
            return Err(if result == -libc::ENOBUFS { Failure::NoBuffer } else { Failure::Code(-result) });
        };
        let message = self.message_of(id).expect("it was given one");
        let received = match usize::try_from(result) {
            Ok(bytes) => self.buffers.datagram(buffer, bytes, &message.header),
            Err(_) => Err(Failure::Code(-result)),
        };
        if received.is_err() {
            self.buffers.put_back(buffer);
        }
        received
    }

    fn message_of(&self, id: OpId) -> Option<&Message> {
        self.messages.at(self.slots[id.slot() as usize].message()).map(|message| &**message)
    }

    /// A request's message has served; it is kept for the next.
    fn release(&mut self, id: OpId) {
        // The slot is used again only after its request's last event, so the message is this
        // request's.
        let slot = &mut self.slots[id.slot() as usize];
        let number = slot.message();
        *slot = Slot::new(slot.request(), NO_MESSAGE);
        if let Some(mut message) = self.messages.remove_at(number) {
            message.clear();
            self.spare.push(message);
        }
    }
}

/// A pooled receive has brought no bytes.
fn nothing_pooled(result: i32) -> Result<Outcome, Failure> {
    match result {
        0.. => Ok(Outcome::Received(0)),
        _ if -result == libc::ENOBUFS => Err(Failure::NoBuffer),
        _ => Err(Failure::Code(-result)),
    }
}

fn done(result: i32, outcome: Outcome) -> Result<Outcome, Failure> {
    if result >= 0 { Ok(outcome) } else { Err(Failure::Code(-result)) }
}

fn received(result: i32) -> Result<Outcome, Failure> {
    done(result, Outcome::Received(result as usize))
}
