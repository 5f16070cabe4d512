//! The engine's thread: it submits what was started, collects what has ended, and tells of it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::tables::{OperationRecord, Place, Stage, Tables, key_of_token, token};
use super::{core::Core, endpoint::Endpoint, notify::Notify, notify::Untaken, park::Unparks};
use crate::buf::{AnyBuf, Crossing, Value};
use crate::driver::{Completion, Driver, Op, Outcome, Wait};
use crate::error::{Action, Error, ErrorKind};
use crate::flags::{CloseMode, Role};
use crate::id::OpId;
use crate::sync::lock;
use crate::table::Key;

/// Operations submitted to the driver before other threads get the lock.
const BATCH: usize = 64;
/// Operations whose end is told before the threads that wait for them are woken.
const MOST_TOLD: usize = 64;
/// How long an engine that ends waits for its operations to end.
const SHUT_DOWN_PATIENCE: Duration = Duration::from_secs(10);

impl Core {
    /// Submits what was started, waits, and tells of what has ended. The driver is not borrowed
    /// while anyone is told: a waker may wait, and so turn this engine again.
    pub(super) fn turn(&self, driver: &RefCell<Driver>, wait: Wait) -> Result<(), Error> {
        self.submit(driver);
        let turned = driver.borrow_mut().turn(wait);
        self.collect(driver);
        turned
    }

    /// Submits what was started. What the driver refuses it keeps as completions, so that nothing
    /// is told here: a waker may wait for another of them, and so turn this engine again.
    fn submit(&self, driver: &RefCell<Driver>) {
        loop {
            let driver = &mut *driver.borrow_mut();
            let mut tables = lock(&self.tables);
            for _ in 0..BATCH {
                let Some(key) = tables.dequeue() else { return };
                if let Some(completion) = submit_one(&mut tables, driver, key) {
                    driver.complete(completion);
                }
            }
        }
    }

    fn collect(&self, driver: &RefCell<Driver>) {
        // Threads are woken when all has been told: on a busy core each would take this thread's
        // place at once, for the one completion that there is by then.
        let mut waiting = Unparks::default();
        for count in 1.. {
            let Some(completion) = driver.borrow_mut().next() else { break };
            self.ended(completion, &mut waiting);
            if count % MOST_TOLD == 0 {
                waiting.unpark_all();
            }
        }
        waiting.unpark();
    }

    /// Tells of an operation's end. A waker may panic, and so may a buffer that is dropped.
    fn ended(&self, completion: Completion, waiting: &mut Unparks) {
        if catch_unwind(AssertUnwindSafe(|| drop(self.tell(completion, waiting)))).is_err() {
            tracing::error!("a waker, or a buffer that was dropped, panicked; other operations go on");
        }
    }

