//! Closing a socket of an engine never keeps the engine's other sockets waiting.

use std::time::{Duration, Instant};

use overlapped::driver::CloseMode;
use overlapped::engine::Sent;
use overlapped::{Engine, Overlapped, Socket};

use crate::harness::engine::{Own, WAIT, settle};
use crate::harness::peers::{LONG, PROMPT, System, lingering};

engine_rules! {
    no_close_of_a_lingering_socket_keeps_others_waiting: "it has no such option",
    dropping_an_engine_with_a_lingering_socket_does_not_wait: "it has no such option",
}

/// A socket that lingers, with more unsent bytes than fit.
fn full(engine: &Engine) -> (Socket, System, Overlapped<Sent<Vec<u8>>>) {
    let (stream, peer, _) = lingering(Some(LONG));
    let socket = engine.adopt(stream).unwrap();
    let send = socket.send(vec![7u8; 64 << 20]).start().unwrap();
    settle(engine);
    (socket, peer, send)
}

fn no_close_of_a_lingering_socket_keeps_others_waiting(engine: &Engine) {
    let graceful = CloseMode::Graceful { linger: Duration::from_millis(20) };
    for mode in [None, Some(CloseMode::Now), Some(CloseMode::Abort), Some(graceful)] {
        let (socket, _peer, mut send) = full(engine);
        let begun = Instant::now();
        match mode {
            None => drop(socket),
            Some(mode) => {
                let closed = socket.close(mode).start().unwrap().result(WAIT);
                assert_eq!(closed.is_err(), mode == graceful);
            }
        }
        assert!(send.result(WAIT).is_err());
        settle(engine);
        assert!(begun.elapsed() < PROMPT, "{mode:?} kept others waiting for {:?}", begun.elapsed());
    }
    // One that the driver has never had.
    let (stream, _peer, _) = lingering(Some(LONG));
    let begun = Instant::now();
    drop(engine.adopt(stream).unwrap());
    settle(engine);
    assert!(begun.elapsed() < PROMPT);
}

fn dropping_an_engine_with_a_lingering_socket_does_not_wait(engine: Own) {
    let (_socket, _peer, mut send) = full(&engine);
    let begun = Instant::now();
    drop(engine);
    assert!(send.result(WAIT).is_err());
    assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
}
