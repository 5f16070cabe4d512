//! A driver whose backend fails, on every backend there is here.

use std::collections::BTreeMap;
use std::time::Duration;

use super::TEST_CODE;
use crate::driver::*;
use crate::error::*;
use crate::options::*;
use crate::report::*;
use crate::sim::*;

fn drivers() -> Vec<Driver> {
    let all = [Backend::Uring, Backend::Poll, Backend::Winsock, Backend::Sim];
    let made = all.into_iter().filter_map(|backend| {
        let network = (backend == Backend::Sim).then(|| Network::new(1));
        Driver::new(DriverConfig::new().backend(backend).network(network)).ok()
    });
    made.collect()
}

/// Everything that comes, last completions and others.
fn drain(driver: &mut Driver) -> Vec<Completion> {
    std::iter::from_fn(|| driver.next()).collect()
}

fn turn_until(driver: &mut Driver, token: u64) -> Completion {
    loop {
        driver.turn(Wait::For(Duration::from_secs(10))).unwrap();
        let mut all = drain(driver).into_iter();
        if let Some(found) = all.find(|completion| completion.token == token) {
            assert!(all.next().is_none());
            return found;
        }
    }
}

/// A listener and two ends of a connection.
fn pair(driver: &mut Driver) -> (SocketId, SocketId, SocketId) {
    let listener = driver.listen("127.0.0.1:0", &ListenOptions::new()).unwrap();
    let address = driver.local_addr(listener).unwrap();
    let client = driver.socket(&address).unwrap();
    driver.submit(Op::accept(listener), 100).unwrap();
    driver.submit(Op::connect(client, &address), 101).unwrap();
    let mut server = None;
    let mut left = 2;
    while left > 0 {
        driver.turn(Wait::For(Duration::from_secs(10))).unwrap();
        for completion in drain(driver) {
            left -= 1;
            if let Outcome::Accepted(stream, _) = completion.result.unwrap() {
                server = Some(driver.adopt(stream).unwrap());
            }
        }
    }
    (listener, client, server.unwrap())
}

/// Starts operations of every kind, and then lets that many turns fail. Returns the last completion
/// of each token.
fn fail(driver: &mut Driver, failures: u32) -> BTreeMap<u64, Completion> {
    let backend = driver.report().backend;
    let (listener, client, server) = pair(driver);
    let (_, waits, peer) = pair(driver);
    let mut started = BTreeMap::new();
    let later = driver.now() + Duration::from_secs(60);
    let ops = [
        Op::recv(waits, vec![0u8; 10]),
        Op::recv(waits, vec![0u8; 10]),
        Op::accept_multi(listener),
        Op::recv(client, vec![0u8; 10]),
        Op::recv(client, vec![0u8; 10]),
        Op::recv_multi(server),
        Op::send(client, vec![1u8; 32 << 20]),
        Op::send(client, b"behind"),
        Op::timer(later),
        Op::close(client, CloseMode::Graceful { linger: Duration::from_secs(60) }),
    ];
    for op in ops {
        let token = started.len() as u64;
        started.insert(token, driver.submit(op, token).unwrap());
    }
    // What is in flight is found by the socket.
    assert_eq!((driver.receive_of(waits), driver.close_of(waits)), (Some(started[&0]), None), "{backend}");
    assert_eq!(driver.receive_of(listener), Some(started[&2]), "{backend}");
    assert_eq!(driver.receive_of(server), Some(started[&5]), "{backend}");
    assert_eq!((driver.receive_of(peer), driver.close_of(client)), (None, Some(started[&9])), "{backend}");
    for _ in 0..5 {
        driver.turn(Wait::Poll).unwrap();
    }
    driver.failures = failures;
    assert_eq!(driver.turn(Wait::Forever).unwrap_err().os_code(), Some(TEST_CODE));

    let mut last = BTreeMap::new();
    for completion in drain(driver).into_iter().filter(|completion| !completion.more) {
        let token = completion.token;
        assert_eq!(started[&token], completion.id, "{backend}");
        if let Some(first) = last.insert(token, completion) {
            panic!("{backend}: {token} ends twice, the first time with {first:?}");
        }
    }
    assert_eq!(last.len(), started.len(), "{backend}");
    for (token, id) in started {
        let error = last[&token].result.as_ref().unwrap_err();
        // The close has cancelled the receives.
        let is_cancelled = matches!(token, 3 | 4) && error.kind() == ErrorKind::Cancelled;
        assert!(error.os_code() == Some(TEST_CODE) || is_cancelled, "{backend} {token}: {error}");
        assert!(!driver.cancel(id) && driver.progress(id).is_none(), "{backend} {token}");
    }
    assert_eq!(driver.live().operations, 0, "{backend}");
    // What the system still has of them is named, and cannot be cancelled.
    for socket in [listener, client, server, waits, peer] {
        let left = [driver.receive_of(socket), driver.close_of(socket)];
        assert!(left.into_iter().flatten().all(|id| !driver.cancel(id)), "{backend}");
    }

    // The driver stays failed.
    let refused = driver.submit(Op::send(peer, b"more"), 9).unwrap_err();
    assert_eq!(refused.error.os_code(), Some(TEST_CODE), "{backend}");
    assert!(refused.given.into_buf().is_some());
    assert!(driver.turn(Wait::Forever).is_err() && driver.next().is_none(), "{backend}");
    last
}

#[test]
fn ends_every_operation_once_and_gives_back_buffers_that_the_system_lets_go_of() {
    for mut driver in drivers() {
        let last = fail(&mut driver, 1);
        let backend = driver.report().backend;
        for token in [0, 1, 3, 4, 6, 7] {
            assert!(last[&token].buf.is_some(), "{backend}: {token}");
        }
        assert_eq!(driver.live().buffers, 0, "{backend}");
    }
}

#[test]
fn keeps_buffers_that_the_system_does_not_let_go_of() {
    for mut driver in drivers().into_iter().filter(|driver| driver.report().backend != Backend::Poll) {
        let last = fail(&mut driver, 2);
        let backend = driver.report().backend;
        if backend == Backend::Sim {
            assert!(last[&0].buf.is_none(), "{backend}: the receive is still with the system");
            assert!(last[&1].buf.is_some(), "{backend}: nobody but the driver had it");
            assert!(driver.live().buffers > 0, "{backend}");
        }
    }
}

#[test]
fn gives_completions_of_events_that_had_come_before() {
    for mut driver in drivers() {
        let backend = driver.report().backend;
        let (_, client, server) = pair(&mut driver);
        driver.submit(Op::send(client, b"hello"), 1).unwrap();
        turn_until(&mut driver, 1);
        driver.submit(Op::recv(server, vec![0u8; 10]), 2).unwrap();
        driver.turn(Wait::For(Duration::from_secs(10))).unwrap();
        driver.failures = 1;
        driver.turn(Wait::Forever).unwrap_err();
        let all = drain(&mut driver);
        assert!(
            matches!(all[..], [Completion { token: 2, result: Ok(Outcome::Received(5)), .. }]),
            "{backend}: {all:?}"
        );
    }
}

#[test]
fn a_wait_that_nothing_will_end_is_no_failure() {
    let network = Network::new(1);
    let mut driver = Driver::new(DriverConfig::new().network(network)).unwrap();
    assert_eq!(driver.turn(Wait::Forever).unwrap_err().kind(), ErrorKind::WouldDeadlock);
    driver.submit(Op::timer(driver.now() + Duration::from_secs(1)), 1).unwrap();
    driver.turn(Wait::Forever).unwrap();
    assert!(driver.next().is_some());
}
