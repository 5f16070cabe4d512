//! The tables of an engine: its operations and its sockets, and the queue of operations that the
//! engine's thread has to start or cancel.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;

use super::{endpoint::Endpoint, look_up::LookUp, notify::Notify};
use crate::buf::Crossing;
use crate::driver::{Completion, Op, Stream};
use crate::error::Action;
use crate::flags::{Direction, Flags, Role};
use crate::id::{OpId, SocketId};
use crate::table::{Key, Table};

/// No slot.
const NONE: u32 = u32::MAX;

/// How far an operation has come.
pub(super) enum Stage {
    /// Waits for the engine's thread to submit it to the driver.
    Starting(Crossing<Op>),
    /// The thread that starts it tries it.
    Trying,
    /// With the driver, under this id.
    Started(OpId),
    /// The driver did not take it; its end is about to be told.
    Refused,
    /// Ended; its result waits to be taken.
    Ended(Crossing<Completion>),
}

impl Stage {
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self, Stage::Starting(_) | Stage::Trying | Stage::Started(_))
    }
}

/// An operation, until its end has been told and its result taken.
pub(super) struct OperationRecord {
    pub(super) stage: Stage,
    /// It is in the queue of the engine's thread.
    queued: bool,
    pub(super) cancelled: bool,
    /// It has no handle: its record is freed when it ends.
    pub(super) detached: bool,
    pub(super) has_buf: bool,
    /// It moves bytes: zero of them mean the end of the stream.
    pub(super) wants_bytes: bool,
    pub(super) action: Action,
    pub(super) flags: Flags,
    pub(super) direction: Option<Direction>,
    pub(super) socket: Option<Key>,
    /// Its neighbours in its socket's list.
    before: u32,
    after: u32,
    pub(super) notify: Notify,
    /// Wakes the task or thread that waits on the handle.
    pub(super) waker: Option<Waker>,
    pub(super) look_up: Option<Box<LookUp>>,
}

/// Where a socket is.
pub(super) enum Place {
    /// The driver has not been given it yet.
    New(Stream),
    /// On its way to the driver.
    Moving,
    Driver(SocketId),
}

pub(super) struct SocketRecord {
    pub(super) place: Place,
    pub(super) role: Role,
    pub(super) closing: bool,
    /// A stream on which an operation has failed or that was shut down. Only the driver knows what
    /// that means for later operations, so none of them is tried directly.
    pub(super) failed: bool,
    /// The list of its operations that have not ended, oldest first. Its close is not in it.
    first: u32,
    last: u32,
    /// The slot of the send that is being tried by the thread that starts it.
    pub(super) tried: u32,
    /// Operations in flight in each direction.
    receives: u32,
    sends: u32,
    /// Connects in flight. Meanwhile nothing is tried directly: it would be told of the connect.
    pub(super) connects: u32,
    /// The same, with those whose results have not been taken.
    receive_records: u32,
    send_records: u32,
    /// While a handle exists.
    pub(super) endpoint: Weak<Endpoint>,
}

impl SocketRecord {
    fn new(stream: Stream, role: Role) -> SocketRecord {
        SocketRecord {
            place: Place::New(stream),
            role,
            closing: false,
            failed: false,
            first: NONE,
            last: NONE,
            tried: NONE,
            receives: 0,
            connects: 0,
            sends: 0,
            receive_records: 0,
            send_records: 0,
            endpoint: Weak::new(),
        }
    }

    /// No operation is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.receives == 0 && self.sends == 0
    }

    pub(super) fn count(&mut self, direction: Direction) -> &mut u32 {
        match direction {
            Direction::Receive => &mut self.receives,
            Direction::Send => &mut self.sends,
        }
    }

    /// Operations in this direction until their results have been taken.
    fn records(&mut self, direction: Direction) -> &mut u32 {
        match direction {
            Direction::Receive => &mut self.receive_records,
            Direction::Send => &mut self.send_records,
        }
    }
}

