//! Closing a socket never waits, whatever its owner has set on it.

use std::time::{Duration, Instant};

use overlapped::driver::{CloseMode, OpId, SocketId};
use overlapped::options::{ListenOptions, StreamOptions};
use overlapped::report::Backend;
use overlapped::{Driver, ErrorKind, Op, Outcome, sockopt};
use socket2::SockRef;

use crate::harness::bench::Bench;
use crate::harness::peers::{LONG, PROMPT, System, lingering};
use crate::harness::place::{On, wine_departs};

rules! {
    no_close_waits_for_a_linger_that_the_owner_has_set: "it has no such option",
    dropping_a_driver_does_not_wait_for_a_linger: "it has no such option",
    a_linger_of_zero_that_the_owner_has_set_resets_the_connection: "it has no such option",
    no_close_waits_for_a_linger_that_was_set_through_the_driver: "it has no such option",
    connections_of_a_listener_that_lingers_do_not_wait_either: "it has no such option",
    asking_a_socket_leaves_it_its_linger: "it has no such option",
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

/// Ways to set it on a socket of a driver.
const WAYS: [fn(&Driver, SocketId); 4] = [
    |driver, socket| driver.set_option(socket, sockopt::LINGER, Some(LONG)).unwrap(),
    |driver, socket| driver.set_options(socket, &StreamOptions::new().linger(LONG)).unwrap(),
    |driver, socket| match driver.descriptor(socket) {
        Ok(descriptor) => SockRef::from(&descriptor).set_linger(Some(LONG)).unwrap(),
        // A direct one has none.
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
    },
    // One that has been set through a duplicate, which is closed without taking it away.
    |driver, socket| {
        let duplicate = std::net::TcpStream::try_from(driver.duplicate(socket).unwrap()).unwrap();
        SockRef::from(&duplicate).set_linger(Some(LONG)).unwrap();
    },
];

/// A connection that the driver has made, and its peer, which does not read.
fn connected(bench: &mut Bench) -> (SocketId, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = bench.driver.socket(address).unwrap();
    let connect = bench.submit(Op::connect(socket, address));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    (socket, listener.accept().unwrap().0)
}

fn closes_promptly(bench: &mut Bench, socket: SocketId, bytes: usize) {
    let send = bench.submit(Op::send(socket, vec![7u8; bytes]));
    bench.settle();
    let begun = Instant::now();
    bench.close(socket);
    assert!(begun.elapsed() < PROMPT, "it took {:?}", begun.elapsed());
    assert!(bench.outcome_of(send).is_err());
}

fn no_close_waits_for_a_linger_that_was_set_through_the_driver(on: &On) {
    for set in WAYS {
        let mut bench = on.bench();
        let (socket, _peer) = connected(&mut bench);
        set(&bench.driver, socket);
        closes_promptly(&mut bench, socket, on.flood());
        bench.finish();
    }
}

fn connections_of_a_listener_that_lingers_do_not_wait_either(on: &On) {
    for later in [false, true] {
        let mut bench = on.bench();
        let stream = if later { StreamOptions::new() } else { StreamOptions::new().linger(LONG) };
        let listener = bench.driver.listen("127.0.0.1:0", &ListenOptions::new().stream(stream)).unwrap();
        if later {
            bench.driver.set_option(listener, sockopt::LINGER, Some(LONG)).unwrap();
        }
        let accept = bench.submit(Op::accept(listener));
        let address = bench.driver.local_addr(listener).unwrap().ip().unwrap();
        let _peer = std::net::TcpStream::connect(address).unwrap();
        let Ok(Outcome::Accepted(stream, _)) = bench.outcome_of(accept) else { panic!("it accepts") };
        let socket = bench.driver.adopt(stream).unwrap();
        closes_promptly(&mut bench, socket, on.flood());
        bench.close(listener);
        bench.finish();
    }
}

fn asking_a_socket_leaves_it_its_linger(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = connected(&mut bench);
    bench.driver.set_option(socket, sockopt::LINGER, Some(LONG)).unwrap();
    assert!(bench.driver.peer_addr(socket).is_ok() && bench.driver.option(socket, sockopt::TTL).is_ok());
    assert_eq!(bench.driver.option(socket, sockopt::LINGER).unwrap(), Some(LONG));
    let more = LONG + Duration::from_secs(100_000);
    assert_eq!(
        bench.driver.set_option(socket, sockopt::LINGER, Some(more)).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    if on.backend != Backend::Winsock {
        let stream = std::net::TcpStream::try_from(bench.driver.release(socket).unwrap()).unwrap();
        assert_eq!(SockRef::from(&stream).linger().unwrap(), Some(LONG), "it is given away as it is");
        SockRef::from(&stream).set_linger(None).unwrap();
    } else {
        bench.close(socket);
    }
    bench.finish();
}
