//! The table of operations: slots that are used again under a new generation.

use crate::address::Address;
use crate::buf::AnyBuf;
use crate::error::Action;
use crate::flags::{Direction, Flags, ShutdownHow};
use crate::id::OpId;
use crate::time::Time;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The slot is free.
    Free,
    /// Behind another operation in its socket's queue.
    Queued,
    /// To be handed to the backend when it next has room.
    Submitting,
    /// With the backend, which owes an event.
    Kernel,
    /// Started, but not with the backend: a timer, a close that waits for other operations, a receive
    /// that waits for a pooled buffer, an accept that waits for a descriptor.
    Parked,
    /// Ended; its completion waits to be taken.
    Ready,
    /// Ended because the backend has failed, which may still have it.
    Orphaned,
}

/// What an operation does, and the part of its state that belongs to that.
#[derive(Debug)]
pub(super) enum What {
    Accept {
        multi: bool,
    },
    /// To the address in its [`Cargo`].
    Connect,
    Recv {
        flags: Flags,
    },
    RecvMulti,
    Send {
        flags: Flags,
    },
    RecvFrom {
        flags: Flags,
    },
    RecvFromMulti,
    /// To the address in its [`Cargo`].
    SendTo,
    Shutdown {
        how: ShutdownHow,
    },
    /// By a reset, if it is to `abort`.
    Close {
        abort: bool,
        step: CloseStep,
    },
    Timer,
}

impl What {
    pub(super) fn action(&self) -> Action {
        match self {
            What::Accept { .. } => Action::Accept,
            What::Connect => Action::Connect,
            What::Recv { .. } | What::RecvMulti | What::RecvFrom { .. } | What::RecvFromMulti => Action::Receive,
            What::Send { .. } | What::SendTo => Action::Send,
            What::Shutdown { .. } => Action::Shutdown,
            What::Close { .. } => Action::Close,
            What::Timer => Action::Timer,
        }
    }

    /// The queue it stands in.
    pub(super) fn direction(&self) -> Option<Direction> {
        match self {
            What::Accept { .. } | What::Recv { .. } | What::RecvMulti | What::RecvFrom { .. } | What::RecvFromMulti => {
                Some(Direction::Receive)
            }
            What::Connect | What::Send { .. } | What::SendTo | What::Shutdown { .. } => Some(Direction::Send),
            What::Close { .. } | What::Timer => None,
        }
    }
}

/// How far a close has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseStep {
    /// Sends started before are on their way out.
    Flushing,
    /// Telling the peer that no more will come.
    ShuttingDown,
    /// Reading to the end of the peer's stream.
    Discarding,
    /// Everything in flight is being cancelled.
    Ending,
    /// The socket itself is being closed.
    Closing,
}

/// An operation. Most of a server's are the receives of sessions that are idle, so it is small: 48 bytes.
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) stage: Stage,
    /// Someone asked to cancel it.
    pub(super) cancelled: bool,
    /// A graceful close ran out of time, or met an error: the close's verdict.
    pub(super) verdict: Verdict,
    /// It is in the driver's list of slots to be looked at before the next wait.
    pub(super) listed: bool,
    /// Its socket's slot.
    pub(super) socket: u32,
    /// The operation behind it in its socket's queue, or the next free slot.
    pub(super) next: u32,
    /// Where its cargo is.
    cargo: u32,
    pub(super) what: What,
    pub(super) token: u64,
    /// The entry in the timers that belongs to it; `MAX` if there is none.
    pub(super) deadline: Time,
}

const _: () = assert!(size_of::<Slot>() <= 48);

/// What an operation owns, if it is one that owns anything, and how far it has come.
#[derive(Default)]
pub(super) struct Cargo {
    pub(super) buf: Option<AnyBuf>,
    pub(super) address: Option<Address>,
    /// Bytes moved so far, and bytes there are to move.
    pub(super) progress: u64,
    pub(super) total: u64,
}

/// How a close will be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Clean,
    Expired,
    Hastened,
    Failed(i32),
}

/// Slots, and which of them are free. Grows to its limit and never shrinks; indices stay below 2^24, because a backend packs them
/// beside other things.
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: u32,
    /// In a table of their own, because few operations have any. What was used last is used again first.
    cargos: Vec<Cargo>,
    free_cargos: Vec<u32>,
    live: usize,
    /// Of the live ones, how many own a buffer.
    buffers: usize,
    limit: usize,
}