/// The place of a connection that waits, in a packet or for a routine, to become a socket. Dropping
/// it gives the place back.
pub(super) struct KeptPlace(Arc<AtomicUsize>);

impl Drop for KeptPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything under the engine's lock.
pub(super) struct Tables {
    /// Why no operation can be started any more.
    pub(super) ended: Option<&'static str>,
    pub(super) operations: Table<OperationRecord>,
    /// Operations that own a buffer.
    pub(super) buffers: usize,
    pub(super) sockets: Table<SocketRecord>,
    /// Accepts in flight, or with a result that has not been taken: each will be a socket.
    accepts: Arc<AtomicUsize>,
    /// Operations to start or cancel, each at most once.
    queue: VecDeque<Key>,
}

impl Tables {
    pub(super) fn new() -> Tables {
        Tables {
            ended: None,
            operations: Table::new(),
            buffers: 0,
            sockets: Table::new(),
            accepts: Arc::default(),
            queue: VecDeque::new(),
        }
    }

    pub(super) fn insert(&mut self, op: Crossing<Op>, socket: Option<Key>, notify: Notify, detached: bool) -> Key {
        let kind = op.get().kind;
        let (action, direction, flags) = (kind.action(), kind.direction(), kind.flags());
        let (has_buf, wants_bytes) = (op.get().owned.buf.is_some(), op.get().owned.total > 0);
        self.buffers += usize::from(has_buf);
        if action == Action::Accept {
            self.accepts.fetch_add(1, Ordering::Relaxed);
        }
        let key = self.operations.insert(OperationRecord {
            stage: Stage::Starting(op),
            queued: false,
            cancelled: false,
            detached,
            has_buf,
            wants_bytes,
            action,
            flags,
            direction,
            socket,
            before: NONE,
            after: NONE,
            notify,
            waker: None,
            look_up: None,
        });
        if let (Some(socket), Some(direction)) = (socket, direction)
            && let Some(record) = self.sockets.get_mut(socket)
        {
            *record.records(direction) += 1;
            match std::mem::replace(&mut record.last, key.slot()) {
                NONE => record.first = key.slot(),
                last => {
                    self.operations[last].after = key.slot();
                    self.operations[key.slot()].before = last;
                }
            }
        }
        key
    }

    /// An operation has ended: takes it out of its socket's list.
    pub(super) fn leave_socket(&mut self, slot: u32) {
        let record = &mut self.operations[slot];
        let socket = record.socket;
        let before = std::mem::replace(&mut record.before, NONE);
        let after = std::mem::replace(&mut record.after, NONE);
        if before != NONE {
            self.operations[before].after = after;
        }
        if after != NONE {
            self.operations[after].before = before;
        }
        let Some(socket) = socket.and_then(|socket| self.sockets.get_mut(socket)) else { return };
        if socket.first == slot {
            socket.first = after;
        }
        if socket.last == slot {
            socket.last = before;
        }
    }

    /// Frees a record. The caller drops what was in it after it has released the lock.
    pub(super) fn remove(&mut self, slot: u32) -> OperationRecord {
        let record = self.operations.remove_at(slot).expect("the caller has found it");
        self.buffers -= usize::from(record.has_buf);
        if let (Some(socket), Some(direction)) = (record.socket, record.direction)
            && let Some(socket) = self.sockets.get_mut(socket)
        {
            *socket.records(direction) -= 1;
        }
        if record.action == Action::Accept {
            self.accepts.fetch_sub(1, Ordering::Relaxed);
        }
        record
    }

    /// Whether a socket has no operation in this direction, not even one whose result has not been
    /// taken.
    pub(super) fn has_none(&mut self, socket: Key, direction: Direction) -> bool {
        self.sockets.get_mut(socket).is_some_and(|record| *record.records(direction) == 0)
    }

