//! Messages on their way to a shard's sessions, as other threads see them: how many there are, and
//! who waits for room. The messages themselves are mail.
//!
//! A session is sent no more than it may keep, and a shard no more than [`MOST_UNDELIVERED`], which
//! leaves half of its mailbox for other mail. A sender that waits is woken when half of what it
//! waits for is free; it then tries again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use overlapped::mailbox::MailError;

use crate::session::id::SessionId;

/// Messages that a shard has not handed to their sessions.
const MOST_UNDELIVERED: usize = 1 << 15;

pub(crate) struct Inboxes {
    /// Messages that one session has not taken.
    most: usize,
    counts: Mutex<Counts>,
    /// A sender waits for room in the shard, or is about to find out whether it must.
    is_awaited: AtomicBool,
}

#[derive(Default)]
struct Counts {
    shard: Room,
    /// Sessions that have messages or waiters.
    sessions: HashMap<SessionId, Room>,
    tickets: u64,
}

#[derive(Default)]
struct Room {
    messages: usize,
    waiters: Vec<(u64, Waker)>,
}

impl Room {
    fn is_idle(&self) -> bool {
        self.messages == 0 && self.waiters.is_empty()
    }

    fn give_up(&mut self, ticket: u64) -> Option<Waker> {
        let at = self.waiters.iter().position(|(own, _)| *own == ticket)?;
        Some(self.waiters.remove(at).1)
    }

    fn drain(&mut self, to_wake: &mut Vec<Waker>) {
        to_wake.extend(self.waiters.drain(..).map(|(_, waker)| waker));
    }
}

/// A sender that waits: its place among others, once it has one.
#[derive(Default)]
pub(crate) struct Ticket(Option<u64>);

