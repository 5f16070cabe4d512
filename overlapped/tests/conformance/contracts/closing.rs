//! Close: cancel, let it end, then close; and the graceful way.

use std::io::ErrorKind as IoKind;
use std::time::Duration;

use overlapped::driver::{CloseMode, Flags, ShutdownHow, Wait};
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::place::{On, wine_departs};
use crate::harness::{PATIENCE, pattern};

rules! {
    close_ends_what_is_in_flight_each_once_and_first,
    graceful_close_delivers_everything_although_input_is_left_unread,
    graceful_close_delivers_everything_after_a_receive_that_was_refused,
    graceful_close_delivers_everything_after_a_receive_that_came_before_the_connection,
    graceful_close_delivers_everything_after_a_send_that_came_too_late,
    graceful_close_delivers_everything_after_receiving_was_shut_down,
    graceful_close_gives_up_after_its_linger_also_while_flushing,
    a_cancelled_graceful_close_closes_at_once_and_another_close_cannot_be_cancelled,
    abort_resets_the_connection,
    a_graceful_close_that_is_aborted_resets_the_connection_and_no_other_close_is_aborted,
    what_the_system_holds_of_a_connection_can_be_asked_for,
    graceful_close_after_the_end_of_stream_still_sends_what_is_queued,
}

pub(super) fn close_ends_what_is_in_flight_each_once_and_first(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let mut ids = vec![bench.submit(Op::recv_multi(socket))];
    ids.extend((0..3).map(|_| bench.submit(Op::recv(socket, vec![0u8; 10]))));
    ids.push(bench.submit(Op::send(socket, vec![0u8; on.flood()])));
    ids.extend((0..3).map(|_| bench.submit(Op::send(socket, vec![0u8; 10]))));
    bench.settle();
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    assert_eq!(bench.driver.submit(Op::recv(socket, vec![0u8; 1]), 0).unwrap_err().error.kind(), ErrorKind::Closed);
    bench.until("the close", |seen| seen.iter().any(|completion| completion.id == close).then_some(()));
    assert_eq!(bench.seen.last().unwrap().id, close, "the close ends last");
    for id in ids {
        let ends: Vec<_> = bench.seen.iter().filter(|completion| completion.id == id).collect();
        assert_eq!(ends.len(), 1, "{ends:?}");
        let kind = ends[0].result.as_ref().unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Cancelled | ErrorKind::BrokenStream), "{kind:?}");
    }
    bench.finish();
}

pub(super) fn graceful_close_delivers_everything_although_input_is_left_unread(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(2_800_000));
    bench.write(&peer, &[1; 1000]);
    bench.submit(Op::send(socket, bytes.clone()));
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    let (reader, writer) = (bench.reader(&peer), bench.writer_to_end(&peer, vec![2; 100_000]));
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    assert!(bench.read_all(reader) == bytes);
    bench.written(writer);
    bench.finish();
}

/// The system refuses a receive of urgent data when there is none. The stream is not affected.
pub(super) fn graceful_close_delivers_everything_after_a_receive_that_was_refused(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(2_800_000));
    let urgent = bench.submit(Op::recv_with(socket, vec![0u8; 1], Flags::OUT_OF_BAND));
    let send = bench.submit(Op::send(socket, bytes.clone()));
    bench.settle();
    bench.driver.cancel(urgent);
    assert!(bench.outcome_of(urgent).is_err());
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    let (reader, writer) = (bench.reader(&peer), bench.writer_to_end(&peer, vec![2; 100_000]));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(_))));
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    assert!(bench.read_all(reader) == bytes);
    bench.written(writer);
    bench.finish();
}

/// A send after the stream was shut down for sending is refused. Earlier sends are not affected.
pub(super) fn graceful_close_delivers_everything_after_a_send_that_came_too_late(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(100_000));
    bench.write(&peer, &[1; 1000]);
    let send = bench.submit(Op::send(socket, bytes.clone()));
    let shutdown = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    let late = bench.submit(Op::send(socket, b"late".to_vec()));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(_))));
    assert!(matches!(bench.outcome_of(shutdown), Ok(Outcome::ShutDown)));
    assert!(bench.outcome_of(late).is_err());
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    bench.settle();
    let (reader, writer) = (bench.reader(&peer), bench.writer_to_end(&peer, vec![2; 1000]));
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    assert!(bench.read_all(reader) == bytes);
    bench.written(writer);
    bench.finish();
}

/// Shutting down receiving does not end the peer's stream, which goes on.
fn graceful_close_delivers_everything_after_receiving_was_shut_down(on: &On) {
    for receives in [false, true] {
        let mut bench = on.bench();
        let (socket, peer) = bench.pair();
        let bytes = pattern(on.many(2_800_000));
        let pending = bench.submit(Op::recv(socket, vec![0u8; 10]));
        bench.settle();
        let shutdown = bench.submit(Op::shutdown(socket, ShutdownHow::Receive));
        assert!(matches!(bench.outcome_of(shutdown), Ok(Outcome::ShutDown)));
        if receives {
            assert!(matches!(bench.outcome_of(pending), Ok(Outcome::Received(0))));
            let receive = bench.submit(Op::recv_multi(socket));
            assert!(matches!(bench.outcome_of(receive), Ok(Outcome::Received(0))));
        }
        let send = bench.submit(Op::send(socket, bytes.clone()));
        let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
        bench.settle();
        // The peer sends a lot before it reads.
        let writer = bench.writer_to_end(&peer, vec![2; 100_000]);
        bench.settle();
        let reader = bench.reader(&peer);
        assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(_))));
        assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
        assert!(bench.read_all(reader) == bytes);
        bench.written(writer);
        bench.finish();
    }
}

