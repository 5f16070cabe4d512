//! A close that does not wait, and the sends that were started before it: each is tried once, in
//! order. What the system does not take at once is cancelled.

use overlapped::driver::{CloseMode, OpId, ShutdownHow, SocketId};
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::pattern;
use crate::harness::place::On;

rules! {
    a_send_and_a_close_at_once_deliver_the_send,
    a_hundred_sends_and_a_close_at_once_arrive_in_order,
    a_peer_that_does_not_read_gets_a_prefix_and_holds_nothing_up,
    a_close_at_once_also_tries_what_is_behind_a_send_in_flight,
    a_peer_that_reads_meanwhile_gets_a_prefix_and_holds_nothing_up,
    a_send_that_the_program_cancels_does_not_hold_up_those_behind_it,
    a_shutdown_keeps_its_place_among_the_sends_of_a_close_at_once,
    a_buffer_of_many_parts_is_tried_whole,
    sends_behind_a_connect_are_cancelled_with_it,
    an_abort_tries_nothing,
    a_graceful_close_that_is_cancelled_tries_what_was_started,
    datagrams_that_were_started_leave: "its peers are real sockets",
}

fn sends(bench: &mut Bench, socket: SocketId, bytes: &[u8], each: usize) -> Vec<OpId> {
    bytes.chunks(each).map(|part| bench.submit(Op::send(socket, part.to_vec()))).collect()
}

/// The bytes that these sends have sent, as they say: some are whole, then one may be cut, and the
/// others have sent nothing.
fn sent(bench: &mut Bench, ids: Vec<OpId>) -> u64 {
    let (mut bytes, mut cut) = (0, false);
    for id in ids {
        match bench.outcome_of(id) {
            Ok(Outcome::Sent(whole)) => {
                assert!(!cut, "a send after one that was cut");
                bytes += whole;
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::NotConnected), "{error}");
                assert!(!cut || error.transferred() == 0, "bytes after a gap");
                cut = true;
                bytes += error.transferred();
            }
        }
    }
    bytes
}

pub(super) fn a_send_and_a_close_at_once_deliver_the_send(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let send = bench.submit(Op::send(socket, b"goodbye".to_vec()));
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    let reader = bench.reader(&peer);
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(7))));
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    assert_eq!(bench.read_all(reader), b"goodbye");
    bench.finish();
}

pub(super) fn a_hundred_sends_and_a_close_at_once_arrive_in_order(on: &On) {
    for settled in [false, true] {
        let mut bench = on.bench();
        let (socket, peer) = bench.pair();
        let receive = bench.submit(Op::recv(socket, vec![0u8; 10]));
        let bytes = pattern(100 * 64);
        let ids = sends(&mut bench, socket, &bytes[..3200], 64);
        if settled {
            bench.turn(overlapped::driver::Wait::Poll);
        }
        let late = sends(&mut bench, socket, &bytes[3200..], 64);
        let close = bench.submit(Op::close(socket, CloseMode::Now));
        let reader = bench.reader(&peer);
        for id in ids.into_iter().chain(late) {
            assert!(matches!(bench.outcome_of(id), Ok(Outcome::Sent(64))));
        }
        assert_eq!(bench.kind_of(receive), ErrorKind::Cancelled);
        assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
        assert!(bench.read_all(reader) == bytes);
        bench.finish();
    }
}

pub(super) fn a_peer_that_does_not_read_gets_a_prefix_and_holds_nothing_up(on: &On) {
    for settled in [false, true] {
        let mut bench = on.bench();
        let (socket, peer) = bench.pair();
        let bytes = pattern(on.flood());
        let ids = sends(&mut bench, socket, &bytes, on.flood() / 64 + 1);
        if settled {
            bench.settle();
        }
        let close = bench.submit(Op::close(socket, CloseMode::Now));
        assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)), "without a peer that reads");
        let told = sent(&mut bench, ids);
        let reader = bench.reader(&peer);
        let read = bench.read_all(reader);
        assert!(told > 0 && told < bytes.len() as u64, "{told}");
        assert!(read.len() as u64 == told && bytes.starts_with(&read), "{} of {told}", read.len());
        bench.finish();
    }
}

pub(super) fn a_close_at_once_also_tries_what_is_behind_a_send_in_flight(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    // In flight, and whole as soon as the driver looks.
    let first = bench.submit(Op::send(socket, b"first ".to_vec()));
    bench.driver.turn(overlapped::driver::Wait::Poll).unwrap();
    let second = bench.submit(Op::send(socket, b"second ".to_vec()));
    let third = bench.submit(Op::send(socket, b"third".to_vec()));
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    let reader = bench.reader(&peer);
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    assert_eq!(sent(&mut bench, vec![first, second, third]), 18);
    assert_eq!(bench.read_all(reader), b"first second third");
    bench.finish();
}

