//! The start of an operation: check it, queue it, hand it to the backend, cancel it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::{Direction, Role, ShutdownHow};
use crate::id::OpId;
use crate::sys::op::{Event, Op, OpKind, Outcome, Owned};
use crate::time::Time;

use super::operations::{CloseStep, NONE, Ready, Stage};
use super::{Driver, sockets};

/// Datagrams are received into pooled buffers of at least so many bytes: the kernel may put an
/// address before them.
const LEAST_DATAGRAM_BUFFER: u32 = 256;

impl Driver {
    /// Starts an operation. It is handed to the system in the next [`turn`](Driver::turn). Its
    /// completions carry `token`.
    ///
    /// # Errors
    /// Only what can be found out here, and the operation is given back: `Closed` (the socket is
    /// not there, or is being closed), `LimitReached` (the table or the socket's queue is full),
    /// `InvalidArgument` (no buffers, no room for a datagram, flags that make no sense together, a
    /// path that no address has room for). Every error of the operating system comes as the
    /// operation's completion.
    pub fn submit(&mut self, mut op: Op, token: u64) -> Result<OpId, Failed<Op>> {
        match op.check().and_then(|()| self.check_socket(&mut op, true)) {
            Ok(socket) => Ok(self.start(op, socket, token)),
            Err(error) => Err(Failed { error, given: op }),
        }
    }

    /// The same for an operation that makes sense on its socket. No code of its buffer is called.
    pub(crate) fn submit_checked(&mut self, mut op: Op, token: u64) -> Result<OpId, Failed<Op>> {
        match self.check_socket(&mut op, false) {
            Ok(socket) => Ok(self.start(op, socket, token)),
            Err(error) => Err(Failed { error, given: op }),
        }
    }

    /// Whether there is room for an operation and, if `with_role`, whether its socket is one that
    /// it can be started on. Returns the socket's slot.
    #[inline(always)]
    fn check_socket(&mut self, op: &mut Op, with_role: bool) -> Result<u32, Error> {
        let action = op.kind.action();
        self.process.check(action)?;
        let Some((slot, socket)) = sockets::find(&mut self.sockets, op.socket) else {
            if matches!(op.kind, OpKind::Timer | OpKind::LookUp) {
                self.check_room(action)?;
                return Ok(NONE);
            }
            return Err(Error::new(action, ErrorKind::Closed));
        };
        if with_role {
            op.check_role(socket.role)?;
        }
        if self.operations.is_full() {
            return Err(self.no_room(action));
        }
        if let Some(direction) = op.kind.direction() {
            let bytes = self.pool.config().buffer_bytes;
            if op.kind == OpKind::RecvFromMulti && bytes < LEAST_DATAGRAM_BUFFER {
                return Err(small_buffers(bytes));
            }
            if socket.queue(direction).len() >= self.queue_limit {
                return Err(self.full_queue(action));
            }
        }
        Ok(slot)
    }

    #[cold]
    fn full_queue(&self, action: Action) -> Error {
        let why = format!("{} operations are waiting on this socket", self.queue_limit);
        Error::new(action, ErrorKind::LimitReached).because(why)
    }

    fn check_room(&self, action: Action) -> Result<(), Error> {
        if self.operations.is_full() { Err(self.no_room(action)) } else { Ok(()) }
    }

    #[cold]
    fn no_room(&self, action: Action) -> Error {
        self.backend_failure(action).unwrap_or_else(|| {
            let why = format!("{} operations are in flight", self.operations.len());
            Error::new(action, ErrorKind::LimitReached).because(why)
        })
    }

    /// Starts an operation that has been checked.
    #[inline(always)]
    pub(super) fn start(&mut self, op: Op, socket: u32, token: u64) -> OpId {
        let Op { kind, at, has_deadline, owned, .. } = op;
        let direction = match kind {
            OpKind::Close { how } => return self.start_close(socket, how, at.since(Time::ZERO), token),
            OpKind::Timer => return self.start_timer(at, token),
            OpKind::LookUp => return self.start_look_up(has_deadline.then_some(at), token),
            kind => kind.direction().expect("the others wait in no queue"),
        };
        let owned = self.operations.keep(owned);
        let id = self.operations.insert(kind, Stage::Queued, socket, token, owned);
        if has_deadline {
            self.set_deadline(id.slot(), at);
        }
        let queue = self.sockets[socket].queue(direction);
        let first = queue.is_empty();
        queue.push(&mut self.operations, id.slot());
        if first {
            self.begin(id.slot());
        }
        id
    }

