//! The table of sockets, each with a queue of receives and a queue of sends.
//!
//! Only the head of a queue is with the backend: io_uring does not promise an order for several
//! requests that are pending on one socket. A listener's accepts are in its queue of receives;
//! connects and shutdowns keep their place among the sends.

use crate::error::ErrorKind;
use crate::flags::{Direction, Role};
use crate::id::SocketId;
use crate::sys::handle::Handle;
use crate::table::Table;

use super::operations::{NONE, Operations};

/// The most sockets: the number of a socket is not [`NONE`].
pub(super) const MOST_SOCKETS: usize = NONE as usize - 1;

/// The most operations in a queue.
pub(crate) const MOST_QUEUED: usize = u16::MAX as usize;

/// A queue of operations: a list that is threaded through their slots. What is before the head is
/// the tail. There are two for each socket, so it is in few bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    head: [u8; 4],
    len: u16,
}

impl Queue {
    const EMPTY: Queue = Queue { head: NONE.to_ne_bytes(), len: 0 };

    #[inline]
    fn first(&self) -> u32 {
        u32::from_ne_bytes(self.head)
    }

    #[inline]
    fn set_first(&mut self, slot: u32) {
        self.head = slot.to_ne_bytes();
    }

    #[inline]
    pub(super) fn head(&self) -> Option<u32> {
        Some(self.first()).filter(|head| *head != NONE)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first() == NONE
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.into()
    }

    /// Puts a new operation at the end.
    #[inline]
    pub(super) fn push(&mut self, operations: &mut Operations, slot: u32) {
        let tail = match self.first() {
            NONE => {
                self.set_first(slot);
                slot
            }
            head => {
                let tail = std::mem::replace(&mut operations[head].before, slot);
                operations[tail].next = slot;
                tail
            }
        };
        operations[slot].before = tail;
        self.len += 1;
    }

    /// Takes the first operation out.
    #[inline]
    pub(super) fn pop(&mut self, operations: &mut Operations) {
        let first = &mut operations[self.first()];
        let tail = std::mem::replace(&mut first.before, NONE);
        let next = std::mem::replace(&mut first.next, NONE);
        if next != NONE {
            operations[next].before = tail;
        }
        self.set_first(next);
        self.len -= 1;
    }

    /// Takes out an operation that is in this queue, wherever it is.
    pub(super) fn remove(&mut self, operations: &mut Operations, slot: u32) {
        let head = self.first();
        if slot == head {
            return self.pop(operations);
        }
        let operation = &mut operations[slot];
        let before = std::mem::replace(&mut operation.before, NONE);
        let next = std::mem::replace(&mut operation.next, NONE);
        operations[before].next = next;
        // Behind the last one comes the head, which knows the tail.
        let behind = if next == NONE { head } else { next };
        operations[behind].before = before;
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
    /// The code of what the connection died of, [`ALIVE`] or [`DEAD`].
    death: i16,
    /// A send was cut short, for this reason. What would follow it would follow a hole.
    pub(super) broken: Option<ErrorKind>,
    link: Link,
}

/// The connection lives, as far as anyone knows.
const ALIVE: i16 = 0;
/// It is dead, and the code of that is not known. No system has this code.
const DEAD: i16 = -1;

/// What is known of a socket's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    None,
    /// It has, or had, a connection.
    Connected,
    /// A connect is with the backend, or about to be.
    Connecting,
    /// The same, of one that has, or had, a connection.
    ConnectingAgain,
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
            death: ALIVE,
            broken: None,
            link: if connected { Link::Connected } else { Link::None },
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
        self.death = ALIVE;
        self.link = match self.link {
            Link::None | Link::Connected => Link::Connected,
            Link::Connecting | Link::ConnectingAgain => Link::ConnectingAgain,
        };
    }

    /// It has, or had, a connection.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.link, Link::Connected | Link::ConnectingAgain)
    }

    /// A connect is with the backend, or about to be. Receives wait for it.
    #[inline]
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.link, Link::Connecting | Link::ConnectingAgain)
    }

    pub(super) fn set_connecting(&mut self, connecting: bool) {
        self.link = match (self.is_connected(), connecting) {
            (false, false) => Link::None,
            (true, false) => Link::Connected,
            (false, true) => Link::Connecting,
            (true, true) => Link::ConnectingAgain,
        };
    }

    /// The connection is dead, so there is nothing to flush or to wait for.
    pub(super) fn is_dead(&self) -> bool {
        self.death != ALIVE
    }

    /// The code of what the connection died of: a reset, or a peer that did not answer in time.
    pub(super) fn death(&self) -> Option<i32> {
        (self.death > 0).then_some(self.death.into())
    }

    /// The connection is dead; of what, if that is known. The first cause stays.
    pub(super) fn died(&mut self, code: Option<i32>) {
        if self.death().is_none() {
            self.death = code.and_then(|code| code.try_into().ok()).filter(|code| *code > 0).unwrap_or(DEAD);
        }
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
#[cfg(all(unix, target_pointer_width = "64"))]
const _: () = assert!(Table::<Socket>::BYTES_PER_VALUE <= 48);

/// A driver's sockets.
pub(super) type Sockets = Table<Socket>;

/// The slot and the entry of a socket that is not being closed.
#[inline]
pub(super) fn find(sockets: &mut Sockets, id: SocketId) -> Option<(u32, &mut Socket)> {
    let socket = sockets.get_mut(id.0)?;
    (!socket.is_closing()).then_some((id.slot(), socket))
}
