//! Closing a socket never waits, whatever its owner has set on it.

use std::time::{Duration, Instant};

use overlapped::driver::{CloseMode, OpId, SocketId};
use overlapped::report::Backend;
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::peers::{LONG, PROMPT, System, lingering};
use crate::harness::place::{On, wine_departs};

rules! {
    no_close_waits_for_a_linger_that_the_owner_has_set: "it has no such option",
    dropping_a_driver_does_not_wait_for_a_linger: "it has no such option",
    a_linger_of_zero_that_the_owner_has_set_resets_the_connection: "it has no such option",
}

/// A socket of the driver that lingers, with more unsent bytes than fit, its peer, and the send.
/// The option is set before the socket comes to the driver or, `later`, when it is in use.
fn full(on: &On, bench: &mut Bench, later: bool) -> (SocketId, System, OpId) {
    let (stream, peer, other) = lingering((!later).then_some(LONG));
    let socket = bench.driver.adopt(stream).unwrap();
    let send = bench.submit(Op::send(socket, vec![7u8; on.flood()]));
    bench.settle();
    if later {
        other.set_linger(Some(LONG)).unwrap();
    }
    (socket, peer, send)
}

fn no_close_waits_for_a_linger_that_the_owner_has_set(on: &On) {
    let graceful = CloseMode::Graceful { linger: Duration::from_millis(20) };
    for later in [false, true] {
        for mode in [CloseMode::Now, CloseMode::Abort, graceful] {
            let mut bench = on.bench();
            let (socket, peer, send) = full(on, &mut bench, later);
            let begun = Instant::now();
            let close = bench.submit(Op::close(socket, mode));
            let closed = bench.outcome_of(close);
            assert!(begun.elapsed() < PROMPT, "{mode:?} took {:?}", begun.elapsed());
            match closed {
                Ok(Outcome::Closed) => assert_ne!(mode, graceful),
                Err(error) => assert!(mode == graceful && error.kind() == ErrorKind::TimedOut, "{error}"),
                other => panic!("{other:?}"),
            }
            assert!(bench.outcome_of(send).is_err());
            // What the system had taken still goes out, except after an abort.
            let was_reset = peer.read_to_end().is_err();
            let aborted = mode == CloseMode::Abort;
            let told = aborted && wine_departs("what is received after a reset has come is the end of the stream");
            assert!(was_reset == aborted || told, "{mode:?}");
            bench.finish();
        }
        if on.backend == Backend::Winsock {
            continue;
        }
        let mut bench = on.bench();
        let (socket, _peer, send) = full(on, &mut bench, later);
        bench.driver.cancel(send);
        assert_eq!(bench.kind_of(send), ErrorKind::Cancelled);
        let stream = bench.driver.release(socket).unwrap();
        let begun = Instant::now();
        drop(stream);
        assert!(begun.elapsed() < PROMPT, "a stream that is dropped took {:?}", begun.elapsed());
        bench.finish();
    }
}

fn dropping_a_driver_does_not_wait_for_a_linger(on: &On) {
    for later in [false, true] {
        let mut bench = on.bench();
        let (_, _peer, _) = full(on, &mut bench, later);
        let begun = Instant::now();
        drop(bench);
        assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
    }
}

fn a_linger_of_zero_that_the_owner_has_set_resets_the_connection(on: &On) {
    let mut bench = on.bench();
    let (stream, peer, other) = lingering(Some(Duration::ZERO));
    drop(other);
    let socket = bench.driver.adopt(stream).unwrap();
    bench.close(socket);
    match peer.read(1) {
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        Ok(bytes) => {
            assert!(
                bytes.is_empty() && wine_departs("what is received after a reset has come is the end of the stream")
            )
        }
    }
    bench.finish();
}