/// A receive does not wait for a connect that was started before it, and fails. The connection is
/// not affected.
fn graceful_close_delivers_everything_after_a_receive_that_came_before_the_connection(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let socket = bench.driver.socket(&address).unwrap();
    let early = bench.submit(Op::recv(socket, vec![0u8; 1]));
    bench.settle();
    bench.driver.cancel(early);
    assert!(bench.outcome_of(early).is_err());
    let (accept, connect) = (bench.submit(Op::accept(listener)), bench.submit(Op::connect(socket, &address)));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    let Ok(Outcome::Accepted(stream, _)) = bench.outcome_of(accept) else { panic!("a connection") };
    let peer = bench.driver.adopt(stream).unwrap();
    let bytes = pattern(on.many(2_800_000));
    bench.submit(Op::send(socket, bytes.clone()));
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    let whole = bench.submit(Op::recv_with(peer, vec![0u8; bytes.len()], Flags::WAIT_ALL));
    assert!(bench.bytes_of(whole) == bytes);
    bench.close(peer);
    assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    bench.close(listener);
    bench.finish();
}

pub(super) fn graceful_close_gives_up_after_its_linger_also_while_flushing(on: &On) {
    for flushing in [false, true] {
        let mut bench = on.bench();
        let (socket, peer) = bench.pair();
        let send = flushing.then(|| bench.submit(Op::send(socket, vec![0u8; on.flood()])));
        let linger = Duration::from_millis(50);
        let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger }));
        assert_eq!(bench.kind_of(close), ErrorKind::TimedOut);
        if let Some(send) = send {
            assert_eq!(bench.kind_of(send), ErrorKind::Cancelled);
        }
        bench.drop_peer(peer);
        bench.finish();
    }
}

fn a_cancelled_graceful_close_closes_at_once_and_another_close_cannot_be_cancelled(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    bench.settle();
    assert!(bench.driver.cancel(close));
    assert_eq!(bench.kind_of(close), ErrorKind::Cancelled);
    bench.drop_peer(peer);
    let (socket, _peer) = bench.pair();
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    assert!(!bench.driver.cancel(close));
    assert!(bench.outcome_of(close).is_ok());
    bench.finish();
}

fn abort_resets_the_connection(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let close = bench.submit(Op::close(socket, CloseMode::Abort));
    assert!(bench.outcome_of(close).is_ok());
    match bench.peer_reads(&peer, 1) {
        Err(error) => assert_eq!(error.kind(), IoKind::ConnectionReset),
        Ok(bytes) => {
            assert!(
                bytes.is_empty() && wine_departs("what is received after a reset has come is the end of the stream")
            )
        }
    }
    bench.finish();
}

/// So a peer does not take a part for the whole.
fn a_graceful_close_that_is_aborted_resets_the_connection_and_no_other_close_is_aborted(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let send = bench.submit(Op::send(socket, vec![0u8; on.flood()]));
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    bench.settle();
    assert!(!bench.driver.abort(send), "it is no close");
    assert!(bench.driver.abort(close));
    assert_eq!(bench.kind_of(close), ErrorKind::Cancelled);
    assert_eq!(bench.kind_of(send), ErrorKind::Cancelled);
    assert!(!bench.driver.abort(close), "it is over");
    let end = loop {
        match bench.peer_reads(&peer, 1) {
            Ok(bytes) if !bytes.is_empty() => {}
            end => break end,
        }
    };
    match end {
        Err(error) => assert_eq!(error.kind(), IoKind::ConnectionReset),
        Ok(_) => assert!(wine_departs("what is received after a reset has come is the end of the stream")),
    }
    let (socket, _peer) = bench.pair();
    let close = bench.submit(Op::close(socket, CloseMode::Now));
    assert!(!bench.driver.abort(close));
    assert!(bench.outcome_of(close).is_ok());
    bench.finish();
}

fn what_the_system_holds_of_a_connection_can_be_asked_for(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    assert_eq!((bench.driver.unread(socket).unwrap_or(0), bench.driver.unsent(socket).unwrap_or(0)), (0, 0));
    bench.write(&peer, &[1; 1000]);
    // A system that does not say answers `None` at once.
    while bench.driver.unread(socket).is_some_and(|bytes| bytes < 1000) {
        bench.settle();
    }
    // More than the peer's window and all buffers between.
    bench.submit(Op::send(socket, vec![0u8; on.flood()]));
    while bench.driver.unsent(socket) == Some(0) {
        bench.turn(Wait::Poll);
    }
    bench.driver.submit(Op::close(socket, CloseMode::Abort), 0).unwrap();
    bench.settle();
    assert_eq!((bench.driver.unread(socket), bench.driver.unsent(socket)), (None, None), "it is gone");
    bench.drop_peer(peer);
    bench.finish();
}

pub(super) fn graceful_close_after_the_end_of_stream_still_sends_what_is_queued(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    bench.shut_down_sending(&peer);
    let recv = bench.submit(Op::recv_multi(socket));
    assert!(matches!(bench.outcome_of(recv), Ok(Outcome::Received(0))));
    bench.submit(Op::send(socket, vec![5u8; 100_000]));
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    let reader = bench.reader(&peer);
    assert!(bench.outcome_of(close).is_ok());
    assert_eq!(bench.read_all(reader), [5; 100_000]);
    bench.finish();
}
