//! Timers of sessions and of shards, on real sockets: they are called, set anew, stopped, limited,
//! and end with their session.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::{CloseReason, Flow, Group, Handle, Handler, NoMessage, Session, SessionId, ShardHandle, TimerError};

use crate::harness::{address_of, ask, backends, builder, connect, expect, finish, read_end, wait_until};

const SOON: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(3600);

/// Does what a packet says with its timers, and tells the peer of each that is called.
#[derive(Clone, Default)]
struct Obeys {
    kept: Arc<Mutex<Vec<SessionId>>>,
    timers: Arc<AtomicUsize>,
}

impl Handler for Obeys {
    type State = u64;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> u64 {
        self.kept.lock().unwrap().push(session.id());
        0
    }

    fn received(&mut self, session: &Session, called: &mut u64, packet: &[u8]) -> Flow {
        match packet {
            b"soon" => session.after(SOON, 1).unwrap(),
            b"never" => session.after(NEVER, 1).unwrap(),
            b"again" => {
                session.after(NEVER, 1).unwrap();
                session.after(SOON, 1).unwrap();
            }
            b"stop" => {
                session.after(SOON, 1).unwrap();
                assert!(session.cancel_timer(1) && !session.cancel_timer(1));
                // Called after where the other would have been.
                session.after(3 * SOON, 2).unwrap();
            }
            b"many" => {
                for token in 0..64 {
                    session.after(NEVER, token).unwrap();
                }
                assert_eq!(session.after(SOON, 64), Err(TimerError::Full));
                assert!(session.cancel_timer(7));
                session.after(SOON, 64).unwrap();
            }
            b"loop" => {
                *called = 100;
                session.after(Duration::ZERO, 3).unwrap();
            }
            b"close" => {
                session.after(SOON, 1).unwrap();
                session.close();
                assert_eq!(session.after(SOON, 2), Err(TimerError::Closed));
                assert!(!session.cancel_timer(1));
            }
            b"panic" => session.after(SOON, 4).unwrap(),
            other => panic!("{other:?}"),
        }
        Flow::Continue
    }

    fn timer(&mut self, session: &Session, called: &mut u64, token: u64) {
        self.timers.fetch_add(1, Ordering::SeqCst);
        assert_ne!(token, 4, "as the test wants");
        if token == 3 && *called > 1 {
            // A timer that is over at once is called in the next turn, and leaves time for I/O.
            *called -= 1;
            return session.after(Duration::ZERO, 3).unwrap();
        }
        session.send(format!("timer {token};").as_bytes()).unwrap();
    }
}

#[test]
fn a_timer_is_called_once_and_the_last_call_for_a_token_counts() {
    for backend in backends() {
        let logic = Obeys::default();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        let client = connect(address_of(&server));
        for (packet, answer, calls) in [
            ("soon", "timer 1;", 1),
            ("again", "timer 1;", 1),
            ("stop", "timer 2;", 1),
            ("many", "timer 64;", 1),
            ("loop", "timer 3;", 100),
        ] {
            let before = logic.timers.load(Ordering::SeqCst);
            ask(&client, packet.as_bytes(), answer.as_bytes());
            assert_eq!(logic.timers.load(Ordering::SeqCst) - before, calls, "{backend}: {packet}");
        }
        finish(server);
    }
}

#[test]
fn timers_end_with_their_session_and_serve_the_next_in_its_slot() {
    for backend in backends() {
        let logic = Obeys::default();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        for packet in ["close", "never", "many"] {
            let mut client = connect(address_of(&server));
            client.write_all(packet.as_bytes()).unwrap();
            match packet {
                "close" => read_end(&client),
                "many" => expect(&client, b"timer 64;"),
                _ => {}
            }
            drop(client);
            wait_until("the session has ended", || server.handle().sessions() == 0);
        }
        let calls = logic.timers.load(Ordering::SeqCst);
        // The slot's next session has its own, as many as it may have.
        let client = connect(address_of(&server));
        ask(&client, b"many", b"timer 64;");
        assert_eq!((calls, logic.timers.load(Ordering::SeqCst)), (1, 2), "{backend}");
        finish(server);
    }
}

#[test]
fn a_panic_in_a_timer_closes_its_session_only() {
    for backend in backends() {
        let server = builder(backend, 1).start(Obeys::default()).unwrap();
        let (mut bad, good) = (connect(address_of(&server)), connect(address_of(&server)));
        bad.write_all(b"panic").unwrap();
        read_end(&bad);
        ask(&good, b"soon", b"timer 1;");
        wait_until("it is counted", || server.handle().stats().closed(CloseReason::Panic) == 1);
        finish(server);
    }
}

/// A clock of the shard broadcasts; one that panics ends nothing.
#[derive(Clone)]
struct Clock(Group);

impl Handler for Clock {
    type State = ();
    type Message = NoMessage;

    fn started(&mut self, shard: &ShardHandle, _: &Handle) {
        shard.after(SOON, 0).unwrap();
        shard.after(SOON, 1).unwrap();
        shard.after(NEVER, 2).unwrap();
        assert!(shard.cancel_timer(2) && !shard.cancel_timer(2));
    }

    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
    }

    fn received(&mut self, session: &Session, (): &mut (), _: &[u8]) -> Flow {
        assert!(session.shard().cancel_timer(0));
        let _ = session.send(b"stopped");
        Flow::Continue
    }

    fn shard_timer(&mut self, shard: &ShardHandle, token: u64) {
        assert_ne!(token, 1, "as the test wants");
        self.0.broadcast(b"tick").unwrap();
        shard.after(SOON, token).unwrap();
    }
}

#[test]
fn a_shard_has_timers_of_its_own() {
    for backend in backends() {
        let server = builder(backend, 1).start(Clock(Group::new())).unwrap();
        let mut client = connect(address_of(&server));
        expect(&client, b"tickticktick");
        client.write_all(b"stop").unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"stopped") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut client, &mut byte).unwrap();
            received.push(byte[0]);
        }
        finish(server);
    }
}
