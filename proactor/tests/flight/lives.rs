//! Events of sessions, connections and turns, read from outside.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::Lines;
use proactor::{
    Backend, Builder, CloseReason, Delivery, FlightEvent, FlightKind, Flow, Handler, Hold, Limits, Listener, NoMessage,
    Refusal, Server, ServerError, Session, SessionId,
};

use crate::harness::{address_of, ask, backends, connect, exchange, expect, finish, next, read_end, wait_until};

/// Lines are commands. Every other line is echoed.
#[derive(Clone)]
pub(crate) struct Commanded {
    /// `block` says that it blocks, and waits to be told to go on.
    block: Arc<Mutex<(Sender<()>, Receiver<()>)>>,
}

impl Commanded {
    pub(crate) fn new() -> Commanded {
        Commanded::with_ends().0
    }

    /// With the test's ends of its two channels.
    fn with_ends() -> (Commanded, Receiver<()>, Sender<()>) {
        let ((blocks, hears), (go, waits)) = (channel(), channel());
        (Commanded { block: Arc::new(Mutex::new((blocks, waits))) }, hears, go)
    }
}

impl Handler for Commanded {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        match packet {
            b"close" => return Flow::Close,
            b"panic" => panic!("as the test asked for"),
            b"pause" => {
                session.pause();
                session.after(Duration::from_millis(1), 0).unwrap();
            }
            b"log" => tracing::info!("the handler was called"),
            b"sleep" => std::thread::sleep(Duration::from_millis(12)),
            b"block" => {
                let block = self.block.lock().unwrap();
                block.0.send(()).unwrap();
                next(&block.1);
            }
            _ => {}
        }
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn timer(&mut self, session: &Session, (): &mut (), _: u64) {
        session.resume();
    }
}

fn recorded(backend: Backend, events: usize) -> Builder {
    let listener = Listener::new("127.0.0.1:0").name("lines").codec(Lines::new());
    Server::builder().listen(listener).shards(1).backend(Some(backend)).flight_recorder(events)
}

fn kinds(events: &[FlightEvent]) -> Vec<FlightKind> {
    let is_of_sessions = |event: &&FlightEvent| !matches!(event.kind(), FlightKind::SlowTurn { .. });
    // A turn may be slow on a busy machine.
    events.iter().filter(is_of_sessions).map(FlightEvent::kind).collect()
}

fn is_slow(event: &FlightEvent) -> bool {
    matches!(event.kind(), FlightKind::SlowTurn { took } if took >= Duration::from_millis(12))
}

#[test]
fn a_session_s_life_is_told_in_order_also_after_its_end() {
    for backend in backends() {
        let server = recorded(backend, 64).start(Commanded::new()).unwrap();
        let handle = server.handle();
        let (one, other) = (connect(address_of(&server)), connect(address_of(&server)));
        exchange(&other, b"hello\n");
        exchange(&one, b"pause\n");
        ask(&one, b"close\n", b"");
        read_end(&one);
        // The server waits for this end too.
        drop(one);
        wait_until("it has ended", || handle.stats().closed_in_all() == 1);
        let all = handle.flight_events().unwrap();
        let closing = all.iter().find(|event| matches!(event.kind(), FlightKind::Closing(_))).unwrap();
        let id = closing.session().unwrap();
        let own = handle.flight_events_of(id).unwrap();
        let life = [
            FlightKind::Accepted,
            FlightKind::Held(Hold::Paused),
            FlightKind::Released(Hold::Paused),
            FlightKind::Closing(CloseReason::ByHandler),
            FlightKind::Ended(Delivery::Flushed),
        ];
        assert_eq!(kinds(&own), life, "{backend:?}");
        assert!(own.iter().all(|event| event.session() == Some(id) && event.shard() == 0));
        assert!(own.is_sorted_by_key(FlightEvent::at) && all.is_sorted_by_key(FlightEvent::at));
        assert_eq!(own[0].listener().map(|listener| listener.name().to_owned()), Some("lines".to_owned()));
        let line = own[3].to_string();
        assert!(line.contains(&format!(" s, session {id}: closing: closed by the server's logic")), "{line}");
        assert!(own[0].to_string().ends_with("accepted, at lines"), "{}", own[0]);
        // The other session is in the same recording, and not in this one's.
        assert_eq!(kinds(&all).len(), life.len() + 1);
        let stranger: SessionId = "0.900.1".parse().unwrap();
        assert!(handle.flight_events_of(stranger).unwrap().is_empty());
        let elsewhere: SessionId = "7.0.0".parse().unwrap();
        assert!(handle.flight_events_of(elsewhere).unwrap().is_empty());
        finish(server);
        let last = handle.flight_events().unwrap();
        let stopped = |event: &FlightEvent| event.kind() == FlightKind::Closing(CloseReason::ServerStopping);
        assert_eq!(last.iter().filter(|event| stopped(event)).count(), 1, "it is read when the server has ended, too");
    }
}

