//! A shard: one driver, its sessions, and a handler. A value with `turn()`; who calls it is not its business.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use overlapped::buf::AnyBuf;
use overlapped::driver::{Completion, Live, SocketId, Wait};
use overlapped::mailbox::Mailbox;
use overlapped::{Address, Time};

use crate::acceptor::Acceptor;
use crate::close::CloseReason;
use crate::codec::Framing;
use crate::connector::Origin;
use crate::error::{SendError, ServerError};
use crate::handle::{Accepted, DRAINING, Handle, Mail, RUNNING, STOPPING, Shared};
use crate::handler::Handler;
use crate::limits::{Permit, Refusal};
use crate::session::{Core, Session, SessionId, token};
use crate::task::executor::Executor;

mod connecting;
mod receiving;
mod tasks;

/// How long a shard waits that may not go on because another is late.
const HELD_BACK: Duration = Duration::from_millis(1);

/// Calls what the user wrote, handler or codec: a panic is the end of the session for which it is called, and of no other.
fn contained<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(call))
}

pub(crate) struct Shard<H: Handler> {
    core: Rc<RefCell<Core>>,
    tasks: Rc<Executor>,
    handler: H,
    states: Vec<Option<H::State>>,
    acceptor: Option<Acceptor>,
    mailbox: Mailbox<Mail>,
    /// Memory for those that may be handed packets again.
    to_pump: Vec<u32>,
    shared: Arc<Shared>,
    index: usize,
    phase: u8,
    /// When draining turns into stopping.
    deadline: Option<Time>,
    turns: u64,
}

impl<H: Handler> Shard<H> {
    pub(crate) fn new(
        core: Core,
        handler: H,
        acceptor: Option<Acceptor>,
        mailbox: Mailbox<Mail>,
        shared: Arc<Shared>,
    ) -> Shard<H> {
        let index = usize::from(core.shard);
        let mut core = core;
        core.delivery.server = Some(Arc::clone(&shared));
        let tasks = Rc::clone(&core.tasks);
        let _ = tasks.server.set(Handle { shared: Arc::clone(&shared) });
        Shard {
            tasks,
            core: Rc::new(RefCell::new(core)),
            handler,
            states: Vec::new(),
            acceptor,
            mailbox,
            to_pump: Vec::new(),
            shared,
            index,
            phase: RUNNING,
            deadline: None,
            turns: 0,
        }
    }

    /// Waits until something happens, and does what there is to do. Returns `false` when the shard has ended: it was told to, and its last
    /// session is closed.
    pub(crate) fn turn(&mut self) -> Result<bool, ServerError> {
        let wait = {
            let core = self.core.borrow();
            let has_to_call = !core.to_pump.is_empty() || core.tasks.has_woken();
            match self.deadline() {
                _ if core.connector.has_ended() || !core.may_wait() || !core.to_wake.is_empty() => Wait::Poll,
                // Neither a handler nor a task is called until the other has caught up.
                _ if has_to_call && core.is_held_back() => Wait::For(HELD_BACK),
                _ if has_to_call => Wait::Poll,
                Some(deadline) => Wait::Until(deadline),
                None => Wait::Forever,
            }
        };
        self.turn_within(wait)?;
        if !self.has_ended() {
            return Ok(true);
        }
        // Someone who saw the server run may have mailed something since it was last looked for; from here on nobody can. Whoever is owed an answer gets it.
        self.mailbox.close();
        self.read_mail();
        Ok(!self.has_ended())
    }

    /// As [`turn`](Shard::turn), with a limit of the caller's on the wait; says whether there was anything to do.
    pub(crate) fn turn_within(&mut self, wait: Wait) -> Result<bool, ServerError> {
        {
            let mut core = self.core.borrow_mut();
            core.driver.turn(wait)?;
            core.watch.now = core.driver.now();
        }
        self.turns += 1;
        let _turning = self.tasks.enter();
        // In this order: what was mailed before the server was told to end is in the mail by now, and is done before the end begins.
        let told = self.shared.phase.load(Ordering::Acquire);
        let mut busy = self.read_mail();
        busy |= self.look_at_phase(told);
        self.tasks.take_mail();
        busy |= self.pump_all();
        loop {
            let completion = self.core.borrow_mut().driver.next();
            let Some(completion) = completion else { break };
            busy = true;
            self.completed(completion);
        }
        // After what has come, so that what came in time is not said to be missing.
        busy |= self.look_at_due();
        busy |= self.look_at_attempts();
        busy |= self.run_tasks();
        busy |= self.deliver();
        Ok(busy)
    }

    /// It was told to end, and its last session is closed.
    pub(crate) fn has_ended(&self) -> bool {
        let core = self.core.borrow();
        self.phase != RUNNING && core.driver.live().sockets == 0 && !core.connector.has_ended()
    }

