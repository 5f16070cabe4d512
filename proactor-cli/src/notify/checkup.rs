//! Whether all shards answer.

use std::pin::Pin;
use std::task::Context;

use proactor::{Handle, SessionList};

use crate::answering::ask;

/// A question to each shard, and what is still to be answered.
pub(super) struct Checkup {
    open: Vec<Question>,
}

struct Question {
    shard: usize,
    /// `None`: the shard was asked for too much already, and could not be asked yet.
    asked: Option<SessionList>,
}

impl Checkup {
    pub(super) fn new(shards: usize) -> Checkup {
        Checkup { open: (0..shards).map(|shard| Question { shard, asked: None }).collect() }
    }

    /// Whether all have answered by now. If not, the waker is called when one does. A shard that
    /// has ended answers.
    pub(super) fn is_done(&mut self, handle: &Handle, context: &mut Context<'_>) -> bool {
        self.open.retain_mut(|question| !question.is_answered(handle, context));
        self.open.is_empty()
    }
}

impl Question {
    fn is_answered(&mut self, handle: &Handle, context: &mut Context<'_>) -> bool {
        if self.asked.is_none() {
            self.asked = ask(handle, self.shard).and_then(Result::ok);
        }
        self.asked.as_mut().is_some_and(|asked| Pin::new(asked).poll(context).is_ready())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::task::Waker;

    use proactor::Server;

    use super::*;
    use crate::blocked::Blocked;

    #[test]
    fn a_checkup_is_not_done_while_one_shard_stands_still() {
        let blocked = Blocked::new();
        let server = Server::builder().listen("127.0.0.1:0").shards(2).start(blocked.clone()).unwrap();
        let handle = server.handle().untyped();
        let mut context = Context::from_waker(Waker::noop());
        let mut until_done = |checkup: &mut Checkup| {
            while !checkup.is_done(&handle, &mut context) {
                std::thread::yield_now();
            }
        };
        until_done(&mut Checkup::new(2));
        let mut client = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
        client.write_all(b"stop").unwrap();
        blocked.wait();
        let mut checkup = Checkup::new(2);
        // The other one has answered when one question is open.
        while {
            assert!(!checkup.is_done(&handle, &mut Context::from_waker(Waker::noop())));
            checkup.open.len() > 1
        } {
            std::thread::yield_now();
        }
        assert!(!checkup.is_done(&handle, &mut Context::from_waker(Waker::noop())));
        blocked.go_on();
        until_done(&mut checkup);
        server.handle().stop();
        server.wait().unwrap();
        until_done(&mut Checkup::new(2));
    }
}
