//! Limits of an engine: one producer that starts whatever it can does not shut the others out.

use std::time::Duration;

use overlapped::engine::EngineBuilder;
use overlapped::error::{Action, Failed};
use overlapped::report::Backend;
use overlapped::sim::Network;
use overlapped::{Engine, Error, ErrorKind, Socket, Time};

use crate::harness::engine::*;

engine_rules! {
    a_socket_that_fills_the_table_leaves_room_for_the_first_operations_of_others,
    timers_that_fill_the_table_leave_room_for_sockets,
    results_that_are_not_taken_count,
    limits_of_nothing_or_of_too_much_are_refused_by_name,
}

const LIMIT: usize = 64;
/// What any operation may take.
const SHARED: usize = LIMIT - LIMIT / 8;
/// What timers may take.
const FOR_TIMERS: usize = LIMIT - LIMIT / 16;

/// Where engines are made: on the backend of another engine, and of its kind.
struct Like {
    backend: Backend,
    is_local: bool,
}

impl Like {
    fn of(own: Own) -> Like {
        Like { backend: own.report().backend, is_local: matches!(own, Own::Local(_)) }
    }

    fn build(&self, set: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Result<Own, Error> {
        let builder = match self.backend {
            Backend::Sim => Engine::builder().network(&Network::new(1)),
            backend => Engine::builder().backend(backend),
        };
        Ok(if self.is_local { Own::Local(set(builder).local()?) } else { Own::Threaded(set(builder).build()?) })
    }
}

fn small(own: Own) -> Own {
    Like::of(own).build(|builder| builder.operations(LIMIT)).unwrap()
}

/// What is refused because of the limit.
fn is_refused<T, B>(start: Result<T, Failed<B>>) -> bool {
    match start {
        Ok(_) => false,
        Err(refused) => {
            assert_eq!(refused.error.kind(), ErrorKind::LimitReached);
            true
        }
    }
}

fn recv(socket: &Socket) -> bool {
    !is_refused(socket.recv(vec![0; 1]).detach())
}

fn a_socket_that_fills_the_table_leaves_room_for_the_first_operations_of_others(own: Own) {
    let engine = small(own);
    let pairs: Vec<_> = (0..2).map(|_| pair(&engine)).collect();
    let ((flooder, _peer), (quiet, quiet_peer)) = (&pairs[0], &pairs[1]);
    let flood = (0..LIMIT).take_while(|_| recv(flooder)).count();
    assert_eq!(flood, SHARED);
    // The others receive and send as if it were not there, one at a time.
    for _ in 0..100 {
        write(quiet_peer, b"x");
        assert_eq!(end(quiet.recv(vec![0; 1]).start().unwrap()).unwrap().buf, b"x");
        assert_eq!(end(quiet.send(b"y".to_vec()).start().unwrap()).unwrap().bytes, 1);
        assert_eq!(read(quiet_peer, 1), b"y");
    }
    end(engine.sleep(Duration::ZERO).start().unwrap()).unwrap();
    // A send beside a receive, but no second receive.
    assert!(recv(quiet) && !recv(quiet));
    end(quiet.send(b"y".to_vec()).start().unwrap()).unwrap();
    assert_eq!(read(quiet_peer, 1), b"y");
    assert!(!recv(flooder), "the flooder has not got more meanwhile");
    assert_eq!(flooder.cancel_all(), SHARED);
    until("there is room again", || recv(flooder));
    drop(pairs);
    finish(&engine);
}

fn timers_that_fill_the_table_leave_room_for_sockets(own: Own) {
    let engine = small(own);
    let (socket, peer) = pair(&engine);
    let mut timers = Vec::new();
    while let Ok(timer) = engine.timer(Time::MAX).start() {
        timers.push(timer);
    }
    assert_eq!(timers.len(), FOR_TIMERS);
    for _ in 0..10 {
        write(&peer, b"x");
        assert_eq!(end(socket.recv(vec![0; 1]).start().unwrap()).unwrap().buf, b"x");
        assert!(is_refused(engine.timer(Time::MAX).start()));
    }
    drop((timers, peer, socket));
    finish(&engine);
}

fn results_that_are_not_taken_count(own: Own) {
    let engine = small(own);
    let ((careless, peer), (other, other_peer)) = (pair(&engine), pair(&engine));
    let mut ended = Vec::new();
    while let Ok(send) = careless.send(b"x".to_vec()).start() {
        until("it has ended", || send.has_ended());
        ended.push(send);
        read(&peer, 1);
    }
    assert_eq!(ended.len(), SHARED, "nothing is in flight, but nothing has been taken either");
    write(&other_peer, b"x");
    assert_eq!(end(other.recv(vec![0; 1]).start().unwrap()).unwrap().buf, b"x");
    assert!(ended.pop().is_some_and(|mut send| send.result(WAIT).is_ok()));
    end(careless.send(b"x".to_vec()).start().unwrap()).unwrap();
    drop((ended, careless, peer, other, other_peer));
    finish(&engine);
}

fn limits_of_nothing_or_of_too_much_are_refused_by_name(own: Own) {
    let like = Like::of(own);
    type Set = fn(EngineBuilder) -> EngineBuilder;
    let wrong: [(&str, Set); 6] = [
        ("operations(0)", |builder| builder.operations(0)),
        ("operations(18446744073709551615)", |builder| builder.operations(usize::MAX)),
        ("operations(16777216)", |builder| builder.operations(1 << 24)),
        ("sockets(0)", |builder| builder.sockets(0)),
        ("sockets(8388608)", |builder| builder.sockets(1 << 23)),
        ("queue(0)", |builder| builder.queue(0)),
    ];
    for (name, set) in wrong {
        let error = like.build(set).map(drop).unwrap_err();
        assert_eq!((error.kind(), error.action()), (ErrorKind::InvalidArgument, Action::Setup));
        assert!(error.to_string().contains(name), "{error}");
    }
    let engine = like.build(|builder| builder.operations(1).sockets(1).queue(1)).unwrap();
    end(engine.sleep(Duration::ZERO).start().unwrap()).unwrap();
}
