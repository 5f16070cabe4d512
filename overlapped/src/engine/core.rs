//! What an engine's handles share: its tables, and the way of an operation from a handle to the
//! engine's thread. [`turn`](super::turn) is the way back.
//!
//! ```text
//! start ──▶ Starting ──submit──▶ Started ──collect──▶ Ended ──take──▶ free
//!   │            (engine's thread)         └──▶ routine or port ────▶ free
//!   └──▶ immediate result: tried within the start, on a socket that skips packets
//! ```

use std::sync::Arc;
use std::task::Waker;

use super::ending::Status;
use super::endpoint::Endpoint;
use super::notify::Notify;
use super::park;
use super::tables::{Stage, Tables};
use crate::buf::Crossing;
use crate::driver::{Completion, Driver, Live, Op, Outcome, Stream};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::{CloseMode, Flags, Role};
use crate::id::OpId;
use crate::report::Report;
use crate::sync::{Mutex, lock};
use crate::sys::maker::Maker;
use crate::sys::view::{Tried, View};
use crate::table::Key;
use crate::wake::WakeHandle;

/// The limits of an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) operations: usize,
    pub(crate) sockets: usize,
    pub(crate) queue: usize,
}

/// An operation to start.
pub(crate) struct Request {
    pub(crate) op: Crossing<Op>,
    pub(crate) notify: Notify,
    /// It has no handle.
    pub(crate) detached: bool,
}

/// What a start has led to.
pub(crate) enum Started {
    /// In flight.
    Pending(OpId),
    /// It succeeded within the start. Nobody else is told.
    Immediate(Flags, Crossing<Completion>),
    /// It failed within the start, and its end has been told.
    Told,
}

pub(crate) struct Core {
    pub(super) tables: Mutex<Tables>,
    wake: WakeHandle,
    report: Report,
    maker: Maker,
    limits: Limits,
    /// The engine's thread.
    thread: usize,
}

impl Core {
    /// For the thread that calls, which drives the driver.
    pub(super) fn new(driver: &Driver, limits: Limits) -> Core {
        Core {
            tables: Mutex::new(Tables::new()),
            wake: driver.wake_handle(),
            report: driver.report().clone(),
            maker: driver.maker(),
            limits,
            thread: park::this_thread(),
        }
    }

    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    pub(super) fn maker(&self) -> &Maker {
        &self.maker
    }

    pub(super) fn wake_handle(&self) -> &WakeHandle {
        &self.wake
    }

