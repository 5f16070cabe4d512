//! Trying the operation that waits on a socket: one system call, and what it says about the socket.

use crate::flags::{Direction, Flags};
use crate::id::OpId;

use super::super::message::{MOST_BYTES, flag_bits};
use super::super::op::{Event, Failure, Outcome};
use super::super::stream::Stream;
use super::connect::{self, Connecting};
use super::sockets::{NONE, Part, Request};
use super::transfer::{self, would_wait};
use super::{ACCEPTS_FIRST, Poll};

/// An accepted connection, or a datagram, counts at least as so many bytes in its socket's share of
/// a turn.
const LEAST_SHARE: u32 = 1024;

/// How an attempt went.
enum Attempt {
    /// It would have had to wait.
    Waits,
    /// As `Waits`, but this says nothing about the direction's readiness.
    Holds,
    /// A result, and the operation goes on. The bytes count in its socket's share of the turn.
    Goes(Result<Outcome, Failure>, u32),
    Ends(Result<Outcome, Failure>),
}

impl Attempt {
    fn failed(code: i32) -> Attempt {
        if would_wait(code) { Attempt::Waits } else { Attempt::Ends(Err(Failure::Code(code))) }
    }
}

impl Poll {
    /// Tries what waits on this side of a socket, if anything does.
    pub(super) fn attempt(&mut self, socket: u32, direction: Direction) -> Option<Event> {
        let (id, _) = self.pending(socket, direction)?;
        self.since_wait += 1;
        let attempt = match direction {
            Direction::Receive => self.receive(socket),
            Direction::Send => self.send(socket),
        };
        self.concluded(socket, direction, id, attempt)
    }

    fn concluded(&mut self, socket: u32, direction: Direction, id: OpId, attempt: Attempt) -> Option<Event> {
        let (turn, share) = (self.turn, self.turn_bytes);
        let entry = &mut self.sockets[socket as usize];
        match attempt {
            Attempt::Waits => {
                entry.side(direction).ready = false;
                None
            }
            Attempt::Holds => None,
            Attempt::Goes(result, bytes) => {
                let spent = entry.counts(turn, bytes, share);
                let side = entry.side(direction);
                if side.ready {
                    match result {
                        _ if spent => self.next_turn.push((socket, direction)),
                        // A new client waits behind the whole backlog. Accepting one connection
                        // between any two messages of a busy server would take long.
                        Ok(Outcome::Accepted(..)) if self.accepted < ACCEPTS_FIRST => {
                            self.accepted += 1;
                            side.listed = true;
                            self.ready.push_front((socket, direction));
                        }
                        _ => self.list_ready(socket, direction),
                    }
                }
                Some(Event { id, more: true, result })
            }
            Attempt::Ends(result) => {
                entry.side(direction).set_pending(NONE);
                if let Some(request) = self.requests.remove(id.slot()) {
                    self.release(request);
                }
                Some(Event { id, more: false, result })
            }
        }
    }

