//! What becomes of outbound connections: sessions, or failures that the handler is told of.

use super::{Shard, contained};
use crate::close::CloseReason;
use crate::connector::{ConnectError, ConnectFailure, Ended, Origin, Target};
use crate::handle::RUNNING;
use crate::handler::Handler;
use crate::session::SessionId;

impl<H: Handler> Shard<H> {
    /// Looks at the outbound connections whose time has come, and tells the handler of those that have been made or have failed. Says whether there were any.
    pub(super) fn look_at_attempts(&mut self) -> bool {
        let (mut any, ended) = {
            let mut core = self.core.borrow_mut();
            (core.look_at_attempts(), core.connector.ended_count())
        };
        // What ends because of these calls is for the next turn, so that a handler that tries again at once does not keep the shard.
        for _ in 0..ended {
            let Some(ended) = self.core.borrow_mut().connector.pop_ended() else { break };
            any = true;
            match ended {
                Ended::Connected { socket, peer, permit, origin } if self.phase == RUNNING => {
                    self.shared.stats().connected += 1;
                    self.begin_session(socket, peer, permit, origin);
                }
                Ended::Connected { socket, peer, permit, origin } => {
                    self.core.borrow_mut().close_late(socket, peer.clone());
                    drop(permit);
                    self.count_out();
                    if let Origin::Connected { token, opener } = origin {
                        self.connect_failed(
                            opener,
                            token,
                            &ConnectError::new(Target::from(peer), ConnectFailure::Ending),
                        );
                    }
                }
                Ended::Failed { opener, token, error } => self.connect_failed(opener, token, &error),
            }
        }
        any
    }

    fn connect_failed(&mut self, opener: Option<SessionId>, token: u64, error: &ConnectError) {
        self.shared.stats().connects_failed += 1;
        let opener = opener.and_then(|id| {
            let peer = self.core.borrow_mut().open(id)?.peer.clone();
            Some(self.session(id.slot, peer))
        });
        let handler = &mut self.handler;
        if contained(|| handler.connect_failed(opener.as_ref(), token, error)).is_err() {
            match opener {
                Some(opener) => self.core.borrow_mut().begin_close(opener.id.slot, CloseReason::Panic),
                None => tracing::error!("the handler panicked when it was told: {error}"),
            }
        }
    }
}