    /// Returns what nobody takes, to be dropped.
    pub(super) fn tell(&self, mut completion: Completion, waiting: &mut Unparks) -> Option<Untaken> {
        let key = key_of_token(completion.token);
        if let Ok(Outcome::Received(0)) = completion.result
            && let Some(code) = self.death_behind(key)
        {
            completion.result = Err(Error::os(Action::Receive, code));
        }
        if let Ok(Outcome::Connected) = completion.result
            && let Some(endpoint) = self.endpoint_of(key)
        {
            endpoint.connected();
        }
        let mut tables = lock(&self.tables);
        let record = &tables.operations[key.slot()];
        debug_assert!(matches!(record.stage, Stage::Started(_) | Stage::Refused | Stage::Trying));
        debug_assert!(tables.operations.contains(key));
        let (action, flags) = (record.action, record.flags);
        if record.has_buf && completion.buf.is_none() {
            // Telling would have to give the buffer back.
            tracing::error!("the system keeps the buffer of an operation, which therefore does not end");
            return None;
        }
        let mut closed = None;
        if let Some(socket) = record.socket {
            match record.direction {
                Some(direction) => {
                    if tables.end_try(key.slot()) {
                        self.wake_thread();
                    }
                    tables.leave_socket(key.slot());
                    if let Some(record) = tables.sockets.get_mut(socket) {
                        *record.count(direction) -= 1;
                        record.connects -= u32::from(action == Action::Connect);
                        record.failed |= record.role == Role::Stream && needs_driver(&completion.result);
                    }
                }
                // Dropping this closes a socket that the driver never got.
                None => closed = tables.sockets.remove(socket),
            }
        }
        let record = &mut tables.operations[key.slot()];
        if action == Action::LookUp {
            completion.buf = record.look_up.take().map(|look_up| AnyBuf::to_send(Value(look_up.found)));
        }
        if record.detached && matches!(completion.result, Ok(Outcome::Accepted(..))) {
            completion.buf = Some(AnyBuf::to_send(Value(tables.keep_place())));
        }
        let record = &mut tables.operations[key.slot()];
        let completion = Crossing::new(completion);
        if record.detached {
            let record = tables.remove(key.slot());
            drop(tables);
            drop((record.stage, record.waker, closed));
            let untaken = record.notify.ended(action, flags, completion, waiting);
            if !untaken.is_nothing() {
                // The program's code is to find nobody asleep who has been told.
                waiting.unpark_all();
            }
            return Some(untaken);
        }
        record.stage = Stage::Ended(completion);
        let waker = record.waker.take();
        // Under the lock: a thread that sees the end may start another operation with the same
        // event, which must not be signalled then.
        if let Notify::Event(event) = &record.notify {
            event.signal(waiting);
        }
        drop(tables);
        drop(closed);
        if let Some(waker) = waker {
            waiting.unpark_all();
            waker.wake();
        }
        None
    }

    /// The code of what lies behind the end of a stream: a transfer that was tried without the
    /// driver was told it, just before or at this moment.
    #[cold]
    fn death_behind(&self, key: Key) -> Option<i32> {
        let wants_bytes = lock(&self.tables).operations.get(key)?.wants_bytes;
        self.endpoint_of(key).filter(|_| wants_bytes)?.died_of()
    }

    #[cold]
    fn endpoint_of(&self, key: Key) -> Option<Arc<Endpoint>> {
        let tables = lock(&self.tables);
        tables.sockets.get(tables.operations.get(key)?.socket?)?.endpoint.upgrade()
    }

    /// Closes every socket that has sends in flight, at once: sends that were started are tried.
    fn close_sending(&self) {
        let mut tables = lock(&self.tables);
        let sending = tables.sending();
        let endpoint = |key: &Key| tables.sockets[key.slot()].endpoint.upgrade();
        let endpoints: Vec<Arc<Endpoint>> = sending.iter().filter_map(endpoint).collect();
        drop(tables);
        endpoints.iter().for_each(|endpoint| endpoint.shut());
        tables = lock(&self.tables);
        for socket in sending {
            // Nothing can be started any more, but its last handle may be gone since.
            if let Some(record) = tables.sockets.get_mut(socket).filter(|record| !record.closing) {
                record.closing = true;
                let close = Crossing::new(Op::close(Op::NO_SOCKET, CloseMode::Now));
                let key = tables.insert(close, Some(socket), Notify::Nobody, true);
                tables.enqueue(key);
            }
        }
        drop(tables);
        // The last endpoint to be dropped may lock the tables.
        drop(endpoints);
    }

