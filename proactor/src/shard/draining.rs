//! What a shard does in each turn of a drain.

use overlapped::Time;

use super::Shard;
use super::directory::Phase;
use crate::handler::Handler;
use crate::session::work;

impl<H: Handler> Shard<H> {
    /// Tells the sessions whose turn to end has come, and gives up connections whose header has not
    /// come. Says whether there was anything.
    pub(super) fn go_on_draining(&mut self) -> bool {
        if self.phase != Phase::Draining {
            return false;
        }
        let mut busy = false;
        let due = {
            let state = &mut *self.logic.state();
            let now = state.driver.now();
            if let Some(acceptor) = &mut self.acceptor {
                busy |= acceptor.go_on_handing_over(&mut state.driver);
            }
            if state.drain.gives_headers_up(now) {
                self.headers.end(&mut state.driver);
            }
            work::take_due(state)
        };
        for id in &due {
            self.logic.draining(*id);
        }
        busy || !due.is_empty()
    }

    pub(super) fn has_anything_left(&self) -> bool {
        let state = self.logic.state();
        state.driver.live().sockets > 0
            || state.attempts.ended_count() > 0
            || !state.away.is_empty()
            || self.is_awaited(state.driver.now())
    }

    /// Whether another node is to get a session that is packed here, as long as a drain may take.
    fn is_awaited(&self, now: Time) -> bool {
        self.is_clustered && self.phase == Phase::Draining && self.directory.hand_overs.is_awaited(now)
    }

    /// Enters the phase that the server was told of, or the last if draining has taken too long.
    /// Says whether that is a new one.
    pub(super) fn enter_phase(&mut self, told: Phase) -> bool {
        let told = {
            let state = &mut *self.logic.state();
            let is_late = state.drain.is_on() && state.drain.is_late(state.driver.now());
            let phase = if is_late { Phase::Stopping } else { told };
            if phase <= self.phase {
                return false;
            }
            let hands_over = phase == Phase::Draining && self.directory.drain_options().hands_over;
            if !hands_over {
                self.headers.end(&mut state.driver);
            }
            if let Some(acceptor) = &mut self.acceptor {
                if self.phase == Phase::Running {
                    acceptor.close(&mut state.driver, hands_over);
                }
                if phase == Phase::Stopping {
                    acceptor.hasten_handing_over(&mut state.driver);
                    acceptor.hasten_refusals(&mut state.driver);
                }
            }
            self.phase = phase;
            // The other nodes are told at once.
            state.next_tell = state.next_tell.map(|_| state.timers.now());
            match phase {
                Phase::Draining => work::begin_drain(state, self.directory.drain_options()),
                _ => {
                    state.drain.end();
                    state.attempts.close(&mut state.driver);
                    work::cut_all(state);
                    Vec::new()
                }
            }
        };
        for id in told {
            self.logic.draining(id);
        }
        true
    }
}
