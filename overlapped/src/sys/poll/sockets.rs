//! What is known of each socket: which direction is ready, and which operation waits for it.
//!
//! In edge mode the system says once that a socket has become ready. So readiness is kept until a
//! call shows that it has ended: the call would have had to wait, or moved less than it was asked
//! to. Believing wrongly that a socket is ready costs one call. Believing wrongly that it is not
//! would lose the wake-up, so nothing but such a call takes readiness away.

use std::os::fd::RawFd;

use crate::flags::{Direction, Flags};
use crate::id::OpId;
use crate::table::{Table, grow};

use super::super::message::Message;
use super::connect;

/// An operation that has not ended, by its slot. Most of a server's are the pooled receives of idle
/// sockets.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) generation: u32,
    /// [`NONE`] if there is no operation.
    pub(super) socket: u32,
    /// The number of what it is to do.
    request: u32,
}

const _: () = assert!(size_of::<Pending>() == 12 && size_of::<Socket>() == 24);

/// The operations that have not ended.
pub(super) struct Requests {
    /// By slot.
    pending: Vec<Pending>,
    /// What they are to do, by number. All pooled receives have the first: it says nothing else.
    requests: Table<Request>,
}

/// The number of a pooled receive.
const POOLED: u32 = 0;

const ABSENT: Pending = Pending { generation: 0, socket: NONE, request: POOLED };

impl Requests {
    pub(super) fn new() -> Requests {
        let mut requests = Table::new();
        let first = requests.insert(Request::RecvMulti);
        debug_assert_eq!(first.slot(), POOLED);
        Requests { pending: Vec::new(), requests }
    }

    pub(super) fn insert(&mut self, id: OpId, socket: u32, request: Request) {
        let index = id.slot() as usize;
        let request = match request {
            Request::RecvMulti => POOLED,
            request => self.requests.insert(request).slot(),
        };
        grow(&mut self.pending, index, || ABSENT);
        self.pending[index] = Pending { generation: id.generation(), socket, request };
    }

    /// The operation in a slot.
    pub(super) fn at(&mut self, slot: u32) -> Option<(OpId, &mut Request)> {
        let pending = self.pending.get(slot as usize).filter(|pending| pending.socket != NONE)?;
        Some((OpId::new(slot, pending.generation), self.requests.at_mut(pending.request)?))
    }

    /// The socket of an operation, if that has not ended.
    pub(super) fn socket_of(&self, id: OpId) -> Option<u32> {
        let pending = self.pending.get(id.slot() as usize)?;
        (pending.socket != NONE && pending.generation == id.generation()).then_some(pending.socket)
    }

    /// An operation has ended. Gives what it was to do.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Request> {
        match std::mem::replace(self.pending.get_mut(slot as usize)?, ABSENT).request {
            POOLED => None,
            request => self.requests.remove_at(request),
        }
    }
}

/// What it is to do, and what it needs for that. The driver's buffers stay where they are until it
/// has ended.
pub(super) enum Request {
    Accept {
        multi: bool,
    },
    /// The system is connecting.
    Connect(Box<socket2::SockAddr>),
    /// The listener of a Unix socket has a full backlog. The system does not tell when it has room.
    ConnectLater(Box<socket2::SockAddr>),
    Recv {
        ptr: *mut u8,
        len: u32,
        flags: Flags,
    },
    RecvParts {
        message: Box<Message>,
        bytes: u32,
        flags: Flags,
    },
    /// A receive without room. It waits until something can be received.
    Readable,
    RecvMulti,
    Discard,
    /// A wait for readiness, of the side that it is on.
    Ready,
    RecvFrom {
        message: Box<Message>,
        flags: Flags,
    },
    RecvFromMulti,
    Send {
        ptr: *mut u8,
        len: u32,
        flags: Flags,
    },
    SendParts {
        message: Box<Message>,
        bytes: u32,
        flags: Flags,
    },
    SendTo {
        message: Box<Message>,
    },
}

/// One stretch of an operation's memory.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) ptr: *mut u8,
    pub(super) len: usize,
}

