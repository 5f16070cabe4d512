//! Every connection sends one message, waits for its echo, and sends the next. A unit is a message.

use anyhow::Result;

use super::closed_loop::{ClosedLoop, Exchange};
use super::load;
use super::measurement::Measurement;
use super::message::Message;
use super::setup::Setup;

pub(super) fn run(setup: &Setup) -> Result<Measurement> {
    let (connections, size) = (setup.case.get("connections"), setup.case.get("size"));
    let sockets = setup.connect(connections)?;
    let exchanges = (0..connections).map(|id| PingPong(Message::random(id as u64, size)));
    load::run(sockets, &mut ClosedLoop::new(exchanges), setup.window()?)
}

struct PingPong(Message);

impl Exchange for PingPong {
    fn next(&mut self) {
        self.0.next_random();
    }

    fn unsent(&self) -> &[u8] {
        self.0.unsent()
    }

    fn sent(&mut self, count: usize) {
        self.0.sent(count);
    }

    fn received(&mut self, bytes: &[u8]) -> Result<u64> {
        self.0.received(bytes)?;
        Ok(u64::from(self.0.is_complete()))
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}
