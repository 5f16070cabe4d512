//! What is known of each socket: which direction is ready, and which request waits for it.
//!
//! In edge mode the system says once that a socket has become ready. So what it said is kept until a call has shown that it holds no longer:
//! the call would have had to wait, or moved less than it was asked to. A belief that is wrong in the one direction (ready) costs a call in vain;
//! in the other (not ready) it would cost the wake-up, so nothing but such a call takes readiness away.

use std::os::fd::RawFd;

use crate::flags::{Direction, Flags};

use super::super::message::Message;
use super::connect;

/// A request that has not ended, in a table by its operation's slot. Most of a server's are the pooled receives of idle sockets.
pub(super) struct Pending {
    pub(super) generation: u32,
    pub(super) socket: u32,
    pub(super) what: What,
}

const _: () = assert!(size_of::<Option<Pending>>() <= 24 && size_of::<Socket>() <= 32);

/// What it is to do, with what it needs for that: the driver's buffers stay where they are until it has ended.
pub(super) enum What {
    Accept {
        multi: bool,
    },
    /// The system is connecting.
    Connect,
    /// The listener of a Unix socket has a full backlog; nobody will tell when it has not.
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
    /// A receive without room: it waits until something could be received.
    Readable,
    RecvPooled,
    Discard,
    RecvFrom {
        message: Box<Message>,
        flags: Flags,
    },
    RecvFromPooled,
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

/// No request.
pub(super) const NONE: u32 = u32::MAX;

/// One direction of a socket.
pub(super) struct Side {
    pub(super) ready: bool,
    /// It is in the list of those to be tried.
    pub(super) listed: bool,
    /// The operation's slot of the request that waits.
    pub(super) pending: u32,
}

pub(super) struct Socket {
    pub(super) fd: RawFd,
    pub(super) receives: Side,
    pub(super) sends: Side,
    /// A receive that brings less than it could take has not necessarily brought everything: there is an end or an error behind it, or urgent
    /// data, at which a receive stops; or it is a Unix socket, where it stops behind a message that carried descriptors.
    pub(super) inexact: bool,
    is_ip: bool,
    /// Its calls do not wait, which accepting and connecting cannot be told each time.
    nonblocking: bool,
    /// What it has brought, and the turn in which.
    pub(super) turn: u32,
    pub(super) brought: u32,
}

impl Socket {
    /// One that has just been added to the system's list.
    pub(super) fn new(fd: RawFd, is_ip: bool) -> Socket {
        // Linux tells of what is ready when a socket is added; that saves looking at a connection which has brought nothing yet. A send
        // will hardly have to wait. Elsewhere a socket that is not connected is silent, and its receives must fail.
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

    /// It is about to be connected: what was said of it before means nothing then.
    pub(super) fn forget(&mut self) {
        self.receives.ready = false;
        self.sends.ready = false;
        self.inexact = !self.is_ip;
    }

    pub(super) fn set_nonblocking(&mut self, nonblocking: bool) {
        if std::mem::replace(&mut self.nonblocking, nonblocking) != nonblocking {
            connect::set_nonblocking(self.fd, nonblocking);
        }
    }

    /// So many bytes have come where there was room for more or as many: whether there is more is known by that.
    pub(super) fn received(&mut self, bytes: usize, room: usize) {
        if bytes < room && !self.inexact {
            self.receives.ready = false;
        }
    }

    /// So many bytes were taken of those that were offered.
    pub(super) fn sent(&mut self, bytes: usize, offered: usize) {
        if bytes < offered {
            self.sends.ready = false;
        }
    }

    /// Counts what it has brought in a turn; says whether that is more than its share.
    pub(super) fn counts(&mut self, turn: u32, bytes: u32, share: u32) -> bool {
        if self.turn != turn {
            (self.turn, self.brought) = (turn, 0);
        }
        self.brought = self.brought.saturating_add(bytes);
        share > 0 && self.brought >= share
    }
}