pub(super) const MOST_SLOTS: usize = 1 << 24;

impl Slots {
    pub(super) fn new(limit: usize) -> Slots {
        Slots {
            slots: Vec::new(),
            free: NONE,
            cargos: Vec::new(),
            free_cargos: Vec::new(),
            live: 0,
            buffers: 0,
            limit: limit.min(MOST_SLOTS),
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn buffers(&self) -> usize {
        self.buffers
    }

    pub(super) fn is_full(&self) -> bool {
        self.live >= self.limit
    }

    /// There are to be no more.
    pub(super) fn close(&mut self) {
        self.limit = 0;
    }

    /// Takes a free slot for an operation. The caller has seen that the table is not full.
    pub(super) fn insert(&mut self, socket: u32, token: u64, what: What, cargo: Option<Cargo>) -> u32 {
        debug_assert!(!self.is_full());
        self.live += 1;
        let cargo = cargo.map_or(NONE, |cargo| self.stow(cargo));
        if self.free != NONE {
            let index = self.free;
            let slot = &mut self.slots[index as usize];
            debug_assert_eq!(slot.stage, Stage::Free);
            self.free = slot.next;
            slot.cancelled = false;
            slot.verdict = Verdict::Clean;
            slot.socket = socket;
            slot.next = NONE;
            slot.cargo = cargo;
            slot.token = token;
            slot.what = what;
            return index;
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: 0,
            stage: Stage::Free,
            cancelled: false,
            verdict: Verdict::Clean,
            listed: false,
            socket,
            next: NONE,
            cargo,
            what,
            token,
            deadline: Time::MAX,
        });
        index
    }

    fn stow(&mut self, cargo: Cargo) -> u32 {
        self.buffers += usize::from(cargo.buf.is_some());
        match self.free_cargos.pop() {
            Some(index) => {
                self.cargos[index as usize] = cargo;
                index
            }
            None => {
                self.cargos.push(cargo);
                self.cargos.len() as u32 - 1
            }
        }
    }

    /// What an operation owns, if it is one that owns anything.
    pub(super) fn cargo(&mut self, index: u32) -> Option<&mut Cargo> {
        self.with_cargo(index).1
    }

    /// An operation, and what it owns.
    pub(super) fn with_cargo(&mut self, index: u32) -> (&mut Slot, Option<&mut Cargo>) {
        let slot = &mut self.slots[index as usize];
        let cargo = self.cargos.get_mut(slot.cargo as usize);
        (slot, cargo)
    }

    /// Bytes that an operation has moved so far.
    pub(super) fn progress(&self, index: u32) -> u64 {
        self.cargos.get(self[index].cargo as usize).map_or(0, |cargo| cargo.progress)
    }

    /// Frees a slot whose operation has ended: from here on its old name means nothing.
    pub(super) fn remove(&mut self, index: u32) -> Option<AnyBuf> {
        let free = self.free;
        let slot = &mut self.slots[index as usize];
        debug_assert_ne!(slot.stage, Stage::Free);
        debug_assert_eq!(slot.deadline, Time::MAX);
        slot.generation = slot.generation.wrapping_add(1);
        slot.stage = Stage::Free;
        slot.next = free;
        self.free = index;
        self.live -= 1;
        let at = std::mem::replace(&mut self.slots[index as usize].cargo, NONE);
        let cargo = std::mem::take(self.cargos.get_mut(at as usize)?);
        self.free_cargos.push(at);
        self.buffers -= usize::from(cargo.buf.is_some());
        cargo.buf
    }

    pub(super) fn id(&self, index: u32) -> OpId {
        OpId::new(index, self[index].generation)
    }

    /// The slot an operation is in, if it has not ended.
    pub(super) fn find(&self, id: OpId) -> Option<u32> {
        let slot = self.slots.get(id.slot() as usize)?;
        (slot.generation == id.generation() && slot.stage != Stage::Free).then_some(id.slot())
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.slots.len() as u32
    }
}

impl std::ops::Index<u32> for Slots {
    type Output = Slot;
    fn index(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }
}

impl std::ops::IndexMut<u32> for Slots {
    fn index_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }
}
