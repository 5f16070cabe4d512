//! The logic of a shard: its handler, the handler's state for each session, and its tasks. A panic
//! in a call ends the session for which it is made, and no other.

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use overlapped::table::grow;
use tracing::span::EnteredSpan;

use super::handle::ShardHandle;
use super::pending::{MOST_PER_TURN, Pending};
use super::state::ShardState;
use crate::cluster::Gap;
use crate::cluster::ledger::Report;
use crate::connect::{ConnectError, Origin};
use crate::handler::{Flow, Handler};
use crate::panic::contained;
use crate::registry::keys::IdentifyError;
use crate::server::Handle;
use crate::session::{Session, close, delivery::Delivery, id::SessionId, identity, list, reason::CloseReason};
use crate::task::executor::{Executor, Polled};
use crate::task::link::wake;
#[cfg(feature = "http")]
use crate::task::served;
use crate::task::work::Call;

pub(crate) struct Logic<H: Handler> {
    state: Rc<RefCell<ShardState>>,
    /// The state's: see [`ShardState::look_again`].
    look_again: Rc<Cell<bool>>,
    is_traced: bool,
    handler: H,
    /// The handler's state for each session, by slot.
    states: Vec<Option<H::State>>,
}

type Parts<'l, H> = (&'l Rc<RefCell<ShardState>>, &'l Cell<bool>, &'l mut H, Option<&'l mut <H as Handler>::State>);

impl<H: Handler> Logic<H> {
    pub(crate) fn new(state: ShardState, handler: H) -> Logic<H> {
        let look_again = Rc::clone(&state.look_again);
        let is_traced = state.flight.as_ref().is_some_and(|flight| flight.traces());
        Logic { state: Rc::new(RefCell::new(state)), look_again, is_traced, handler, states: Vec::new() }
    }

    /// Enters the span of a session, if it has one, for as long as what this returns lives.
    #[inline]
    pub(crate) fn enter(&self, id: SessionId) -> Option<EnteredSpan> {
        if self.is_traced { self.state().flight.clone()?.enter(id) } else { None }
    }

    /// Whether sessions have spans of `tracing`.
    #[inline]
    pub(crate) fn is_traced(&self) -> bool {
        self.is_traced
    }

    /// As [`enter`](Logic::enter), of the session in a slot.
    pub(crate) fn enter_slot(&self, slot: u32) -> Option<EnteredSpan> {
        let id = self.state().sessions.id(slot)?;
        self.enter(id)
    }

    /// Tells the handler of its shard.
    pub(crate) fn started(&mut self) {
        let shard = ShardHandle { state: Rc::clone(&self.state) };
        let handle = Handle::new(Arc::clone(&self.state().directory));
        self.handler.started(&shard, &handle);
    }