    /// Puts an operation into the queue of the engine's thread. Returns whether the thread must be
    /// woken: the queue was empty.
    pub(super) fn enqueue(&mut self, key: Key) -> bool {
        let record = &mut self.operations[key.slot()];
        if std::mem::replace(&mut record.queued, true) {
            return false;
        }
        self.queue.push_back(key);
        self.queue.len() == 1
    }

    /// Whether a new operation waits until an earlier send of its socket has been tried. It is
    /// queued then.
    pub(super) fn waits_for_try(&self, key: Key) -> bool {
        let record = &self.operations[key.slot()];
        let socket = record.socket.and_then(|socket| self.sockets.get(socket));
        record.direction == Some(Direction::Send) && socket.is_some_and(|socket| socket.tried != NONE)
    }

    /// A send has been tried, if this one was: queues those that have waited for that. Returns
    /// whether the engine's thread must be woken.
    pub(super) fn end_try(&mut self, slot: u32) -> bool {
        let record = &self.operations[slot];
        let mut next = record.after;
        let Some(socket) = record.socket.and_then(|socket| self.sockets.get_mut(socket)) else { return false };
        if socket.tried != slot {
            return false;
        }
        socket.tried = NONE;
        let mut wake = false;
        while next != NONE {
            let record = &self.operations[next];
            let (waits, this) = (matches!(record.stage, Stage::Starting(_)), next);
            next = record.after;
            wake |= waits && self.enqueue_slot(this);
        }
        wake
    }

    /// As [`enqueue`](Tables::enqueue), for the operation in a slot.
    pub(super) fn enqueue_slot(&mut self, slot: u32) -> bool {
        self.operations.key_of(slot).is_some_and(|key| self.enqueue(key))
    }

    /// Takes the next operation out of that queue. Those that have ended meanwhile are left out.
    pub(super) fn dequeue(&mut self) -> Option<Key> {
        loop {
            let key = self.queue.pop_front()?;
            if let Some(record) = self.operations.get_mut(key) {
                record.queued = false;
                return Some(key);
            }
        }
    }

    /// Asks every operation in flight on a socket to end. Returns how many there are, and whether
    /// the engine's thread must be woken.
    pub(super) fn cancel_all(&mut self, socket: Key) -> (usize, bool) {
        let mut at = self.sockets.get(socket).map_or(NONE, |record| record.first);
        let (mut cancelled, mut wake) = (0, false);
        while at != NONE {
            let record = &mut self.operations[at];
            let (slot, in_flight) = (std::mem::replace(&mut at, record.after), record.stage.is_in_flight());
            if in_flight {
                record.cancelled = true;
                wake |= self.enqueue_slot(slot);
                cancelled += 1;
            }
        }
        (cancelled, wake)
    }

    /// Sockets that have sends in flight and are not being closed.
    pub(super) fn sending(&self) -> Vec<Key> {
        let sending = |(key, record): (Key, &SocketRecord)| (record.sends > 0 && !record.closing).then_some(key);
        self.sockets.iter().filter_map(sending).collect()
    }

    /// Asks every operation in flight to end, except sends of sockets that are being closed: they
    /// end before their sockets do. Returns how many are in flight.
    pub(super) fn cancel_everything(&mut self) -> usize {
        let mut in_flight = 0;
        for slot in self.operations.slots() {
            let Some(record) = self.operations.at_mut(slot) else { continue };
            if record.stage.is_in_flight() {
                in_flight += 1;
                let closing = |socket| self.sockets.get(socket).is_some_and(|socket| socket.closing);
                if record.action != Action::Send || !record.socket.is_some_and(closing) {
                    record.cancelled = true;
                    self.enqueue_slot(slot);
                }
            }
        }
        in_flight
    }

    /// Sockets, and places that are kept for those that accepts in flight will bring.
    pub(super) fn places(&self) -> usize {
        self.sockets.len() + self.accepts.load(Ordering::Relaxed)
    }

    /// Keeps a place for a connection that has been accepted and has no record any more.
    pub(super) fn keep_place(&self) -> KeptPlace {
        self.accepts.fetch_add(1, Ordering::Relaxed);
        KeptPlace(Arc::clone(&self.accepts))
    }

