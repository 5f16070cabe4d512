//! What a session's task and its shard share: who waits for what, the packets that nobody has taken
//! yet, and the packet that is just handed over.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use bytes::Bytes;
use overlapped::table::Key;

use super::lending::Offered;
use crate::session::reason::CloseReason;

/// Wakers that wait for one thing, in the order in which they came. In a box, because each session
/// with a task has several of these, and most have one waiter at one of them.
#[derive(Default)]
pub(crate) struct Waiters(RefCell<Option<Box<List>>>);

#[derive(Default)]
struct List {
    waiters: Vec<Waiter>,
    /// The last ticket that was given.
    ticket: u64,
}

/// The ticket of the stream interface, which has one place and never gives it up. Others begin at
/// 1.
#[cfg(feature = "tokio")]
pub(super) const STREAM: u64 = 0;

pub(crate) struct Waiter {
    ticket: u64,
    pub(crate) waker: Waker,
    /// The task that waits, if it is one of the shard's.
    pub(crate) task: Option<Key>,
}

impl Waiters {
    /// A place among them, given up when it is dropped.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { waiters: self, ticket: None }
    }

    /// Adds a waker, last, or renews it.
    pub(crate) fn register(&self, ticket: &mut Option<u64>, waker: &Waker, task: Option<Key>) {
        let mut list = self.0.borrow_mut();
        let list = list.get_or_insert_default();
        let ticket = *ticket.get_or_insert_with(|| {
            list.ticket += 1;
            list.ticket
        });
        match list.waiters.iter_mut().find(|waiter| waiter.ticket == ticket) {
            Some(waiter) => {
                waiter.waker.clone_from(waker);
                waiter.task = task;
            }
            None => {
                if list.waiters.is_empty() {
                    // The task of the session, and seldom anyone else.
                    list.waiters.reserve_exact(1);
                }
                list.waiters.push(Waiter { ticket, waker: waker.clone(), task });
            }
        }
    }

    fn remove(&self, ticket: u64) {
        let mut list = self.0.borrow_mut();
        let gone = list.as_mut().and_then(|list| {
            let at = list.waiters.iter().position(|waiter| waiter.ticket == ticket)?;
            Some(list.waiters.remove(at))
        });
        // Dropping a waker may run user code.
        drop(list);
        drop(gone);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().as_ref().map_or(0, |list| list.waiters.len())
    }

    /// Takes out the first.
    pub(crate) fn pop(&self) -> Option<Waiter> {
        let mut list = self.0.borrow_mut();
        let waiters = &mut list.as_mut()?.waiters;
        if waiters.is_empty() { None } else { Some(waiters.remove(0)) }
    }

    pub(super) fn drain(&self, into: &mut Vec<Waker>) {
        if let Some(list) = &mut *self.0.borrow_mut() {
            into.extend(list.waiters.drain(..).map(|waiter| waiter.waker));
        }
    }
}

/// A place among those that wait, given up when it is dropped.
pub(crate) struct Place<'w> {
    waiters: &'w Waiters,
    ticket: Option<u64>,
}

impl Place<'_> {
    pub(crate) fn register(&mut self, waker: &Waker, task: Option<Key>) {
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
    /// Wait for a packet.
    pub(crate) readers: Waiters,
    /// Wait for the outbox to fall below its low watermark.
    pub(crate) senders: Waiters,
    /// Whether the session's logic is a handler. Its tasks are beside its work: a drain does not
    /// ask what they wait for.
    pub(crate) is_of_handler: Cell<bool>,
    /// Whether an HTTP service has the session, and the logic does not know it.
    #[cfg(feature = "http")]
    pub(crate) is_served: Cell<bool>,
    /// Wait for a message.
    pub(crate) listeners: Waiters,
    /// Wait for the end.
    pub(crate) closers: Waiters,
    /// Wait for a drain.
    pub(crate) drainers: Waiters,
    /// A packet that is lent by the shard's executor, while it is being handed over.
    pub(crate) offered: RefCell<Option<Offered>>,
    /// What came while nobody waited for it. The session is held then, so it is one packet.
    pub(crate) untaken: RefCell<VecDeque<Bytes>>,
    /// How often something was taken.
    pub(crate) taken: Cell<u64>,
    /// The outbox was over its high watermark, and has not been below the low one since.
    pub(crate) full: Cell<bool>,
    peer_ended: Cell<bool>,
    reason: Cell<Option<CloseReason>>,
    draining: Cell<bool>,
    pub(super) gone: Cell<bool>,
    /// The tasks that end when the session has: mostly one.
    tied: Cell<Option<Key>>,
    more_tied: RefCell<BTreeSet<Key>>,
}

