//! Every connection sends one message, waits for its echo, and sends the next. A unit is a message.

use anyhow::Result;

use super::closed_loop::{ClosedLoop, Exchange};
use super::conversation::Conversation;
use super::{Options, epoll};
use crate::measurement::Measurement;

pub(super) fn run(options: &Options) -> Result<Measurement> {
    let (connections, size) = (options.case.get("connections"), options.case.get("size"));
    let sockets = options.connect(connections)?;
    let exchanges = (0..connections).map(|id| Message(Conversation::random(id as u64, size)));
    epoll::run(sockets, &mut ClosedLoop::new(exchanges), options.window()?)
}

struct Message(Conversation);

impl Exchange for Message {
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
