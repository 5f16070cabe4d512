//! The table of sockets, each with a queue of receives and a queue of sends.
//!
//! Only the head of a queue is with the backend: io_uring does not promise an order for several
//! requests that are pending on one socket. A listener's accepts are in its queue of receives;
//! connects and shutdowns keep their place among the sends.

use std::num::NonZeroI32;

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

    /// Puts a new operation, whose `next` is [`NONE`], at the end.
    #[inline]
    pub(super) fn push(&mut self, operations: &mut Operations, slot: u32) {
        match self.tail {
            NONE => self.head = slot,
            tail => operations[tail].next = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    /// Takes the first operation out.
    #[inline]
    pub(super) fn pop(&mut self, operations: &mut Operations) {
        self.head = std::mem::replace(&mut operations[self.head].next, NONE);
        if self.head == NONE {
            self.tail = NONE;
        }
        self.len -= 1;
    }

    /// Takes an operation out, wherever it is; says whether it was in this queue.
    pub(super) fn remove(&mut self, operations: &mut Operations, slot: u32) -> bool {
        let (mut before, mut at) = (NONE, self.head);
        while at != slot {
            if at == NONE {
                return false;
            }
            (before, at) = (at, operations[at].next);
        }
        let after = std::mem::replace(&mut operations[slot].next, NONE);
        match before {
            NONE => self.head = after,
            before => operations[before].next = after,
        }
        if self.tail == slot {
            self.tail = before;
        }
        self.len -= 1;
        true
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
    /// The peer has reset the connection, with this code.
    pub(super) reset: Option<NonZeroI32>,
    /// A connect is with the backend, or about to be. Receives wait for it.
    pub(super) connecting: bool,
    /// A send was cut short. What would follow it would follow a hole.
    pub(super) broken: bool,
}

impl Socket {
    pub(super) fn new(handle: Handle, role: Role) -> Socket {
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
            reset: None,
            connecting: false,
            broken: false,
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
        self.reset = None;
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
pub(super) struct Sockets(Table<Socket>);

impl Sockets {
    pub(super) fn new(limit: usize) -> Sockets {
        Sockets(Table::with_limit(limit))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// The slot that the next socket gets.
    pub(super) fn next_slot(&self) -> u32 {
        self.0.next_key().slot()
    }

    /// Adds a socket. The caller has checked that the table is not full.
    pub(super) fn insert(&mut self, handle: Handle, role: Role) -> SocketId {
        SocketId(self.0.insert(Socket::new(handle, role)))
    }

    /// Removes a socket on which nothing is in flight. Its handle, if it still has it, is the
    /// caller's.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Handle> {
        let socket = self.0.remove_at(slot)?;
        debug_assert!(socket.is_idle());
        socket.handle
    }

    /// The handles of all sockets.
    pub(super) fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.0.iter().filter_map(|(_, socket)| socket.handle.as_ref())
    }

    /// The slot and the entry of a socket that is not being closed.
    #[inline]
    pub(super) fn find(&mut self, id: SocketId) -> Option<(u32, &mut Socket)> {
        let socket = self.0.get_mut(id.0)?;
        (!socket.is_closing()).then_some((id.slot(), socket))
    }

    /// The handle of a socket that is not being closed.
    pub(super) fn handle(&self, id: SocketId) -> Option<&Handle> {
        self.0.get(id.0).filter(|socket| !socket.is_closing())?.handle.as_ref()
    }
}

/// The socket in a slot.
impl std::ops::Index<u32> for Sockets {
    type Output = Socket;
    #[inline]
    fn index(&self, slot: u32) -> &Socket {
        &self.0[slot]
    }
}

impl std::ops::IndexMut<u32> for Sockets {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut Socket {
        &mut self.0[slot]
    }
}
