//! Errors name what happened: a shutdown of one's own is not a reset, a socket that was never
//! connected is not one that broke, and what follows a failure ends with its cause.

use std::time::Duration;

use overlapped::driver::{CloseMode, Flags, ShutdownHow, SocketId};
use overlapped::error::Action;
use overlapped::options::StreamOptions;
use overlapped::{Address, Error, ErrorKind, Op, Outcome};

use crate::harness::PATIENCE;
use crate::harness::bench::Bench;
use crate::harness::place::{On, wine_departs};

rules! {
    a_send_after_its_own_shutdown_is_shut_down,
    a_stream_that_was_shut_down_before_it_was_taken_over_is_shut_down: "every shutdown there is a driver's",
    a_send_on_a_socket_that_was_never_connected_is_not_connected,
    a_send_after_a_refused_connect_is_not_connected,
    a_send_to_a_peer_that_has_gone_is_reset,
    a_reset_is_a_reset_for_every_later_send,
    a_send_behind_one_that_a_reset_cut_short_is_reset,
    a_send_behind_one_that_was_cancelled_half_way_says_so,
    a_connection_that_timed_out_has_timed_out_for_everyone: "nothing is lost there",
    a_graceful_close_after_both_streams_have_ended_is_in_order,
    a_graceful_close_of_a_connection_that_was_reset_says_so,
    a_shutdown_of_a_connection_that_was_reset_says_so,
    a_connect_to_an_address_of_another_family_says_so: "a socket there has no family",
    a_link_local_address_without_an_interface_says_so: "its addresses have no links",
    a_receive_of_out_of_band_data_that_is_not_there_says_so: "it has no out-of-band data",
    an_address_that_is_not_known_yet_is_named,
    a_datagram_without_a_destination_is_not_connected: "it has no datagrams",
    a_datagram_that_is_too_large_to_send_does_not_speak_of_a_buffer: "it has no datagrams",
    a_receive_of_a_datagram_without_room_is_refused_at_the_start: "it has no datagrams",
    a_peek_without_room_tells_of_a_datagram: "it has no datagrams",
}

fn failure_of(bench: &mut Bench, op: Op) -> Error {
    let id = bench.submit(op);
    bench.outcome_of(id).expect_err("a failure")
}

fn shut_down(bench: &mut Bench, socket: SocketId, how: ShutdownHow) {
    let shutdown = bench.submit(Op::shutdown(socket, how));
    assert!(matches!(bench.outcome_of(shutdown), Ok(Outcome::ShutDown)));
}

pub(super) fn a_send_after_its_own_shutdown_is_shut_down(on: &On) {
    for how in [ShutdownHow::Send, ShutdownHow::Both] {
        let mut bench = on.bench();
        let (socket, _peer) = bench.pair();
        shut_down(&mut bench, socket, how);
        for _ in 0..2 {
            let error = failure_of(&mut bench, Op::send(socket, b"too late".to_vec()));
            assert_eq!(error.kind(), ErrorKind::ShutDown, "{error}");
            assert!(error.os_code().is_some() && !error.to_string().contains("reset"), "{error}");
        }
        bench.close(socket);
        bench.finish();
    }
}

fn a_stream_that_was_shut_down_before_it_was_taken_over_is_shut_down(on: &On) {
    let mut bench = on.bench();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_peer, _) = listener.accept().unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let socket = bench.driver.adopt(stream.into()).unwrap();
    let error = failure_of(&mut bench, Op::send(socket, b"too late".to_vec()));
    assert_eq!(error.kind(), ErrorKind::ShutDown, "{error}");
    bench.close(socket);
    bench.finish();
}

fn a_send_on_a_socket_that_was_never_connected_is_not_connected(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let socket = bench.driver.socket(&address).unwrap();
    for _ in 0..2 {
        let error = failure_of(&mut bench, Op::send(socket, b"to whom".to_vec()));
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        assert!(error.os_code().is_some(), "{error}");
    }
    let connect = bench.submit(Op::connect(socket, &address));
    let send = bench.submit(Op::send(socket, b"to you".to_vec()));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)), "it can still be connected");
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(6))));
    bench.close(socket);
    bench.close(listener);
    bench.finish();
}

fn a_send_after_a_refused_connect_is_not_connected(on: &On) {
    let mut bench = on.bench();
    let nobody = bench.nobody();
    let socket = bench.driver.socket(&nobody).unwrap();
    assert_eq!(failure_of(&mut bench, Op::connect(socket, &nobody)).kind(), ErrorKind::Refused);
    let error = failure_of(&mut bench, Op::send(socket, b"to whom".to_vec()));
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    bench.close(socket);
    bench.finish();
}

pub(super) fn a_send_to_a_peer_that_has_gone_is_reset(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    bench.drop_peer(peer);
    let error = first_failure(&mut bench, socket);
    assert_eq!(error.kind(), ErrorKind::Reset, "{error}");
    bench.close(socket);
    bench.finish();
}

