//! `started`: what each shard calls before its first session.

use std::sync::{Arc, Mutex};

use proactor::{Flow, Handle, Handler, Session, SessionId, ShardHandle};

use crate::harness::{address_of, backends, builder, connect, expect, finish, wait_until};

#[test]
fn each_shard_is_started_once_before_its_first_session_with_the_server_in_hand() {
    #[derive(Clone, Default)]
    struct Starts {
        shards: Arc<Mutex<Vec<usize>>>,
        handle: Option<Handle<SessionId>>,
    }
    impl Handler for Starts {
        type State = ();
        type Message = SessionId;
        fn started(&mut self, shard: &ShardHandle, handle: &Handle<SessionId>) {
            self.shards.lock().unwrap().push(shard.index());
            assert!(self.handle.is_none(), "each shard has a clone of its own");
            self.handle = Some(handle.clone());
        }
        fn connected(&mut self, session: &Session) {
            // A message to itself, by the handle that it was started with.
            self.handle.as_ref().unwrap().post(session.id(), session.id()).unwrap();
            assert_eq!(session.handle().sessions(), session.shard().handle().sessions());
        }
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
        fn message(&mut self, session: &Session, (): &mut (), message: SessionId) {
            assert_eq!(session.id(), message);
            assert!(session.shard().session(message).is_some());
            session.send(b"hello").unwrap();
        }
    }
    for backend in backends() {
        let logic = Starts::default();
        let server = builder(backend, 3).start(logic.clone()).unwrap();
        // They stay, so that `connected` finds the same count twice.
        let mut clients = Vec::new();
        for _ in 0..6 {
            let client = connect(address_of(&server));
            expect(&client, b"hello");
            clients.push(client);
        }
        // A shard that has no session may begin later than the server.
        wait_until("every shard has begun", || logic.shards.lock().unwrap().len() >= 3);
        let mut shards = logic.shards.lock().unwrap().clone();
        shards.sort_unstable();
        assert_eq!(shards, [0, 1, 2]);
        finish(server);
    }
}

/// A server whose `started` panics ends, and says so.
#[test]
fn a_panic_in_started_ends_the_server() {
    #[derive(Clone)]
    struct Panics;
    impl Handler for Panics {
        type State = ();
        type Message = ();
        fn started(&mut self, shard: &ShardHandle, _: &Handle<()>) {
            assert_ne!(shard.index(), 1, "as the test wants");
        }
        fn connected(&mut self, _: &Session) {}
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
    }
    for backend in backends() {
        let server = builder(backend, 2).start(Panics).unwrap();
        let error = server.wait().unwrap_err().to_string();
        assert_eq!(error, "shard 1 panicked");
    }
}