impl Link {
    /// The link of a handler's session, which has one when it has tasks.
    pub(crate) fn of_handler() -> Link {
        Link { is_of_handler: Cell::new(true), ..Link::default() }
    }

    /// Why the session is being closed, or has been.
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.reason.get()
    }

    /// The peer's stream has ended, and what came before was handed over.
    pub(crate) fn has_peer_ended(&self) -> bool {
        self.peer_ended.get()
    }

    /// No packet will come any more, apart from one that is untaken.
    pub(crate) fn is_over(&self) -> bool {
        self.peer_ended.get() || self.reason.get().is_some()
    }

    pub(crate) fn tie(&self, task: Key) {
        if self.tied.get().is_none() {
            self.tied.set(Some(task));
        } else {
            self.more_tied.borrow_mut().insert(task);
        }
    }

    pub(crate) fn untie(&self, task: Key) {
        if self.tied.get() == Some(task) {
            self.tied.set(None);
        } else {
            self.more_tied.borrow_mut().remove(&task);
        }
    }

    pub(crate) fn first_tied(&self) -> Option<Key> {
        let more = self.more_tied.borrow();
        self.tied.get().into_iter().chain(more.first().copied()).min()
    }

    /// The session is closing. The wakers to call go into the list.
    pub(crate) fn closing(&self, reason: CloseReason, to_wake: &mut Vec<Waker>) {
        self.reason.set(Some(reason));
        for waiters in [&self.readers, &self.senders, &self.listeners, &self.closers, &self.drainers] {
            waiters.drain(to_wake);
        }
    }

    /// The server is being drained. The wakers to call go into the list.
    pub(crate) fn begin_drain(&self, to_wake: &mut Vec<Waker>) {
        self.draining.set(true);
        self.drainers.drain(to_wake);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Whether a packet is waited for, and nobody who waits is about to go on for another reason.
    pub(crate) fn awaits_packet(&self, is_woken: impl Fn(Key) -> bool) -> bool {
        let readers = self.readers.0.borrow();
        let Some(readers) = &*readers else { return false };
        let is_woken = |reader: &Waiter| reader.task.is_some_and(&is_woken);
        !readers.waiters.is_empty() && !readers.waiters.iter().any(is_woken)
    }

    /// The peer's stream has ended and all packets are handed over. The wakers to call go into the
    /// list.
    pub(crate) fn peer_ended(&self, to_wake: &mut Vec<Waker>) {
        self.peer_ended.set(true);
        self.readers.drain(to_wake);
        self.closers.drain(to_wake);
    }

    /// The TLS that was started is there. The wakers to call go into the list.
    pub(crate) fn secured(&self, to_wake: &mut Vec<Waker>) {
        self.closers.drain(to_wake);
    }

    /// The outbox is below its low watermark. The wakers to call go into the list.
    pub(crate) fn has_room(&self, to_wake: &mut Vec<Waker>) {
        if self.full.replace(false) {
            self.senders.drain(to_wake);
        }
    }

    pub(crate) fn has_untaken(&self) -> bool {
        !self.untaken.borrow().is_empty()
    }
}

/// Calls a waker, and contains its panic.
pub(crate) fn wake(waker: Waker) {
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        tracing::error!("a waker panicked");
    }
}

/// A packet is offered for no longer than this is there, for its memory is lent to others after
/// that.
pub(super) struct Offer<'l>(pub(super) &'l Link);

impl Offer<'_> {
    /// Says whether nobody took it.
    pub(super) fn withdraw(&self) -> bool {
        self.0.offered.borrow_mut().take().is_some()
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// A packet for the task that takes it.
pub(super) enum Given<'a> {
    Slice(&'a [u8]),
    Owned(Bytes),
}

impl Given<'_> {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Given::Slice(bytes) => bytes,
            Given::Owned(bytes) => bytes,
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Given::Slice(bytes) => Bytes::copy_from_slice(bytes),
            Given::Owned(bytes) => bytes,
        }
    }
}
