//! Order per stream, and whole sends.

use bytes::Bytes;
use overlapped::driver::{CloseMode, Flags, ShutdownHow};
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::place::On;
use crate::harness::{PATIENCE, pattern};

rules! {
    order_receives_started_on_one_socket_are_filled_in_the_order_of_starting,
    order_sends_started_on_one_socket_leave_whole_and_in_order,
    order_is_kept_by_the_others_when_one_in_the_middle_is_cancelled,
    whole_sends_complete_once_with_every_byte_and_the_end_of_stream_is_zero,
    whole_sends_that_are_cut_short_say_how_far_they_came_and_break_the_stream,
    scatter_and_gather_over_more_parts_than_the_system_takes_at_once,
    flags_peek_leaves_the_bytes_and_a_buffer_without_room_waits_for_readability,
    wait_all_cut_short_by_the_end_or_a_cancel_delivers_what_came,
}

pub(super) fn order_receives_started_on_one_socket_are_filled_in_the_order_of_starting(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let ids: Vec<_> = (0..6).map(|_| bench.submit(Op::recv_with(socket, vec![0u8; 100], Flags::WAIT_ALL))).collect();
    bench.settle();
    let bytes = pattern(600);
    bench.write(&peer, &bytes);
    for (index, id) in ids.into_iter().enumerate() {
        let end = bench.end_of(id);
        assert!(matches!(end.result, Ok(Outcome::Received(100))), "{:?}", end.result);
        assert_eq!(end.buf.unwrap().take::<Vec<u8>>().unwrap(), bytes[index * 100..][..100]);
    }
    bench.close(socket);
    bench.finish();
}

pub(super) fn order_sends_started_on_one_socket_leave_whole_and_in_order(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(8 << 20));
    let size = bytes.len() + 1;
    let ids: Vec<_> = (0..4u8).map(|round| bench.submit(Op::send(socket, [vec![round], bytes.clone()]))).collect();
    let end = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    let reader = bench.reader(&peer);
    for id in ids {
        assert!(matches!(bench.outcome_of(id), Ok(Outcome::Sent(sent)) if sent == size as u64));
    }
    assert!(matches!(bench.outcome_of(end), Ok(Outcome::ShutDown)));
    let got = bench.read_all(reader);
    assert_eq!(got.len(), 4 * size);
    for (round, part) in got.chunks(size).enumerate() {
        assert!(part[0] == round as u8 && part[1..] == bytes[..], "send {round}");
    }
    bench.close(socket);
    bench.finish();
}

pub(super) fn order_is_kept_by_the_others_when_one_in_the_middle_is_cancelled(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let ids: Vec<_> = (0..5).map(|_| bench.submit(Op::recv_with(socket, vec![0u8; 10], Flags::WAIT_ALL))).collect();
    bench.settle();
    assert!(bench.driver.cancel(ids[2]) && bench.driver.cancel(ids[0]));
    for cancelled in [ids[2], ids[0]] {
        assert_eq!(bench.kind_of(cancelled), ErrorKind::Cancelled);
    }
    let bytes = pattern(30);
    bench.write(&peer, &bytes);
    for (index, id) in [ids[1], ids[3], ids[4]].into_iter().enumerate() {
        let buf = bench.end_of(id).buf.unwrap().take::<Vec<u8>>().unwrap();
        assert_eq!(buf, bytes[index * 10..][..10]);
    }
    bench.close(socket);
    bench.finish();
}

pub(super) fn whole_sends_complete_once_with_every_byte_and_the_end_of_stream_is_zero(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = Bytes::from(pattern(on.many(32 << 20)));
    let send = bench.submit(Op::send(socket, bytes.clone()));
    let reader = bench.reader(&peer);
    let end = bench.end_of(send);
    assert!(matches!(end.result, Ok(Outcome::Sent(sent)) if sent == bytes.len() as u64));
    let close = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    assert!(bench.outcome_of(close).is_ok());
    assert!(bench.read_all(reader) == bytes);
    assert_eq!(bench.peer_reads(&peer, 1).unwrap(), b"");
    bench.drop_peer(peer);
    let recv = bench.submit(Op::recv(socket, vec![0u8; 10]));
    assert!(matches!(bench.outcome_of(recv), Ok(Outcome::Received(0))));
    bench.close(socket);
    bench.finish();
}