    /// Ends every operation, telling of each once, and closes every socket.
    pub(super) fn shut_down(&self, driver: &RefCell<Driver>) {
        self.close();
        self.close_sending();
        let limit = driver.borrow().now() + SHUT_DOWN_PATIENCE;
        let mut failures = 0;
        loop {
            let in_flight = lock(&self.tables).cancel_everything();
            if in_flight == 0 {
                break;
            }
            let soon = driver.borrow().now() + Duration::from_millis(50);
            // A failed backend ends everything in the turn that fails; the next round sees that.
            failures += usize::from(self.turn(driver, Wait::Until(soon)).is_err());
            if failures > 1 || driver.borrow().now() >= limit {
                tracing::error!("an engine ended, and {in_flight} of its operations did not");
                break;
            }
        }
        let endpoints: Vec<Arc<Endpoint>> =
            lock(&self.tables).sockets.iter().filter_map(|(_, record)| Weak::upgrade(&record.endpoint)).collect();
        endpoints.iter().for_each(|endpoint| endpoint.shut());
        let mut tables = lock(&self.tables);
        let records: Vec<_> = tables.sockets.slots().filter_map(|slot| tables.sockets.remove_at(slot)).collect();
        drop(tables);
        // The last endpoint to be dropped may lock the tables.
        drop((endpoints, records));
    }
}

/// Submits or cancels one operation. Returns its completion if the driver refuses it.
fn submit_one(tables: &mut Tables, driver: &mut Driver, key: Key) -> Option<Completion> {
    let record = &mut tables.operations[key.slot()];
    let (action, cancelled) = (record.action, record.cancelled);
    let mut op = match std::mem::replace(&mut record.stage, Stage::Refused) {
        Stage::Starting(op) => op.into_inner(),
        stage => {
            if let (Stage::Started(id), true) = (&stage, cancelled) {
                driver.cancel(*id);
            }
            if let Stage::Started(id) = stage {
                pass_answer(record, driver, id);
            }
            record.stage = stage;
            return None;
        }
    };
    let refused = |error, buf| Some(completion(key, error, buf));
    if let Some(socket) = record.socket {
        let Some(record) = tables.sockets.get_mut(socket) else {
            return refused(Error::new(action, ErrorKind::Closed), op.into_buf());
        };
        match std::mem::replace(&mut record.place, Place::Moving) {
            Place::New(stream) => match driver.adopt(stream) {
                Ok(id) => record.place = Place::Driver(id),
                // The system does not let the driver wait on it. The next operation tries again.
                Err(failed) => {
                    record.place = Place::New(failed.given);
                    return refused(failed.error, op.into_buf());
                }
            },
            place => record.place = place,
        }
        let Place::Driver(id) = record.place else { unreachable!("a socket stays until its close has ended") };
        op.socket = id;
    }
    // What was tried has perhaps been sent in part, which only the driver can tell of.
    let is_fresh = op.owned.progress == 0 && op.owned.tried().is_none();
    if cancelled && is_fresh && action != Action::Close {
        return refused(Error::new(action, ErrorKind::Cancelled), op.into_buf());
    }
    match driver.submit_checked(op, token(key)) {
        Ok(id) => {
            let record = &mut tables.operations[key.slot()];
            record.stage = Stage::Started(id);
            pass_answer(record, driver, id);
            if cancelled {
                driver.cancel(id);
            }
            None
        }
        Err(failed) => refused(failed.error, failed.given.into_buf()),
    }
}

/// Ends a lookup that has its answer.
fn pass_answer(record: &mut OperationRecord, driver: &mut Driver, id: OpId) {
    let Some(look_up) = &mut record.look_up else { return };
    if let Some(answer) = look_up.answer.take() {
        driver.answer(id, answer.map(|found| look_up.found = found));
    }
}

fn completion(key: Key, error: Error, buf: Option<AnyBuf>) -> Completion {
    Completion { id: OpId(key), token: token(key), more: false, result: Err(error), buf }
}

/// Whether later operations on the stream must go through the driver, which knows what this end
/// means for them. It means nothing if the operation succeeded, or was cancelled before it had
/// moved a byte.
fn needs_driver(result: &Result<Outcome, Error>) -> bool {
    match result {
        Ok(outcome) => matches!(outcome, Outcome::ShutDown),
        Err(error) => error.kind() != ErrorKind::Cancelled || error.transferred() > 0,
    }
}
