//! What is known of each socket: which direction is ready, and which operation waits for it.
//!
//! In edge mode the system says once that a socket has become ready. So readiness is kept until a
//! call shows that it has ended: the call would have had to wait, or moved less than it was asked
//! to. Believing wrongly that a socket is ready costs one call. Believing wrongly that it is not
//! would lose the wake-up, so nothing but such a call takes readiness away.

use std::os::fd::RawFd;

use crate::flags::{Direction, Flags};

use super::super::message::Message;
use super::connect;

/// An operation that has not ended, by its slot. Most of a server's are the pooled receives of idle
/// sockets.
pub(super) struct Pending {
    pub(super) generation: u32,
    pub(super) socket: u32,
    pub(super) request: Request,
}

const _: () = assert!(size_of::<Option<Pending>>() <= 24 && size_of::<Socket>() <= 32);

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
    /// The slot of the operation that waits.
    pub(super) pending: u32,
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
    /// Bytes that it brought in a turn, and which turn that was.
    pub(super) turn: u32,
    pub(super) brought: u32,
}

impl Socket {
    /// One that has just been added to the system's list.
    pub(super) fn new(fd: RawFd, is_ip: bool) -> Socket {
        // Linux reports what is ready when a socket is added, so a connection that has brought
        // nothing yet need not be tried. A send will hardly have to wait. On other systems a socket
        // that is not connected is silent, and its receives must fail.
        let receives = Side { ready: !cfg!(target_os = "linux"), listed: false, pending: NONE };
        let sends = Side { ready: true, listed: false, pending: NONE };
        Socket { fd, receives, sends, inexact: !is_ip, is_ip, nonblocking: false, turn: 0, brought: 0 }
    }

    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Receive => &mut self.receives,
            Direction::Send => &mut self.sends,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.receives.pending == NONE && self.sends.pending == NONE
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
        if self.turn != turn {
            (self.turn, self.brought) = (turn, 0);
        }
        self.brought = self.brought.saturating_add(bytes);
        share > 0 && self.brought >= share
    }
}