    fn receive(&mut self, socket: u32) -> Attempt {
        let fd = self.sockets[socket as usize].fd;
        let Some((_, request)) = self.pending(socket, Direction::Receive) else { return Attempt::Holds };
        match request {
            Request::RecvMulti => self.receive_pooled(socket),
            Request::RecvFromMulti => self.receive_datagram(socket),
            Request::Accept { multi } => match (connect::accept(fd), *multi) {
                (Ok((handle, peer)), true) => Attempt::Goes(Ok(Outcome::Accepted(Stream(handle), peer)), LEAST_SHARE),
                (Ok((handle, peer)), false) => Attempt::Ends(Ok(Outcome::Accepted(Stream(handle), peer))),
                (Err(code), _) => Attempt::failed(code),
            },
            Request::Recv { ptr, len, flags } => {
                let (part, flags) = (Part { ptr: *ptr, len: *len as usize }, *flags);
                // SAFETY: the operation's own memory, which nobody else uses until the request has
                // ended.
                let received = unsafe { transfer::recv(fd, part, trying(flags)) };
                self.received(socket, received, part.len, flags)
            }
            Request::RecvParts { message, bytes, flags } => {
                let (room, flags) = (*bytes as usize, *flags);
                // SAFETY: as above.
                let received = unsafe { transfer::recv_message(fd, message, trying(flags)) };
                self.received(socket, received, room, flags)
            }
            Request::Ready => ready(fd, libc::POLLIN),
            Request::Readable => match transfer::look(fd) {
                Ok(_) => Attempt::Ends(Ok(Outcome::Received(0))),
                Err(code) => Attempt::failed(code),
            },
            Request::Discard => {
                let received = transfer::discard(fd, &mut self.discard);
                self.received(socket, received, self.discard.len(), Flags::NONE)
            }
            Request::RecvFrom { message, flags } => {
                message.take_name();
                // SAFETY: as above.
                match unsafe { transfer::recv_message(fd, message, flag_bits(*flags)) } {
                    Ok(bytes) => Attempt::Ends(match message.header.msg_flags & libc::MSG_TRUNC {
                        0 => Ok(Outcome::ReceivedFrom(bytes, message.name())),
                        _ => Err(Failure::Truncated { bytes: bytes as u32, from: message.name() }),
                    }),
                    Err(code) => Attempt::failed(code),
                }
            }
            Request::Connect(_)
            | Request::ConnectLater(_)
            | Request::Send { .. }
            | Request::SendParts { .. }
            | Request::SendTo { .. } => {
                unreachable!("it is in the queue of sends")
            }
        }
    }

    /// A stream's receive has been tried.
    fn received(&mut self, socket: u32, received: transfer::Moved, room: usize, flags: Flags) -> Attempt {
        match received {
            Ok(bytes) => {
                // Urgent data is beside the stream, and peeked bytes stay in it.
                let in_stream = !flags.contains(Flags::OUT_OF_BAND) && !flags.contains(Flags::PEEK);
                if in_stream && bytes > 0 {
                    self.sockets[socket as usize].received(bytes, room);
                }
                Attempt::Ends(Ok(Outcome::Received(bytes)))
            }
            Err(code) if would_wait(code) && flags.contains(Flags::OUT_OF_BAND) => Attempt::Holds,
            Err(code) => Attempt::failed(code),
        }
    }

    /// One packet of a stream, in the pooled buffer that was returned last. If each packet is
    /// dropped before the next one is asked for, all sockets use the same buffer.
    fn receive_pooled(&mut self, socket: u32) -> Attempt {
        let large = self.streams.as_ref().and_then(|pool| Some((pool, pool.take_returned()?)));
        let Some((pool, buffer)) = large.or_else(|| Some((&self.pool, self.pool.take_returned()?))) else {
            return Attempt::Ends(Err(Failure::NoBuffer));
        };
        let entry = &mut self.sockets[socket as usize];
        let part = Part { ptr: pool.buffer(buffer).as_ptr(), len: pool.config().buffer_bytes as usize };
        // SAFETY: the buffer was the pool's, so nobody else uses it.
        match unsafe { transfer::recv(entry.fd, part, 0) } {
            Ok(bytes) if bytes > 0 => {
                entry.received(bytes, part.len);
                // SAFETY: the buffer was taken from the pool, and so many bytes of it have just
                // been written.
                Attempt::Goes(Ok(Outcome::Packet(unsafe { pool.packet(buffer, bytes) })), bytes as u32)
            }
            Ok(_) => {
                pool.put_back(buffer);
                Attempt::Ends(Ok(Outcome::Received(0)))
            }
            Err(code) => {
                pool.put_back(buffer);
                Attempt::failed(code)
            }
        }
    }

    /// One datagram, in a pooled buffer.
    fn receive_datagram(&mut self, socket: u32) -> Attempt {
        let Some(buffer) = self.pool.take_returned() else { return Attempt::Ends(Err(Failure::NoBuffer)) };
        let mut message = self.message();
        message.name_part(self.pool.buffer(buffer).as_ptr(), self.pool.config().buffer_bytes as usize);
        message.take_name();
        // SAFETY: the buffer was the pool's, so nobody else uses it.
        let attempt = match unsafe { transfer::recv_message(self.sockets[socket as usize].fd, &mut message, 0) } {
            Ok(bytes) => {
                let share = (bytes as u32).max(LEAST_SHARE);
                // SAFETY: the buffer was taken from the pool, and so many bytes were just written.
                let packet = unsafe { self.pool.packet(buffer, bytes) };
                match message.header.msg_flags & libc::MSG_TRUNC {
                    0 => Attempt::Goes(Ok(Outcome::Datagram(packet, message.name())), share),
                    _ => {
                        let failure = Failure::Truncated { bytes: bytes as u32, from: message.name() };
                        Attempt::Goes(Err(failure), share)
                    }
                }
            }
            Err(code) => {
                self.pool.put_back(buffer);
                Attempt::failed(code)
            }
        };
        message.clear();
        self.spare.push(message);
        attempt
    }