    /// An operation has come to the head of its queue, or goes on: it goes to the backend, before
    /// the next wait.
    pub(super) fn begin(&mut self, slot: u32) {
        let operation = &mut self.operations[slot];
        let (kind, index) = (operation.kind, operation.socket);
        let socket = &mut self.sockets[index];
        match kind {
            OpKind::Send { .. } | OpKind::SendFile | OpKind::Shutdown { .. } if socket.broken.is_some() => {
                let error = self.behind_a_gap(index, kind.action()).expect("it has a gap");
                return self.end(slot, Err(error));
            }
            // It stays the head of its queue until it is taken: then the next one begins.
            OpKind::Recv { .. } | OpKind::RecvMulti if socket.deaf => {
                let result = self.cut_short(slot, Error::new(Action::Receive, ErrorKind::Cancelled));
                return self.end(slot, result);
            }
            OpKind::Recv { .. } | OpKind::RecvMulti if socket.is_connecting() => {
                operation.stage = Stage::Queued;
                return;
            }
            OpKind::Connect => socket.set_connecting(socket.role == Role::Stream),
            OpKind::Shutdown { how } if how != ShutdownHow::Send && socket.role == Role::Stream => {
                socket.deaf = true;
                self.cancel_queue(index, Direction::Receive);
                if how == ShutdownHow::Receive {
                    return self.end(slot, Ok(Outcome::ShutDown));
                }
            }
            OpKind::Accept { .. } if self.accepts_again != Time::ZERO && self.pauses(slot) => return,
            _ => {}
        }
        self.operations[slot].stage = Stage::Submitting;
        self.list(slot);
    }

    /// Puts an operation into the list of those to be started or cancelled, unless it is in it.
    #[inline]
    pub(super) fn list(&mut self, slot: u32) {
        if std::mem::replace(&mut self.operations[slot].listed, true) {
            return;
        }
        // Forgets those that have ended when they may be half of the list. Looking for them costs
        // no more than they did.
        if self.listed.len() > 2 * self.operations.len() {
            let operations = &self.operations;
            self.listed.retain(|id| operations.get(*id).is_some());
        }
        self.listed.push_back(self.operations.id(slot));
    }

