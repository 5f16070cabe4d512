//! Order per stream, and whole sends.

use std::io::Read;
use std::net::Shutdown;

use bytes::Bytes;
use overlapped::{CloseMode, ErrorKind, Flags, Op, Outcome, ShutdownHow};

use crate::harness::{Bench, pattern, reader, write};

#[test]
fn order_receives_started_on_one_socket_are_filled_in_the_order_of_starting() {
    let mut bench = Bench::new();
    let (socket, peer) = bench.pair();
    let ids: Vec<_> = (0..6).map(|_| bench.submit(Op::recv_with(socket, vec![0u8; 100], Flags::WAIT_ALL))).collect();
    bench.settle();
    let bytes = pattern(600);
    write(&peer, &bytes);
    for (index, id) in ids.into_iter().enumerate() {
        let end = bench.end_of(id);
        assert!(matches!(end.result, Ok(Outcome::Received(100))), "{:?}", end.result);
        assert_eq!(end.buf.unwrap().take::<Vec<u8>>().unwrap(), bytes[index * 100..][..100]);
    }
    bench.close(socket);
    bench.finish();
}

#[test]
fn order_sends_started_on_one_socket_leave_whole_and_in_order() {
    let mut bench = Bench::new();
    let (socket, peer) = bench.pair();
    let bytes = pattern(8 << 20);
    let ids: Vec<_> = (0..4u8).map(|round| bench.submit(Op::send(socket, [vec![round], bytes.clone()]))).collect();
    let end = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    let reader = reader(peer.try_clone().unwrap());
    for id in ids {
        assert!(matches!(bench.outcome_of(id), Ok(Outcome::Sent(sent)) if sent == (8 << 20) + 1));
    }
    assert!(matches!(bench.outcome_of(end), Ok(Outcome::ShutDown)));
    let got = reader.join().unwrap();
    assert_eq!(got.len(), 4 * ((8 << 20) + 1));
    for (round, part) in got.chunks((8 << 20) + 1).enumerate() {
        assert!(part[0] == round as u8 && part[1..] == bytes[..], "send {round}");
    }
    bench.close(socket);
    bench.finish();
}

#[test]
fn order_is_kept_by_the_others_when_one_in_the_middle_is_cancelled() {
    let mut bench = Bench::new();
    let (socket, peer) = bench.pair();
    let ids: Vec<_> = (0..5).map(|_| bench.submit(Op::recv_with(socket, vec![0u8; 10], Flags::WAIT_ALL))).collect();
    bench.settle();
    assert!(bench.driver.cancel(ids[2]) && bench.driver.cancel(ids[0]));
    for cancelled in [ids[2], ids[0]] {
        assert_eq!(bench.kind_of(cancelled), ErrorKind::Cancelled);
    }
    let bytes = pattern(30);
    write(&peer, &bytes);
    for (index, id) in [ids[1], ids[3], ids[4]].into_iter().enumerate() {
        let buf = bench.end_of(id).buf.unwrap().take::<Vec<u8>>().unwrap();
        assert_eq!(buf, bytes[index * 10..][..10]);
    }
    bench.close(socket);
    bench.finish();
}

#[test]
fn whole_sends_complete_once_with_every_byte_and_the_end_of_stream_is_zero() {
    let mut bench = Bench::new();
    let (socket, mut peer) = bench.pair();
    let bytes = Bytes::from(pattern(32 << 20));
    let send = bench.submit(Op::send(socket, bytes.clone()));
    let reader = reader(peer.try_clone().unwrap());
    let end = bench.end_of(send);
    assert!(matches!(end.result, Ok(Outcome::Sent(sent)) if sent == 32 << 20));
    let close = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    assert!(bench.outcome_of(close).is_ok());
    assert!(reader.join().unwrap() == bytes);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    drop(peer);
    let recv = bench.submit(Op::recv(socket, vec![0u8; 10]));
    assert!(matches!(bench.outcome_of(recv), Ok(Outcome::Received(0))));
    bench.close(socket);
    bench.finish();
}

#[test]
fn whole_sends_that_are_cut_short_say_how_far_they_came_and_break_the_stream() {
    let mut bench = Bench::new();
    let (socket, _peer) = bench.pair();
    let first = bench.submit(Op::send(socket, vec![1u8; 64 << 20]));
    let second = bench.submit(Op::send(socket, vec![2u8; 10]));
    bench.settle();
    assert!(bench.driver.cancel(first));
    let error = bench.outcome_of(first).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.transferred() > 0 && error.transferred() < 64 << 20, "{}", error.transferred());
    assert_eq!(bench.kind_of(second), ErrorKind::BrokenStream);
    bench.close(socket);
    bench.finish();
}

#[test]
fn scatter_and_gather_over_more_parts_than_the_system_takes_at_once() {
    let mut bench = Bench::new();
    let (socket, peer) = bench.pair();
    let bytes = pattern(3000 * 7);
    let parts: Vec<Vec<u8>> = bytes.chunks(7).map(<[u8]>::to_vec).collect();
    let send = bench.submit(Op::send(socket, parts));
    let other = {
        let other = bench.driver.adopt(peer.into()).unwrap();
        let boxes: Vec<Box<[u8]>> = (0..3000).map(|_| vec![0u8; 7].into()).collect();
        bench.submit(Op::recv_with(other, boxes, Flags::WAIT_ALL));
        other
    };
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(21_000))));
    let got = bench.until("all parts", |seen| {
        let at = seen.iter().position(|completion| matches!(completion.result, Ok(Outcome::Received(_))))?;
        Some(seen.remove(at))
    });
    assert!(matches!(got.result, Ok(Outcome::Received(21_000))), "{:?}", got.result);
    assert_eq!(got.buf.unwrap().take::<Vec<Box<[u8]>>>().unwrap().concat(), bytes);
    bench.close(socket);
    bench.close(other);
    bench.finish();
}

#[test]
fn flags_peek_leaves_the_bytes_and_a_buffer_without_room_waits_for_readability() {
    let mut bench = Bench::new();
    let (socket, peer) = bench.pair();
    let ready = bench.submit(Op::recv(socket, Box::<[u8]>::default()));
    bench.settle();
    assert!(bench.seen.is_empty(), "it waits");
    write(&peer, b"abc");
    assert!(matches!(bench.outcome_of(ready), Ok(Outcome::Received(0))));
    for flags in [Flags::PEEK, Flags::NONE] {
        let recv = bench.submit(Op::recv_with(socket, vec![0u8; 10], flags));
        assert_eq!(bench.end_of(recv).buf.unwrap().take::<Vec<u8>>().unwrap(), b"abc");
    }
    bench.close(socket);
    bench.finish();
}

#[test]
fn wait_all_cut_short_by_the_end_or_a_cancel_delivers_what_came() {
    let mut bench = Bench::new();
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv_with(socket, vec![0u8; 100], Flags::WAIT_ALL));
    write(&peer, b"abc");
    bench.settle();
    assert!(bench.driver.cancel(recv));
    let mut got = bench.end_of(recv).buf.unwrap().take::<Vec<u8>>().unwrap();
    if got.len() == 100 {
        got.clear();
    }
    let rest = bench.submit(Op::recv_with(socket, vec![0u8; 100], Flags::WAIT_ALL));
    write(&peer, b"def");
    peer.shutdown(Shutdown::Write).unwrap();
    got.extend(bench.end_of(rest).buf.unwrap().take::<Vec<u8>>().unwrap());
    assert_eq!(got, b"abcdef", "no byte is lost");
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: crate::harness::PATIENCE }));
    assert!(bench.outcome_of(close).is_ok());
    bench.finish();
}