pub(super) fn whole_sends_that_are_cut_short_say_how_far_they_came_and_break_the_stream(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let first = bench.submit(Op::send(socket, vec![1u8; on.flood()]));
    let second = bench.submit(Op::send(socket, vec![2u8; 10]));
    bench.settle();
    assert!(bench.driver.cancel(first));
    let error = bench.outcome_of(first).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.transferred() > 0 && error.transferred() < on.flood() as u64, "{}", error.transferred());
    assert_eq!(bench.kind_of(second), ErrorKind::BrokenStream);
    let third = bench.submit(Op::send(socket, vec![3u8; 10]));
    assert_eq!(bench.kind_of(third), ErrorKind::BrokenStream, "also when nothing stands before it");
    bench.close(socket);
    bench.finish();
}

pub(super) fn scatter_and_gather_over_more_parts_than_the_system_takes_at_once(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(3000 * 7);
    let parts: Vec<Vec<u8>> = bytes.chunks(7).map(<[u8]>::to_vec).collect();
    let send = bench.submit(Op::send(socket, parts));
    let other = bench.adopt_peer(peer);
    let boxes: Vec<Box<[u8]>> = (0..3000).map(|_| vec![0u8; 7].into()).collect();
    let recv = bench.submit(Op::recv_with(other, boxes, Flags::WAIT_ALL));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(21_000))));
    let got = bench.end_of(recv);
    assert!(matches!(got.result, Ok(Outcome::Received(21_000))), "{:?}", got.result);
    assert_eq!(got.buf.unwrap().take::<Vec<Box<[u8]>>>().unwrap().concat(), bytes);
    bench.close(socket);
    bench.close(other);
    bench.finish();
}

pub(super) fn flags_peek_leaves_the_bytes_and_a_buffer_without_room_waits_for_readability(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let ready = bench.submit(Op::recv(socket, Box::<[u8]>::default()));
    bench.settle();
    assert!(bench.seen.is_empty(), "it waits");
    bench.write(&peer, b"abc");
    assert!(matches!(bench.outcome_of(ready), Ok(Outcome::Received(0))));
    let peek = bench.submit(Op::recv_with(socket, vec![0u8; 10], Flags::PEEK));
    let seen = bench.bytes_of(peek);
    assert!(!seen.is_empty() && b"abc".starts_with(&seen), "{seen:?}");
    let recv = bench.submit(Op::recv_with(socket, vec![0u8; 3], Flags::WAIT_ALL));
    assert_eq!(bench.bytes_of(recv), b"abc");
    bench.close(socket);
    bench.finish();
}

pub(super) fn wait_all_cut_short_by_the_end_or_a_cancel_delivers_what_came(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv_with(socket, vec![0u8; 100], Flags::WAIT_ALL));
    bench.write(&peer, b"abc");
    bench.settle();
    assert!(bench.driver.cancel(recv));
    let mut got = bench.end_of(recv).buf.unwrap().take::<Vec<u8>>().unwrap();
    if got.len() == 100 {
        got.clear();
    }
    let rest = bench.submit(Op::recv_with(socket, vec![0u8; 100], Flags::WAIT_ALL));
    bench.write(&peer, b"def");
    bench.shut_down_sending(&peer);
    got.extend(bench.end_of(rest).buf.unwrap().take::<Vec<u8>>().unwrap());
    assert_eq!(got, b"abcdef", "no byte is lost");
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    assert!(bench.outcome_of(close).is_ok());
    bench.finish();
}
