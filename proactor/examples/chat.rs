//! A chat: what one says, the others hear. Its tests run on a simulated network:
//! `cargo test -p proactor --example chat`.
//!
//! Run it with `cargo run -p proactor --example chat`, then start `nc 127.0.0.1 7777` twice.

use proactor::codec::Lines;
use proactor::{Builder, Flow, Group, Handler, NoMessage, Server, ServerError, Session};

#[derive(Clone, Default)]
struct Chat {
    room: Group,
}

impl Handler for Chat {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.room).expect("a new session can join its first group");
    }
    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        if line == b"/quit" {
            return Flow::Close;
        }
        match self.room.broadcast_except(session.id(), line) {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Close,
        }
    }
}

fn server(address: &str) -> Builder {
    Server::builder().listen(address).codec(Lines::new())
}

fn main() -> Result<(), ServerError> {
    server("127.0.0.1:7777").run(Chat::default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proactor::Network;

    use super::*;

    // The README shows this test.
    #[test]
    fn what_one_says_the_others_hear() {
        for seed in 0..100 {
            let sim = server("10.0.0.1:7777").simulate(&Network::new(seed), Chat::default()).unwrap();
            let [ann, bob, eve] = [(); 3].map(|()| sim.client("10.0.0.1:7777", Lines::new()));
            ann.link().split(1); // her bytes arrive one by one
            ann.send("hello");
            bob.expect("hello");
            eve.expect("hello");
            ann.expect_nothing(Duration::from_secs(1)); // of simulated time
            bob.send("/quit");
            bob.expect_closed();
        }
    }

    #[test]
    fn the_readme_shows_the_test_that_runs() {
        let (source, readme) = (include_str!("chat.rs"), include_str!("../../README.md"));
        let (_, from) = source.split_once("    // The README shows this test.\n").unwrap();
        let (test, _) = from.split_once("\n    }\n").unwrap();
        let test: Vec<&str> = test.lines().map(|line| line.strip_prefix("    ").unwrap()).collect();
        assert!(readme.contains(&test.join("\n")), "the test in README.md is another one");
    }
}