    #[inline]
    pub(crate) fn state(&self) -> RefMut<'_, ShardState> {
        self.state.borrow_mut()
    }

    /// A session that is not closing.
    #[inline]
    pub(crate) fn session(&self, slot: u32) -> Option<Session> {
        let mut state = self.state.borrow_mut();
        let id = state.sessions.id(slot)?;
        let (record, peer) = state.sessions.open_with_peer(slot)?;
        Some(Session::new(&self.state, id, record, peer))
    }

    /// Tells the handler of a new session. Says whether it did not panic.
    pub(crate) fn connected(&mut self, session: &Session) -> bool {
        let slot = session.id().slot() as usize;
        grow(&mut self.states, slot, || None);
        let handler = &mut self.handler;
        match contained(|| handler.connected(session)) {
            Ok(state) => {
                self.states[slot] = Some(state);
                true
            }
            Err(_) => {
                close::begin(&mut self.state(), session.id().slot(), CloseReason::Panic);
                false
            }
        }
    }

    /// What the handler saves of a session that is to go on on another node.
    pub(crate) fn save(&mut self, session: &Session) -> Option<Vec<u8>> {
        let mut saved = None;
        self.call(session, |handler, state| saved = handler.save(session, state));
        saved
    }

    /// Has the handler restore a session of another node. Says whether it did. If it panicked, the
    /// session is closed.
    pub(crate) fn restore(&mut self, session: &Session, saved: &[u8]) -> bool {
        let slot = session.id().slot() as usize;
        grow(&mut self.states, slot, || None);
        let handler = &mut self.handler;
        let restored = contained(|| handler.restore(session, saved)).unwrap_or_else(|_| {
            close::begin(&mut self.state.borrow_mut(), session.id().slot(), CloseReason::Panic);
            None
        });
        self.states[slot] = restored;
        self.states[slot].is_some()
    }

    /// Tells the handler that a session does not have the key any more that it had elsewhere.
    pub(crate) fn refused_key(&mut self, session: &Session, key: &[u8], why: IdentifyError) {
        self.call(session, |handler, state| handler.identified(session, state, key, Err(why)));
    }

    /// Tells the handler that the TLS which was started in a running session is there.
    pub(crate) fn secured(&mut self, session: &Session) {
        self.call(session, |handler, state| handler.secured(session, state));
    }

    /// As [`parts`](Logic::parts), with what tells that a session was held, closed or paired.
    #[inline]
    pub(crate) fn parts_for_burst(&mut self, slot: u32) -> Parts<'_, H> {
        let handler_state = self.states.get_mut(slot as usize).and_then(Option::as_mut);
        (&self.state, &self.look_again, &mut self.handler, handler_state)
    }

    /// The handler and its state for a session, to hand it packets.
    #[inline]
    pub(crate) fn parts(&mut self, slot: u32) -> (&Rc<RefCell<ShardState>>, &mut H, Option<&mut H::State>) {
        (&self.state, &mut self.handler, self.states.get_mut(slot as usize).and_then(Option::as_mut))
    }

    /// Tells the handler that the peer has ended its stream. `Err`: it panicked.
    pub(crate) fn ended(&mut self, session: &Session) -> Option<std::thread::Result<Flow>> {
        let (_, handler, state) = self.parts(session.id().slot());
        #[cfg(feature = "http")]
        if state.is_none() {
            return served::peer_ended(session).then_some(Ok(Flow::Continue));
        }
        let state = state?;
        Some(contained(|| handler.ended(session, state)))
    }

    pub(crate) fn heartbeat(&mut self, slot: u32) {
        #[cfg(feature = "websocket")]
        if crate::session::control::ping(&mut self.state(), slot) {
            return;
        }
        if let Some(session) = self.session(slot) {
            self.call(&session, |handler, state| handler.heartbeat(&session, state));
        }
    }

    /// Calls the handler for a session.
    fn call(&mut self, session: &Session, call: impl FnOnce(&mut H, &mut H::State)) {
        let slot = session.id().slot();
        let _entered = self.enter(session.id());
        let (_, handler, Some(state)) = self.parts(slot) else { return };
        if contained(|| call(handler, state)).is_err() {
            close::begin_if_open(&mut self.state(), session.id(), CloseReason::Panic);
        }
    }

    /// Calls the handler for timers that are due. Says whether there were any.
    pub(crate) fn call_timers(&mut self) -> bool {
        let due = {
            let state = &mut *self.state();
            let now = state.timers.now();
            state.logic_timers.find_due(now)
        };
        // A timer that is set during these calls waits for the next turn.
        for _ in 0..due {
            let timer = {
                let state = &mut *self.state();
                if state.groups.is_budget_spent() {
                    break;
                }
                state.logic_timers.pop_due()
            };
            match timer {
                Some((Some(id), token)) => {
                    let Some(session) = Session::open(&self.state, id) else { continue };
                    self.call(&session, |handler, state| handler.timer(&session, state, token));
                }
                Some((None, token)) => {
                    let shard = ShardHandle { state: Rc::clone(&self.state) };
                    let handler = &mut self.handler;
                    if contained(|| handler.shard_timer(&shard, token)).is_err() {
                        tracing::error!("the handler panicked in timer {token} of {shard:?}");
                    }
                }
                None => {}
            }
        }
        due > 0
    }

    /// Hands over what waits between packets. Says whether there was anything.
    #[inline]
    pub(crate) fn deliver(&mut self) -> bool {
        let has_any = !self.state().pending.is_empty();
        has_any && self.deliver_some()
    }

    fn deliver_some(&mut self) -> bool {
        let mut any = false;
        for _ in 0..MOST_PER_TURN {
            let next = {
                let state = &mut *self.state();
                // What the logic has broadcast must reach the members before there is more of it.
                if state.pending.is_empty() || state.groups.is_budget_spent() {
                    break;
                }
                state.pending.pop()
            };
            any = true;
            match next {
                Some(Pending::Message(id, message)) => self.message(id, message),
                Some(Pending::Call(id, call)) => self.deliver_call(id, call),
                Some(Pending::Identified(id, ticket, result)) => self.identified(id, ticket, result),
                Some(Pending::Close(id)) => close::begin_if_open(&mut self.state(), id, CloseReason::ByHandler),
                None => break,
            }
        }
        any
    }

    fn deliver_call(&mut self, id: SessionId, call: Box<dyn Any>) {
        match (Session::open(&self.state, id), call.downcast::<Call<H>>()) {
            (Some(session), Ok(call)) => self.call(&session, |handler, state| call.0(handler, &session, state)),
            (_, call) => {
                if contained(|| drop(call)).is_err() {
                    tracing::error!("a result for {id:?}, which has ended, panicked when it was dropped");
                }
            }
        }
    }

    /// Tells the handler what came of a login in the cluster.
    fn identified(&mut self, id: SessionId, ticket: u64, result: Result<(), IdentifyError>) {
        let key = identity::answered(&mut self.state(), id, ticket, result.is_err());
        if let (Some(key), Some(session)) = (key, Session::open(&self.state, id)) {
            self.call(&session, |handler, state| handler.identified(&session, state, &key, result));
        }
    }

    fn message(&mut self, id: SessionId, message: Box<dyn Any + Send>) {
        let session = Session::open(&self.state, id);
        match (session, message.downcast::<H::Message>()) {
            (Some(session), Ok(message)) => self.call(&session, |handler, state| {
                handler.message(&session, state, *message);
            }),
            (_, message) => {
                if contained(|| drop(message)).is_err() {
                    tracing::error!("a message for {id:?}, which has ended, panicked when it was dropped");
                }
            }
        }
        let ShardState { pending, directory, to_wake, .. } = &mut *self.state();
        let inboxes = directory.inboxes(id.shard());
        inboxes.delivered(to_wake);
        if !pending.take_kept() {
            inboxes.taken(id, to_wake);
        }
    }

    /// Tells the handler that the server is being drained.
    pub(crate) fn draining(&mut self, id: SessionId) {
        if self.state().sessions.open(id).is_none() {
            return;
        }
        let Some(session) = self.session(id.slot()) else { return };
        let (_, handler, Some(state)) = self.parts(id.slot()) else {
            #[cfg(feature = "http")]
            served::draining(&session);
            return;
        };
        if contained(|| handler.draining(&session, state)).is_err() {
            close::begin(&mut self.state(), id.slot(), CloseReason::Panic);
        }
    }

    /// Tells the handler that a session's connection is gone.
    pub(crate) fn released(&mut self, id: SessionId, delivery: Delivery) {
        let handler = &mut self.handler;
        if contained(|| handler.released(id, delivery)).is_err() {
            tracing::error!("the handler panicked when it was told that the connection of {id:?} was gone");
        }
    }

    /// Tells the handler of the sessions that have begun to close. Says whether there were any.
    pub(crate) fn tell_closed(&mut self) -> bool {
        let mut any = false;
        loop {
            let untold = {
                let state = &mut *self.state();
                let Some((id, reason)) = state.endings.next_untold() else { return any };
                state.sessions.get_mut(id).map(|record| (id, record.origin(), reason))
            };
            any = true;
            // One that is gone has been told, and its slot may be another's.
            if let Some((id, origin, reason)) = untold {
                self.closed(id, origin, reason);
                identity::forget(&mut self.state(), id);
            }
        }
    }

    /// Tells the handler of the groups whose last member has left. Says whether there were any.
    pub(crate) fn tell_emptied(&mut self) -> bool {
        if !self.state().groups.has_emptied() {
            return false;
        }
        let emptied = self.state().groups.take_emptied();
        let shard = ShardHandle { state: Rc::clone(&self.state) };
        let handler = &mut self.handler;
        for group in &emptied {
            if contained(|| handler.group_emptied(&shard, group)).is_err() {
                tracing::error!("the handler panicked when it was told that {group:?} was empty");
            }
        }
        true
    }

    /// Tells other nodes and the handler who has joined and left the groups that are watched. Says
    /// whether there were any.
    pub(crate) fn tell_presence(&mut self) -> bool {
        let (noted, now) = {
            let state = &*self.state();
            match state.directory.presence.has_any(state.shard) {
                true => (state.directory.presence.take(state.shard), state.driver.now()),
                false => return false,
            }
        };
        let shard = ShardHandle { state: Rc::clone(&self.state) };
        let handler = &mut self.handler;
        for presence in &noted {
            let changes = presence.turn(now);
            // A group that is gone here has no members who could be told.
            let group = self.state.borrow().directory.groups.find(presence.name());
            let Some(group) = group else { continue };
            for change in changes {
                if contained(|| handler.presence(&shard, &group, &change)).is_err() {
                    tracing::error!("the handler panicked when it was told who is in {group:?}");
                }
            }
        }
        !noted.is_empty()
    }

    /// Tells the handler of packets that were lost between the nodes of the cluster. Says whether
    /// there were any.
    pub(crate) fn tell_gaps(&mut self) -> bool {
        let directory = Arc::clone(&self.state().directory);
        let Some(node) = directory.node.as_ref().filter(|node| node.ledger.has_reports()) else { return false };
        let shard = ShardHandle { state: Rc::clone(&self.state) };
        let handler = &mut self.handler;
        for Report { group, gap } in node.ledger.take_reports() {
            let is_named = group.is_some();
            let group = group.and_then(|name| directory.groups.find(&name));
            // A group that is gone has no members who miss something.
            if is_named && group.is_none() && matches!(gap, Gap::Missed { .. }) {
                continue;
            }
            if contained(|| handler.cluster_gap(&shard, group.as_ref(), &gap)).is_err() {
                tracing::error!("the handler panicked when it was told that {gap}");
            }
        }
        true
    }

    /// Goes on with lists of sessions. Says whether there are any.
    pub(crate) fn list_sessions(&self) -> bool {
        let has_any = !self.state().listings.is_empty();
        if has_any {
            let complete = list::go_on(&mut self.state());
            drop(complete);
        }
        has_any
    }

    /// Tells the handler that a session has ended.
    fn closed(&mut self, id: SessionId, origin: Origin, reason: CloseReason) {
        let state = self.states.get_mut(id.slot() as usize).and_then(Option::take);
        let Some(state) = state else { return };
        let handler = &mut self.handler;
        if contained(|| handler.closed(id, state, &reason)).is_err() {
            close::end_opener(&mut self.state(), origin.opener());
            tracing::error!("the handler panicked when it was told that {id:?} had ended");
        }
    }

    /// Tells the handler that a connection could not be made.
    pub(crate) fn connect_failed(&mut self, opener: Option<SessionId>, token: u64, error: &ConnectError) {
        let opener = opener.filter(|id| self.state().sessions.open(*id).is_some());
        let opener = opener.and_then(|id| self.session(id.slot()));
        let handler = &mut self.handler;
        if contained(|| handler.connect_failed(opener.as_ref(), token, error)).is_err() {
            match opener {
                Some(opener) => close::begin(&mut self.state(), opener.id().slot(), CloseReason::Panic),
                None => tracing::error!("the handler panicked when it was told: {error}"),
            }
        }
    }

    /// Polls the tasks that were woken. Says whether there were any.
    pub(crate) fn run_tasks(&self, tasks: &Executor) -> bool {
        let state = &*self.state;
        wake_all(state, tasks);
        let mut any = false;
        for _ in 0..MOST_POLLS {
            // What tasks have broadcast must reach the members before there is more of it.
            if !tasks.has_woken() || state.borrow().groups.is_budget_spent() {
                break;
            }
            let Some(task) = tasks.pop_woken() else { break };
            match tasks.poll(task) {
                Polled::Idle => continue,
                Polled::Ran | Polled::Panicked(None) => {}
                Polled::Panicked(Some(owner)) => close::begin_if_open(&mut self.state(), owner, CloseReason::Panic),
            }
            any = true;
            if !state.borrow().to_wake.is_empty() {
                wake_all(state, tasks);
            }
        }
        any
    }
}

/// Tasks polled in a turn. The others wait for the next, so that tasks that always have something
/// to do leave time for I/O.
const MOST_POLLS: usize = 1024;

/// Calls the wakers of timers that are due, and those that parts of the state have left.
fn wake_all(state: &RefCell<ShardState>, tasks: &Executor) {
    let now = state.borrow().timers.now();
    while let Some(waker) = tasks.pop_due_timer(now) {
        wake(waker);
    }
    if state.borrow().to_wake.is_empty() {
        return;
    }
    let to_wake = std::mem::take(&mut state.borrow_mut().to_wake);
    // Nothing is borrowed: a waker may run user code.
    for waker in to_wake {
        wake(waker);
    }
}
