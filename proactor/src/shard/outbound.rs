//! Connections that the logic has asked for: what becomes of an attempt that has ended.

use std::rc::Rc;
#[cfg(feature = "websocket")]
use std::{sync::Arc, time::Duration};

use overlapped::{Address, driver::SocketId};

use super::Shard;
use super::beginning::Arrival;
use super::directory::Phase;
use crate::connect::{ConnectError, ConnectFailure, ConnectWaiter, Ended, Origin, Target};
use crate::handler::Handler;
use crate::session::id::SessionId;
use crate::transport::Transport;
use crate::transport::opening::{Opening, OutboundOpening};
#[cfg(feature = "websocket")]
use crate::{codec::WebSocketFraming, transport::upgrading::Upgrading};

#[cfg(feature = "websocket")]
type ClientSide = (WebSocketFraming, Option<Upgrading>, Duration);

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
                #[cfg(feature = "websocket")]
                let mut websocket = None;
                match target.layer() {
                    None => self.directory.count_connected(self.shard),
                    Some(Ok((layer, timeout))) => {
                        #[cfg(feature = "websocket")]
                        match self.client_of(&target) {
                            Some(Ok(client)) => websocket = Some(client),
                            Some(Err(why)) => {
                                let error = ConnectError::new(target, ConnectFailure::Upgrade).because(why);
                                return self.not_begun(socket, peer, &origin, error, waiter);
                            }
                            None => {}
                        }
                        let outbound = Some(OutboundOpening { target, waiter: waiter.take() });
                        let opening = Opening { timeout, _place: None, outbound, failure: None };
                        let made = Transport::new(layer, opening);
                        #[cfg(feature = "websocket")]
                        let made = match &mut websocket {
                            Some((_, upgrading, timeout)) => match upgrading.take() {
                                Some(upgrading) => made.upgraded_by(upgrading, *timeout),
                                None => made,
                            },
                            None => made,
                        };
                        transport = Some(made);
                    }
                    Some(Err(why)) => {
                        let error = ConnectError::new(target, ConnectFailure::Tls).because(why);
                        return self.not_begun(socket, peer, &origin, error, waiter);
                    }
                }
                let id = self.begin_session(Arrival {
                    socket,
                    peer,
                    permit,
                    origin,
                    header: None,
                    transport,
                    newcomer: None,
                });
                #[cfg(feature = "websocket")]
                if let Some((framing, ..)) = websocket
                    && let Some(record) = self.logic.state().sessions.open(id)
                {
                    record.set_websocket(framing);
                }
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

    /// The framing of a session with a target, if that speaks WebSocket, and its upgrade and how
    /// long that may take.
    #[cfg(feature = "websocket")]
    fn client_of(&self, target: &Target) -> Option<Result<ClientSide, String>> {
        let client = target.websocket_client()?;
        let state = &mut *self.logic.state();
        let settings = Arc::new(client.settings(self.directory.is_simulated()));
        Some(client.check().map(|()| {
            let upgrading = Upgrading::client(client, target.host_header(), &settings, state.next_connection());
            let timeout = settings.websocket.upgrade_timeout();
            (WebSocketFraming::new(settings), Some(upgrading), timeout)
        }))
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
        if let Some(meter) = self.directory.meter(self.shard) {
            meter.connects_failed.add(1);
        }
        self.directory.stats().connects_failed += 1;
        match waiter {
            Some(waiter) => waiter.ended(Err(error)),
            None => self.logic.connect_failed(opener, token, &error),
        }
    }
}
