//! What a proactor's handles share: its tables, and the way of an operation through them.
//!
//! ```text
//! start ──▶ Starting ──pump──▶ Started ──collect──▶ Ended ──take──▶ free
//!                (driver's thread)        └─▶ routine or port ─────▶ free
//! ```

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use crate::address::Address;
use crate::buf::AnyBuf;
use crate::driver::{Driver, Live, Wait};
use crate::ending::{Parcel, Raw};
use crate::error::{Action, Error, ErrorKind, Failed};
use crate::flags::{CloseMode, Direction, Role};
use crate::id::{OpId, SocketId};
use crate::notify::Notify;
use crate::op::{Completion, Op, Outcome, Start};
use crate::overlapped::Status;
use crate::park::{self, Unparks};
use crate::report::Report;
use crate::socket::{Socket, SocketInner};
use crate::sync::{Mutex, lock};
use crate::sys::{Maker, Stream, WakeHandle};

use super::slots::{NONE, Place, Stage, Tables};

/// Operations handed to the driver, or completions taken from it, before other threads get the lock.
const BATCH: usize = 64;
/// How long a proactor that ends waits for its operations to.
const SHUT_DOWN_PATIENCE: Duration = Duration::from_secs(10);

/// The limits of a proactor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) operations: usize,
    pub(super) sockets: usize,
    pub(super) queue: usize,
}

pub struct Core {
    tables: Mutex<Tables>,
    wake: WakeHandle,
    report: Report,
    maker: Maker,
    limits: Limits,
    /// The driver's thread.
    home: AtomicUsize,
}