#[test]
fn refusals_and_slow_turns_are_told_of_no_session() {
    for backend in backends() {
        let server = recorded(backend, 64).limits(Limits::new().sessions(1)).start(Commanded::new()).unwrap();
        let handle = server.handle();
        let kept = connect(address_of(&server));
        exchange(&kept, b"sleep\n");
        let refused = connect(address_of(&server));
        read_end(&refused);
        wait_until("the slow turn has ended", || handle.flight_events().unwrap().iter().any(is_slow));
        let all = handle.flight_events().unwrap();
        assert!(all.iter().filter(|event| is_slow(event)).all(|event| event.session().is_none()));
        let refusal = all.iter().find(|event| event.kind() == FlightKind::Refused(Refusal::Sessions)).unwrap();
        assert_eq!(refusal.session(), None);
        assert_eq!(refusal.listener().map(|listener| listener.index()), Some(0));
        finish(server);
    }
}

#[test]
fn a_shard_that_hangs_is_read_all_the_same() {
    for backend in backends() {
        let (handler, blocks, go) = Commanded::with_ends();
        let server = recorded(backend, 16).start(handler).unwrap();
        let handle = server.handle();
        let client = connect(address_of(&server));
        exchange(&client, b"hello\n");
        (&client).write_all(b"block\n").unwrap();
        next(&blocks);
        assert_eq!(kinds(&handle.flight_events().unwrap()), [FlightKind::Accepted]);
        go.send(()).unwrap();
        expect(&client, b"block\n");
        finish(server);
    }
}

#[test]
fn the_memory_is_fixed_and_the_newest_are_kept() {
    let backend = backends()[0];
    let server = recorded(backend, 6).start(Commanded::new()).unwrap();
    let handle = server.handle();
    for _ in 0..20 {
        let client = connect(address_of(&server));
        ask(&client, b"close\n", b"");
        read_end(&client);
    }
    wait_until("all have ended", || handle.stats().closed_in_all() == 20);
    let events = handle.flight_events().unwrap();
    assert_eq!(events.len(), 6);
    assert_eq!(kinds(&events).last(), Some(&FlightKind::Ended(Delivery::Flushed)));
    finish(server);
}

#[test]
fn a_server_without_a_recorder_tells_nothing_and_one_may_not_be_endless() {
    let server = recorded(backends()[0], 0).start(Commanded::new()).unwrap();
    exchange(&connect(address_of(&server)), b"hello\n");
    let handle = server.handle();
    assert!(handle.flight_events().is_none());
    assert!(handle.flight_events_of("0.0.0".parse().unwrap()).is_none());
    finish(server);
    let refused = recorded(backends()[0], 1 << 20).start(Commanded::new()).map(drop);
    let Err(ServerError::Config(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("1048576 events: must be at most 65536"), "{why}");
}