    /// The moment at which it has something to do without being told.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let core = self.core.borrow();
        let (sessions, attempts) = (core.watch.earliest(), core.connector.earliest());
        self.deadline.into_iter().chain(sessions).chain(attempts).chain(core.task_deadline()).min()
    }

    pub(crate) fn live(&self) -> Live {
        self.core.borrow().driver.live()
    }

    /// Hands over what was kept for sessions that may be handed packets again. Says whether there were any.
    fn pump_all(&mut self) -> bool {
        if self.core.borrow().to_pump.is_empty() {
            return false;
        }
        let mut to_pump = std::mem::take(&mut self.to_pump);
        std::mem::swap(&mut to_pump, &mut self.core.borrow_mut().to_pump);
        for slot in to_pump.drain(..) {
            self.pump(slot);
        }
        self.to_pump = to_pump;
        true
    }

    /// Sends what is queued, and what has been broadcast. Says whether anything was.
    fn deliver(&mut self) -> bool {
        let mut busy = false;
        let has_rooms = {
            let mut core = self.core.borrow_mut();
            core.begin_look();
            !core.delivery.rooms.is_empty()
        };
        if has_rooms {
            // What was mailed before a broadcast leaves before it.
            busy |= self.read_mail();
        }
        let mut core = self.core.borrow_mut();
        busy |= core.look();
        if !core.dirty.is_empty() {
            let mut dirty = std::mem::take(&mut core.dirty);
            for slot in dirty.drain(..) {
                core.send_queued(slot);
                core.end_own_stream(slot);
            }
            // Its memory serves the next turn.
            dirty.append(&mut core.dirty);
            core.dirty = dirty;
        }
        core.trim_rooms();
        busy || core.has_unseen()
    }

    /// Enters the phase that the server was told of, or the last if its time is over; says whether that is a new one.
    fn look_at_phase(&mut self, told: u8) -> bool {
        let expired = {
            let core = self.core.borrow();
            self.deadline.is_some_and(|deadline| core.driver.now() >= deadline)
        };
        let phase = if expired { STOPPING } else { told };
        if phase <= self.phase {
            return false;
        }
        let mut core = self.core.borrow_mut();
        if self.phase == RUNNING
            && let Some(acceptor) = &mut self.acceptor
        {
            acceptor.close(&mut core.driver);
        }
        core.close_connector();
        if phase == STOPPING
            && let Some(acceptor) = &self.acceptor
        {
            acceptor.hasten_refusals(&mut core.driver);
        }
        self.phase = phase;
        if phase == DRAINING {
            let patience = Duration::from_nanos(self.shared.patience.load(Ordering::Acquire));
            self.deadline = Some(core.driver.now() + patience);
            core.limits.linger = patience;
        } else {
            self.deadline = None;
        }
        for slot in core.slots() {
            if phase == DRAINING {
                core.begin_close(slot, CloseReason::Drained);
            } else {
                core.begin_close(slot, CloseReason::ServerStopping);
                core.hasten_close(slot);
            }
        }
        true
    }

    /// Says whether there was any.
    fn read_mail(&mut self) -> bool {
        if self.mailbox.is_empty() {
            return false;
        }
        let mail: Vec<Mail> = self.mailbox.take().collect();
        let any = !mail.is_empty();
        for mail in mail {
            match mail {
                Mail::Accepted(accepted) => self.add_session(accepted),
                Mail::Join(id, group, stamp, room) => {
                    if let Err(error) = self.core.borrow_mut().join(id, &group, stamp, Some(room)) {
                        tracing::debug!("{id:?} does not join a group: {error}");
                    }
                }
                Mail::Leave(id, group, stamp) => self.core.borrow_mut().leave(id, &group, stamp),
                Mail::Send(id, bytes, stamp) => {
                    let mut core = self.core.borrow_mut();
                    match contained(|| core.queue(id, &bytes, stamp)) {
                        Ok(Ok(()) | Err(SendError::Closed)) => {}
                        Ok(Err(SendError::Full)) => core.begin_close(id.slot, CloseReason::TooSlow),
                        Ok(Err(error)) => tracing::warn!("a packet for {id:?} is dropped: {error}"),
                        Err(_) => core.begin_close(id.slot, CloseReason::Panic),
                    }
                }
                Mail::Close(id) => {
                    let mut core = self.core.borrow_mut();
                    if core.open(id).is_some() {
                        core.begin_close(id.slot, CloseReason::ByHandler);
                    }
                }
                Mail::Connect(wanted) => self.core.borrow_mut().begin_attempt(None, *wanted, None),
                Mail::Found(attempt, found) => self.core.borrow_mut().found(attempt, found),
            }
        }
        any
    }

    fn add_session(&mut self, Accepted { stream, peer, permit }: Accepted) {
        if self.phase != RUNNING {
            stream.reset_on_drop();
            self.shared.stats().count_refused(Refusal::Ending);
            return self.count_out();
        }
        let adopted = self.core.borrow_mut().driver.adopt(stream);
        let socket = match adopted {
            Ok(socket) => socket,
            Err(rejected) => {
                tracing::warn!("{peer} is refused: {}", rejected.error);
                rejected.given.reset_on_drop();
                self.shared.stats().count_refused(Refusal::ShardFull);
                return self.count_out();
            }
        };
        self.shared.stats().accepted += 1;
        self.begin_session(socket, peer, permit, Origin::Accepted);
    }

    fn begin_session(&mut self, socket: SocketId, peer: Address, permit: Permit, origin: Origin) -> SessionId {
        let (codec, made) = match contained(|| self.core.borrow().codec.clone()) {
            Ok(codec) => (codec, Ok(())),
            Err(panic) => (Framing::default(), Err(panic)),
        };
        let slot = self.core.borrow_mut().insert(socket, peer.clone(), permit, codec, origin);
        if self.states.len() <= slot as usize {
            self.states.resize_with(slot as usize + 1, || None);
        }
        let session = self.session(slot, peer);
        let id = session.id;
        let handler = &mut self.handler;
        match made.and_then(|()| contained(|| handler.connected(&session))) {
            Ok(state) => {
                self.states[slot as usize] = Some(state);
                self.core.borrow_mut().start_receiving(slot);
            }
            Err(_) => self.core.borrow_mut().begin_close(slot, CloseReason::Panic),
        }
        id
    }

    fn count_out(&self) {
        self.shared.posts[self.index].load.fetch_sub(1, Ordering::Relaxed);
    }

    fn session(&self, slot: u32, peer: Address) -> Session {
        let mut core = self.core.borrow_mut();
        let id = core.id(slot).expect("the session is there");
        let origin = core.entry(slot).map_or(Origin::Accepted, |entry| entry.origin());
        Session { core: Rc::clone(&self.core), id, peer, origin }
    }

    fn completed(&mut self, completion: Completion) {
        let (kind, slot) = token::parts(completion.token);
        match kind {
            token::RECEIVE => self.received(slot, completion.result),
            token::SEND => self.sent(slot, completion.result.is_ok(), completion.buf),
            token::CLOSE => self.closed(slot),
            token::SHUTDOWN => self.core.borrow_mut().own_stream_ended(slot, &completion),
            token::CONNECT => self.core.borrow_mut().flight_completed(slot, completion),
            _ => {
                let Some(acceptor) = &mut self.acceptor else { return };
                let own = {
                    let core = &mut *self.core.borrow_mut();
                    acceptor.completed(completion, &mut core.driver, core.watch.now, &self.shared)
                };
                if let Some(accepted) = own {
                    self.add_session(accepted);
                }
            }
        }
    }

    /// Looks at the sessions of which something may have run out; says whether there were any.
    fn look_at_due(&mut self) -> bool {
        let mut any = false;
        loop {
            let (slot, heartbeat) = {
                let mut core = self.core.borrow_mut();
                let Some(slot) = core.watch.pop_due() else { break };
                (slot, core.look_at(slot))
            };
            any = true;
            if heartbeat {
                self.heartbeat(slot);
            }
        }
        any
    }

    fn heartbeat(&mut self, slot: u32) {
        let Some(peer) = self.core.borrow_mut().entry(slot).map(|entry| entry.peer.clone()) else { return };
        let session = self.session(slot, peer);
        let (handler, Some(state)) = (&mut self.handler, self.states[slot as usize].as_mut()) else { return };
        if contained(|| handler.heartbeat(&session, state)).is_err() {
            self.core.borrow_mut().begin_close(slot, CloseReason::Panic);
        }
    }

    /// A session's send has ended, and gives back what it was given.
    fn sent(&mut self, slot: u32, is_ok: bool, buf: Option<AnyBuf>) {
        let core = &mut *self.core.borrow_mut();
        let bytes = core.recycle(buf);
        let low = core.limits.low();
        if let Some(entry) = core.entry(slot) {
            entry.sending = false;
            entry.outbox.done(bytes);
            if !is_ok {
                core.begin_close(slot, CloseReason::Reset);
            } else if entry.reason.is_none() {
                core.bytes_taken(slot);
                let Some(entry) = core.entry(slot) else { return };
                let drained = entry.partner.filter(|_| entry.outbox.len() <= low);
                let resume = entry.throttled && entry.outbox.len() <= low;
                if resume {
                    entry.throttled = false;
                }
                if entry.outbox.has_queued() && !std::mem::replace(&mut entry.dirty, true) {
                    core.dirty.push(slot);
                }
                if resume {
                    core.pump_later(slot);
                }
                if let Some(partner) = drained {
                    core.unblock(partner);
                }
                core.room_came(slot);
                if let Some(entry) = core.entries[slot as usize].as_mut() {
                    entry.outbox.put_away(&mut core.outboxes);
                }
            }
        }
    }

    fn closed(&mut self, slot: u32) {
        let mut core = self.core.borrow_mut();
        let Some(id) = core.id(slot) else { return };
        // Its place is free when this is dropped: neither its socket nor its state is there any more then.
        let removed = core.remove(slot);
        drop(core);
        let entry = removed.as_ref().expect("it has a name");
        self.count_out();
        let reason = entry.reason.expect("a session is closed for a reason");
        if let Some(state) = self.states[slot as usize].take() {
            let handler = &mut self.handler;
            if contained(|| handler.closed(id, state, &reason)).is_err() {
                tracing::error!("the handler panicked when it was told that {id:?} had ended");
            }
        }
        if let Some(link) = &entry.link {
            self.tasks.session_ended(link);
        }
        self.shared.stats().count_closed(reason);
    }
}
