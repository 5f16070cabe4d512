//! What a session's task and its shard have between them: who waits for what, and the packet that was not waited for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::task::Waker;

use bytes::Bytes;

use super::executor::TaskId;
use crate::close::CloseReason;
use crate::session::{Core, SessionId};

/// Those who wait for one thing, first come first.
#[derive(Default)]
pub(crate) struct Waiters {
    list: RefCell<Vec<Waiter>>,
    tickets: Cell<u64>,
}

/// The ticket of the stream interface; others begin at 1.
#[cfg(feature = "tokio")]
const STREAM: u64 = 0;

pub(crate) struct Waiter {
    ticket: u64,
    pub(crate) waker: Waker,
    /// The task that waits, if it is one of the shard's.
    pub(crate) task: Option<TaskId>,
}

impl Waiters {
    /// A place among them, for as long as it is there.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { waiters: self, ticket: None }
    }

    /// Puts someone in, last, or renews their waker.
    pub(crate) fn register(&self, ticket: &mut Option<u64>, waker: &Waker, task: Option<TaskId>) {
        let mut list = self.list.borrow_mut();
        let known = ticket.and_then(|ticket| list.iter_mut().find(|waiter| waiter.ticket == ticket));
        match known {
            Some(waiter) => {
                waiter.waker.clone_from(waker);
                waiter.task = task;
            }
            None => {
                let new = self.tickets.get() + 1;
                self.tickets.set(new);
                *ticket = Some(new);
                list.push(Waiter { ticket: new, waker: waker.clone(), task });
            }
        }
    }

    /// As [`register`](Waiters::register), for the stream interface, whose waiting nothing ends: it has one place.
    #[cfg(feature = "tokio")]
    pub(crate) fn register_stream(&self, waker: &Waker, task: Option<TaskId>) {
        let mut list = self.list.borrow_mut();
        match list.iter_mut().find(|waiter| waiter.ticket == STREAM) {
            Some(waiter) => {
                waiter.waker.clone_from(waker);
                waiter.task = task;
            }
            None => list.push(Waiter { ticket: STREAM, waker: waker.clone(), task }),
        }
    }

    fn remove(&self, ticket: u64) {
        let mut list = self.list.borrow_mut();
        let at = list.iter().position(|waiter| waiter.ticket == ticket);
        let gone = at.map(|at| list.remove(at));
        // A waker that is dropped may run code of others.
        drop(list);
        drop(gone);
    }

    pub(crate) fn len(&self) -> usize {
        self.list.borrow().len()
    }

    /// Takes out the first.
    pub(crate) fn pop(&self) -> Option<Waiter> {
        let mut list = self.list.borrow_mut();
        if list.is_empty() { None } else { Some(list.remove(0)) }
    }

    fn drain(&self, into: &mut Vec<Waker>) {
        into.extend(self.list.borrow_mut().drain(..).map(|waiter| waiter.waker));
    }
}

/// Someone's place among those who wait; given up when it is dropped.
pub(crate) struct Place<'w> {
    waiters: &'w Waiters,
    ticket: Option<u64>,
}

impl Place<'_> {
    pub(crate) fn register(&mut self, waker: &Waker, task: Option<TaskId>) {
        self.waiters.register(&mut self.ticket, waker, task);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.waiters.remove(ticket);
        }
    }
}

#[derive(Default)]
pub(crate) struct Link {
    /// For a packet.
    pub(crate) readers: Waiters,
    /// For the outbox to fall below its low mark.
    pub(crate) senders: Waiters,
    /// For the end.
    pub(crate) mourners: Waiters,
    /// A packet in the shard's lent buffer, while it is being handed over.
    pub(crate) offered: RefCell<Option<Range<usize>>>,
    /// What came when nobody waited for it. The session is held then, so it is one packet.
    pub(crate) kept: RefCell<VecDeque<Bytes>>,
    /// How often something was taken.
    pub(crate) taken: Cell<u64>,
    /// The outbox was over its high mark and has not been below the low one since.
    pub(crate) full: Cell<bool>,
    peer_ended: Cell<bool>,
    reason: Cell<Option<CloseReason>>,
    gone: Cell<bool>,
    /// The tasks that end when the session has.
    tied: RefCell<BTreeSet<TaskId>>,
}

impl Link {
    /// Why the session is being closed, or has been.
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.reason.get()
    }

    /// The peer's stream has ended, and what came before was handed over.
    pub(crate) fn has_peer_ended(&self) -> bool {
        self.peer_ended.get()
    }

    /// No packet will come any more, other than one that is kept.
    pub(crate) fn is_over(&self) -> bool {
        self.peer_ended.get() || self.reason.get().is_some()
    }

    /// The session is not in the shard's table any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get()
    }

    pub(crate) fn gone(&self) {
        self.gone.set(true);
    }

    pub(crate) fn tie(&self, task: TaskId) {
        self.tied.borrow_mut().insert(task);
    }

    pub(crate) fn untie(&self, task: TaskId) {
        self.tied.borrow_mut().remove(&task);
    }

    pub(crate) fn first_tied(&self) -> Option<TaskId> {
        self.tied.borrow().first().copied()
    }

    /// The session is being closed; those who are to be woken go into the list.
    pub(crate) fn closing(&self, reason: CloseReason, to_wake: &mut Vec<Waker>) {
        self.reason.set(Some(reason));
        for waiters in [&self.readers, &self.senders, &self.mourners] {
            waiters.drain(to_wake);
        }
    }
}

impl Core {
    /// A packet came that its session's task has not taken: until it has, the session is held.
    pub(crate) fn not_taken(&mut self, id: SessionId) {
        if let Some(entry) = self.open(id)
            && !std::mem::replace(&mut entry.untaken, true)
        {
            self.stop_receiving(id.slot);
            self.hold_changed(id.slot);
        }
    }

    /// It has: the session goes on, if nothing else holds it.
    pub(crate) fn taken(&mut self, slot: u32) {
        if let Some(entry) = self.entry(slot)
            && std::mem::replace(&mut entry.untaken, false)
        {
            self.pump_later(slot);
            self.hold_changed(slot);
        }
    }

    /// The peer's stream has ended and everything that came is handed over: those who wait for more are woken.
    pub(crate) fn peer_ended(&mut self, link: &Link) {
        link.peer_ended.set(true);
        link.readers.drain(&mut self.to_wake);
        link.mourners.drain(&mut self.to_wake);
    }

    /// The outbox of a session has become emptier: those who wait to send may go on, if it is below the low mark.
    pub(crate) fn room_came(&mut self, slot: u32) {
        let low = self.limits.low();
        let Some(entry) = self.entry(slot).filter(|entry| entry.outbox.len() <= low) else { return };
        let Some(link) = entry.link.clone().filter(|link| link.full.replace(false)) else { return };
        link.senders.drain(&mut self.to_wake);
    }
}