    pub(super) fn insert_socket(&mut self, stream: Stream, role: Role) -> Key {
        self.sockets.insert(SocketRecord::new(stream, role))
    }
}

/// The driver's token for an operation.
pub(super) fn token(key: Key) -> u64 {
    u64::from(key.generation()) << 32 | u64::from(key.slot())
}

pub(super) fn key_of_token(token: u64) -> Key {
    Key::new(token as u32, (token >> 32) as u32)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::driver::{Driver, DriverConfig};
    use crate::sim::Network;
    use crate::time::Time;

    fn insert(tables: &mut Tables) -> Key {
        tables.insert(Crossing::new(Op::timer(Time::ZERO)), None, Notify::Nobody, false)
    }

    #[test]
    fn an_operation_is_queued_once_and_only_the_first_wakes_the_thread() {
        let mut tables = Tables::new();
        let (first, second) = (insert(&mut tables), insert(&mut tables));
        assert!(tables.enqueue(first));
        assert!(!tables.enqueue(second));
        assert!(!tables.enqueue(first));
        assert_eq!([tables.dequeue(), tables.dequeue(), tables.dequeue()], [Some(first), Some(second), None]);
        assert!(tables.enqueue(second));
    }

    #[test]
    fn an_operation_that_was_removed_leaves_the_queue_and_its_slot_can_be_queued_again() {
        let mut tables = Tables::new();
        let old = insert(&mut tables);
        tables.enqueue(old);
        tables.remove(old.slot());
        let new = insert(&mut tables);
        assert_eq!(new.slot(), old.slot());
        assert!(!tables.enqueue(new), "the queue still holds the old key");
        assert_eq!([tables.dequeue(), tables.dequeue()], [Some(new), None]);
    }

    #[test]
    fn a_socket_lists_its_operations_in_order_until_they_have_ended() {
        let mut tables = Tables::new();
        let driver = Driver::new(DriverConfig::new().network(Network::new(1))).unwrap();
        let family = "10.0.0.1:80".parse().unwrap();
        let stream = || Stream(driver.maker().stream(&family).unwrap());
        let sockets = [(); 2].map(|()| tables.insert_socket(stream(), Role::Stream));
        let mut expected = [const { Vec::new() }; 2];
        for i in 0..20 {
            let receive = Crossing::new(Op::recv(Op::NO_SOCKET, vec![0u8; 1]));
            let key = tables.insert(receive, Some(sockets[i % 2]), Notify::Nobody, false);
            expected[i % 2].push(key.slot());
        }
        // The first, the last, some between, and then the rest.
        for at in [0, 8, 3, 3, 0, 0, 0, 0, 0, 0] {
            for (socket, expected) in sockets.iter().zip(&mut expected) {
                tables.leave_socket(expected.remove(at));
                let record = &tables.sockets[socket.slot()];
                let after = |at: &u32| Some(tables.operations[*at].after).filter(|at| *at != NONE);
                let before = |at: &u32| Some(tables.operations[*at].before).filter(|at| *at != NONE);
                let end = |at| Some(at).filter(|at| *at != NONE);
                assert!(std::iter::successors(end(record.first), after).eq(expected.iter().copied()));
                assert!(std::iter::successors(end(record.last), before).eq(expected.iter().rev().copied()));
            }
        }
        assert_eq!(tables.cancel_all(sockets[0]), (0, false));
    }

    #[test]
    fn cancelling_everything_queues_each_operation_in_flight() {
        let mut tables = Tables::new();
        let keys = [insert(&mut tables), insert(&mut tables)];
        tables.operations[keys[1].slot()].stage = Stage::Refused;
        assert_eq!(tables.cancel_everything(), 1);
        assert_eq!([tables.dequeue(), tables.dequeue()], [Some(keys[0]), None]);
        assert!(tables.operations[keys[0].slot()].cancelled);
    }
}
