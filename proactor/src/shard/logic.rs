//! The logic of a shard: its handler, the handler's state for each session, and its tasks. A panic
//! in a call ends the session for which it is made, and no other.

use std::cell::{RefCell, RefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::state::ShardState;
use crate::connect::{ConnectError, Origin};
use crate::handler::{Flow, Handler};
use crate::session::{Session, close, id::SessionId, reason::CloseReason};
use crate::task::executor::{Executor, Polled};
use crate::task::link::wake;

/// Calls user code, handler or codec, and contains its panic.
pub(crate) fn contained<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(call))
}

pub(crate) struct Logic<H: Handler> {
    state: Rc<RefCell<ShardState>>,
    handler: H,
    /// The handler's state for each session, by slot.
    states: Vec<Option<H::State>>,
}

impl<H: Handler> Logic<H> {
    pub(crate) fn new(state: ShardState, handler: H) -> Logic<H> {
        Logic { state: Rc::new(RefCell::new(state)), handler, states: Vec::new() }
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
        let record = state.sessions.open_at(slot)?;
        Some(Session::new(&self.state, id, record))
    }

    /// Tells the handler of a new session. Says whether it did not panic.
    pub(crate) fn connected(&mut self, session: &Session) -> bool {
        let slot = session.id().slot() as usize;
        if self.states.len() <= slot {
            self.states.resize_with(slot + 1, || None);
        }
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

    /// The handler and its state for a session, to hand it packets.
    #[inline]
    pub(crate) fn parts(&mut self, slot: u32) -> (&Rc<RefCell<ShardState>>, &mut H, Option<&mut H::State>) {
        (&self.state, &mut self.handler, self.states.get_mut(slot as usize).and_then(Option::as_mut))
    }

    /// Tells the handler that the peer has ended its stream. `Err`: it panicked.
    pub(crate) fn ended(&mut self, session: &Session) -> Option<std::thread::Result<Flow>> {
        let (_, handler, state) = self.parts(session.id().slot());
        let state = state?;
        Some(contained(|| handler.ended(session, state)))
    }

    pub(crate) fn heartbeat(&mut self, slot: u32) {
        let Some(session) = self.session(slot) else { return };
        let (_, handler, Some(state)) = self.parts(slot) else { return };
        if contained(|| handler.heartbeat(&session, state)).is_err() {
            close::begin(&mut self.state(), slot, CloseReason::Panic);
        }
    }

    /// Tells the handler that a session has ended.
    pub(crate) fn closed(&mut self, id: SessionId, origin: Origin, reason: CloseReason) {
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
    let to_wake = {
        let mut state = state.borrow_mut();
        if state.to_wake.is_empty() {
            return;
        }
        std::mem::take(&mut state.to_wake)
    };
    // Nothing is borrowed: a waker may run user code.
    for waker in to_wake {
        wake(waker);
    }
}
