//! Handing packets over to a session's tasks, and taking packets from them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::error::SpawnError;
use super::event::Event;
use super::executor::{Executor, Owner, Polled};
use super::link::{Given, Link, Offer, Place, wake};
use crate::error::SendError;
use crate::session::{Session, close, holds::Hold, id::SessionId, reading, reason::CloseReason, send};
use crate::shard::state::ShardState;

/// What the tasks of one session share.
pub(super) struct Handover<M> {
    pub(super) session: Session,
    pub(super) link: Rc<Link>,
    pub(super) executor: Rc<Executor>,
    /// Messages that nobody has taken yet.
    messages: RefCell<VecDeque<M>>,
    /// The last event was a packet: if both are there, the next is a message.
    was_packet: Cell<bool>,
    /// An event has told of the drain.
    has_told_drain: Cell<bool>,
}

impl<M> Handover<M> {
    pub(super) fn new(session: &Session) -> Handover<M> {
        let link = Rc::<Link>::default();
        let mut state = session.state().borrow_mut();
        let executor = Rc::clone(&state.tasks);
        if let Some(record) = state.sessions.open(session.id()) {
            record.link = Some(Rc::clone(&link));
        }
        drop(state);
        Handover::of(session, link, executor)
    }

    /// That of a session which has a link already.
    pub(super) fn of(session: &Session, link: Rc<Link>, executor: Rc<Executor>) -> Handover<M> {
        Handover {
            session: session.clone(),
            link,
            executor,
            messages: RefCell::default(),
            was_packet: Cell::new(false),
            has_told_drain: Cell::new(false),
        }
    }

    fn id(&self) -> SessionId {
        self.session.id()
    }

    pub(super) fn end(&self, reason: CloseReason) {
        close::begin_if_open(&mut self.session.state().borrow_mut(), self.id(), reason);
    }

    /// The peer's stream has ended, and all packets are handed over.
    pub(super) fn peer_ended(&self, session: &Session) {
        self.link.peer_ended(&mut session.state().borrow_mut().to_wake);
    }

    /// A packet has come: it goes to a task that waits for one, or is kept.
    pub(super) fn hand_over(&self, packet: &[u8]) {
        let (link, executor) = (&*self.link, &*self.executor);
        let (readers, taken) = (link.readers.len(), link.taken.get());
        let offer = Offer(link);
        if readers > 0 && !link.has_untaken() {
            *link.offered.borrow_mut() = Some(executor.lending.offer(packet));
        } else {
            self.keep(packet);
        }
        for _ in 0..readers {
            let Some(reader) = link.readers.pop() else { break };
            wake(reader.waker);
            if let Some(task) = reader.task
                && let Polled::Panicked(Some(owner)) = executor.poll_now(task)
            {
                close::begin_if_open(&mut self.session.state().borrow_mut(), owner, CloseReason::Panic);
            }
            if link.taken.get() != taken {
                break;
            }
        }
        if offer.withdraw() {
            self.keep(packet);
        }
        if !link.untaken.borrow().is_empty() {
            let mut state = self.session.state().borrow_mut();
            if state.sessions.open(self.id()).is_some() {
                reading::hold(&mut state, self.id().slot(), Hold::Untaken);
            }
        }
    }

    fn keep(&self, packet: &[u8]) {
        self.link.untaken.borrow_mut().push_back(Bytes::copy_from_slice(packet));
    }

    /// Something was taken; if nothing is left, and the session was held for it, it goes on.
    fn count_taken(&self) {
        let link = &*self.link;
        link.taken.set(link.taken.get() + 1);
        if link.untaken.borrow().is_empty() {
            let mut state = self.session.state().borrow_mut();
            if state.sessions.open(self.id()).is_some() {
                reading::release(&mut state, self.id().slot(), Hold::Untaken);
            }
        }
    }

