//! Cases in which two things happen at once, or unusually many.

use overlapped::driver::{CloseMode, Flags, ShutdownHow};
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::place::On;
use crate::harness::{PATIENCE, pattern};

rules! {
    sends_of_zero_bytes_and_of_empty_parts_succeed,
    a_receive_into_many_tiny_parts_fills_them_in_order,
    both_ends_close_at_the_same_moment,
    closing_during_a_send_gives_the_peer_the_beginning_of_it,
    a_reset_ends_pending_operations_in_both_directions,
    a_reset_after_some_bytes_says_how_many_were_sent,
    a_pending_connect_is_cancelled_or_has_connected,
    many_accepts_are_each_given_one_connection,
    operations_started_after_both_directions_ended_end_too,
    everything_is_cancelled_before_it_has_reached_the_system,
}

fn sends_of_zero_bytes_and_of_empty_parts_succeed(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let sends = [
        (Op::send(socket, Vec::<u8>::new()), 0),
        (Op::send(socket, b"a".to_vec()), 1),
        (Op::send(socket, [Vec::<u8>::new(), Vec::new()]), 0),
        (Op::send(socket, [Vec::new(), b"b".to_vec(), Vec::new(), b"c".to_vec()]), 2),
        (Op::send(socket, Vec::<u8>::new()), 0),
    ];
    for (send, bytes) in sends.map(|(op, bytes)| (bench.submit(op), bytes)) {
        let outcome = bench.outcome_of(send);
        assert!(matches!(outcome, Ok(Outcome::Sent(sent)) if sent == bytes), "{outcome:?}");
    }
    bench.close(socket);
    let reader = bench.reader(&peer);
    assert_eq!(bench.read_all(reader), b"abc");
    bench.finish();
}

fn a_receive_into_many_tiny_parts_fills_them_in_order(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    // Parts of 0, 1 and 2 bytes; more than a system takes in one call.
    let parts: Vec<Vec<u8>> = (0..3000).map(|i| vec![0; i % 3]).collect();
    let recv = bench.submit(Op::recv_with(socket, parts, Flags::WAIT_ALL));
    let bytes = pattern(3000);
    for piece in bytes.chunks(700) {
        bench.write(&peer, piece);
        bench.settle();
    }
    let end = bench.end_of(recv);
    assert!(matches!(end.result, Ok(Outcome::Received(3000))), "{:?}", end.result);
    let parts = end.buf.unwrap().take::<Vec<Vec<u8>>>().unwrap();
    assert!(parts.iter().enumerate().all(|(i, part)| part.len() == i % 3));
    assert!(parts.concat() == bytes);
    bench.close(socket);
    bench.finish();
}

fn both_ends_close_at_the_same_moment(on: &On) {
    for mode in [CloseMode::Now, CloseMode::Abort, CloseMode::Graceful { linger: PATIENCE }] {
        let mut bench = on.bench();
        let (one, peer) = bench.pair();
        let other = bench.adopt_peer(peer);
        let recvs = [one, other].map(|socket| bench.submit(Op::recv_multi(socket)));
        bench.settle();
        let closes = [one, other].map(|socket| bench.submit(Op::close(socket, mode)));
        for close in closes {
            let outcome = bench.outcome_of(close);
            // A graceful close may find that the other end has already reset the connection.
            match outcome {
                Ok(Outcome::Closed) => {}
                Err(error) if error.kind() == ErrorKind::Reset => assert!(matches!(mode, CloseMode::Graceful { .. })),
                other => panic!("{other:?}"),
            }
        }
        for recv in recvs {
            match bench.outcome_of(recv) {
                Ok(Outcome::Received(0)) => {}
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Reset), "{error}"),
                other => panic!("{other:?}"),
            }
        }
        bench.finish();
    }
}

fn closing_during_a_send_gives_the_peer_the_beginning_of_it(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.flood());
    let send = bench.submit(Op::send(socket, bytes.clone()));
    bench.settle();
    bench.close(socket);
    let error = bench.outcome_of(send).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.transferred() > 0 && error.transferred() < bytes.len() as u64, "{error}");
    let reader = bench.reader(&peer);
    let got = bench.read_all(reader);
    assert!(got == bytes[..got.len()], "what came is a beginning");
    assert_eq!(got.len() as u64, error.transferred(), "and the error says how long");
    bench.finish();
}

