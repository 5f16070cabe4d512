//! Sends that are made at once, without an operation: what is sent so keeps its place among the
//! sends of its socket, and an operation sends the rest.

use overlapped::driver::{CloseMode, SocketId, Wait};
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::pattern;
use crate::harness::place::On;

rules! {
    sends_at_once_and_operations_arrive_in_order,
    what_the_system_does_not_take_at_once_goes_on_as_an_operation,
    a_rest_ends_as_a_send_of_all_however_much_has_left,
    a_rest_of_a_datagram_is_refused,
    nothing_is_sent_at_once_before_a_send_in_flight,
    nothing_is_sent_at_once_on_a_socket_that_is_closing_or_gone,
    why_a_connection_died_is_told_to_the_operation_behind_it,
}

/// Sends as a program does. Returns how much was sent at once, and the operation that sends the
/// rest.
fn send(bench: &mut Bench, socket: SocketId, bytes: &[u8]) -> (usize, Option<overlapped::driver::OpId>) {
    let sent = bench.driver.send_at_once(socket, bytes).unwrap_or(0);
    assert!(sent <= bytes.len());
    let rest = (sent < bytes.len()).then(|| bench.submit(Op::send_rest(socket, bytes.to_vec(), sent)));
    (sent, rest)
}

pub(super) fn sends_at_once_and_operations_arrive_in_order(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(200 * 64);
    let reader = bench.reader(&peer);
    for (index, part) in bytes.chunks(64).enumerate() {
        if let (_, Some(rest)) = send(&mut bench, socket, part) {
            assert!(matches!(bench.outcome_of(rest), Ok(Outcome::Sent(64))));
        }
        if index % 3 == 0 {
            bench.turn(Wait::Poll);
        }
    }
    bench.close(socket);
    assert_eq!(bench.read_all(reader), bytes);
    bench.finish();
}

pub(super) fn what_the_system_does_not_take_at_once_goes_on_as_an_operation(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    // More than the system has room for on the way.
    let bytes = pattern(on.many(16 << 20));
    let (sent, rest) = send(&mut bench, socket, &bytes);
    assert!(sent < bytes.len(), "the system took all");
    let reader = bench.reader(&peer);
    let rest = bench.outcome_of(rest.expect("there is a rest"));
    assert!(matches!(rest, Ok(Outcome::Sent(all)) if all == bytes.len() as u64), "{rest:?}");
    bench.close(socket);
    assert_eq!(bench.read_all(reader), bytes);
    bench.finish();
}

pub(super) fn a_rest_ends_as_a_send_of_all_however_much_has_left(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let reader = bench.reader(&peer);
    for sent in [0, 1, 4, 5, 6, usize::MAX] {
        let rest = bench.submit(Op::send_rest(socket, [b"ab".to_vec(), b"cde".to_vec()], sent));
        let outcome = bench.outcome_of(rest);
        assert!(matches!(outcome, Ok(Outcome::Sent(5))), "{sent} have left: {outcome:?}");
    }
    bench.close(socket);
    assert_eq!(bench.read_all(reader), b"abcdebcdee");
    bench.finish();
}

pub(super) fn a_rest_of_a_datagram_is_refused(on: &On) {
    let mut bench = on.bench();
    let address = if on.is_simulated() { "10.0.0.9:0" } else { "127.0.0.1:0" };
    let socket = bench.driver.datagram(address, &Default::default()).unwrap();
    let error = bench.driver.submit(Op::send_rest(socket, b"datagram".to_vec(), 4), 0).unwrap_err().error;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    bench.close(socket);
    bench.finish();
}

pub(super) fn nothing_is_sent_at_once_before_a_send_in_flight(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let first = bench.submit(Op::send(socket, b"first, ".to_vec()));
    assert_eq!(bench.driver.send_at_once(socket, b"second"), None);
    let second = bench.submit(Op::send(socket, b"second".to_vec()));
    let reader = bench.reader(&peer);
    assert!(matches!(bench.outcome_of(first), Ok(Outcome::Sent(7))));
    assert!(matches!(bench.outcome_of(second), Ok(Outcome::Sent(6))));
    bench.close(socket);
    assert_eq!(bench.read_all(reader), b"first, second");
    bench.finish();
}

pub(super) fn nothing_is_sent_at_once_on_a_socket_that_is_closing_or_gone(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    assert_eq!(bench.driver.send_at_once(socket, b""), None, "nothing is nothing");
    let reader = bench.reader(&peer);
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    assert_eq!(bench.driver.send_at_once(socket, b"late"), None);
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    assert_eq!(bench.driver.send_at_once(socket, b"late"), None);
    assert_eq!(bench.read_all(reader), b"");
    bench.finish();
}

pub(super) fn why_a_connection_died_is_told_to_the_operation_behind_it(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    bench.reset(peer);
    let rest = loop {
        // It may take a moment until the reset is here.
        bench.turn(Wait::Poll);
        if let (_, Some(rest)) = send(&mut bench, socket, b"is anyone there?") {
            match bench.outcome_of(rest) {
                Ok(_) => {}
                Err(error) => break error,
            }
        }
    };
    assert_eq!(rest.kind(), ErrorKind::Reset, "{rest}");
    bench.close(socket);
    bench.finish();
}
