//! What a shard does in each turn of a drain.

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
}