    fn send(&mut self, socket: u32) -> Attempt {
        let fd = self.sockets[socket as usize].fd;
        let Some((_, request)) = self.pending(socket, Direction::Send) else { return Attempt::Holds };
        let (sent, offered) = match request {
            Request::Send { ptr, len, flags } => {
                let part = Part { ptr: *ptr, len: *len as usize };
                // SAFETY: the operation's own memory, to which nobody writes until the request has
                // ended.
                (unsafe { transfer::send(fd, part, flag_bits(*flags)) }, part.len)
            }
            Request::SendParts { message, bytes, flags } => {
                // SAFETY: as above.
                let sent = unsafe { transfer::send_message(fd, message, flag_bits(*flags)) };
                (sent, *bytes as usize)
            }
            Request::SendTo { message } => {
                // SAFETY: as above. A datagram leaves whole.
                (unsafe { transfer::send_message(fd, message, 0) }, 0)
            }
            Request::Ready => return ready(fd, libc::POLLOUT),
            Request::Connect(address) => {
                let connecting = connect::go_on(fd, address);
                return self.connecting(socket, connecting);
            }
            Request::ConnectLater(address) => {
                let connecting = connect::connect(fd, address);
                if matches!(connecting, Connecting::UnderWay) {
                    *request = Request::Connect(address.clone());
                }
                return self.connecting(socket, connecting);
            }
            _ => unreachable!("it is in the queue of receives"),
        };
        match sent {
            Ok(bytes) => {
                self.sockets[socket as usize].sent(bytes, offered);
                Attempt::Ends(Ok(Outcome::Sent(bytes as u64)))
            }
            Err(code) => Attempt::failed(code),
        }
    }

    /// Sends at once what the system takes without a wait, if the socket is believed ready.
    #[inline]
    pub(crate) fn send_at_once(&mut self, socket: u32, bytes: &[u8]) -> Option<Result<usize, i32>> {
        let entry = &mut self.sockets[socket as usize];
        if !entry.sends.ready || entry.sends.pending() != NONE {
            return None;
        }
        self.since_wait += 1;
        let part = Part { ptr: bytes.as_ptr().cast_mut(), len: bytes.len().min(MOST_BYTES) };
        // SAFETY: the call only reads these bytes.
        match unsafe { transfer::send(entry.fd, part, 0) } {
            Ok(sent) => {
                entry.sent(sent, part.len);
                Some(Ok(sent))
            }
            Err(code) if would_wait(code) => {
                entry.sends.ready = false;
                None
            }
            Err(libc::EINTR) => None,
            Err(code) => Some(Err(code)),
        }
    }

    fn connecting(&mut self, socket: u32, connecting: Connecting) -> Attempt {
        match connecting {
            Connecting::Done(connected) => {
                self.sockets[socket as usize].connect_ended();
                if connected.is_ok() {
                    self.before_connect.remove(&socket);
                }
                Attempt::Ends(connected)
            }
            Connecting::UnderWay => Attempt::Waits,
            Connecting::Later => {
                self.connect_again.push(socket);
                Attempt::Waits
            }
        }
    }
}

/// Whether a watched descriptor is ready.
fn ready(fd: std::os::fd::RawFd, wanted: i16) -> Attempt {
    match transfer::is_ready(fd, wanted) {
        Ok(true) => Attempt::Ends(Ok(Outcome::Ready)),
        Ok(false) => Attempt::Waits,
        Err(code) => Attempt::Ends(Err(Failure::Code(code))),
    }
}

/// Without wait-all, which is the driver's: the system is not to wait.
fn trying(flags: Flags) -> i32 {
    flag_bits(flags) & !libc::MSG_WAITALL
}
