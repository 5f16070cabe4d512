//! The handler of a shard, its state for each session, and the calls to it. A panic in a call ends
//! the session for which it is made, and no other.

use std::cell::{RefCell, RefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::state::ShardState;
use crate::connect::ConnectError;
use crate::handler::{Flow, Handler};
use crate::session::id::SessionId;
use crate::session::reason::CloseReason;
use crate::session::{Session, close};

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

    pub(crate) fn cell(&self) -> &RefCell<ShardState> {
        &self.state
    }

    /// A session that is not closing.
    #[inline]
    pub(crate) fn session(&self, slot: u32) -> Option<Session> {
        let mut state = self.state.borrow_mut();
        let id = state.sessions.id(slot)?;
        let record = state.sessions.open_at(slot)?;
        let (peer, origin) = (record.peer.clone(), record.origin());
        Some(Session::new(&self.state, id, peer, origin))
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
    pub(crate) fn closed(&mut self, id: SessionId, reason: CloseReason) {
        let state = self.states.get_mut(id.slot() as usize).and_then(Option::take);
        let Some(state) = state else { return };
        let handler = &mut self.handler;
        if contained(|| handler.closed(id, state, &reason)).is_err() {
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
}