    pub(super) fn live(&self) -> Live {
        let tables = lock(&self.tables);
        let (operations, sockets) = (tables.operations.len(), tables.sockets.len());
        Live { operations, buffers: tables.buffers, sockets, ..Live::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        lock(&self.tables).open
    }

    /// Refuses further starts, and makes the engine's thread end everything.
    pub(super) fn close(&self) {
        lock(&self.tables).open = false;
        self.wake.wake();
    }

    /// Makes the engine's thread look at its queue. It does so before it waits, so it need not wake
    /// itself.
    fn wake_thread(&self) {
        if self.thread != park::this_thread() {
            self.wake.wake();
        }
    }

    // ---- sockets ----

    pub(crate) fn insert(&self, stream: Stream, role: Role) -> Result<Arc<Endpoint>, Failed<Stream>> {
        let refused =
            |kind, why: &str, given| Err(Failed { error: Error::new(Action::Socket, kind).because(why), given });
        let view = View::of(&stream.0);
        let mut tables = lock(&self.tables);
        if !tables.open {
            drop(tables);
            return refused(ErrorKind::Closed, "the engine has ended", stream);
        }
        if tables.sockets.len() >= self.limits.sockets {
            drop(tables);
            return refused(ErrorKind::LimitReached, "the engine's table of sockets is full", stream);
        }
        let key = tables.insert_socket(stream, role);
        let endpoint = Arc::new(Endpoint::new(key, view));
        tables.sockets[key.slot()].endpoint = Arc::downgrade(&endpoint);
        Ok(endpoint)
    }

    /// Whether no operation is in flight on a socket.
    pub(crate) fn is_idle(&self, socket: Key) -> bool {
        lock(&self.tables).sockets.get(socket).is_none_or(|record| record.is_idle())
    }

    /// Closes a socket whose last handle is gone.
    pub(crate) fn abandon(&self, endpoint: &Endpoint) {
        let op = Crossing::new(Op::close(Op::NO_SOCKET, CloseMode::Now));
        // It fails if the socket or the whole engine is being closed already.
        let _ = self.start(Some(endpoint), Request { op, notify: Notify::Nobody, detached: true });
    }

    // ---- operations ----

    /// Starts an operation: tries it at once on a socket that skips packets, or queues it for the
    /// engine's thread.
    pub(crate) fn start(&self, endpoint: Option<&Endpoint>, mut request: Request) -> Result<Started, Failed<Request>> {
        let refused = |error, request| Err(Failed { error, given: request });
        let action = request.op.get().kind.action();
        let mut checked = request.op.get().check();
        // Both wait until nobody uses the system's socket directly.
        if let Some(endpoint) = endpoint.filter(|endpoint| action == Action::Close || endpoint.skips_packets()) {
            checked = checked.and_then(|()| endpoint.check_not_lent_here(action));
        }
        if let Err(error) = checked {
            return refused(error, request);
        }
        // Held to the end, so that an operation that is tried directly keeps its place among the
        // starts. A close takes this lock itself, below.
        let direct = endpoint.filter(|endpoint| action != Action::Close && endpoint.skips_packets());
        let view = direct.map(Endpoint::view);
        if let (Some(endpoint), Some(view), Notify::Port(..)) = (direct, view.as_deref(), &request.notify)
            && let Some(view) = view
            && let Some(result) = self.try_immediately(endpoint.key(), view, request.op.get_mut())
        {
            return Ok(immediate(request, result));
        }
        let mut tables = lock(&self.tables);
        let closed = |why| Error::new(action, ErrorKind::Closed).because(why);
        if !tables.open {
            drop(tables);
            return refused(closed("the engine has ended"), request);
        }
        if tables.operations.len() >= self.limits.operations && !has_room(request.op.get()) {
            drop(tables);
            let why = format!("{} operations are in flight", self.limits.operations);
            return refused(Error::new(action, ErrorKind::LimitReached).because(why), request);
        }
        if let Some(endpoint) = endpoint {
            let record = tables.sockets.get_mut(endpoint.key()).filter(|record| !record.closing);
            let Some(record) = record else {
                drop(tables);
                return refused(closed("the socket is closed"), request);
            };
            if action == Action::Close {
                record.closing = true;
                // Nobody uses the system's socket directly when it is closed.
                drop(tables);
                endpoint.shut();
                tables = lock(&self.tables);
                if !tables.open {
                    drop(tables);
                    return refused(closed("the engine has ended"), request);
                }
            } else if let Err(error) = self.check_in(&mut tables, endpoint.key(), request.op.get()) {
                drop(tables);
                return refused(error, request);
            }
        }
        let Request { op, notify, detached } = request;
        if let Notify::Event(event) = &notify {
            event.reset();
        }
        let key = tables.insert(op, endpoint.map(Endpoint::key), notify, detached);
        let first = tables.enqueue(key);
        drop(tables);
        if first {
            self.wake_thread();
        }
        Ok(Started::Pending(OpId(key)))
    }

    /// Checks whether an operation other than a close can be started on an open socket, and counts
    /// it.
    fn check_in(&self, tables: &mut Tables, socket: Key, op: &Op) -> Result<(), Error> {
        let record = &mut tables.sockets[socket.slot()];
        op.check_role(record.role)?;
        if let Some(direction) = op.kind.direction() {
            let count = record.count(direction);
            if *count as usize >= self.limits.queue {
                let why = format!("{} operations are waiting on this socket", self.limits.queue);
                return Err(Error::new(op.kind.action(), ErrorKind::LimitReached).because(why));
            }
            *count += 1;
        }
        Ok(())
    }

    /// Tries a receive or a send without the driver. `None` means that it must be started in the
    /// ordinary way; a part of a send may have been sent.
    fn try_immediately(&self, socket: Key, view: &View, op: &mut Op) -> Option<Result<Outcome, Error>> {
        let action = op.kind.action();
        if !self.may_try(socket, op) {
            return None;
        }
        match view.try_now(op) {
            Tried::WouldBlock => None,
            Tried::Received(bytes) => Some(Ok(Outcome::Received(bytes))),
            Tried::Sent(bytes) => Some(Ok(Outcome::Sent(bytes))),
            Tried::Failed(code) => Some(Err(Error::os(action, code))),
        }
    }

    /// Whether a transfer may be tried without the driver: the socket can do it, no other transfer
    /// in its direction is in flight, and none has failed.
    fn may_try(&self, socket: Key, op: &Op) -> bool {
        let mut tables = lock(&self.tables);
        match (tables.sockets.get_mut(socket), op.kind.direction()) {
            (Some(record), Some(direction)) => {
                *record.count(direction) == 0 && !record.closing && !record.failed && op.check_role(record.role).is_ok()
            }
            _ => false,
        }
    }

    /// Asks an operation to end early; `false` if it has ended or never existed.
    pub(crate) fn cancel(&self, id: OpId) -> bool {
        let key = id.0;
        let mut tables = lock(&self.tables);
        let Some(record) = tables.operations.get_mut(key) else { return false };
        if matches!(record.stage, Stage::Ended(_)) {
            return false;
        }
        record.cancelled = true;
        let first = tables.enqueue(key);
        drop(tables);
        if first {
            self.wake_thread();
        }
        true
    }

    /// Cancels every operation in flight on a socket, and returns how many there were.
    pub(crate) fn cancel_all(&self, socket: Key) -> usize {
        let mut tables = lock(&self.tables);
        if !tables.sockets.contains(socket) {
            return 0;
        }
        let (mut cancelled, mut first) = (0, false);
        for slot in tables.operations.slots() {
            let Some(record) = tables.operations.at_mut(slot) else { continue };
            let of_socket = record.socket == Some(socket) && record.direction.is_some();
            if of_socket && record.stage.is_in_flight() {
                record.cancelled = true;
                first |= tables.enqueue_slot(slot);
                cancelled += 1;
            }
        }
        drop(tables);
        if first {
            self.wake_thread();
        }
        cancelled
    }

    /// The handle of an operation is dropped. The operation's result is dropped now or when it
    /// ends.
    pub(crate) fn discard(&self, id: OpId, cancel: bool) {
        let key = id.0;
        let mut tables = lock(&self.tables);
        let Some(record) = tables.operations.get_mut(key) else { return };
        record.detached = true;
        if matches!(record.stage, Stage::Ended(_)) {
            let dropped = tables.remove(key.slot());
            drop(tables);
            return drop(dropped);
        }
        let waker = record.waker.take();
        let mut first = false;
        if cancel {
            record.cancelled = true;
            first = tables.enqueue(key);
        }
        drop(tables);
        drop(waker);
        if first {
            self.wake_thread();
        }
    }

    pub(crate) fn status(&self, id: OpId) -> Option<Status> {
        let tables = lock(&self.tables);
        Some(match &tables.operations.get(id.0)?.stage {
            Stage::Ended(completion) => Status::of(completion.get()),
            _ => Status::Pending,
        })
    }

    /// Takes an operation's completion and its flags. `None` means that it has not ended; `waker`
    /// is then woken when it has.
    pub(crate) fn take(&self, id: OpId, waker: Option<&Waker>) -> Option<(Flags, Completion)> {
        let key = id.0;
        // Cloned outside the lock: a waker may run any code when it is cloned.
        let mut fresh = None;
        let mut tables = lock(&self.tables);
        loop {
            let record = tables.operations.get_mut(key);
            let record = record.expect("a handle's operation exists until its result is taken");
            if matches!(record.stage, Stage::Ended(_)) {
                break;
            }
            let kept = |waker| record.waker.as_ref().is_some_and(|kept| kept.will_wake(waker));
            let Some(waker) = waker.filter(|waker| !kept(waker)) else {
                drop(tables);
                return None;
            };
            if fresh.is_some() {
                let replaced = std::mem::replace(&mut record.waker, fresh);
                drop(tables);
                drop(replaced);
                return None;
            }
            drop(tables);
            fresh = Some(waker.clone());
            tables = lock(&self.tables);
        }
        let record = tables.remove(key.slot());
        drop(tables);
        match record.stage {
            Stage::Ended(completion) => Some((record.flags, completion.into_inner())),
            _ => unreachable!("checked above"),
        }
    }
}

/// Ends an operation that was done within its start. Only a success is given back by the start.
fn immediate(request: Request, result: Result<Outcome, Error>) -> Started {
    let Request { op, notify, .. } = request;
    let op = op.into_inner();
    let (action, flags, succeeded) = (op.kind.action(), op.kind.flags(), result.is_ok());
    let id = OpId::new(u32::MAX, 0);
    let completion = Crossing::new(Completion { id, token: 0, more: false, result, buf: op.into_buf() });
    if succeeded {
        return Started::Immediate(flags, completion);
    }
    notify.ended(action, flags, completion);
    Started::Told
}

/// A full table still takes a close, and the rest of a send that has begun: every socket brings the
/// room for both.
fn has_room(op: &Op) -> bool {
    op.kind.action() == Action::Close || op.owned.progress > 0
}