impl Inboxes {
    pub(crate) fn new(most: usize) -> Inboxes {
        Inboxes { most, counts: Mutex::default(), is_awaited: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // No code of a user runs under the lock.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message to the session if there is room. If not, and the sender waits, it is woken
    /// when there may be.
    pub(crate) fn offer<T>(
        &self,
        id: SessionId,
        message: T,
        waiting: Option<(&mut Ticket, &Waker)>,
        send: impl FnOnce(T) -> Result<(), MailError<T>>,
    ) -> Result<(), MailError<T>> {
        let waiting = waiting.map(|(ticket, waker)| (ticket, waker.clone()));
        let mut counts = self.lock();
        if waiting.is_some() {
            // Before the attempt: if the mailbox is full now, the shard takes from it later, and
            // sees this then. Under the lock: the shard takes it back only when it wakes those that
            // have their places.
            self.is_awaited.store(true, Ordering::SeqCst);
        }
        let before = waiting.as_ref().and_then(|(ticket, _)| counts.give_up(id, ticket));
        let is_session_full = counts.sessions.get(&id).is_some_and(|room| room.messages >= self.most);
        let is_full = is_session_full || counts.shard.messages >= MOST_UNDELIVERED;
        let sent = if is_full { Err(MailError::Full(message)) } else { send(message) };
        match &sent {
            Ok(()) => {
                counts.shard.messages += 1;
                counts.sessions.entry(id).or_default().messages += 1;
            }
            Err(MailError::Full(_)) => {
                if let Some((ticket, waker)) = waiting {
                    counts.tickets += 1;
                    ticket.0 = Some(counts.tickets);
                    let place = (counts.tickets, waker);
                    match is_session_full {
                        true => counts.sessions.entry(id).or_default().waiters.push(place),
                        false => counts.shard.waiters.push(place),
                    }
                }
            }
            Err(MailError::Closed(_)) => {}
        }
        drop(counts);
        // Dropping a waker may run user code.
        drop(before);
        sent
    }

    /// A sender waits no longer.
    pub(crate) fn give_up(&self, id: SessionId, ticket: &Ticket) {
        let waker = self.lock().give_up(id, ticket);
        drop(waker);
    }

    /// A message has been handed to its session, or dropped with it. The wakers to call go into the
    /// list.
    pub(crate) fn delivered(&self, to_wake: &mut Vec<Waker>) {
        let mut counts = self.lock();
        counts.shard.messages -= 1;
        // No more mail may come, so that it is not read either.
        if counts.shard.messages == MOST_UNDELIVERED / 2 {
            self.wake_for_room(&mut counts, to_wake);
        }
    }

    /// The session's logic has taken a message. The wakers to call go into the list.
    pub(crate) fn taken(&self, id: SessionId, to_wake: &mut Vec<Waker>) {
        let mut counts = self.lock();
        let Some(room) = counts.sessions.get_mut(&id) else { return };
        room.messages = room.messages.saturating_sub(1);
        if room.messages <= self.most / 2 {
            room.drain(to_wake);
        }
        if room.is_idle() {
            counts.sessions.remove(&id);
        }
    }

    /// A session is closing: nothing waits for it any more. The wakers to call go into the list.
    pub(crate) fn forget(&self, id: SessionId, to_wake: &mut Vec<Waker>) {
        let mut counts = self.lock();
        // Most servers post no messages.
        if !counts.sessions.is_empty()
            && let Some(mut room) = counts.sessions.remove(&id)
        {
            room.drain(to_wake);
        }
    }

    /// The shard has read its mail. The wakers to call go into the list.
    pub(crate) fn has_read(&self, to_wake: &mut Vec<Waker>) {
        if !self.is_awaited.load(Ordering::SeqCst) {
            return;
        }
        let mut counts = self.lock();
        if counts.shard.messages <= MOST_UNDELIVERED / 2 {
            self.wake_for_room(&mut counts, to_wake);
        }
    }

    fn wake_for_room(&self, counts: &mut Counts, to_wake: &mut Vec<Waker>) {
        self.is_awaited.store(false, Ordering::SeqCst);
        counts.shard.drain(to_wake);
    }

    /// The shard has ended, and its mailbox is closed. Returns everybody who waits. Messages
    /// that are left no longer count, so the next sender finds the mailbox closed, not full.
    pub(crate) fn end(&self) -> Vec<Waker> {
        let mut to_wake = Vec::new();
        let mut counts = self.lock();
        counts.shard.drain(&mut to_wake);
        counts.shard.messages = 0;
        for mut room in std::mem::take(&mut counts.sessions).into_values() {
            room.drain(&mut to_wake);
        }
        to_wake
    }
}

impl Counts {
    fn give_up(&mut self, id: SessionId, ticket: &Ticket) -> Option<Waker> {
        let ticket = ticket.0?;
        if let Some(waker) = self.shard.give_up(ticket) {
            return Some(waker);
        }
        let room = self.sessions.get_mut(&id)?;
        let waker = room.give_up(ticket);
        if room.is_idle() {
            self.sessions.remove(&id);
        }
        waker
    }
}

#[cfg(test)]
mod tests {
    use overlapped::table::Key;

    use super::*;

    fn offer(inboxes: &Inboxes, id: SessionId, ticket: Option<&mut Ticket>) -> bool {
        let waiting = ticket.map(|ticket| (ticket, Waker::noop()));
        inboxes.offer(id, (), waiting, |()| Ok(())).is_ok()
    }

    #[test]
    fn one_session_is_full_alone_and_its_senders_are_woken_when_half_is_free() {
        let inboxes = Inboxes::new(4);
        let (full, other) = (SessionId::new(0, Key::new(1, 0)), SessionId::new(0, Key::new(2, 0)));
        (0..4).for_each(|_| assert!(offer(&inboxes, full, None)));
        let mut tickets = [Ticket::default(), Ticket::default()];
        assert!(!offer(&inboxes, full, None) && offer(&inboxes, other, None));
        for ticket in &mut tickets {
            assert!(!offer(&inboxes, full, Some(ticket)));
            assert!(!offer(&inboxes, full, Some(ticket)), "its place is renewed, not doubled");
        }
        let mut to_wake = Vec::new();
        inboxes.taken(full, &mut to_wake);
        assert!(to_wake.is_empty());
        inboxes.give_up(full, &tickets[0]);
        inboxes.taken(full, &mut to_wake);
        assert_eq!(to_wake.len(), 1);
        assert!(offer(&inboxes, full, Some(&mut tickets[1])));
    }

    #[test]
    fn nothing_is_kept_of_sessions_without_messages() {
        let inboxes = Inboxes::new(1);
        let id = SessionId::new(0, Key::new(1, 0));
        let (mut ticket, mut to_wake) = (Ticket::default(), Vec::new());
        assert!(offer(&inboxes, id, None) && !offer(&inboxes, id, Some(&mut ticket)));
        inboxes.forget(id, &mut to_wake);
        assert_eq!(to_wake.len(), 1);
        inboxes.taken(id, &mut to_wake);
        assert!(offer(&inboxes, id, None));
        inboxes.taken(id, &mut to_wake);
        assert!(inboxes.lock().sessions.is_empty());
    }

    #[test]
    fn a_full_mailbox_wakes_its_senders_after_the_shard_has_read_it() {
        let inboxes = Inboxes::new(4);
        let id = SessionId::new(0, Key::new(1, 0));
        let (mut ticket, mut to_wake) = (Ticket::default(), Vec::new());
        let waiting = Some((&mut ticket, Waker::noop()));
        // The shard reads between the attempt and the registration.
        let sent = inboxes.offer(id, (), waiting, |()| {
            assert!(inboxes.is_awaited.load(Ordering::SeqCst), "the shard would not look");
            Err(MailError::Full(()))
        });
        assert_eq!(sent, Err(MailError::Full(())));
        inboxes.has_read(&mut to_wake);
        assert_eq!(to_wake.len(), 1);
        inboxes.has_read(&mut to_wake);
        assert_eq!(to_wake.len(), 1);
    }

    #[test]
    fn when_the_shard_has_ended_a_full_inbox_is_closed() {
        let inboxes = Inboxes::new(1);
        let id = SessionId::new(0, Key::new(1, 0));
        let mut ticket = Ticket::default();
        assert!(offer(&inboxes, id, None) && !offer(&inboxes, id, Some(&mut ticket)));
        assert_eq!(inboxes.end().len(), 1);
        let waiting = Some((&mut ticket, Waker::noop()));
        let sent = inboxes.offer(id, (), waiting, |()| Err(MailError::Closed(())));
        assert_eq!(sent, Err(MailError::Closed(())), "nobody would wake it");
    }
}
