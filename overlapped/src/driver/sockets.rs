//! The table of sockets, each with a queue of receives and a queue of sends.
//!
//! Only the head of a queue is with the backend: io_uring does not promise an order for several
//! requests that are pending on one socket. A listener's accepts are in its queue of receives;
//! connects and shutdowns keep their place among the sends.

use std::num::NonZeroI32;

use crate::error::ErrorKind;
use crate::flags::{Direction, Role};
use crate::id::SocketId;
use crate::sys::handle::Handle;
use crate::table::Table;

use super::operations::{NONE, Operations};

/// The most sockets: the number of a socket is not [`NONE`].
pub(super) const MOST_SOCKETS: usize = NONE as usize - 1;

/// A queue of operations: a list that is threaded through their slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    head: u32,
    tail: u32,
    len: u32,
}

impl Queue {
    const EMPTY: Queue = Queue { head: NONE, tail: NONE, len: 0 };

    #[inline]
    pub(super) fn head(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Puts a new operation at the end.
    #[inline]
    pub(super) fn push(&mut self, operations: &mut Operations, slot: u32) {
        match self.tail {
            NONE => self.head = slot,
            tail => {
                operations[tail].next = slot;
                operations[slot].before = tail;
            }
        }
        self.tail = slot;
        self.len += 1;
    }

    /// Takes the first operation out.
    #[inline]
    pub(super) fn pop(&mut self, operations: &mut Operations) {
        self.head = std::mem::replace(&mut operations[self.head].next, NONE);
        match self.head {
            NONE => self.tail = NONE,
            head => operations[head].before = NONE,
        }
        self.len -= 1;
    }

    /// Takes out an operation that is in this queue, wherever it is.
    pub(super) fn remove(&mut self, operations: &mut Operations, slot: u32) {
        let operation = &mut operations[slot];
        let before = std::mem::replace(&mut operation.before, NONE);
        let next = std::mem::replace(&mut operation.next, NONE);
        match before {
            NONE => self.head = next,
            before => operations[before].next = next,
        }
        match next {
            NONE => self.tail = before,
            next => operations[next].before = before,
        }
        self.len -= 1;
    }

    /// The slots of its operations, in order.
    pub(super) fn slots(&self, operations: &Operations) -> Vec<u32> {
        std::iter::successors(self.head(), |at| Some(operations[*at].next).filter(|next| *next != NONE)).collect()
    }
}

pub(super) struct Socket {
    /// Absent while the backend closes it.
    pub(super) handle: Option<Handle>,
    pub(super) receives: Queue,
    pub(super) sends: Queue,
    /// The slot of the close that was started on it.
    pub(super) closing: u32,
    pub(super) role: Role,
    /// The peer's stream has been read to its end, so there is nothing to discard.
    pub(super) ended: bool,
    /// It has been shut down for sending, here.
    pub(super) shut: bool,
    /// It has been shut down for receiving. Only the driver knows that. If the system were told, it
    /// would report the end of a stream that goes on, and a graceful close could not wait for its
    /// end.
    pub(super) deaf: bool,
    /// The connection is dead, so there is nothing to flush or to wait for.
    pub(super) dead: bool,
    /// The code of what the connection died of: a reset, or a peer that did not answer in time.
    pub(super) death: Option<NonZeroI32>,
    /// A send was cut short, for this reason. What would follow it would follow a hole.
    pub(super) broken: Option<ErrorKind>,
    /// It has, or had, a connection.
    pub(super) connected: bool,
    /// A connect is with the backend, or about to be. Receives wait for it.
    pub(super) connecting: bool,
}

impl Socket {
    pub(super) fn new(handle: Handle, role: Role, connected: bool) -> Socket {
        Socket {
            handle: Some(handle),
            receives: Queue::EMPTY,
            sends: Queue::EMPTY,
            closing: NONE,
            role,
            ended: false,
            shut: false,
            deaf: false,
            dead: false,
            death: None,
            broken: None,
            connected,
            connecting: false,
        }
    }

    #[inline]
    pub(super) fn queue(&mut self, direction: Direction) -> &mut Queue {
        match direction {
            Direction::Receive => &mut self.receives,
            Direction::Send => &mut self.sends,
        }
    }

    /// It has a connection now. What operations found before says nothing of it.
    pub(super) fn connected(&mut self) {
        self.ended = false;
        self.deaf = false;
        self.dead = false;
        self.death = None;
        self.connected = true;
    }

    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.closing != NONE
    }

    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.receives.is_empty() && self.sends.is_empty()
    }
}

// On Windows a socket's handle is larger.
#[cfg(unix)]
const _: () = assert!(Table::<Socket>::BYTES_PER_VALUE <= 72);

/// A driver's sockets.
pub(super) type Sockets = Table<Socket>;

/// The slot and the entry of a socket that is not being closed.
#[inline]
pub(super) fn find(sockets: &mut Sockets, id: SocketId) -> Option<(u32, &mut Socket)> {
    let socket = sockets.get_mut(id.0)?;
    (!socket.is_closing()).then_some((id.slot(), socket))
}
