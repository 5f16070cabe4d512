//! What becomes of outbound connections: sessions, or failures that the handler is told of.

use std::rc::Rc;

use super::{Shard, contained};
use crate::close::CloseReason;
use crate::connector::{ConnectError, ConnectFailure, Ended, Origin, Target};
use crate::handle::RUNNING;
use crate::handler::Handler;
use crate::session::SessionId;
use crate::task::connect::Connecting;

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
                Ended::Connected { socket, peer, permit, origin, task }
                    if self.phase == RUNNING && task.as_ref().is_none_or(Connecting::is_awaited) =>
                {
                    self.shared.stats().connected += 1;
                    let id = self.begin_session(socket, peer, permit, origin);
                    if let Some(task) = task {
                        task.ended(Ok(id));
                    }
                }
                Ended::Connected { socket, peer, permit, origin, task } => {
                    self.core.borrow_mut().close_late(socket, peer.clone());
                    drop(permit);
                    self.count_out();
                    if let Origin::Connected { token, opener } = origin {
                        let failure = match self.phase {
                            RUNNING => ConnectFailure::Cancelled,
                            _ => ConnectFailure::Ending,
                        };
                        self.connect_failed(opener, token, ConnectError::new(Target::from(peer), failure), task);
                    }
                }
                Ended::Failed { opener, token, error, task } => self.connect_failed(opener, token, error, task),
            }
        }
        any
    }

    fn connect_failed(
        &mut self,
        opener: Option<SessionId>,
        token: u64,
        error: ConnectError,
        task: Option<Rc<Connecting>>,
    ) {
        self.shared.stats().connects_failed += 1;
        if let Some(task) = task {
            return task.ended(Err(error));
        }
        let opener = opener.and_then(|id| {
            let peer = self.core.borrow_mut().open(id)?.peer.clone();
            Some(self.session(id.slot, peer))
        });
        let handler = &mut self.handler;
        if contained(|| handler.connect_failed(opener.as_ref(), token, &error)).is_err() {
            match opener {
                Some(opener) => self.core.borrow_mut().begin_close(opener.id.slot, CloseReason::Panic),
                None => tracing::error!("the handler panicked when it was told: {error}"),
            }
        }
    }
}