    /// Hands starts and cancels to the backend, as far as it has room.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        while let Some(&id) = self.listed.front() {
            if !self.backend.has_room()? {
                break;
            }
            self.listed.pop_front();
            // It may have ended since.
            let Some(operation) = self.operations.get_mut(id) else { continue };
            operation.listed = false;
            match operation.stage {
                Stage::Submitting => self.hand_over(id),
                Stage::Kernel if operation.cancelled => self.backend.cancel(id),
                Stage::Parked => self.hasten_head(id.slot()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Hands an operation to the backend.
    fn hand_over(&mut self, id: OpId) {
        let (operation, owned) = self.operations.with_owned(id.slot());
        let index = operation.socket;
        let socket = &mut self.sockets[index];
        operation.stage = Stage::Kernel;
        let kind = match operation.kind {
            OpKind::Close { .. } => match operation.close_step {
                CloseStep::Closing => return self.close_handle(id, index),
                CloseStep::ShuttingDown => OpKind::Shutdown { how: ShutdownHow::Send },
                _ => OpKind::Discard,
            },
            OpKind::Recv { flags } if socket.role == Role::Datagram => OpKind::RecvFrom { flags },
            // The other direction is the driver's.
            OpKind::Shutdown { .. } if socket.role == Role::Stream => OpKind::Shutdown { how: ShutdownHow::Send },
            OpKind::SendFile => return self.hand_over_file(id),
            kind => kind,
        };
        let handle = socket.handle.as_ref().expect("operations end before the socket is closed");
        let Some(owned) = owned else { return self.backend.start(id, kind, index, handle, None) };
        if let Some(result) = owned.take_tried() {
            let completion = self.on_event(Event { id, more: false, result });
            return self.ready.extend(completion.map(|completion| Ready::Finished(Box::new(completion))));
        }
        // The backend asks the buffer for its parts before it does anything else.
        let start = || self.backend.start(id, kind, index, handle, Some(owned));
        if catch_unwind(AssertUnwindSafe(start)).is_err() {
            self.operations[id.slot()].stage = Stage::Submitting;
            let result = self.cut_short(id.slot(), buffer_panicked(kind.action()));
            self.end(id.slot(), result);
        }
    }

    pub(super) fn cancel_slot(&mut self, slot: u32) -> bool {
        let operation = &mut self.operations[slot];
        if matches!(operation.kind, OpKind::Close { .. }) {
            return self.cancel_close(slot);
        }
        match operation.stage {
            Stage::Ready | Stage::Orphaned => false,
            Stage::Kernel => {
                operation.cancelled = true;
                self.list(slot);
                true
            }
            Stage::Queued | Stage::Submitting | Stage::Parked => {
                self.end_early(slot, ErrorKind::Cancelled);
                true
            }
        }
    }

    /// Ends an operation that the backend does not have.
    pub(super) fn end_early(&mut self, slot: u32, kind: ErrorKind) {
        if self.operations[slot].kind == OpKind::Connect {
            self.connect_is_over(slot);
        }
        if self.operations[slot].stage == Stage::Queued {
            self.leave_queue(slot);
        }
        let action = self.operations[slot].kind.action();
        // Time that has run out is a cancellation to what is behind it.
        let result = self.cut_short(slot, Error::new(action, ErrorKind::Cancelled));
        let result = if kind == ErrorKind::TimedOut { result.map_err(Error::cancelled_by_deadline) } else { result };
        self.end(slot, result);
    }

    pub(super) fn cancel_queue(&mut self, socket: u32, direction: Direction) {
        let queue = *self.sockets[socket].queue(direction);
        if queue.is_empty() {
            return;
        }
        for slot in queue.slots(&self.operations) {
            self.cancel_slot(slot);
        }
    }

    /// Takes an operation that ends early out of its queue. Those before it keep their order.
    pub(super) fn leave_queue(&mut self, slot: u32) {
        let operation = &self.operations[slot];
        let direction = operation.kind.direction().expect("only operations in a queue wait behind others");
        self.sockets[operation.socket].queue(direction).remove(&mut self.operations, slot);
    }

    /// Ends an operation without the backend. Its completion is taken later, never from within a
    /// call.
    pub(super) fn end(&mut self, slot: u32, result: Result<Outcome, Error>) {
        debug_assert!(!matches!(self.operations[slot].stage, Stage::Kernel | Stage::Ready | Stage::Orphaned));
        self.clear_deadline(slot);
        self.operations[slot].stage = Stage::Ready;
        self.ready.push_back(Ready::Ended(slot, result));
    }

    pub(super) fn end_cancelled(&mut self, slot: u32) {
        self.end_early(slot, ErrorKind::Cancelled);
    }

    /// A receive into the operation's own buffers has ended: sets their lengths.
    pub(super) fn received(&mut self, slot: u32) -> Result<Outcome, Error> {
        let owned: &mut Owned = self.operations.owned_mut(slot).expect("a receive owns a buffer");
        match catch_unwind(AssertUnwindSafe(|| owned.set_received())) {
            Ok(()) => Ok(Outcome::Received(owned.progress as usize)),
            Err(_) => Err(buffer_panicked(Action::Receive).after(owned.progress)),
        }
    }
}

#[cold]
fn small_buffers(bytes: u32) -> Error {
    let why = format!("pooled buffers of {bytes} bytes: datagrams need {LEAST_DATAGRAM_BUFFER}");
    Error::new(Action::Receive, ErrorKind::InvalidArgument).because(why)
}

/// A buffer of the program's own type panicked. Nobody but its operation is affected.
#[cold]
fn buffer_panicked(action: Action) -> Error {
    tracing::error!("the buffer of an operation panicked; the operation ends, others go on");
    Error::new(action, ErrorKind::InvalidArgument).because("its buffer panicked when it was asked for its memory")
}
