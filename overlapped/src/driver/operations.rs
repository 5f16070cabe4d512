//! The table of operations in flight, what a program is told of them, and what is left of them when
//! the backend has failed.

use crate::buf::AnyBuf;
use crate::error::{Action, Error};
use crate::id::OpId;
use crate::sys::op::{OpKind, Outcome, Owned};
use crate::table::Table;

/// How an operation ended, or one result of a multishot operation that goes on.
#[derive(Debug)]
pub struct Completion {
    /// The operation.
    pub id: OpId,
    /// The token that [`Driver::submit`](crate::Driver::submit) was given with it.
    pub token: u64,
    /// Whether more completions of this operation follow. Every operation has exactly one
    /// completion without this, its last.
    pub more: bool,
    /// What it brought, or why it failed.
    pub result: Result<Outcome, Error>,
    /// The buffer that the operation was given.
    pub buf: Option<AnyBuf>,
}

/// An operation that ended without the backend.
pub(super) enum Ready {
    /// Its slot is freed when the completion is taken.
    Ended(u32, Result<Outcome, Error>),
    /// It was tried without the driver. Few end so.
    Finished(Box<Completion>),
}

impl Ready {
    pub(super) fn result(&mut self) -> &mut Result<Outcome, Error> {
        match self {
            Ready::Ended(_, result) => result,
            Ready::Finished(completion) => &mut completion.result,
        }
    }
}

/// A backend has failed: the error, and the completions that are still to be taken.
pub(super) struct BackendFailure {
    pub(super) error: Error,
    pub(super) ends: std::collections::VecDeque<Completion>,
    /// Operations that have ended although the system has not let go of them.
    pub(super) orphans: usize,
}

/// A backend's error, as the error of this action.
#[cold]
pub(super) fn failed(error: &Error, action: Action) -> Error {
    error.of(action).because("the driver's backend has failed")
}

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// The most operations: a backend packs slots into 24 bits, and has one other number.
pub(crate) const MOST_OPERATIONS: usize = (1 << 24) - 1;

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Behind another operation in its socket's queue.
    Queued,
    /// To be handed to the backend when it next has room.
    Submitting,
    /// With the backend, which owes an event.
    Kernel,
    /// Started, but not with the backend: a timer, a close that waits for other operations, a
    /// receive that waits for a pooled buffer, an accept that waits for a descriptor.
    Parked,
    /// Ended; its completion waits to be taken.
    Ready,
    /// Ended because the backend has failed. The backend may still have it.
    Orphaned,
}

/// How far a close has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseStep {
    /// Sends that were started before are on their way out.
    Flushing,
    /// The peer is told that no more will come.
    ShuttingDown,
    /// The peer's stream is read to its end.
    Discarding,
    /// Sends that were started before are tried, each once.
    Trying,
    /// Everything in flight is being cancelled.
    Ending,
    /// The socket itself is being closed.
    Closing,
}

/// How a close will be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Clean,
    Expired,
    /// It was graceful and was cancelled.
    Hastened,
    /// A step failed, with the code in `close_code`.
    Failed,
}

/// An operation. Most of a server's are the receives of idle sessions, so it is small.
pub(super) struct Operation {
    pub(super) kind: OpKind,
    pub(super) stage: Stage,
    /// The program has asked to cancel it.
    pub(super) cancelled: bool,
    /// It is in the driver's list of operations to be started or cancelled.
    pub(super) listed: bool,
    pub(super) close_step: CloseStep,
    pub(super) close_verdict: Verdict,
    /// Its socket's slot.
    pub(super) socket: u32,
    /// The operation before it in its socket's queue. A close is in no queue and keeps something
    /// else here: see [`close_code`](Operation::close_code).
    pub(super) before: u32,
    /// The operation behind it in its socket's queue. A close keeps something else here too: see
    /// [`has_hastened`](Operation::has_hastened).
    pub(super) next: u32,
    /// The slot of what it owns.
    owned: u32,
    /// The number of its entry in the timers; [`NONE`] if there is none. [`EXPIRED`] if the time
    /// came while the backend had the operation, which is being cancelled for that.
    pub(super) deadline: u32,
    /// As bytes, because the alignment of a `u64` would cost four more in the table.
    token: [u8; 8],
}

/// Instead of a deadline that has been reached. No entry in the timers has this number.
pub(super) const EXPIRED: u32 = NONE - 1;

const _: () = assert!(Table::<Operation>::BYTES_PER_VALUE <= 40);

impl Operation {
    #[inline]
    pub(super) fn token(&self) -> u64 {
        u64::from_ne_bytes(self.token)
    }

    /// The system's code of the step of a close that failed.
    pub(super) fn close_code(&self) -> i32 {
        self.before as i32
    }

    pub(super) fn set_close_code(&mut self, code: i32) {
        debug_assert!(matches!(self.kind, OpKind::Close { .. }));
        self.before = code as u32;
    }

