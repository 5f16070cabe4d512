//! Trying the request that waits on a socket: one system call, and what it says about the socket.

use crate::buf::Packet;
use crate::flags::{Direction, Flags};
use crate::id::OpId;

use super::super::message::flag_bits;
use super::super::{Event, Happened};
use super::connect::{self, Connecting};
use super::sockets::{NONE, Part, What};
use super::transfer::{self, would_wait};
use super::{ACCEPTS_FIRST, Poll};

/// What a connection that was accepted, or a datagram, counts in its socket's share of a turn, at the least: so that empty ones count.
const LEAST_SHARE: u32 = 1024;

/// How an attempt went.
enum Attempt {
    /// It would have had to wait.
    Waits,
    /// As `Waits`, but that says nothing about the direction's readiness.
    Holds,
    /// A result, and it goes on; so many bytes are counted.
    Goes(Happened, u32),
    Ends(Happened),
}

impl Attempt {
    fn failed(code: i32) -> Attempt {
        if would_wait(code) { Attempt::Waits } else { Attempt::Ends(Happened::Failed(code)) }
    }
}

impl Poll {
    /// Tries what waits on this side of a socket, if anything does.
    pub(super) fn attempt(&mut self, socket: u32, direction: Direction) -> Option<Event> {
        let (id, _) = self.waiting(socket, direction)?;
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
            Attempt::Goes(happened, bytes) => {
                let spent = entry.counts(turn, bytes, share);
                let side = entry.side(direction);
                if side.ready {
                    match happened {
                        _ if spent => self.next_turn.push((socket, direction)),
                        // Whoever has connected waits behind all others who wait in the backlog. One of those between any two messages of a busy server would take long.
                        Happened::Accepted(..) if self.accepted < ACCEPTS_FIRST => {
                            self.accepted += 1;
                            side.listed = true;
                            self.ready.push_front((socket, direction));
                        }
                        _ => self.list(socket, direction),
                    }
                }
                Some(Event { id, more: true, happened })
            }
            Attempt::Ends(happened) => {
                entry.side(direction).pending = NONE;
                if let Some(pending) = self.requests[id.slot() as usize].take() {
                    self.release(pending.what);
                }
                Some(Event { id, more: false, happened })
            }
        }
    }

    fn receive(&mut self, socket: u32) -> Attempt {
        let fd = self.sockets[socket as usize].fd;
        let Some((_, what)) = self.waiting(socket, Direction::Receive) else { return Attempt::Holds };
        match what {
            What::RecvPooled => self.receive_pooled(socket),
            What::RecvFromPooled => self.receive_datagram(socket),
            What::Accept { multi } => match (connect::accept(fd), *multi) {
                (Ok(happened), true) => Attempt::Goes(happened, LEAST_SHARE),
                (Ok(happened), false) => Attempt::Ends(happened),
                (Err(code), _) => Attempt::failed(code),
            },
            What::Recv { ptr, len, flags } => {
                let (part, flags) = (Part { ptr: *ptr, len: *len as usize }, *flags);
                // SAFETY: the operation's own memory, which nobody else uses until the request has ended.
                let received = unsafe { transfer::recv(fd, part, trying(flags)) };
                self.received(socket, received, part.len, flags)
            }
            What::RecvParts { message, bytes, flags } => {
                let (room, flags) = (*bytes as usize, *flags);
                // SAFETY: as above.
                let received = unsafe { transfer::recv_message(fd, message, trying(flags)) };
                self.received(socket, received, room, flags)
            }
            What::Readable => match transfer::look(fd) {
                Ok(_) => Attempt::Ends(Happened::Moved(0)),
                Err(code) => Attempt::failed(code),
            },
            What::Discard => {
                let received = transfer::discard(fd, &mut self.discard);
                self.received(socket, received, self.discard.len(), Flags::NONE)
            }
            What::RecvFrom { message, flags } => {
                message.take_name();
                // SAFETY: as above.
                match unsafe { transfer::recv_message(fd, message, flag_bits(*flags)) } {
                    Ok(bytes) => Attempt::Ends(Happened::MovedFrom {
                        bytes: bytes as u32,
                        from: message.name(),
                        truncated: message.header.msg_flags & libc::MSG_TRUNC != 0,
                    }),
                    Err(code) => Attempt::failed(code),
                }
            }
            What::Connect
            | What::ConnectLater(_)
            | What::Send { .. }
            | What::SendParts { .. }
            | What::SendTo { .. } => {
                unreachable!("it stands among the sends")
            }
        }
    }

    /// A stream's receive has been tried.
    fn received(&mut self, socket: u32, received: transfer::Moved, room: usize, flags: Flags) -> Attempt {
        match received {
            Ok(bytes) => {
                // What is urgent stands beside the stream, and what is looked at stays in it.
                let in_stream = !flags.contains(Flags::OUT_OF_BAND) && !flags.contains(Flags::PEEK);
                if in_stream && bytes > 0 {
                    self.sockets[socket as usize].received(bytes, room);
                }
                Attempt::Ends(Happened::Moved(bytes as u32))
            }
            Err(code) if would_wait(code) && flags.contains(Flags::OUT_OF_BAND) => Attempt::Holds,
            Err(code) => Attempt::failed(code),
        }
    }

    /// One packet of a stream, in the pooled buffer that was used last: one for all sockets, if each packet is dropped before the next is asked for.
    fn receive_pooled(&mut self, socket: u32) -> Attempt {
        let Some(buffer) = self.pool.take_returned() else { return Attempt::Ends(Happened::Starved) };
        let entry = &mut self.sockets[socket as usize];
        let part = Part { ptr: self.pool.buffer(buffer).as_ptr(), len: self.pool.config().buffer_bytes as usize };
        // SAFETY: the buffer was the pool's, so nobody else uses it.
        match unsafe { transfer::recv(entry.fd, part, 0) } {
            Ok(bytes) if bytes > 0 => {
                entry.received(bytes, part.len);
                // SAFETY: the buffer was taken from the pool, and so many bytes of it have just been written.
                Attempt::Goes(Happened::Packet(unsafe { self.pool.packet(buffer, bytes) }), bytes as u32)
            }
            Ok(_) => {
                self.pool.put_back(buffer);
                Attempt::Ends(Happened::Moved(0))
            }
            Err(code) => {
                self.pool.put_back(buffer);
                Attempt::failed(code)
            }
        }
    }

    /// One datagram, in a pooled buffer.
    fn receive_datagram(&mut self, socket: u32) -> Attempt {
        let Some(buffer) = self.pool.take_returned() else { return Attempt::Ends(Happened::Starved) };
        let mut message = self.message();
        message.name_part(self.pool.buffer(buffer).as_ptr(), self.pool.config().buffer_bytes as usize);
        message.take_name();
        // SAFETY: the buffer was the pool's, so nobody else uses it.
        let attempt = match unsafe { transfer::recv_message(self.sockets[socket as usize].fd, &mut message, 0) } {
            Ok(bytes) => {
                // SAFETY: the buffer was taken from the pool, and so many bytes of it have just been written.
                let packet: Packet = unsafe { self.pool.packet(buffer, bytes) };
                let truncated = message.header.msg_flags & libc::MSG_TRUNC != 0;
                let happened = Happened::PacketFrom { packet, from: message.name(), truncated };
                Attempt::Goes(happened, (bytes as u32).max(LEAST_SHARE))
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
        let Some((_, what)) = self.waiting(socket, Direction::Send) else { return Attempt::Holds };
        let (sent, offered) = match what {
            What::Send { ptr, len, flags } => {
                let part = Part { ptr: *ptr, len: *len as usize };
                // SAFETY: the operation's own memory, to which nobody writes until the request has ended.
                (unsafe { transfer::send(fd, part, flag_bits(*flags)) }, part.len)
            }
            What::SendParts { message, bytes, flags } => {
                // SAFETY: as above.
                let sent = unsafe { transfer::send_message(fd, message, flag_bits(*flags)) };
                (sent, *bytes as usize)
            }
            What::SendTo { message } => {
                // SAFETY: as above. A datagram leaves whole.
                (unsafe { transfer::send_message(fd, message, 0) }, 0)
            }
            What::Connect => return self.connecting(socket, connect::connected(fd)),
            What::ConnectLater(address) => {
                let connecting = connect::connect(fd, address);
                if matches!(connecting, Connecting::UnderWay) {
                    *what = What::Connect;
                }
                return self.connecting(socket, connecting);
            }
            _ => unreachable!("it stands among the receives"),
        };
        match sent {
            Ok(bytes) => {
                self.sockets[socket as usize].sent(bytes, offered);
                Attempt::Ends(Happened::Moved(bytes as u32))
            }
            Err(code) => Attempt::failed(code),
        }
    }

    fn connecting(&mut self, socket: u32, connecting: Connecting) -> Attempt {
        match connecting {
            Connecting::Done(happened) => {
                let entry = &mut self.sockets[socket as usize];
                entry.sends.ready = true;
                entry.set_nonblocking(false);
                Attempt::Ends(happened)
            }
            Connecting::UnderWay => Attempt::Waits,
            Connecting::Later => {
                self.connect_again.push(socket);
                Attempt::Waits
            }
        }
    }
}

/// The driver sees to it that all is waited for; the system cannot, when it is not to wait.
fn trying(flags: Flags) -> i32 {
    flag_bits(flags) & !libc::MSG_WAITALL
}
