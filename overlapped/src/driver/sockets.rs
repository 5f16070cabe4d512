//! The table of sockets, each with a queue of receives and a queue of sends.
//!
//! Only the head of a queue is with the backend: several requests pending in io_uring on one socket are served in no promised
//! order. A listener's accepts are its receives; connects and shutdowns keep their place among the sends.

use std::num::NonZeroI32;

use crate::flags::{Direction, Role};
use crate::id::SocketId;
use crate::sys::Handle;

use super::slots::{NONE, Slots};

/// A queue of operations, threaded through their slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    head: u32,
    tail: u32,
    len: u32,
}

impl Queue {
    const EMPTY: Queue = Queue { head: NONE, tail: NONE, len: 0 };

    pub(super) fn head(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn push(&mut self, slots: &mut Slots, index: u32) {
        slots[index].next = NONE;
        if self.tail == NONE {
            self.head = index;
        } else {
            slots[self.tail].next = index;
        }
        self.tail = index;
        self.len += 1;
    }

    /// Takes an operation out, wherever it stands; says whether it was in.
    pub(super) fn remove(&mut self, slots: &mut Slots, index: u32) -> bool {
        let (mut before, mut at) = (NONE, self.head);
        while at != index {
            if at == NONE {
                return false;
            }
            (before, at) = (at, slots[at].next);
        }
        let after = std::mem::replace(&mut slots[index].next, NONE);
        if before == NONE {
            self.head = after;
        } else {
            slots[before].next = after;
        }
        if self.tail == index {
            self.tail = before;
        }
        self.len -= 1;
        true
    }

    pub(super) fn indices(&self, slots: &Slots) -> Vec<u32> {
        std::iter::successors(self.head(), |at| Some(slots[*at].next).filter(|next| *next != NONE)).collect()
    }
}

pub(super) struct Socket {
    generation: u32,
    /// Absent while the entry is free, and while the backend closes it.
    pub(super) handle: Option<Handle>,
    pub(super) receives: Queue,
    pub(super) sends: Queue,
    /// The slot of the close that was started on it; while the entry is free, the next free one.
    pub(super) closing: u32,
    pub(super) role: Role,
    /// The peer's stream has been read to its end, so there is nothing to discard.
    pub(super) ended: bool,
    /// It has been shut down for sending, here.
    pub(super) shut: bool,
    /// It has been shut down for receiving. That is the driver's business alone: were the system told, it would say of a stream that goes on that it has ended, and a graceful
    /// close could not wait for its end.
    pub(super) deaf: bool,
    /// The connection is dead, so there is nothing to flush or to wait for.
    pub(super) dead: bool,
    /// The peer has reset the connection, said this code.
    pub(super) reset: Option<NonZeroI32>,
    /// A send was cut short: what would follow it would follow a hole.
    pub(super) broken: bool,
}

impl Socket {
    pub(super) fn queue(&mut self, direction: Direction) -> &mut Queue {
        match direction {
            Direction::Receive => &mut self.receives,
            Direction::Send => &mut self.sends,
        }
    }

    /// It has a connection now. What operations found that came before says nothing of it.
    pub(super) fn connected(&mut self) {
        self.ended = false;
        self.deaf = false;
        self.dead = false;
        self.reset = None;
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing != NONE
    }

    pub(super) fn is_idle(&self) -> bool {
        self.receives.is_empty() && self.sends.is_empty()
    }
}

// On Windows a socket's handle is larger.
#[cfg(unix)]
const _: () = assert!(size_of::<Socket>() <= 72);

pub(super) struct Sockets {
    entries: Vec<Socket>,
    free: u32,
    live: usize,
    limit: usize,
}

impl Sockets {
    pub(super) fn new(limit: usize) -> Sockets {
        Sockets { entries: Vec::new(), free: NONE, live: 0, limit }
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn is_full(&self) -> bool {
        self.live >= self.limit
    }

    /// The entry that the next socket gets.
    pub(super) fn next_slot(&self) -> u32 {
        match self.free {
            NONE => self.entries.len() as u32,
            free => free,
        }
    }

    pub(super) fn insert(&mut self, handle: Handle, role: Role) -> SocketId {
        debug_assert!(!self.is_full());
        self.live += 1;
        let generation = match self.free {
            NONE => 0,
            free => self.entries[free as usize].generation,
        };
        let entry = Socket {
            generation,
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
            broken: false,
        };
        let slot = match self.free {
            NONE => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
            free => {
                self.free = self.entries[free as usize].closing;
                self.entries[free as usize] = entry;
                free
            }
        };
        SocketId::new(slot, generation)
    }

    /// Frees an entry on which nothing is in flight; its handle, if it still has it, is the caller's.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Handle> {
        let entry = &mut self.entries[slot as usize];
        debug_assert!(entry.is_idle());
        entry.generation = entry.generation.wrapping_add(1);
        entry.closing = std::mem::replace(&mut self.free, slot);
        self.live -= 1;
        entry.handle.take()
    }

    /// The entry of a socket that is there and not being closed.
    pub(super) fn find(&self, id: SocketId) -> Option<u32> {
        let entry = self.entries.get(id.slot() as usize)?;
        (entry.generation == id.generation() && entry.handle.is_some() && !entry.is_closing()).then_some(id.slot())
    }
}

impl std::ops::Index<u32> for Sockets {
    type Output = Socket;
    fn index(&self, slot: u32) -> &Socket {
        &self.entries[slot as usize]
    }
}

impl std::ops::IndexMut<u32> for Sockets {
    fn index_mut(&mut self, slot: u32) -> &mut Socket {
        &mut self.entries[slot as usize]
    }
}
