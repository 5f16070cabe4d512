//! A deadline ends an operation with `TimedOut`, once, with its buffer and what it had done.

use std::time::Duration;

use overlapped::driver::{CloseMode, Completion, Flags, ShutdownHow};
use overlapped::{Driver, Error, ErrorKind, Op, Outcome, Time};

use crate::harness::place::On;
use crate::harness::{PATIENCE, pattern};

rules! {
    every_kind_ends_at_its_deadline_once_and_not_before,
    an_operation_that_ends_in_time_knows_nothing_of_its_deadline,
    a_deadline_that_races_success_ends_once_and_loses_no_byte,
    a_deadline_that_has_passed_takes_nothing_out_of_the_stream,
    an_operation_that_waits_behind_others_ends_at_its_own_deadline,
    a_send_at_its_deadline_says_what_was_sent_and_breaks_the_stream,
    a_wait_all_receive_at_its_deadline_ends_with_what_it_has,
    a_cancel_before_the_deadline_is_a_cancel,
    a_close_before_the_deadline_is_a_cancel,
    what_has_a_time_of_its_own_has_no_deadline,
    a_datagram_is_awaited_until_the_deadline: "it has no datagrams",
}

const SOON: Duration = Duration::from_millis(20);
/// For what has to be begun before the deadline, on a busy machine too.
const LATER: Duration = Duration::from_millis(500);

fn soon(driver: &Driver) -> Time {
    driver.now() + SOON
}

fn failed(end: &Completion) -> &Error {
    end.result.as_ref().expect_err("it has failed")
}

fn every_kind_ends_at_its_deadline_once_and_not_before(on: &On) {
    let mut bench = on.bench();
    let (listener, _) = bench.listen();
    let (socket, _peer) = bench.pair();
    let (full, _peer2) = bench.pair();
    let flood = bench.submit(Op::send(full, vec![0u8; on.flood()]));
    bench.settle();
    let at = soon(&bench.driver);
    let ops = [
        (Op::accept(listener), 0),
        (Op::recv(socket, vec![7u8; 9]), 9),
        (Op::recv_with(socket, [vec![0u8; 5], vec![0u8; 5]], Flags::WAIT_ALL), 0),
        (Op::send(full, vec![1u8; 9]), 9),
        (Op::shutdown(full, ShutdownHow::Send), 0),
    ];
    for (op, buffer) in ops {
        let kind = format!("{op:?}");
        let id = bench.submit(op.with_deadline(at));
        let end = bench.end_of(id);
        assert_eq!(failed(&end).kind(), ErrorKind::TimedOut, "{kind}");
        assert_eq!(failed(&end).os_code(), None, "{kind}");
        assert!(bench.driver.now() >= at, "{kind}");
        if buffer > 0 {
            assert_eq!(end.buf.unwrap().take::<Vec<u8>>().unwrap().len(), buffer, "{kind}");
        }
    }
    assert!(bench.driver.cancel(flood), "those behind it have ended, it has not");
    assert_eq!(bench.kind_of(flood), ErrorKind::Cancelled);
    for socket in [listener, socket, full] {
        bench.close(socket);
    }
    assert!(bench.seen.is_empty(), "nothing comes twice: {:?}", bench.seen);
    bench.finish();
}

fn an_operation_that_ends_in_time_knows_nothing_of_its_deadline(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let at = bench.driver.now() + LATER;
    let receive = bench.submit(Op::recv(socket, vec![0u8; 8]).with_deadline(at));
    let send = bench.submit(Op::send(socket, b"hello".to_vec()).with_deadline(at));
    bench.write(&peer, b"a");
    assert_eq!(bench.bytes_of(receive), b"a");
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(5))));
    // The same slot serves a later operation, which has no deadline.
    let later = bench.submit(Op::recv(socket, vec![0u8; 8]));
    let past = bench.submit(Op::timer(at + SOON));
    assert!(matches!(bench.outcome_of(past), Ok(Outcome::Elapsed)));
    assert!(bench.seen.is_empty(), "{:?}", bench.seen);
    bench.write(&peer, b"b");
    assert_eq!(bench.bytes_of(later), b"b");
    bench.close(socket);
    bench.finish();
}

fn a_deadline_that_races_success_ends_once_and_loses_no_byte(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(64 << 10));
    let (mut got, mut timed_out) = (Vec::new(), 0);
    let writer = bench.writer_to_end(&peer, bytes.clone());
    loop {
        let at = bench.driver.now() + Duration::from_micros(10);
        let receive = bench.submit(Op::recv(socket, vec![0u8; 61]).with_deadline(at));
        let end = bench.end_of(receive);
        let buf: Vec<u8> = end.buf.unwrap().take().unwrap();
        match end.result {
            Ok(Outcome::Received(0)) => break,
            Ok(_) => got.extend(buf),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                timed_out += 1;
            }
        }
    }
    bench.written(writer);
    assert!(got == bytes, "{} of {} bytes; {timed_out} receives timed out", got.len(), bytes.len());
    bench.close(socket);
    assert!(bench.seen.is_empty(), "{:?}", bench.seen);
    bench.finish();
}

