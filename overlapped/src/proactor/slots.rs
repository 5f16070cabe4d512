//! The tables of a proactor: operations, and sockets. What the driver's thread has to do is a queue threaded through the operations' slots.

use std::sync::Weak;
use std::task::Waker;

use crate::ending::{Parcel, Raw};
use crate::error::Action;
use crate::flags::{Direction, Flags, Role};
use crate::id::{OpId, SocketId};
use crate::notify::Notify;
use crate::op::Start;
use crate::socket::SocketInner;
use crate::sys::Stream;

pub(super) const NONE: u32 = u32::MAX;

/// How far an operation has come.
pub(super) enum Stage {
    Free,
    /// Waiting for the driver's thread to hand it to the driver.
    Starting(Parcel),
    /// With the driver, under this name.
    Started(OpId),
    /// Ended, and not yet asked for.
    Ended(Raw),
}

pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) stage: Stage,
    /// In the queue of the driver's thread; the one behind it there, or the next free slot.
    pub(super) listed: bool,
    pub(super) next: u32,
    pub(super) cancelled: bool,
    /// There is no handle any more: when it has ended its slot is free.
    pub(super) detached: bool,
    pub(super) has_buf: bool,
    pub(super) action: Action,
    pub(super) flags: Flags,
    pub(super) direction: Option<Direction>,
    pub(super) socket: u32,
    pub(super) notify: Notify,
    /// Who waits on the handle: a task, or a thread that asked for the result.
    pub(super) waker: Option<Waker>,
}

pub(super) enum Place {
    Free {
        next: u32,
    },
    /// The driver has not heard of it yet.
    New(Stream),
    Driver(SocketId),
}

pub(super) struct Entry {
    pub(super) generation: u32,
    pub(super) place: Place,
    pub(super) role: Role,
    pub(super) closing: bool,
    /// An operation on a stream has failed, or it was shut down. What that means for those after it the driver knows, so none is done without it.
    pub(super) failed: bool,
    /// Operations in flight, each way.
    pub(super) receives: u32,
    pub(super) sends: u32,
    /// The handles' side of it, while there is a handle.
    pub(super) inner: Weak<SocketInner>,
}

impl Entry {
    pub(super) fn count(&mut self, direction: Direction) -> &mut u32 {
        match direction {
            Direction::Receive => &mut self.receives,
            Direction::Send => &mut self.sends,
        }
    }
}

/// Everything under the proactor's lock.
pub(super) struct Tables {
    /// Operations can be started.
    pub(super) open: bool,
    pub(super) slots: Vec<Slot>,
    free_slot: u32,
    pub(super) operations: usize,
    pub(super) buffers: usize,
    head: u32,
    tail: u32,
    pub(super) entries: Vec<Entry>,
    free_entry: u32,
    pub(super) sockets: usize,
}

impl Tables {
    pub(super) fn new() -> Tables {
        Tables {
            open: true,
            slots: Vec::new(),
            free_slot: NONE,
            operations: 0,
            buffers: 0,
            head: NONE,
            tail: NONE,
            entries: Vec::new(),
            free_entry: NONE,
            sockets: 0,
        }
    }

    pub(super) fn insert(&mut self, parcel: Parcel, socket: u32, notify: Notify, detached: bool) -> OpId {
        let start = parcel.start();
        let (action, direction, has_buf) = (start.action(), start.direction(), start.has_buf());
        self.operations += 1;
        self.buffers += usize::from(has_buf);
        let mut slot = Slot {
            generation: 0,
            flags: start.flags(),
            stage: Stage::Starting(parcel),
            listed: false,
            next: NONE,
            cancelled: false,
            detached,
            has_buf,
            action,
            direction,
            socket,
            notify,
            waker: None,
        };
        let index = self.free_slot;
        if index == NONE {
            self.slots.push(slot);
            return OpId::new(self.slots.len() as u32 - 1, 0);
        }
        let free = &mut self.slots[index as usize];
        slot.generation = free.generation;
        self.free_slot = free.next;
        *free = slot;
        OpId::new(index, self.slots[index as usize].generation)
    }

    /// Frees a slot; what was in it is the caller's, to be dropped outside the lock.
    pub(super) fn remove(&mut self, index: u32) -> (Stage, Notify, Option<Waker>) {
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        let stage = std::mem::replace(&mut slot.stage, Stage::Free);
        let notify = std::mem::take(&mut slot.notify);
        let waker = slot.waker.take();
        self.operations -= 1;
        self.buffers -= usize::from(slot.has_buf);
        if !slot.listed {
            slot.next = self.free_slot;
            self.free_slot = index;
        }
        (stage, notify, waker)
    }

    pub(super) fn find(&mut self, id: OpId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.slot() as usize)?;
        (slot.generation == id.generation() && !matches!(slot.stage, Stage::Free)).then_some(slot)
    }

    /// Puts a slot into the queue of the driver's thread; says whether the queue was empty before.
    pub(super) fn list(&mut self, index: u32) -> bool {
        let slot = &mut self.slots[index as usize];
        if std::mem::replace(&mut slot.listed, true) {
            return false;
        }
        slot.next = NONE;
        match self.tail {
            NONE => self.head = index,
            tail => self.slots[tail as usize].next = index,
        }
        let first = self.tail == NONE;
        self.tail = index;
        first
    }

    /// Takes the first out of that queue.
    pub(super) fn unlist(&mut self) -> Option<u32> {
        loop {
            let index = self.head;
            if index == NONE {
                return None;
            }
            let slot = &mut self.slots[index as usize];
            slot.listed = false;
            self.head = slot.next;
            if self.head == NONE {
                self.tail = NONE;
            }
            if !matches!(slot.stage, Stage::Free) {
                slot.next = NONE;
                return Some(index);
            }
            // It was freed while it stood here.
            slot.next = self.free_slot;
            self.free_slot = index;
        }
    }

    pub(super) fn insert_entry(&mut self, stream: Stream, role: Role) -> SocketId {
        self.sockets += 1;
        let place = Place::New(stream);
        if self.free_entry == NONE {
            self.entries.push(Entry {
                generation: 0,
                place,
                role,
                closing: false,
                failed: false,
                receives: 0,
                sends: 0,
                inner: Weak::new(),
            });
            return SocketId::new(self.entries.len() as u32 - 1, 0);
        }
        let slot = self.free_entry;
        let entry = &mut self.entries[slot as usize];
        let Place::Free { next } = entry.place else { unreachable!("a free entry is free") };
        self.free_entry = next;
        entry.place = place;
        entry.role = role;
        entry.closing = false;
        entry.failed = false;
        SocketId::new(slot, entry.generation)
    }

    pub(super) fn remove_entry(&mut self, index: u32) -> Place {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.inner = Weak::new();
        let place = std::mem::replace(&mut entry.place, Place::Free { next: self.free_entry });
        self.free_entry = index;
        self.sockets -= 1;
        place
    }

    /// Frees an entry, if it is not free.
    pub(super) fn take_entry(&mut self, index: u32) -> Option<Place> {
        match self.entries[index as usize].place {
            Place::Free { .. } => None,
            _ => Some(self.remove_entry(index)),
        }
    }

    pub(super) fn find_entry(&mut self, id: SocketId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.slot() as usize)?;
        (entry.generation == id.generation() && !matches!(entry.place, Place::Free { .. })).then_some(entry)
    }

    /// There is always room for a close, and for the rest of a send that has begun: every socket brings its own.
    pub(super) fn is_full(&self, start: &Start, limit: usize) -> bool {
        !matches!(start, Start::Close { .. } | Start::Send { done: 1.., .. }) && self.operations >= limit
    }
}