fn a_reset_ends_pending_operations_in_both_directions(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv(socket, vec![0u8; 9]));
    let send = bench.submit(Op::send(socket, vec![0u8; on.flood()]));
    let behind = bench.submit(Op::send(socket, vec![0u8; 9]));
    bench.settle();
    bench.reset(peer);
    assert_eq!(bench.kind_of(recv), ErrorKind::Reset);
    assert_eq!(bench.kind_of(send), ErrorKind::Reset);
    assert_eq!(bench.kind_of(behind), ErrorKind::Reset);
    bench.close(socket);
    bench.finish();
}

fn a_reset_after_some_bytes_says_how_many_were_sent(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let send = bench.submit(Op::send(socket, vec![0u8; on.flood()]));
    bench.settle();
    bench.reset(peer);
    let error = bench.outcome_of(send).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reset);
    assert!(error.transferred() > 0 && error.transferred() < on.flood() as u64, "{error}");
    bench.close(socket);
    bench.finish();
}

fn a_pending_connect_is_cancelled_or_has_connected(on: &On) {
    for turned in [false, true] {
        let mut bench = on.bench();
        let (listener, address) = bench.listen();
        let socket = bench.driver.socket(&address).unwrap();
        let connect = bench.submit(Op::connect(socket, &address));
        let send = bench.submit(Op::send(socket, b"x".to_vec()));
        if turned {
            bench.turn(overlapped::driver::Wait::Poll);
        }
        bench.driver.cancel(connect);
        match bench.outcome_of(connect) {
            Ok(Outcome::Connected) => assert!(bench.outcome_of(send).is_ok()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled);
                assert!(bench.outcome_of(send).is_err());
            }
            other => panic!("{other:?}"),
        }
        bench.close(socket);
        bench.close(listener);
        bench.finish();
    }
}

fn many_accepts_are_each_given_one_connection(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let accepts: Vec<_> = (0..20).map(|_| bench.submit(Op::accept(listener))).collect();
    let clients: Vec<_> = (0..20).map(|_| bench.connect(&address)).collect();
    let mut peers = Vec::new();
    for accept in accepts {
        let Ok(Outcome::Accepted(_, peer)) = bench.outcome_of(accept) else { panic!("it accepts") };
        peers.push(peer);
    }
    let mut names: Vec<_> = clients.iter().map(|(_, name)| name.clone()).collect();
    names.sort();
    peers.sort();
    assert_eq!(peers, names);
    bench.close(listener);
    bench.finish();
}

fn operations_started_after_both_directions_ended_end_too(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let shutdown = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    assert!(matches!(bench.outcome_of(shutdown), Ok(Outcome::ShutDown)));
    bench.shut_down_sending(&peer);
    for _ in 0..2 {
        let recv = bench.submit(Op::recv(socket, vec![0u8; 9]));
        assert!(matches!(bench.outcome_of(recv), Ok(Outcome::Received(0))));
    }
    let recv = bench.submit(Op::recv_multi(socket));
    let end = bench.end_of(recv);
    assert!(matches!(end.result, Ok(Outcome::Received(0))), "{end:?}");
    let send = bench.submit(Op::send(socket, b"too late".to_vec()));
    assert_eq!(bench.kind_of(send), ErrorKind::ShutDown, "it is this end's own doing");
    bench.close(socket);
    bench.finish();
}

fn everything_is_cancelled_before_it_has_reached_the_system(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let (listener, address) = bench.listen();
    let fresh = bench.driver.socket(&address).unwrap();
    let timer = Op::timer(bench.driver.now() + PATIENCE);
    let ops = [
        Op::recv(socket, vec![0u8; 9]),
        Op::recv_multi(socket),
        Op::send(socket, vec![0u8; 9]),
        Op::shutdown(socket, ShutdownHow::Send),
        Op::accept(listener),
        Op::accept_multi(listener),
        Op::connect(fresh, &address),
        timer,
    ];
    let ids = ops.map(|op| bench.submit(op));
    for id in ids {
        assert!(bench.driver.cancel(id), "{id:?}");
        assert!(!bench.driver.cancel(id), "once");
    }
    for id in ids {
        assert_eq!(bench.kind_of(id), ErrorKind::Cancelled);
    }
    // None of it reached the system.
    let send = bench.submit(Op::send(socket, b"first".to_vec()));
    assert!(bench.outcome_of(send).is_ok());
    bench.settle();
    assert!(b"first".starts_with(&bench.peer_reads(&peer, 9).unwrap()));
    for socket in [socket, listener, fresh] {
        bench.close(socket);
    }
    bench.finish();
}
