//! Connections that the logic has asked for: what becomes of an attempt that has ended.

use std::rc::Rc;

use overlapped::{Address, driver::SocketId};

use super::Shard;
use super::directory::Phase;
use crate::connect::{ConnectError, ConnectFailure, ConnectWaiter, Ended, Origin, Target};
use crate::handler::Handler;
use crate::session::id::SessionId;
use crate::transport::Transport;
use crate::transport::opening::{Opening, OutboundOpening};

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
            Ended::Connected { socket, peer, permit, origin, waiter, target }
                if self.may_begin(&origin) && waiter.as_ref().is_none_or(ConnectWaiter::is_awaited) =>
            {
                let (mut waiter, mut transport) = (waiter, None);
                match target.layer() {
                    None => self.directory.stats().connected += 1,
                    Some(Ok((layer, timeout))) => {
                        let outbound = Some(OutboundOpening { target, waiter: waiter.take() });
                        let opening = Opening { timeout, _place: None, outbound, failure: None };
                        transport = Some(Transport::new(layer, opening));
                    }
                    Some(Err(why)) => {
                        let error = ConnectError::new(target, ConnectFailure::Tls).because(why);
                        return self.not_begun(socket, peer, &origin, error, waiter);
                    }
                }
                let id = self.begin_session(socket, peer, permit, origin, transport);
                if let Some(waiter) = waiter {
                    waiter.ended(Ok(id));
                }
            }
            Ended::Connected { socket, peer, permit, origin, waiter, .. } => {
                drop(permit);
                // A drain ends those that no session has asked for, and no others.
                let failure = match (self.phase, origin.opener()) {
                    (Phase::Running, _) | (Phase::Draining, Some(_)) => ConnectFailure::Cancelled,
                    _ => ConnectFailure::Ending,
                };
                let error = ConnectError::new(Target::from(&peer), failure);
                self.not_begun(socket, peer, &origin, error, waiter);
            }
            Ended::Failed { opener, token, error, waiter } => self.connect_failed(opener, token, error, waiter),
        }
    }

    /// A connection was made, and does not become a session.
    fn not_begun(
        &mut self,
        socket: SocketId,
        peer: Address,
        origin: &Origin,
        error: ConnectError,
        waiter: Option<Rc<ConnectWaiter>>,
    ) {
        {
            let state = &mut *self.logic.state();
            state.attempts.close_late(socket, peer, &mut state.driver);
        }
        if let Origin::Connected { token, opener } = *origin {
            self.connect_failed(opener, token, error, waiter);
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
