//! Closing a socket of an engine never keeps the engine's other sockets waiting.

use std::time::{Duration, Instant};

use overlapped::driver::CloseMode;
use overlapped::engine::Sent;
use overlapped::options::StreamOptions;
use overlapped::{Engine, Overlapped, Socket, sockopt};
use socket2::SockRef;

use crate::harness::engine::{Own, WAIT, end, listen, settle};
use crate::harness::peers::{LONG, PROMPT, System, lingering};

engine_rules! {
    no_close_of_a_lingering_socket_keeps_others_waiting: "it has no such option",
    no_close_of_a_socket_that_was_lent_keeps_others_waiting: "it has no such option",
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

/// The option is set by what the engine lends, on the socket or on the listener that accepts it.
fn no_close_of_a_socket_that_was_lent_keeps_others_waiting(engine: &Engine) {
    let ways: [fn(&Socket); 4] = [
        |socket| socket.with_descriptor(|fd| SockRef::from(&fd).set_linger(Some(LONG))).unwrap().unwrap(),
        |socket| socket.set_option(sockopt::LINGER, Some(LONG)).unwrap(),
        |socket| socket.set_options(&StreamOptions::new().linger(LONG)).unwrap(),
        |socket| {
            let duplicate = socket.duplicate().unwrap();
            SockRef::from(&duplicate).set_linger(Some(LONG)).unwrap();
            // Closed by another than this crate, which leaves the option there.
            #[cfg(unix)]
            drop(std::os::fd::OwnedFd::try_from(duplicate).unwrap());
            #[cfg(windows)]
            drop(std::os::windows::io::OwnedSocket::try_from(duplicate).unwrap());
        },
    ];
    for (way, set) in ways.into_iter().enumerate() {
        for of_listener in [false, true] {
            let (listener, address) = listen(engine);
            let accept = listener.accept().start().unwrap();
            if of_listener {
                set(&listener);
            }
            let _peer = std::net::TcpStream::connect(address.ip().unwrap()).unwrap();
            let socket = end(accept).unwrap().socket;
            if !of_listener {
                set(&socket);
            }
            let mut send = socket.send(vec![7u8; 64 << 20]).start().unwrap();
            settle(engine);
            let begun = Instant::now();
            drop(socket);
            assert!(send.result(WAIT).is_err());
            settle(engine);
            assert!(begun.elapsed() < PROMPT, "way {way} kept others waiting for {:?}", begun.elapsed());
        }
    }
}

fn dropping_an_engine_with_a_lingering_socket_does_not_wait(engine: Own) {
    let (_socket, _peer, mut send) = full(&engine);
    let begun = Instant::now();
    drop(engine);
    assert!(send.result(WAIT).is_err());
    assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
}