fn a_deadline_that_has_passed_takes_nothing_out_of_the_stream(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    bench.write(&peer, b"all of it");
    bench.settle();
    for at in [Time::ZERO, bench.driver.now()] {
        let receive = bench.submit(Op::recv(socket, vec![0u8; 16]).with_deadline(at));
        assert_eq!(bench.kind_of(receive), ErrorKind::TimedOut);
    }
    let all = Op::recv_with(socket, vec![0u8; 9], Flags::WAIT_ALL);
    let never = bench.submit(all.with_deadline(Time::MAX));
    assert_eq!(bench.bytes_of(never), b"all of it");
    bench.close(socket);
    bench.finish();
}

fn an_operation_that_waits_behind_others_ends_at_its_own_deadline(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let first = bench.submit(Op::recv(socket, vec![0u8; 4]));
    let at = soon(&bench.driver);
    let second = bench.submit(Op::recv(socket, vec![0u8; 4]).with_deadline(at));
    let third = bench.submit(Op::recv(socket, vec![0u8; 4]));
    assert_eq!(bench.kind_of(second), ErrorKind::TimedOut);
    bench.write(&peer, b"a");
    assert_eq!(bench.bytes_of(first), b"a");
    bench.write(&peer, b"b");
    assert_eq!(bench.bytes_of(third), b"b");
    bench.close(socket);
    bench.finish();
}

fn a_send_at_its_deadline_says_what_was_sent_and_breaks_the_stream(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.flood());
    let send = Op::send(socket, bytes.clone());
    let at = bench.driver.now() + LATER;
    let send = bench.submit(send.with_deadline(at));
    let behind = bench.submit(Op::send(socket, b"behind".to_vec()));
    let end = bench.end_of(send);
    assert_eq!(failed(&end).kind(), ErrorKind::TimedOut);
    let sent = failed(&end).transferred();
    assert!(0 < sent && sent < bytes.len() as u64, "{sent}");
    assert!(end.buf.unwrap().take::<Vec<u8>>().unwrap() == bytes, "the buffer comes back");
    assert_eq!(bench.kind_of(behind), ErrorKind::BrokenStream);
    let reader = bench.reader(&peer);
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    bench.outcome_of(close).unwrap();
    assert_eq!(bench.read_all(reader).len() as u64, sent, "what was sent is what arrives");
    bench.finish();
}

fn a_wait_all_receive_at_its_deadline_ends_with_what_it_has(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let at = bench.driver.now() + LATER;
    let receive = bench.submit(Op::recv_with(socket, vec![0u8; 8], Flags::WAIT_ALL).with_deadline(at));
    bench.write(&peer, b"half");
    assert_eq!(bench.bytes_of(receive), b"half");
    assert!(bench.driver.now() >= at);
    bench.close(socket);
    bench.finish();
}

fn a_cancel_before_the_deadline_is_a_cancel(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let at = bench.driver.now() + PATIENCE;
    let (first, second) = (
        bench.submit(Op::recv(socket, vec![0u8; 4]).with_deadline(at)),
        bench.submit(Op::recv(socket, vec![0u8; 4]).with_deadline(at)),
    );
    bench.turn(overlapped::driver::Wait::Poll);
    assert!(bench.driver.cancel(second) && bench.driver.cancel(first));
    assert_eq!(bench.kind_of(first), ErrorKind::Cancelled);
    assert_eq!(bench.kind_of(second), ErrorKind::Cancelled);
    bench.close(socket);
    bench.finish();
}

fn a_close_before_the_deadline_is_a_cancel(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let at = bench.driver.now() + PATIENCE;
    let receive = bench.submit(Op::recv(socket, vec![0u8; 4]).with_deadline(at));
    bench.settle();
    bench.close(socket);
    assert_eq!(bench.kind_of(receive), ErrorKind::Cancelled);
    bench.finish();
}

fn what_has_a_time_of_its_own_has_no_deadline(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let (listener, _) = bench.listen();
    let at = soon(&bench.driver);
    let ops = [
        Op::timer(at),
        Op::close(socket, CloseMode::Now),
        Op::close(socket, CloseMode::Graceful { linger: PATIENCE }),
        Op::recv_multi(socket),
        Op::accept_multi(listener),
    ];
    for op in ops {
        let refused = bench.driver.submit(op.with_deadline(at), 0).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument, "{refused:?}");
    }
    bench.close(socket);
    bench.close(listener);
    bench.finish();
}

fn a_datagram_is_awaited_until_the_deadline(on: &On) {
    let mut bench = on.bench();
    let socket = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let at = soon(&bench.driver);
    let receive = bench.submit(Op::recv_from(socket, vec![0u8; 16]).with_deadline(at));
    assert_eq!(bench.kind_of(receive), ErrorKind::TimedOut);
    let receive = bench.submit(Op::recv_from(socket, vec![0u8; 16]));
    let address = bench.driver.local_addr(socket).unwrap();
    bench.submit(Op::send_to(socket, b"datagram".to_vec(), &address));
    assert_eq!(bench.bytes_of(receive), b"datagram", "it is not lost to the one that timed out");
    bench.close(socket);
    bench.seen.clear();
    bench.finish();
}