/// No operation.
pub(super) const NONE: u32 = u32::MAX;

/// One direction of a socket.
pub(super) struct Side {
    pub(super) ready: bool,
    /// It is in the list of directions to be tried.
    pub(super) listed: bool,
    /// The slot of the operation that waits. As bytes, because the alignment of a `u32` would cost
    /// two more.
    pending: [u8; 4],
}

impl Side {
    fn new(ready: bool) -> Side {
        Side { ready, listed: false, pending: NONE.to_ne_bytes() }
    }

    /// The slot of the operation that waits, or [`NONE`].
    #[inline]
    pub(super) fn pending(&self) -> u32 {
        u32::from_ne_bytes(self.pending)
    }

    #[inline]
    pub(super) fn set_pending(&mut self, slot: u32) {
        self.pending = slot.to_ne_bytes();
    }
}

pub(super) struct Socket {
    pub(super) fd: RawFd,
    pub(super) receives: Side,
    pub(super) sends: Side,
    /// A receive that brings less than it could take may not have brought everything: an end, an
    /// error or urgent data is behind it; or it is a Unix socket, where a receive stops behind a
    /// message that carried descriptors.
    pub(super) inexact: bool,
    is_ip: bool,
    /// It is non-blocking. Accepting and connecting need that; other calls are told not to wait.
    nonblocking: bool,
    /// The last byte of the number of a turn in which it brought something.
    turn: u8,
    /// How many bytes it brought in that turn.
    brought: u32,
}

impl Socket {
    /// One that has just been added to the system's list.
    pub(super) fn new(fd: RawFd, is_ip: bool) -> Socket {
        // Linux reports what is ready when a socket is added, so a connection that has brought
        // nothing yet need not be tried. A send will hardly have to wait. On other systems a socket
        // that is not connected is silent, and its receives must fail.
        let receives = Side::new(!cfg!(target_os = "linux"));
        let sends = Side::new(true);
        Socket { fd, receives, sends, inexact: !is_ip, is_ip, nonblocking: false, turn: 0, brought: 0 }
    }

    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Receive => &mut self.receives,
            Direction::Send => &mut self.sends,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.receives.pending() == NONE && self.sends.pending() == NONE
    }

    /// It is about to be connected. What was known of it before no longer holds.
    pub(super) fn forget(&mut self) {
        self.receives.ready = false;
        self.sends.ready = false;
        self.inexact = !self.is_ip;
    }

    /// It has connected or has failed to. Whichever it is, the next call says so. (A datagram
    /// socket may have been receiving all the time.)
    pub(super) fn connect_ended(&mut self) {
        self.receives.ready = true;
        self.sends.ready = true;
        self.set_nonblocking(false);
    }

    /// A new socket of the system, which blocks, is in its place.
    pub(super) fn renewed(&mut self) {
        self.nonblocking = false;
        self.receives.ready = true;
        self.sends.ready = true;
    }

    pub(super) fn set_nonblocking(&mut self, nonblocking: bool) {
        if std::mem::replace(&mut self.nonblocking, nonblocking) != nonblocking {
            connect::set_nonblocking(self.fd, nonblocking);
        }
    }

    /// A receive brought `bytes` bytes where there was `room`. If it is less, there is no more.
    pub(super) fn received(&mut self, bytes: usize, room: usize) {
        if bytes < room && !self.inexact {
            self.receives.ready = false;
        }
    }

    /// A send took `bytes` of the bytes that were offered. If it is less, there is no more room.
    pub(super) fn sent(&mut self, bytes: usize, offered: usize) {
        if bytes < offered {
            self.sends.ready = false;
        }
    }

    /// Counts bytes that it has brought in a turn; says whether its share is used up.
    pub(super) fn counts(&mut self, turn: u32, bytes: u32, share: u32) -> bool {
        // A socket that takes an old turn for this one only goes on in the next one.
        if self.turn != turn as u8 {
            (self.turn, self.brought) = (turn as u8, 0);
        }
        self.brought = self.brought.saturating_add(bytes);
        share > 0 && self.brought >= share
    }
}