/// Sends until one fails: the first sends meet nobody who could answer with a reset.
fn first_failure(bench: &mut Bench, socket: SocketId) -> Error {
    for _ in 0..200 {
        let send = bench.submit(Op::send(socket, b"anybody there".to_vec()));
        if let Err(error) = bench.outcome_of(send) {
            return error;
        }
        bench.settle();
    }
    panic!("sends to a peer that has gone never fail");
}

fn a_reset_is_a_reset_for_every_later_send(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let receive = bench.submit(Op::recv(socket, vec![0u8; 9]));
    bench.settle();
    bench.reset(peer);
    assert_eq!(bench.kind_of(receive), ErrorKind::Reset);
    for _ in 0..3 {
        let error = failure_of(&mut bench, Op::send(socket, b"too late".to_vec()));
        assert_eq!(error.kind(), ErrorKind::Reset, "{error}");
    }
    bench.close(socket);
    bench.finish();
}

fn a_send_behind_one_that_a_reset_cut_short_is_reset(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let send = bench.submit(Op::send(socket, vec![0u8; on.flood()]));
    let behind = bench.submit(Op::send(socket, vec![0u8; 9]));
    bench.settle();
    bench.reset(peer);
    let cause = bench.outcome_of(send).unwrap_err();
    assert!(cause.kind() == ErrorKind::Reset && cause.transferred() > 0, "{cause}");
    let error = bench.outcome_of(behind).unwrap_err();
    assert_eq!((error.kind(), error.transferred()), (ErrorKind::Reset, 0), "{error}");
    assert!(error.to_string().contains("reset"), "{error}");
    let later = failure_of(&mut bench, Op::send(socket, vec![0u8; 9]));
    assert_eq!(later.kind(), ErrorKind::Reset, "{later}");
    bench.close(socket);
    bench.finish();
}

pub(super) fn a_send_behind_one_that_was_cancelled_half_way_says_so(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let send = bench.submit(Op::send(socket, vec![0u8; on.flood()]));
    let behind = bench.submit(Op::send(socket, vec![0u8; 9]));
    bench.settle();
    assert!(bench.driver.cancel(send));
    assert_eq!(bench.kind_of(send), ErrorKind::Cancelled);
    let shutdown = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    for id in [behind, shutdown] {
        let error = bench.outcome_of(id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenStream, "{error}");
        assert!(error.to_string().ends_with("cut short: cancelled"), "{error}");
    }
    bench.close(socket);
    bench.finish();
}

/// The system tells only one operation of it.
fn a_connection_that_timed_out_has_timed_out_for_everyone(on: &On) {
    if !cfg!(target_os = "linux") {
        // Elsewhere the system waits for minutes.
        return;
    }
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let options = StreamOptions::new().user_timeout(Duration::from_millis(200));
    bench.driver.set_options(socket, &options).unwrap();
    let receive = bench.submit(Op::recv(socket, vec![0u8; 9]));
    let send = bench.submit(Op::send(socket, vec![0u8; on.flood()]));
    let behind = bench.submit(Op::send(socket, vec![0u8; 9]));
    for id in [send, behind, receive] {
        let error = bench.outcome_of(id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
    for op in [Op::send(socket, vec![0u8; 9]), Op::recv(socket, vec![0u8; 9]), Op::recv_multi(socket)] {
        let error = failure_of(&mut bench, op);
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
    bench.close(socket);
    bench.finish();
}

fn a_graceful_close_after_both_streams_have_ended_is_in_order(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    shut_down(&mut bench, socket, ShutdownHow::Send);
    bench.drop_peer(peer);
    bench.settle();
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    let outcome = bench.outcome_of(close);
    assert!(matches!(outcome, Ok(Outcome::Closed)), "{outcome:?}");
    bench.finish();
}

fn a_graceful_close_of_a_connection_that_was_reset_says_so(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    bench.reset(peer);
    bench.settle();
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    match bench.outcome_of(close) {
        Ok(_) => assert!(wine_departs("a connection that was reset can be shut down")),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Reset, "{error}"),
    }
    bench.finish();
}

fn a_shutdown_of_a_connection_that_was_reset_says_so(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    bench.reset(peer);
    bench.settle();
    let shutdown = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    match bench.outcome_of(shutdown) {
        Ok(_) => assert!(wine_departs("a connection that was reset can be shut down")),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Reset, "{error}"),
    }
    bench.close(socket);
    bench.finish();
}

fn a_connect_to_an_address_of_another_family_says_so(on: &On) {
    for (own, other) in [("127.0.0.1:9", "[::1]:9"), ("[::1]:9", "127.0.0.1:9")] {
        let mut bench = on.bench();
        let (own, other): (Address, Address) = (own.parse().unwrap(), other.parse().unwrap());
        let socket = bench.driver.socket(own).unwrap();
        let error = failure_of(&mut bench, Op::connect(socket, &other));
        assert_eq!((error.kind(), error.address()), (ErrorKind::InvalidArgument, Some(&other)), "{error}");
        assert!(error.to_string().contains("family"), "{error}");
        bench.close(socket);
        bench.finish();
    }
}

fn a_link_local_address_without_an_interface_says_so(on: &On) {
    if !cfg!(target_os = "linux") {
        // Other systems take the first interface, or say something else.
        return;
    }
    let mut bench = on.bench();
    let address: Address = "[fe80::1]:9".parse().unwrap();
    let listen = bench.driver.listen(&address, &Default::default()).unwrap_err();
    let datagram = bench.driver.datagram(&address, &Default::default()).unwrap_err();
    let socket = bench.driver.socket(&address).unwrap();
    let connect = failure_of(&mut bench, Op::connect(socket, &address));
    for error in [listen, datagram, connect] {
        assert_eq!((error.kind(), error.address()), (ErrorKind::InvalidArgument, Some(&address)), "{error}");
        assert!(error.to_string().contains("needs the number of its interface"), "{error}");
    }
    bench.close(socket);
    bench.finish();
}

fn a_receive_of_out_of_band_data_that_is_not_there_says_so(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let receive = bench.submit(Op::recv_with(socket, vec![0u8; 1], Flags::OUT_OF_BAND));
    bench.settle();
    // Some systems wait for it.
    if bench.driver.cancel(receive) {
        assert_eq!(bench.kind_of(receive), ErrorKind::Cancelled);
    } else {
        let error = bench.outcome_of(receive).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains("no out-of-band data"), "{error}");
    }
    bench.close(socket);
    bench.finish();
}

