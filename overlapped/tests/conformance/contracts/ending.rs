//! Exactly one last completion; one rule for errors; never inside the call; identity.

use std::time::Duration;

use overlapped::driver::{Flags, ShutdownHow, Wait};
use overlapped::mailbox::{MailError, mailbox};
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::place::On;
use crate::harness::{PATIENCE, pattern};

rules! {
    one_last_completion_for_every_kind_that_is_cancelled,
    one_last_completion_after_all_results_of_a_multishot_receive,
    multishot_accept_brings_each_connection_with_its_peers_address,
    errors_of_the_start_are_only_those_it_can_find_by_itself,
    errors_of_the_system_are_completions_with_kind_and_address,
    never_inside_the_call,
    identity_a_name_never_means_a_later_operation_or_socket,
    cancel_racing_success_ends_once_and_loses_no_byte,
    cancel_racing_packets_loses_no_byte,
    timers_end_in_the_order_of_their_moments,
    wake_ups_and_mail_end_a_wait_from_any_thread: "other threads send the mail",
    a_shutdown_waits_for_earlier_sends,
}

pub(super) fn one_last_completion_for_every_kind_that_is_cancelled(on: &On) {
    let mut bench = on.bench();
    let (listener, _) = bench.listen();
    let (other, _) = bench.listen();
    let (socket, _peer) = bench.pair();
    let (pooled, _peer2) = bench.pair();
    let timer = Op::timer(bench.driver.now() + PATIENCE);
    let ops = [
        Op::accept(listener),
        Op::accept_multi(other),
        Op::recv(socket, [vec![0u8; 5], vec![0u8; 5]]),
        Op::recv_multi(pooled),
        Op::send(socket, vec![0u8; on.flood()]),
        Op::send(pooled, [vec![0u8; on.flood() / 2], vec![0u8; on.flood() / 2]]),
        timer,
    ];
    let ids = ops.map(|op| bench.submit(op));
    bench.settle();
    assert!(bench.seen.is_empty(), "{:?}", bench.seen);
    for id in ids {
        assert!(bench.driver.cancel(id), "{id:?}");
    }
    for id in ids {
        assert_eq!(bench.kind_of(id), ErrorKind::Cancelled);
        assert!(!bench.driver.cancel(id), "it has ended");
    }
    for socket in [listener, other, socket, pooled] {
        bench.close(socket);
    }
    assert!(bench.seen.is_empty(), "nothing comes twice: {:?}", bench.seen);
    bench.finish();
}

pub(super) fn one_last_completion_after_all_results_of_a_multishot_receive(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv_multi(socket));
    let bytes = pattern(1 << 20);
    let writer = bench.writer_to_end(&peer, bytes.clone());
    let (mut got, mut last) = (Vec::new(), 0);
    while last == 0 {
        let completion = bench.next_of(recv);
        match completion.result.unwrap() {
            Outcome::Packet(packet) => {
                assert!(completion.more);
                got.extend_from_slice(&packet);
            }
            Outcome::Received(0) => last += usize::from(!completion.more),
            other => panic!("{other:?}"),
        }
    }
    bench.written(writer);
    assert!(got == bytes);
    bench.close(socket);
    assert!(bench.seen.is_empty());
    bench.finish();
}

fn multishot_accept_brings_each_connection_with_its_peers_address(on: &On) {
    for family in ["127.0.0.1:0", "[::1]:0"] {
        let mut bench = on.bench();
        let listener = bench.driver.listen(family, &Default::default()).unwrap();
        let address = bench.driver.local_addr(listener).unwrap();
        let accept = bench.submit(Op::accept_multi(listener));
        for _ in 0..100 {
            let (_client, client) = bench.connect(&address);
            let completion = bench.next_of(accept);
            assert!(completion.more);
            let Outcome::Accepted(stream, peer) = completion.result.unwrap() else { panic!("an accept accepts") };
            assert_eq!((&peer, &stream.peer_addr().unwrap()), (&client, &peer));
        }
        bench.close(listener);
        assert_eq!(bench.kind_of(accept), ErrorKind::Cancelled);
        bench.finish();
    }
}

fn errors_of_the_start_are_only_those_it_can_find_by_itself(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let (listener, _) = bench.listen();
    let wrong = [
        Op::recv(socket, Vec::<Vec<u8>>::new()),
        Op::send(socket, Vec::<Vec<u8>>::new()),
        Op::send_with(socket, vec![1u8], Flags::PEEK),
        Op::recv_with(socket, vec![0u8; 1], Flags::WAIT_ALL | Flags::OUT_OF_BAND),
        Op::recv(listener, vec![0u8; 1]),
        Op::accept(socket),
    ];
    for op in wrong {
        let rejected = bench.driver.submit(op, 0).unwrap_err();
        assert_eq!(rejected.error.kind(), ErrorKind::InvalidArgument, "{rejected:?}");
    }
    bench.close(socket);
    bench.close(listener);
    let rejected = bench.driver.submit(Op::send(socket, b"mine".to_vec()), 0).unwrap_err();
    assert_eq!(rejected.error.kind(), ErrorKind::Closed);
    assert_eq!(rejected.given.into_buf().unwrap().take::<Vec<u8>>().unwrap(), b"mine", "given back");
    bench.finish();
}

