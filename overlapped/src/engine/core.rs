//! What an engine's handles share: its tables, and how an operation passes from a handle to the
//! engine's thread. [`turn`](super::turn) passes its completion back.
//!
//! ```text
//! start ──▶ Starting ──submit──▶ Started ──collect──▶ Ended ──take──▶ free
//!   │            (engine's thread)         └──▶ routine or port ────▶ free
//!   ├──▶ Trying ──▶ Ended: a send, made within the start ([`at_once`](super::at_once))
//!   └──▶ immediate result: tried within the start, on a socket that skips packets on success
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use super::endpoint::{Direct, Endpoint};
use super::limits::{self, Limits};
use super::look_up::{self, Answer, LookUp};
use super::tables::{Stage, Tables};
use super::{ending::Status, notify::Notify, park};
use crate::buf::Crossing;
use crate::driver::{Completion, Driver, Live, Op, Outcome, Stream};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::{CloseMode, Flags, Role};
use crate::id::OpId;
use crate::report::{Backend, Report};
use crate::resolve::Resolver;
use crate::sync::{Mutex, lock};
use crate::sys::maker::Maker;
use crate::sys::op::Tried;
use crate::sys::process::Process;

use crate::table::Key;
use crate::wake::WakeHandle;

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
}

pub(crate) struct Core {
    /// In a child that this process forks, another thread may hold a lock for ever. So whatever
    /// locks asks first whether this is still the process.
    pub(super) process: Process,
    pub(super) tables: Mutex<Tables>,
    pub(super) wake: WakeHandle,
    pub(super) report: Report,
    pub(super) maker: Maker,
    limits: Limits,
    /// Made for the first lookup of a name.
    resolver: OnceLock<Resolver>,
    /// The engine's thread.
    pub(super) thread: usize,
    /// It is a local engine, and nothing has turned it so far.
    pub(super) unturned: AtomicBool,
}

impl Core {
    /// The calling thread becomes the engine's thread: it drives the driver.
    pub(super) fn new(driver: &Driver, limits: Limits) -> Core {
        Core {
            process: Process::this(),
            tables: Mutex::new(Tables::new()),
            wake: driver.wake_handle(),
            report: driver.report().clone(),
            maker: driver.maker(),
            limits,
            resolver: OnceLock::new(),
            thread: park::this_thread(),
            unturned: AtomicBool::new(false),
        }
    }