impl Core {
    pub(super) fn new(driver: &Driver, limits: Limits) -> Core {
        Core {
            tables: Mutex::new(Tables::new()),
            wake: driver.wake_handle(),
            report: driver.report().clone(),
            maker: driver.maker(),
            limits,
            home: AtomicUsize::new(park::this_thread()),
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
        let (operations, buffers, sockets) = (tables.operations, tables.buffers, tables.sockets);
        Live { operations, buffers, sockets, ..Live::default() }
    }

    /// The driver's thread is to look at its queue. It does so before it waits, so it need not tell itself.
    fn call(&self) {
        if self.home.load(Ordering::Relaxed) != park::this_thread() {
            self.wake.wake();
        }
    }

    // ---- sockets ----

    pub(crate) fn adopt(this: &Arc<Core>, stream: Stream, peer: Option<Address>) -> Result<Socket, Failed<Stream>> {
        Core::insert(this, stream, Role::Stream, peer, None)
    }

    pub(super) fn insert(
        this: &Arc<Core>,
        stream: Stream,
        role: Role,
        peer: Option<Address>,
        listening: Option<Address>,
    ) -> Result<Socket, Failed<Stream>> {
        let refused =
            |kind, why: &str, given| Err(Failed { error: Error::new(Action::Socket, kind).because(why), given });
        let view = stream.0.view();
        let mut tables = lock(&this.tables);
        if !tables.open {
            drop(tables);
            return refused(ErrorKind::Closed, "the proactor has ended", stream);
        }
        if tables.sockets >= this.limits.sockets {
            drop(tables);
            return refused(ErrorKind::LimitReached, "the proactor's table of sockets is full", stream);
        }
        let id = tables.insert_entry(stream, role);
        let inner = Arc::new(SocketInner::new(Arc::clone(this), id, view, peer, listening));
        tables.entries[id.slot() as usize].inner = Arc::downgrade(&inner);
        Ok(Socket::new(inner))
    }

    /// The last handle of a socket is gone.
    pub(crate) fn abandon(&self, socket: SocketId) {
        let close = Parcel::plain(Start::Close { socket: Parcel::NOWHERE, mode: CloseMode::Now });
        // It is being closed already, or the whole proactor is.
        let _ = self.start(Some(socket), close, Notify::Nobody, true);
    }

    // ---- operations ----

    /// Starts an operation: puts it where the driver's thread will find it.
    pub(crate) fn start(
        &self,
        socket: Option<SocketId>,
        parcel: Parcel,
        notify: Notify,
        detached: bool,
    ) -> Result<OpId, Failed<(Parcel, Notify)>> {
        let start = parcel.start();
        let action = start.action();
        let refused = |error, parcel, notify| Err(Failed { error, given: (parcel, notify) });
        let new = |kind| Error::new(action, kind);
        if let Err(error) = start.check() {
            return refused(error, parcel, notify);
        }
        let mut tables = lock(&self.tables);
        if !tables.open {
            drop(tables);
            return refused(new(ErrorKind::Closed).because("the proactor has ended"), parcel, notify);
        }
        if tables.is_full(start, self.limits.operations) {
            drop(tables);
            let why = format!("{} operations are in flight", self.limits.operations);
            return refused(new(ErrorKind::LimitReached).because(why), parcel, notify);
        }
        let mut index = NONE;
        if let Some(socket) = socket {
            if action == Action::Close {
                let inner = tables.find_entry(socket).filter(|entry| !entry.closing).map(|entry| {
                    entry.closing = true;
                    entry.inner.upgrade()
                });
                let Some(inner) = inner else {
                    drop(tables);
                    return refused(new(ErrorKind::Closed).because("the socket is closed"), parcel, notify);
                };
                // Whoever uses the system's socket directly at this moment has done so before it is closed.
                drop(tables);
                if let Some(inner) = inner {
                    inner.shut();
                }
                tables = lock(&self.tables);
                if !tables.open {
                    drop(tables);
                    return refused(new(ErrorKind::Closed).because("the proactor has ended"), parcel, notify);
                }
            } else if let Err(error) = self.check_in(&mut tables, socket, parcel.start()) {
                drop(tables);
                return refused(error, parcel, notify);
            }
            index = socket.slot();
        }
        if let Notify::Event(event) = &notify {
            event.reset();
        }
        let id = tables.insert(parcel, index, notify, detached);
        let first = tables.list(id.slot());
        drop(tables);
        if first {
            self.call();
        }
        Ok(id)
    }

    /// Whether an operation other than a close can be started on a socket; counts it if so.
    fn check_in(&self, tables: &mut Tables, socket: SocketId, start: &Start) -> Result<(), Error> {
        let Some(entry) = tables.find_entry(socket).filter(|entry| !entry.closing) else {
            return Err(Error::new(start.action(), ErrorKind::Closed).because("the socket is closed"));
        };
        start.check_role(entry.role)?;
        if let Some(direction) = start.direction() {
            let count = entry.count(direction);
            if *count as usize >= self.limits.queue {
                let why = format!("{} operations are waiting on this socket", self.limits.queue);
                return Err(Error::new(start.action(), ErrorKind::LimitReached).because(why));
            }
            *count += 1;
        }
        Ok(())
    }

    /// Whether a transfer in that direction may be tried without the driver: nothing is in flight there, and nothing has gone wrong.
    pub(crate) fn is_idle(&self, socket: SocketId, direction: Option<Direction>) -> bool {
        let mut tables = lock(&self.tables);
        match (tables.find_entry(socket), direction) {
            (Some(entry), Some(direction)) => *entry.count(direction) == 0 && !entry.closing && !entry.failed,
            _ => false,
        }
    }

    /// Asks an operation to end early; `false` if it has ended, or was never there.
    pub(crate) fn cancel(&self, id: OpId) -> bool {
        let mut tables = lock(&self.tables);
        let Some(slot) = tables.find(id) else { return false };
        if matches!(slot.stage, Stage::Ended(_)) {
            return false;
        }
        slot.cancelled = true;
        let first = tables.list(id.slot());
        drop(tables);
        if first {
            self.call();
        }
        true
    }

    /// Cancels everything in flight on a socket; says how many operations that were.
    pub(crate) fn cancel_all(&self, socket: SocketId) -> usize {
        let mut tables = lock(&self.tables);
        if tables.find_entry(socket).is_none() {
            return 0;
        }
        let (mut asked, mut first) = (0, false);
        for index in 0..tables.slots.len() as u32 {
            let slot = &mut tables.slots[index as usize];
            let in_flight = matches!(slot.stage, Stage::Starting(_) | Stage::Started(_));
            if in_flight && slot.socket == socket.slot() && slot.direction.is_some() {
                slot.cancelled = true;
                first |= tables.list(index);
                asked += 1;
            }
        }
        drop(tables);
        if first {
            self.call();
        }
        asked
    }

    /// The handle is dropped: its operation is cancelled, or its ending, if it has ended, is.
    pub(crate) fn discard(&self, id: OpId, cancel: bool) {
        let mut tables = lock(&self.tables);
        let Some(slot) = tables.find(id) else { return };
        slot.detached = true;
        if matches!(slot.stage, Stage::Ended(_)) {
            let dropped = tables.remove(id.slot());
            drop(tables);
            return drop(dropped);
        }
        let waker = slot.waker.take();
        let mut first = false;
        if cancel {
            slot.cancelled = true;
            first = tables.list(id.slot());
        }
        drop(tables);
        drop(waker);
        if first {
            self.call();
        }
    }

    pub(crate) fn status(&self, id: OpId) -> Option<Status> {
        let mut tables = lock(&self.tables);
        Some(match &tables.find(id)?.stage {
            Stage::Ended(raw) => Status::of(&raw.result),
            _ => Status::Pending,
        })
    }

    /// Takes an operation's ending. `None` means that it has not ended; `waker` is then kept to be told.
    pub(crate) fn take(&self, id: OpId, waker: Option<&Waker>) -> Option<Raw> {
        // Cloned outside the lock: what that does is the program's affair.
        let mut fresh = None;
        let mut tables = lock(&self.tables);
        loop {
            let slot = tables.find(id).expect("a handle's operation is there until its ending is taken");
            if matches!(slot.stage, Stage::Ended(_)) {
                break;
            }
            let kept = |waker| slot.waker.as_ref().is_some_and(|kept| kept.will_wake(waker));
            let Some(waker) = waker.filter(|waker| !kept(waker)) else {
                drop(tables);
                return None;
            };
            if fresh.is_some() {
                let replaced = std::mem::replace(&mut slot.waker, fresh);
                drop(tables);
                drop(replaced);
                return None;
            }
            drop(tables);
            fresh = Some(waker.clone());
            tables = lock(&self.tables);
        }
        let (stage, notify, waker) = tables.remove(id.slot());
        drop(tables);
        drop((notify, waker));
        match stage {
            Stage::Ended(raw) => Some(raw),
            _ => unreachable!("seen just now"),
        }
    }

    // ---- the driver's thread ----

    /// Hands over what was started, waits, and tells of what has ended. The driver is not borrowed while anyone is told, so that who is told
    /// may wait.
    pub(super) fn turn(&self, driver: &RefCell<Driver>, wait: Wait) -> Result<(), Error> {
        // Whoever has been told may be the one that waits here, and may have started something.
        let wait = if self.pump(driver) { Wait::Poll } else { wait };
        let turned = driver.borrow_mut().turn(wait);
        self.collect(driver);
        turned
    }

    /// Hands over what was started; says whether anyone was told of an end, for what could not be started has ended with that.
    fn pump(&self, driver: &RefCell<Driver>) -> bool {
        let mut told = false;
        loop {
            let mut refused = Vec::new();
            let mut handed = 0;
            {
                let driver = &mut *driver.borrow_mut();
                let mut tables = lock(&self.tables);
                while handed < BATCH {
                    let Some(index) = tables.unlist() else { break };
                    handed += 1;
                    if let Some(end) = hand_over(&mut tables, driver, index) {
                        refused.push(end);
                    }
                }
            }
            for (token, error, buf) in refused {
                self.ended(token, Err(error), buf);
                told = true;
            }
            if handed < BATCH {
                return told;
            }
        }
    }

    fn collect(&self, driver: &RefCell<Driver>) {
        loop {
            let Some(Completion { token, result, buf, .. }) = driver.borrow_mut().next() else { return };
            self.ended(token, result, buf);
        }
    }

    /// An operation has ended. Who is told of it may panic, and what nobody takes may when it is dropped.
    fn ended(&self, token: u64, result: Result<Outcome, Error>, buf: Option<AnyBuf>) {
        if catch_unwind(AssertUnwindSafe(|| self.tell(token, result, buf))).is_err() {
            tracing::error!("a waker, or a buffer that was dropped, panicked; other operations go on");
        }
    }

    /// Does the one thing that tells of an operation's end.
    fn tell(&self, token: u64, result: Result<Outcome, Error>, buf: Option<AnyBuf>) {
        let id = op_id(token);
        let mut tables = lock(&self.tables);
        let slot = &tables.slots[id.slot() as usize];
        debug_assert!(matches!(slot.stage, Stage::Started(_)) && slot.generation == id.generation());
        let (socket, direction) = (slot.socket, slot.direction);
        if slot.has_buf && buf.is_none() {
            // The one end that cannot be told of: whoever is told is given the buffer.
            return tracing::error!("the system keeps the buffer of an operation, which therefore does not end");
        }
        let raw = Raw { action: slot.action, flags: slot.flags, result, buf };
        let mut closed = None;
        if socket != NONE {
            match direction {
                Some(direction) => {
                    let entry = &mut tables.entries[socket as usize];
                    *entry.count(direction) -= 1;
                    let marked = raw.result.as_ref().map_or_else(leaves_a_mark, |end| matches!(end, Outcome::ShutDown));
                    entry.failed |= entry.role == Role::Stream && marked;
                }
                None => {
                    // If the driver never had it, this closes it.
                    closed = Some(tables.remove_entry(socket));
                }
            }
        }
        let slot = &mut tables.slots[id.slot() as usize];
        if slot.detached {
            let (stage, notify, waker) = tables.remove(id.slot());
            drop(tables);
            drop((stage, waker, closed));
            return match notify {
                Notify::Routine(queue, key) => drop(queue.ended(key, raw)),
                Notify::Port(association, token) => association.ended(token, raw),
                Notify::Event(event) => event.set(),
                Notify::Nobody => {}
            };
        }
        slot.stage = Stage::Ended(raw);
        let waker = slot.waker.take();
        // Under the lock: whoever sees that it has ended may start another with the same event, which is not signalled then.
        let waiting = match &slot.notify {
            Notify::Event(event) => event.signal(),
            _ => Unparks::default(),
        };
        drop(tables);
        drop(closed);
        waiting.unpark();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        lock(&self.tables).open
    }

    /// No more starts; the driver's thread is to end everything.
    pub(super) fn close(&self) {
        lock(&self.tables).open = false;
        self.wake.wake();
    }

    /// Ends every operation, each told of once; closes every socket.
    pub(super) fn shut_down(&self, driver: &RefCell<Driver>) {
        self.close();
        let limit = driver.borrow().now() + SHUT_DOWN_PATIENCE;
        let mut failures = 0;
        loop {
            let in_flight = {
                let mut tables = lock(&self.tables);
                let mut in_flight = 0;
                for index in 0..tables.slots.len() as u32 {
                    let slot = &mut tables.slots[index as usize];
                    if matches!(slot.stage, Stage::Starting(_) | Stage::Started(_)) {
                        slot.cancelled = true;
                        tables.list(index);
                        in_flight += 1;
                    }
                }
                in_flight
            };
            if in_flight == 0 {
                break;
            }
            let soon = driver.borrow().now() + Duration::from_millis(50);
            // If the backend has failed everything ends in that turn, which is seen in the next.
            failures += usize::from(self.turn(driver, Wait::Until(soon)).is_err());
            if failures > 1 || driver.borrow().now() >= limit {
                tracing::error!("a proactor ended, and {in_flight} of its operations did not");
                break;
            }
        }
        let inners: Vec<Arc<SocketInner>> =
            lock(&self.tables).entries.iter().filter_map(|entry| Weak::upgrade(&entry.inner)).collect();
        for inner in &inners {
            inner.shut();
        }
        let mut tables = lock(&self.tables);
        let indices = 0..tables.entries.len() as u32;
        let places: Vec<Place> = indices.filter_map(|index| tables.take_entry(index)).collect();
        drop(tables);
        drop((inners, places));
    }
}

/// Hands one slot's news to the driver. What could not be started has ended with that.
fn hand_over(tables: &mut Tables, driver: &mut Driver, index: u32) -> Option<(u64, Error, Option<AnyBuf>)> {
    let slot = &mut tables.slots[index as usize];
    let token = token(OpId::new(index, slot.generation));
    let (action, cancelled) = (slot.action, slot.cancelled);
    if let Stage::Started(id) = slot.stage {
        if cancelled {
            driver.cancel(id);
        }
        return None;
    }
    let stage = std::mem::replace(&mut slot.stage, Stage::Free);
    let Stage::Starting(mut parcel) = stage else {
        slot.stage = stage;
        return None;
    };
    let is_close = action == Action::Close;
    let ends = |error: Error, start: Start| Some((token, error, Op(start).into_buf()));
    let socket = slot.socket;
    if socket != NONE {
        let entry = &mut tables.entries[socket as usize];
        if matches!(entry.place, Place::New(_)) {
            let Place::New(stream) = std::mem::replace(&mut entry.place, Place::Free { next: NONE }) else {
                unreachable!("seen just now")
            };
            match driver.adopt_as(stream, entry.role) {
                Ok(id) => entry.place = Place::Driver(id),
                // The system does not let the driver wait for it; the next operation tries again.
                Err(refused) => {
                    entry.place = Place::New(refused.given);
                    tables.slots[index as usize].stage = Stage::Started(OpId::new(NONE, 0));
                    return ends(refused.error, parcel.into_start());
                }
            }
        }
        let Place::Driver(id) = entry.place else { unreachable!("a socket stays until its close has ended") };
        parcel.start_mut().set_socket(id);
    }
    let slot = &mut tables.slots[index as usize];
    if cancelled && !is_close {
        slot.stage = Stage::Started(OpId::new(NONE, 0));
        return ends(Error::new(action, ErrorKind::Cancelled), parcel.into_start());
    }
    match driver.submit(Op(parcel.into_start()), token) {
        Ok(id) => {
            slot.stage = Stage::Started(id);
            if cancelled {
                driver.cancel(id);
            }
            None
        }
        Err(failed) => {
            slot.stage = Stage::Started(OpId::new(NONE, 0));
            ends(failed.error, failed.given.0)
        }
    }
}

/// Whether it says more of a stream than that one operation on it, of which nothing had been done, was cancelled.
fn leaves_a_mark(error: &Error) -> bool {
    error.kind() != ErrorKind::Cancelled || error.transferred() > 0
}

fn token(id: OpId) -> u64 {
    u64::from(id.generation()) << 32 | u64::from(id.slot())
}

fn op_id(token: u64) -> OpId {
    OpId::new(token as u32, (token >> 32) as u32)
}