fn errors_of_the_system_are_completions_with_kind_and_address(on: &On) {
    let mut bench = on.bench();
    let nobody = bench.nobody();
    let socket = bench.driver.socket(&nobody).unwrap();
    let connect = bench.submit(Op::connect(socket, &nobody));
    let send = bench.submit(Op::send(socket, b"x".to_vec()));
    let error = bench.outcome_of(connect).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::Refused, Some(&nobody)));
    assert!(bench.outcome_of(send).is_err());
    bench.close(socket);
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv(socket, vec![0u8; 10]));
    bench.settle();
    bench.reset(peer);
    assert_eq!(bench.kind_of(recv), ErrorKind::Reset);
    bench.close(socket);
    bench.finish();
}

fn never_inside_the_call(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    bench.write(&peer, b"there already");
    bench.settle();
    let recv = bench.submit(Op::recv(socket, vec![0u8; 20]));
    assert!(bench.driver.next().is_none(), "not before a turn");
    assert!(matches!(bench.outcome_of(recv), Ok(Outcome::Received(1..))), "an immediate success is told as any other");
    bench.close(socket);
    bench.finish();
}

fn identity_a_name_never_means_a_later_operation_or_socket(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let old = bench.submit(Op::recv(socket, vec![0u8; 1]));
    bench.write(&peer, b"a");
    assert!(bench.outcome_of(old).is_ok());
    let new = bench.submit(Op::recv(socket, vec![0u8; 1]));
    assert_ne!(old, new);
    bench.settle();
    assert!(!bench.driver.cancel(old), "it has ended");
    bench.settle();
    assert!(bench.seen.is_empty(), "the later one is untouched");
    bench.write(&peer, b"b");
    assert!(matches!(bench.outcome_of(new), Ok(Outcome::Received(1))));
    bench.close(socket);
    let (later, _peer) = bench.pair();
    assert_ne!(socket, later);
    let refused = bench.driver.submit(Op::recv(socket, vec![0u8; 1]), 0).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::Closed);
    bench.close(later);
    bench.finish();
}

pub(super) fn cancel_racing_success_ends_once_and_loses_no_byte(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let (mut got, mut cancelled, mut count) = (Vec::new(), 0, 0u32);
    let bytes = pattern(400);
    for byte in &bytes {
        let recv = bench.submit(Op::recv(socket, vec![0u8; 1]));
        bench.turn(Wait::Poll);
        bench.write(&peer, &[*byte]);
        // The cancel comes before the data's completion is taken, and sometimes before it has come.
        if count.is_multiple_of(2) {
            bench.turn(Wait::Poll);
        }
        bench.driver.cancel(recv);
        count += 1;
        let end = bench.end_of(recv);
        match end.result {
            Ok(Outcome::Received(1)) => got.extend(end.buf.unwrap().take::<Vec<u8>>().unwrap()),
            Err(error) if error.kind() == ErrorKind::Cancelled => cancelled += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(bench.seen.is_empty(), "nothing comes twice");
    if cancelled > 0 {
        let rest = bench.submit(Op::recv_with(socket, vec![0u8; cancelled], Flags::WAIT_ALL));
        got.extend(bench.end_of(rest).buf.unwrap().take::<Vec<u8>>().unwrap());
    }
    assert_eq!(got, bytes);
    bench.close(socket);
    bench.finish();
}

pub(super) fn cancel_racing_packets_loses_no_byte(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(4 << 20));
    let writer = bench.writer_to_end(&peer, bytes.clone());
    let mut got = Vec::new();
    let mut over = false;
    while !over {
        let recv = bench.submit(Op::recv_multi(socket));
        bench.turn(Wait::For(Duration::from_millis(1)));
        bench.driver.cancel(recv);
        loop {
            let completion = bench.next_of(recv);
            match completion.result {
                Ok(Outcome::Packet(packet)) => got.extend_from_slice(&packet),
                Ok(Outcome::Received(0)) => over = true,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
                other => panic!("{other:?}"),
            }
            if !completion.more {
                break;
            }
        }
    }
    bench.written(writer);
    assert!(got == bytes, "{} of {}", got.len(), bytes.len());
    bench.close(socket);
    bench.finish();
}

fn timers_end_in_the_order_of_their_moments(on: &On) {
    let mut bench = on.bench();
    let now = bench.driver.now();
    let ids = [30, 10, 20].map(|millis| bench.submit(Op::timer(now + Duration::from_millis(millis))));
    let mut order = Vec::new();
    while order.len() < 3 {
        bench.turn(Wait::Forever);
        order.extend(bench.seen.drain(..).map(|completion| completion.id));
    }
    assert_eq!(order, [ids[1], ids[2], ids[0]]);
    assert!(bench.driver.now() >= now + Duration::from_millis(30));
    bench.finish();
}

fn wake_ups_and_mail_end_a_wait_from_any_thread(on: &On) {
    let mut bench = on.bench();
    let (sender, mut inbox) = mailbox::<u32>(2, bench.driver.wake_handle());
    for round in 0..200 {
        let sender = sender.clone();
        let thread = std::thread::spawn(move || sender.send(round).unwrap());
        let mut got: Vec<u32> = Vec::new();
        while got.is_empty() {
            bench.turn(Wait::Forever);
            got.extend(inbox.take());
        }
        assert_eq!(got, [round]);
        thread.join().unwrap();
    }
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(sender.send(3), Err(MailError::Full(3)));
    drop(inbox);
    assert_eq!(sender.send(4), Err(MailError::Closed(4)));
    bench.finish();
}

pub(super) fn a_shutdown_waits_for_earlier_sends(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    bench.submit(Op::send(socket, vec![1u8; on.many(16 << 20)]));
    let shutdown = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    let reader = bench.reader(&peer);
    assert!(bench.outcome_of(shutdown).is_ok());
    assert_eq!(bench.read_all(reader).len(), on.many(16 << 20));
    bench.close(socket);
    bench.finish();
}
