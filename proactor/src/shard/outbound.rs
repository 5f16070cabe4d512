//! Connections that the logic has asked for: what becomes of an attempt that has ended.

use std::rc::Rc;

use super::Shard;
use super::directory::Phase;
use crate::connect::{ConnectError, ConnectFailure, ConnectWaiter, Ended, Origin, Target};
use crate::handler::Handler;
use crate::session::id::SessionId;

impl<H: Handler> Shard<H> {
    /// Goes on with attempts that are due, and tells the handler of those that have ended. Says
    /// whether there were any.
    pub(super) fn end_attempts(&mut self) -> bool {
        let (mut any, ended) = {
            let state = &mut *self.logic.state();
            (state.attempts.go_on(&mut state.driver), state.attempts.ended_count())
        };
        // Attempts that end during these calls wait for the next turn, so that a handler that tries
        // again at once does not keep the shard.
        for _ in 0..ended {
            let ended = {
                let state = &mut *self.logic.state();
                let Some(ended) = state.attempts.pop_ended() else { break };
                if let Some(record) = ended.opener().and_then(|opener| state.sessions.get_mut(opener)) {
                    record.attempt_ended();
                }
                ended
            };
            any = true;
            self.attempt_ended(ended);
        }
        any
    }

    fn attempt_ended(&mut self, ended: Ended) {
        match ended {
            Ended::Connected { socket, peer, permit, origin, waiter }
                if self.may_begin(&origin) && waiter.as_ref().is_none_or(ConnectWaiter::is_awaited) =>
            {
                self.directory.stats().connected += 1;
                let id = self.begin_session(socket, peer, permit, origin);
                if let Some(waiter) = waiter {
                    waiter.ended(Ok(id));
                }
            }
            Ended::Connected { socket, peer, permit, origin, waiter } => {
                {
                    let state = &mut *self.logic.state();
                    state.attempts.close_late(socket, peer.clone(), &mut state.driver);
                }
                drop(permit);
                if let Origin::Connected { token, opener } = origin {
                    // A drain ends those that no session has asked for, and no others.
                    let failure = match (self.phase, opener) {
                        (Phase::Running, _) | (Phase::Draining, Some(_)) => ConnectFailure::Cancelled,
                        _ => ConnectFailure::Ending,
                    };
                    self.connect_failed(opener, token, ConnectError::new(Target::from(peer), failure), waiter);
                }
            }
            Ended::Failed { opener, token, error, waiter } => self.connect_failed(opener, token, error, waiter),
        }
    }

    /// Whether a connection that was made may become a session. One that a session has asked for
    /// ends with that, which may have closed since it was made. In a drain there are no others.
    fn may_begin(&self, origin: &Origin) -> bool {
        match (self.phase, origin) {
            (Phase::Stopping, _) => false,
            (_, Origin::Connected { opener: Some(opener), .. }) => self.logic.state().sessions.open(*opener).is_some(),
            (phase, _) => phase == Phase::Running,
        }
    }

    fn connect_failed(
        &mut self,
        opener: Option<SessionId>,
        token: u64,
        error: ConnectError,
        waiter: Option<Rc<ConnectWaiter>>,
    ) {
        self.directory.count_out(self.shard);
        self.directory.stats().connects_failed += 1;
        match waiter {
            Some(waiter) => waiter.ended(Err(error)),
            None => self.logic.connect_failed(opener, token, &error),
        }
    }
}