fn an_address_that_is_not_known_yet_is_named(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let socket = bench.driver.socket(address).unwrap();
    let error = bench.driver.peer_addr(socket).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    assert!(error.to_string().contains("the address of its peer"), "{error}");
    bench.close(socket);
    bench.close(listener);
    bench.finish();
}

fn a_datagram_without_a_destination_is_not_connected(on: &On) {
    let mut bench = on.bench();
    let socket = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let error = failure_of(&mut bench, Op::send(socket, b"to whom".to_vec()));
    assert_eq!((error.kind(), error.action()), (ErrorKind::NotConnected, Action::Send), "{error}");
    bench.close(socket);
    bench.finish();
}

fn a_datagram_that_is_too_large_to_send_does_not_speak_of_a_buffer(on: &On) {
    let mut bench = on.bench();
    let socket = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let address = bench.driver.local_addr(socket).unwrap();
    let error = failure_of(&mut bench, Op::send_to(socket, vec![0u8; 70_000], &address));
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert!(error.to_string().contains("larger than can be sent"), "{error}");
    bench.close(socket);
    bench.finish();
}

fn a_receive_of_a_datagram_without_room_is_refused_at_the_start(on: &On) {
    let mut bench = on.bench();
    let socket = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let address = bench.driver.local_addr(socket).unwrap();
    let send = bench.submit(Op::send_to(socket, b"precious".to_vec(), &address));
    assert!(bench.outcome_of(send).is_ok());
    let ops = [
        Op::recv_from(socket, Vec::<u8>::new()),
        Op::recv(socket, Vec::<u8>::new()),
        Op::recv_from(socket, [Vec::<u8>::new(), Vec::new()]),
    ];
    for op in ops {
        let refused = bench.driver.submit(op, 0).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument, "{}", refused.error);
        assert!(refused.error.to_string().contains("room"), "{}", refused.error);
    }
    let receive = bench.submit(Op::recv_from(socket, [Vec::<u8>::new(), vec![0u8; 20]]));
    assert!(matches!(bench.outcome_of(receive), Ok(Outcome::ReceivedFrom(8, _))), "it is still there");
    bench.close(socket);
    bench.finish();
}

/// It takes nothing out, so it is what a receive without room is on a stream.
fn a_peek_without_room_tells_of_a_datagram(on: &On) {
    let mut bench = on.bench();
    let socket = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let address = bench.driver.local_addr(socket).unwrap();
    let peek = bench.submit(Op::recv_with(socket, Vec::<u8>::new(), Flags::PEEK));
    bench.settle();
    assert!(bench.seen.is_empty(), "{:?}", bench.seen);
    let send = bench.submit(Op::send_to(socket, b"precious".to_vec(), &address));
    assert!(bench.outcome_of(send).is_ok());
    let error = bench.outcome_of(peek).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::Truncated, Some(&address)), "{error}");
    let receive = bench.submit(Op::recv_from(socket, vec![0u8; 20]));
    assert!(matches!(bench.outcome_of(receive), Ok(Outcome::ReceivedFrom(8, _))), "it is still there");
    bench.close(socket);
    bench.finish();
}