    /// Whether a close has asked the send in this slot to end.
    pub(super) fn has_hastened(&self, send: u32) -> bool {
        self.next == send
    }

    pub(super) fn set_hastened(&mut self, send: u32) {
        debug_assert!(matches!(self.kind, OpKind::Close { .. }));
        self.next = send;
    }
}

/// Operations in flight, and what some of them own: in a table of its own, because few own
/// anything.
pub(super) struct Operations {
    table: Table<Operation>,
    owned: Table<Owned>,
    /// How many own a buffer.
    buffers: usize,
}

impl Operations {
    pub(super) fn new(limit: usize) -> Operations {
        Operations { table: Table::with_limit(limit.min(MOST_OPERATIONS)), owned: Table::new(), buffers: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn buffers(&self) -> usize {
        self.buffers
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.table.is_full()
    }

    /// Lets no more operations in.
    pub(super) fn close(&mut self) {
        self.table.set_limit(0);
    }

    /// Keeps what an operation owns. It is large, and moved once. Returns the slot to
    /// [insert](Operations::insert) the operation with.
    #[inline(always)]
    pub(super) fn keep(&mut self, owned: Owned) -> u32 {
        if owned.is_empty() {
            // Nothing to drop; the compiler cannot see that.
            std::mem::forget(owned);
            return NONE;
        }
        self.buffers += usize::from(owned.buf.is_some());
        self.owned.insert(owned).slot()
    }

    /// Adds an operation. The caller has checked that the table is not full. `owned` is the slot of
    /// what it owns, or [`NONE`].
    #[inline]
    pub(super) fn insert(&mut self, kind: OpKind, stage: Stage, socket: u32, token: u64, owned: u32) -> OpId {
        OpId(self.table.insert(Operation {
            kind,
            stage,
            cancelled: false,
            listed: false,
            close_step: CloseStep::Flushing,
            close_verdict: Verdict::Clean,
            socket,
            before: NONE,
            next: NONE,
            owned,
            token: token.to_ne_bytes(),
            deadline: NONE,
        }))
    }

    /// Removes an operation that has ended. Its name finds nothing from here on.
    #[inline(always)]
    pub(super) fn remove(&mut self, slot: u32) -> Option<AnyBuf> {
        let operation = self.table.at(slot)?;
        debug_assert_eq!(operation.deadline, NONE);
        let owned = operation.owned;
        self.table.drop_at(slot);
        if owned == NONE {
            return None;
        }
        let buf = self.owned.at_mut(owned)?.buf.take();
        self.buffers -= usize::from(buf.is_some());
        self.owned.drop_at(owned);
        buf
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: OpId) -> Option<&mut Operation> {
        self.table.get_mut(id.0)
    }

    #[inline]
    pub(super) fn get(&self, id: OpId) -> Option<&Operation> {
        self.table.get(id.0)
    }

    /// The operation in a slot, if there is one.
    #[inline]
    pub(super) fn at_mut(&mut self, slot: u32) -> Option<&mut Operation> {
        self.table.at_mut(slot)
    }

    /// All slots, used and free.
    pub(super) fn slots(&self) -> std::ops::Range<u32> {
        self.table.slots()
    }

    #[inline]
    pub(super) fn id(&self, slot: u32) -> OpId {
        OpId(self.table.key_of(slot).expect("the slot of an operation in flight"))
    }

    /// The operation in a slot, if it is the close of this socket.
    pub(super) fn close_of(&self, slot: u32, socket: u32) -> Option<OpId> {
        let is_its = |close: &&Operation| matches!(close.kind, OpKind::Close { .. }) && close.socket == socket;
        self.table.at(slot).filter(is_its).map(|_| self.id(slot))
    }

    /// What an operation owns, if it owns anything.
    #[inline]
    pub(super) fn owned_mut(&mut self, slot: u32) -> Option<&mut Owned> {
        let owned = self.table[slot].owned;
        self.owned.at_mut(owned)
    }

    /// An operation, and what it owns.
    #[inline]
    pub(super) fn with_owned(&mut self, slot: u32) -> (&mut Operation, Option<&mut Owned>) {
        let operation = &mut self.table[slot];
        let owned = self.owned.at_mut(operation.owned);
        (operation, owned)
    }

    /// Bytes that an operation has moved so far.
    pub(super) fn progress(&self, slot: u32) -> u64 {
        self.owned.at(self.table[slot].owned).map_or(0, |owned| owned.progress)
    }
}

/// The operation in a slot.
impl std::ops::Index<u32> for Operations {
    type Output = Operation;
    #[inline]
    fn index(&self, slot: u32) -> &Operation {
        &self.table[slot]
    }
}

impl std::ops::IndexMut<u32> for Operations {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut Operation {
        &mut self.table[slot]
    }
}