    pub(super) fn live(&self) -> Live {
        if !self.process.is_this() {
            return Live::default();
        }
        let tables = lock(&self.tables);
        let (operations, sockets) = (tables.operations.len(), tables.sockets.len());
        Live { operations, buffers: tables.buffers, sockets, ..Live::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        lock(&self.tables).ended.is_none()
    }

    /// Refuses further starts, and makes the engine's thread end everything.
    pub(super) fn close(&self) {
        self.refuse_starts("the engine has ended");
        self.wake.wake();
    }

    /// Refuses further starts. The first reason is the one that they are told.
    pub(super) fn refuse_starts(&self, why: &'static str) {
        lock(&self.tables).ended.get_or_insert(why);
    }

    /// Makes the engine's thread look at its queue. It does so before it waits, so it need not wake
    /// itself.
    pub(super) fn wake_thread(&self) {
        if self.thread != park::this_thread() {
            self.wake.wake();
        }
    }

    /// Fails if a future of a local engine is polled by an executor that, as far as can be seen,
    /// does not turn the engine: the future would never be ready.
    pub(super) fn check_executor(&self, action: Action) -> Result<(), Error> {
        let hangs = self.unturned.load(Ordering::Relaxed)
            && self.thread == park::this_thread()
            && !park::is_blocking_on_a_future();
        if !hangs {
            return Ok(());
        }
        let why = "a local engine goes on only while its thread waits in this crate, and this executor has not \
                   done that: use `future::block_on`, an `Engine::new()`, or call `LocalEngine::turn` in the \
                   executor's loop, and once before it";
        Err(Error::new(action, ErrorKind::WouldDeadlock).because(why))
    }

    // ---- sockets ----

    pub(crate) fn insert(&self, stream: Stream, role: Role) -> Result<Arc<Endpoint>, Failed<Stream>> {
        self.insert_if(stream, role, |places| places < self.limits.sockets)
    }

    /// The same for a connection that was accepted. Its place was kept when the accept started.
    pub(crate) fn insert_accepted(&self, stream: Stream) -> Result<Arc<Endpoint>, Failed<Stream>> {
        self.insert_if(stream, Role::Stream, |_| true)
    }

    fn insert_if(
        &self,
        mut stream: Stream,
        role: Role,
        has_room: impl FnOnce(usize) -> bool,
    ) -> Result<Arc<Endpoint>, Failed<Stream>> {
        let refused = |error, given| Err(Failed { error, given });
        if let Err(error) = self.process.check(Action::Socket) {
            return refused(error, stream);
        }
        let view = match stream.0.kept_view() {
            Ok(view) => view,
            Err(error) => return refused(error, stream),
        };
        let mut tables = lock(&self.tables);
        if let Some(why) = tables.ended {
            drop(tables);
            return refused(Error::new(Action::Socket, ErrorKind::Closed).because(why), stream);
        }
        if !has_room(tables.places()) {
            drop(tables);
            return refused(table_is_full(Action::Socket), stream);
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
    pub(crate) fn abandon(self: &Arc<Core>, endpoint: &Endpoint) {
        if !self.process.is_this() {
            return;
        }
        // The engine may be closing it at this moment.
        endpoint.shut();
        let op = Crossing::new(Op::close(Op::NO_SOCKET, CloseMode::Now));
        // It fails if the socket or the whole engine is being closed already.
        let _ = self.start(Some(endpoint), Request { op, notify: Notify::Nobody, detached: true });
    }

    // ---- operations ----

    /// Starts an operation. On a socket that skips packets on success (Windows:
    /// `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`) it is tried at once. Otherwise, and if it would have
    /// to wait, it is queued for the engine's thread.
    pub(crate) fn start(
        self: &Arc<Core>,
        endpoint: Option<&Endpoint>,
        mut request: Request,
    ) -> Result<Started, Failed<Request>> {
        let refused = |error, request| Err(Failed { error, given: request });
        let action = request.op.get().kind.action();
        let mut checked = self.process.check(action).and_then(|()| request.op.get().check());
        // Both wait until nobody uses the system's socket directly.
        if let Some(endpoint) = endpoint.filter(|endpoint| action == Action::Close || endpoint.skips_packets()) {
            checked = checked.and_then(|()| endpoint.check_not_lent_here(action));
        }
        if let Err(error) = checked {
            return refused(error, request);
        }
        // Held to the end, so that an operation that is tried directly keeps its place among the
        // starts. A close takes this lock itself, below.
        let skips = endpoint.filter(|endpoint| action != Action::Close && endpoint.skips_packets());
        let mut direct = skips.map(Endpoint::direct);
        if let (Some(endpoint), Some(direct), Notify::Port(..)) = (skips, &mut direct, &request.notify) {
            let outcome = self.try_immediately(endpoint, direct, request.op.get_mut());
            direct.began(outcome.is_some());
            if let Some(outcome) = outcome {
                return Ok(immediate(request, outcome));
            }
        }
        let mut tables = lock(&self.tables);
        // A part of a send may have been sent directly.
        let moved = request.op.get().owned.progress;
        let closed = |why| Error::new(action, ErrorKind::Closed).because(why).after(moved);
        if let Some(why) = tables.ended {
            drop(tables);
            return refused(closed(why), request);
        }
        let full = self.limits.full_for(&mut tables, endpoint.map(|endpoint| endpoint.key), request.op.get());
        if tables.operations.len() >= full && !limits::has_room(request.op.get()) {
            let why = format!("{} operations of {} are in use", tables.operations.len(), self.limits.operations);
            drop(tables);
            return refused(Error::new(action, ErrorKind::LimitReached).because(why), request);
        }
        let mut look_up = None;
        if let Some(endpoint) = endpoint {
            let record = tables.sockets.get_mut(endpoint.key).filter(|record| !record.closing);
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
                if let Some(why) = tables.ended {
                    drop(tables);
                    return refused(closed(why), request);
                }
            } else if let Err(error) = self.admit(&mut tables, endpoint.key, request.op.get_mut()) {
                drop(tables);
                return refused(error, request);
            }
        } else if action == Action::LookUp {
            match self.look_up(tables.operations.next_key(), request.op.get_mut()) {
                Ok(begun) => look_up = Some(Box::new(begun)),
                Err(error) => {
                    drop(tables);
                    return refused(error, request);
                }
            }
        }
        let Request { op, notify, detached } = request;
        if let Notify::Event(event) = &notify {
            event.reset();
        }
        let key = tables.insert(op, endpoint.map(|endpoint| endpoint.key), notify, detached);
        if look_up.is_some() {
            tables.operations[key.slot()].look_up = look_up;
        }
        if let Some(endpoint) = endpoint.filter(|_| direct.is_none())
            && let Some((direct, op)) = self.begin_try(&mut tables, endpoint, key)
        {
            drop(tables);
            self.try_send(direct, key, op);
            return Ok(Started::Pending(OpId(key)));
        }
        let first = !tables.waits_for_try(key) && tables.enqueue(key);
        drop(tables);
        if first {
            self.wake_thread();
        }
        Ok(Started::Pending(OpId(key)))
    }

    /// Checks whether an operation other than a close can be started on an open socket, and counts
    /// it.
    fn admit(&self, tables: &mut Tables, socket: Key, op: &mut Op) -> Result<(), Error> {
        let record = &mut tables.sockets[socket.slot()];
        op.check_role(record.role)?;
        // The client of an accept without a place stays in the backlog.
        if op.kind.action() == Action::Accept && tables.places() >= self.limits.sockets {
            return Err(table_is_full(Action::Accept));
        }
        let record = &mut tables.sockets[socket.slot()];
        if let Some(direction) = op.kind.direction() {
            let count = record.count(direction);
            if *count as usize >= self.limits.queue {
                let why = format!("{} operations are waiting on this socket", self.limits.queue);
                return Err(Error::new(op.kind.action(), ErrorKind::LimitReached).because(why));
            }
            *count += 1;
            record.connects += u32::from(op.kind.action() == Action::Connect);
        }
        Ok(())
    }

    /// Tries a receive or a send without the driver. `None` means that it must be started in the
    /// ordinary way: a part of a send may have been sent, and what the system said otherwise goes
    /// with the operation to the driver, where every error is decided.
    fn try_immediately(&self, endpoint: &Endpoint, direct: &mut Direct, op: &mut Op) -> Option<Outcome> {
        if !self.may_try(endpoint.key, op) {
            return None;
        }
        let outcome = op.try_now(direct.may_succeed()?);
        if let Some(Tried::Failed(code)) = op.owned.tried() {
            direct.failed(code);
        }
        outcome
    }

    /// Whether a transfer may be tried without the driver: the socket is a stream, no other
    /// transfer in its direction is in flight, and none has failed. (The system would tell nobody
    /// that a datagram was larger than its buffer.)
    fn may_try(&self, socket: Key, op: &Op) -> bool {
        let mut tables = lock(&self.tables);
        match (tables.sockets.get_mut(socket), op.kind.direction()) {
            (Some(record), Some(direction)) => {
                *record.count(direction) == 0
                    && record.connects == 0
                    && !record.closing
                    && !record.failed
                    && record.role == Role::Stream
            }
            _ => false,
        }
    }

    /// Asks an operation to end early; `false` if it has ended or never existed.
    pub(crate) fn cancel(&self, id: OpId) -> bool {
        if !self.process.is_this() {
            return false;
        }
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

    /// Has the name of an operation looked up, which will have this key. The lock of the tables is
    /// held, so the answer does not come before the operation is there.
    fn look_up(self: &Arc<Core>, key: Key, op: &mut Op) -> Result<LookUp, Error> {
        let has_names = self.report.backend != Backend::Sim;
        let resolver = has_names.then(|| self.resolver.get_or_init(Resolver::new));
        let core = Arc::downgrade(self);
        look_up::begin(op, resolver, move |answer| {
            if let Some(core) = core.upgrade() {
                core.answer(key, answer);
            }
        })
    }

    /// A lookup has its answer.
    fn answer(&self, key: Key, answer: Answer) {
        let mut tables = lock(&self.tables);
        let record = tables.operations.get_mut(key).filter(|record| record.stage.is_in_flight());
        let Some(look_up) = record.and_then(|record| record.look_up.as_mut()) else { return };
        look_up.answer = Some(answer);
        let first = tables.enqueue(key);
        drop(tables);
        if first {
            self.wake_thread();
        }
    }

    /// Cancels every operation in flight on a socket, and returns how many there were.
    pub(crate) fn cancel_all(&self, socket: Key) -> usize {
        if !self.process.is_this() {
            return 0;
        }
        let mut tables = lock(&self.tables);
        let (cancelled, first) = tables.cancel_all(socket);
        drop(tables);
        if first {
            self.wake_thread();
        }
        cancelled
    }

    /// The handle of an operation is dropped. The operation's result is dropped now or when it
    /// ends.
    pub(crate) fn discard(&self, id: OpId, cancel: bool) {
        if !self.process.is_this() {
            return;
        }
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
        if !self.process.is_this() {
            return Some(Status::Failed(ErrorKind::Closed));
        }
        let tables = lock(&self.tables);
        Some(match &tables.operations.get(id.0)?.stage {
            Stage::Ended(completion) => Status::of(completion.get()),
            _ => Status::Pending,
        })
    }

    /// Takes an operation's completion and its flags. `None` means that it has not ended; `waker`
    /// is then woken when it has.
    pub(crate) fn take(&self, id: OpId, waker: Option<&Waker>) -> Option<(Flags, Completion)> {
        if !self.process.is_this() {
            return None;
        }
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

/// Ends an operation that has succeeded within its start.
fn immediate(request: Request, outcome: Outcome) -> Started {
    let op = request.op.into_inner();
    let id = OpId::new(u32::MAX, 0);
    let flags = op.kind.flags();
    let completion = Completion { id, token: 0, more: false, result: Ok(outcome), buf: op.into_buf() };
    Started::Immediate(flags, Crossing::new(completion))
}

fn table_is_full(action: Action) -> Error {
    Error::new(action, ErrorKind::LimitReached).because("the engine's table of sockets is full")
}