/// A cancel may not find a request that is just being tried again. It must not be waited for then.
pub(super) fn a_peer_that_reads_meanwhile_gets_a_prefix_and_holds_nothing_up(on: &On) {
    let bytes = pattern(on.many(8 << 20));
    for round in 0..15 {
        let mut bench = on.bench();
        let (socket, peer) = bench.pair();
        let reader = bench.reader(&peer);
        let ids = sends(&mut bench, socket, &bytes, [60_000, 300_000, 1 << 20][round % 3]);
        for _ in 0..round % 5 {
            bench.turn(overlapped::driver::Wait::Poll);
        }
        let close = bench.submit(Op::close(socket, CloseMode::Now));
        assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
        let told = sent(&mut bench, ids);
        let read = bench.read_all(reader);
        assert!(read.len() as u64 == told && bytes.starts_with(&read), "{} of {told}", read.len());
        bench.finish();
    }
}

pub(super) fn a_send_that_the_program_cancels_does_not_hold_up_those_behind_it(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let first = bench.submit(Op::send(socket, b"first ".to_vec()));
    let second = bench.submit(Op::send(socket, b"second ".to_vec()));
    let third = bench.submit(Op::send(socket, b"third".to_vec()));
    assert!(bench.driver.cancel(second));
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    let reader = bench.reader(&peer);
    assert!(matches!(bench.outcome_of(first), Ok(Outcome::Sent(6))));
    assert_eq!(bench.kind_of(second), ErrorKind::Cancelled);
    assert!(matches!(bench.outcome_of(third), Ok(Outcome::Sent(5))));
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    assert_eq!(bench.read_all(reader), b"first third");
    bench.finish();
}

pub(super) fn a_shutdown_keeps_its_place_among_the_sends_of_a_close_at_once(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let send = bench.submit(Op::send(socket, b"last words".to_vec()));
    let shutdown = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    let late = bench.submit(Op::send(socket, b"late".to_vec()));
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    let reader = bench.reader(&peer);
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(10))));
    assert!(matches!(bench.outcome_of(shutdown), Ok(Outcome::ShutDown)));
    assert_eq!(bench.kind_of(late), ErrorKind::ShutDown);
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    assert_eq!(bench.read_all(reader), b"last words");
    bench.finish();
}

/// The system takes at most 1,024 parts at once. That is no reason to stop.
pub(super) fn a_buffer_of_many_parts_is_tried_whole(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(30_000);
    let parts: Vec<Vec<u8>> = bytes.chunks(6).map(<[u8]>::to_vec).collect();
    let send = bench.submit(Op::send(socket, parts));
    let behind = bench.submit(Op::send(socket, b"behind".to_vec()));
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    let reader = bench.reader(&peer);
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(30_000))));
    assert!(matches!(bench.outcome_of(behind), Ok(Outcome::Sent(6))));
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    let read = bench.read_all(reader);
    assert!(read[..30_000] == bytes && read[30_000..] == *b"behind");
    bench.finish();
}

fn sends_behind_a_connect_are_cancelled_with_it(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let socket = bench.driver.socket(&address).unwrap();
    let connect = bench.submit(Op::connect(socket, &address));
    let ids = sends(&mut bench, socket, &[1; 30], 10);
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    assert_eq!(bench.kind_of(connect), ErrorKind::Cancelled);
    assert_eq!(sent(&mut bench, ids), 0);
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    bench.close(listener);
    bench.finish();
}

pub(super) fn an_abort_tries_nothing(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let ids = sends(&mut bench, socket, &[1; 30], 10);
    let close = bench.submit(Op::close(socket, CloseMode::Abort));
    assert_eq!(sent(&mut bench, ids), 0);
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    bench.finish();
}

pub(super) fn a_graceful_close_that_is_cancelled_tries_what_was_started(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let ids = sends(&mut bench, socket, &[1; 30], 10);
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: crate::harness::PATIENCE }));
    assert!(bench.driver.cancel(close));
    assert!(!bench.driver.cancel(close), "it closes at once now");
    let reader = bench.reader(&peer);
    assert_eq!(bench.kind_of(close), ErrorKind::Cancelled);
    assert_eq!(sent(&mut bench, ids), 30);
    assert_eq!(bench.read_all(reader), [1; 30]);
    bench.finish();
}

fn datagrams_that_were_started_leave(on: &On) {
    let mut bench = on.bench();
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    let socket = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let to = peer.local_addr().unwrap();
    let ids: Vec<OpId> = (0..10u8).map(|i| bench.submit(Op::send_to(socket, vec![i; 3], to))).collect();
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    assert_eq!(sent(&mut bench, ids), 30);
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    for i in 0..10u8 {
        let mut datagram = [0; 9];
        assert_eq!(peer.recv(&mut datagram).unwrap(), 3);
        assert_eq!(datagram[..3], [i; 3]);
    }
    bench.finish();
}
