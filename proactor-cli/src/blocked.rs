//! Logic for tests that blocks its shard.

use std::sync::{Arc, Barrier};

use proactor::{Flow, Handler, NoMessage, Session};

/// Blocks in the first packet of each session, until the test lets it go on.
#[derive(Clone)]
pub(crate) struct Blocked(Arc<[Barrier; 2]>);

impl Blocked {
    pub(crate) fn new() -> Blocked {
        Blocked(Arc::new([Barrier::new(2), Barrier::new(2)]))
    }

    /// Waits until a shard is blocked.
    pub(crate) fn wait(&self) {
        self.0[0].wait();
    }

    pub(crate) fn go_on(&self) {
        self.0[1].wait();
    }
}

impl Handler for Blocked {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        self.0.iter().for_each(|barrier| {
            barrier.wait();
        });
        Flow::Close
    }
}