    /// Takes a packet, if there is one.
    fn take<R>(&self, read: impl FnOnce(Given<'_>) -> R) -> Option<R> {
        let link = &*self.link;
        let offered = link.offered.borrow_mut().take();
        if let Some(packet) = offered {
            link.taken.set(link.taken.get() + 1);
            return Some(self.executor.lending.read_offered(packet, |bytes| read(Given::Slice(bytes))));
        }
        let kept = link.untaken.borrow_mut().pop_front()?;
        self.count_taken();
        Some(read(Given::Owned(kept)))
    }

    /// Takes a packet, or wakes the caller when there is one. `None` at the end.
    fn poll_take<R>(
        &self,
        cx: &Context<'_>,
        place: &mut Place<'_>,
        read: &mut Option<impl FnOnce(Given<'_>) -> R>,
    ) -> Poll<Option<R>> {
        let link = &*self.link;
        let here = link.offered.borrow().is_some() || !link.untaken.borrow().is_empty();
        if here && let Some(read) = read.take() {
            return Poll::Ready(self.take(read));
        }
        if link.is_over() {
            return Poll::Ready(None);
        }
        place.register(cx.waker(), self.executor.current.get());
        Poll::Pending
    }

    /// Reads up to so many bytes of a packet, and keeps the rest. Returns `false` if there is none.
    #[cfg(feature = "tokio")]
    pub(super) fn read_some(&self, most: usize, read: impl FnOnce(&[u8])) -> bool {
        let link = &*self.link;
        let offered = link.offered.borrow_mut().take();
        if let Some(packet) = offered {
            let rest = self.executor.lending.read_offered(packet, |bytes| {
                let (now, rest) = bytes.split_at(most.min(bytes.len()));
                read(now);
                (!rest.is_empty()).then(|| Bytes::copy_from_slice(rest))
            });
            // `hand_over` notices it after the task has been polled, and holds the session.
            link.untaken.borrow_mut().extend(rest);
            link.taken.set(link.taken.get() + 1);
            return true;
        }
        let mut untaken = link.untaken.borrow_mut();
        let Some(bytes) = untaken.front_mut() else { return false };
        read(&bytes.split_to(most.min(bytes.len())));
        if bytes.is_empty() {
            untaken.pop_front();
        }
        drop(untaken);
        self.count_taken();
        true
    }

    /// Queues a packet if what is queued is below the watermark. `None`: not yet.
    pub(super) fn send_if_room(&self, packet: &[u8]) -> Option<Result<(), SendError>> {
        let (link, id) = (&*self.link, self.id());
        let mut state = self.session.state().borrow_mut();
        let high = state.limits.high();
        let Some(record) = state.sessions.open(id) else { return Some(Err(SendError::Closed)) };
        let queued = record.outbox.len();
        if queued >= high {
            link.full.set(true);
        }
        if link.full.get() {
            return None;
        }
        let stamp = send::stamp(&state, id.slot());
        match send::queue(&mut state, id, packet, stamp) {
            // It may fit when the peer has taken more.
            Err(SendError::Full) if queued > 0 => {
                link.full.set(true);
                None
            }
            result => Some(result),
        }
    }

    pub(super) async fn take_next<R>(&self, read: impl FnOnce(Given<'_>) -> R) -> Option<R> {
        let mut place = self.link.readers.place();
        let mut read = Some(read);
        poll_fn(|cx| self.poll_take(cx, &mut place, &mut read)).await
    }

    /// A message has come: it is kept until a task takes it.
    pub(super) fn keep_message(&self, message: M) {
        self.messages.borrow_mut().push_back(message);
        let mut state = self.session.state().borrow_mut();
        state.pending.keep();
        self.link.listeners.drain(&mut state.to_wake);
    }

    fn take_message(&self) -> Option<M> {
        let message = self.messages.borrow_mut().pop_front()?;
        let ShardState { directory, to_wake, .. } = &mut *self.session.state().borrow_mut();
        directory.inboxes(self.id().shard()).taken(self.id(), to_wake);
        Some(message)
    }

    pub(super) async fn next_message(&self) -> Option<M> {
        let mut place = self.link.listeners.place();
        poll_fn(|cx| {
            let message = self.take_message();
            if message.is_some() || self.link.reason().is_some() {
                return Poll::Ready(message);
            }
            place.register(cx.waker(), self.executor.current.get());
            Poll::Pending
        })
        .await
    }

    pub(super) async fn next_event(&self) -> Event<M> {
        let link = &*self.link;
        let (mut of_packets, mut of_messages) = (link.readers.place(), link.listeners.place());
        let mut of_drain = link.drainers.place();
        let mut read = Some(|given: Given<'_>| given.into_bytes());
        poll_fn(|cx| {
            if link.is_draining() && link.reason().is_none() && !self.has_told_drain.replace(true) {
                return Poll::Ready(Event::Draining);
            }
            // A packet that is being handed over is not put off, which would cost a copy.
            let is_offered = link.offered.borrow().is_some();
            if !is_offered
                && (self.was_packet.get() || !link.has_untaken())
                && let Some(message) = self.take_message()
            {
                self.was_packet.set(false);
                return Poll::Ready(Event::Message(message));
            }
            let packet = self.poll_take(cx, &mut of_packets, &mut read);
            if let Poll::Ready(packet) = packet {
                self.was_packet.set(packet.is_some());
                return Poll::Ready(packet.map_or(Event::Ended, Event::Packet));
            }
            of_messages.register(cx.waker(), self.executor.current.get());
            of_drain.register(cx.waker(), self.executor.current.get());
            Poll::Pending
        })
        .await
    }

    pub(super) fn spawn_owned(&self, tied: bool, future: impl Future<Output = ()> + 'static) -> Result<(), SpawnError> {
        let owner = Owner { id: self.id(), link: Rc::clone(&self.link), tied };
        self.executor.spawn(Some(owner), future)
    }
}
