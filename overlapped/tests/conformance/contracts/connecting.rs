//! Connecting: each attempt is a fresh one, and one that was cancelled is over.

use std::time::Duration;

use overlapped::driver::{CloseMode, SocketId, Wait};
use overlapped::options::ListenOptions;
use overlapped::{Address, ErrorKind, Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::place::{On, wine_departs};

rules! {
    each_connect_after_a_refused_one_is_a_fresh_attempt,
    a_connected_socket_refuses_a_second_connect_and_goes_on,
    what_waits_for_a_connect_that_fails_ends_and_the_next_connect_is_tried,
    a_receive_that_waits_for_a_connection_does_not_take_the_error_of_the_connect,
    a_cancelled_connect_is_over_and_so_is_what_waits_for_it,
    nothing_waits_for_connects_that_were_cancelled,
    a_connect_that_is_cancelled_at_any_moment_leaves_the_socket_ready_for_the_next,
}

/// A new socket of the driver that could connect to this address.
fn fresh(bench: &mut Bench, address: &Address) -> SocketId {
    bench.driver.socket(address).unwrap()
}

/// Accepts one connection, and checks that these bytes and no others come on it.
fn accepts(bench: &mut Bench, listener: SocketId, client: SocketId, bytes: &[u8]) {
    let accept = bench.submit(Op::accept(listener));
    let Ok(Outcome::Accepted(stream, peer)) = bench.outcome_of(accept) else { panic!("an accept accepts") };
    assert_eq!(peer, bench.driver.local_addr(client).unwrap(), "it is the client's last attempt");
    let server = bench.driver.adopt(stream).unwrap();
    let close = bench.submit(Op::close(client, CloseMode::Now));
    assert_eq!(read_to_end(bench, server), bytes);
    assert!(bench.outcome_of(close).is_ok());
    bench.close(server);
}

fn read_to_end(bench: &mut Bench, socket: SocketId) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let receive = bench.submit(Op::recv(socket, Vec::<u8>::with_capacity(100)));
        match bench.bytes_of(receive) {
            none if none.is_empty() => return all,
            bytes => all.extend(bytes),
        }
    }
}

fn each_connect_after_a_refused_one_is_a_fresh_attempt(on: &On) {
    let mut bench = on.bench();
    let nobody = bench.nobody();
    let socket = fresh(&mut bench, &nobody);
    for attempt in 0..8 {
        let connect = bench.submit(Op::connect(socket, &nobody));
        let error = bench.outcome_of(connect).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "attempt {attempt}: {error}");
    }
    let (listener, address) = bench.listen();
    let connect = bench.submit(Op::connect(socket, &address));
    let send = bench.submit(Op::send(socket, b"at last".to_vec()));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    assert!(bench.outcome_of(send).is_ok());
    accepts(&mut bench, listener, socket, b"at last");
    bench.close(listener);
    bench.finish();
}

fn a_connected_socket_refuses_a_second_connect_and_goes_on(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let (other, elsewhere) = bench.listen();
    let socket = fresh(&mut bench, &address);
    let connect = bench.submit(Op::connect(socket, &address));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    for to in [&address, &elsewhere, &address] {
        let again = bench.submit(Op::connect(socket, to));
        let send = bench.submit(Op::send(socket, b"x".to_vec()));
        let error = bench.outcome_of(again).unwrap_err();
        assert_eq!((error.kind(), error.address()), (ErrorKind::AlreadyConnected, Some(to)));
        assert!(bench.outcome_of(send).is_ok(), "the connection goes on");
    }
    accepts(&mut bench, listener, socket, b"xxx");
    // The same of a connection that was adopted.
    let (socket, peer) = bench.pair();
    let again = bench.submit(Op::connect(socket, &address));
    assert_eq!(bench.kind_of(again), ErrorKind::AlreadyConnected);
    let send = bench.submit(Op::send(socket, b"x".to_vec()));
    assert!(bench.outcome_of(send).is_ok());
    assert_eq!(bench.peer_reads(&peer, 9).unwrap(), b"x");
    for socket in [socket, listener, other] {
        bench.close(socket);
    }
    bench.finish();
}

fn what_waits_for_a_connect_that_fails_ends_and_the_next_connect_is_tried(on: &On) {
    let mut bench = on.bench();
    let nobody = bench.nobody();
    let (listener, address) = bench.listen();
    let socket = fresh(&mut bench, &address);
    let refused = bench.submit(Op::connect(socket, &nobody));
    let behind = [
        bench.submit(Op::send(socket, b"lost".to_vec())),
        bench.submit(Op::shutdown(socket, overlapped::driver::ShutdownHow::Send)),
        bench.submit(Op::send(socket, b"lost too".to_vec())),
    ];
    let connect = bench.submit(Op::connect(socket, &address));
    let send = bench.submit(Op::send(socket, b"sent".to_vec()));
    assert_eq!(bench.kind_of(refused), ErrorKind::Refused);
    for id in behind {
        let end = bench.end_of(id);
        assert_eq!(end.result.unwrap_err().kind(), ErrorKind::NotConnected);
    }
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(4))));
    accepts(&mut bench, listener, socket, b"sent");
    bench.close(listener);
    bench.finish();
}

fn a_receive_that_waits_for_a_connection_does_not_take_the_error_of_the_connect(on: &On) {
    let mut bench = on.bench();
    let nobody = bench.nobody();
    for _ in 0..20 {
        let socket = fresh(&mut bench, &nobody);
        let connect = bench.submit(Op::connect(socket, &nobody));
        bench.driver.turn(Wait::Poll).unwrap();
        let receive = bench.submit(Op::recv(socket, vec![0u8; 1]));
        assert_eq!(bench.kind_of(connect), ErrorKind::Refused);
        assert!(bench.outcome_of(receive).is_err());
        bench.close(socket);
    }
    bench.finish();
}

/// A listener whose backlog is full, its address, the connections in its backlog, and a socket of
/// which the connect cannot end: the listener does not answer it.
fn unanswered(bench: &mut Bench) -> (SocketId, Address, Vec<SocketId>, SocketId, overlapped::driver::OpId) {
    let listener = bench.driver.listen("127.0.0.1:0", &ListenOptions::new().backlog(1)).unwrap();
    let address = bench.driver.local_addr(listener).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = fresh(bench, &address);
        let connect = bench.submit(Op::connect(socket, &address));
        for _ in 0..20 {
            bench.turn(Wait::For(Duration::from_millis(5)));
        }
        if !bench.seen.iter().any(|seen| seen.id == connect) {
            return (listener, address, waiting, socket, connect);
        }
        assert!(bench.outcome_of(connect).is_ok());
        waiting.push(socket);
        assert!(waiting.len() < 10, "the backlog has an end");
    }
}

fn a_cancelled_connect_is_over_and_so_is_what_waits_for_it(on: &On) {
    let mut bench = on.bench();
    let (listener, address, waiting, socket, connect) = unanswered(&mut bench);
    let behind = [bench.submit(Op::send(socket, b"late".to_vec())), bench.submit(Op::send(socket, b"later".to_vec()))];
    bench.driver.cancel(connect);
    assert_eq!(bench.kind_of(connect), ErrorKind::Cancelled);
    for id in behind {
        assert_eq!(bench.kind_of(id), ErrorKind::NotConnected);
    }
    if wine_departs("a connect that is cancelled goes on in the kernel of Wine's host") {
        for socket in waiting.into_iter().chain([socket, listener]) {
            bench.close(socket);
        }
        return bench.finish();
    }
    let send = bench.submit(Op::send(socket, b"latest".to_vec()));
    assert!(bench.outcome_of(send).is_err(), "there is no connection, and none is being made");
    // There is room in the backlog now. The attempt would be repeated after a second.
    let accept = bench.submit(Op::accept_multi(listener));
    let end = bench.driver.now() + Duration::from_millis(2500);
    let mut peers = Vec::new();
    while bench.driver.now() < end {
        bench.turn(Wait::Until(end));
        for seen in bench.seen.drain(..).filter(|seen| seen.id == accept) {
            let Ok(Outcome::Accepted(_, peer)) = seen.result else { panic!("an accept accepts") };
            peers.push(peer);
        }
    }
    let clients: Vec<_> = waiting.iter().map(|socket| bench.driver.local_addr(*socket).unwrap()).collect();
    assert_eq!(peers, clients, "and nobody else");
    bench.driver.cancel(accept);
    assert_eq!(bench.kind_of(accept), ErrorKind::Cancelled);
    // The socket connects like a new one.
    let connect = bench.submit(Op::connect(socket, &address));
    let send = bench.submit(Op::send(socket, b"now".to_vec()));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    assert!(bench.outcome_of(send).is_ok());
    accepts(&mut bench, listener, socket, b"now");
    for socket in waiting.into_iter().chain([listener]) {
        bench.close(socket);
    }
    bench.finish();
}

fn nothing_waits_for_connects_that_were_cancelled(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    for (turned, order) in [(false, [0, 1]), (false, [1, 0]), (true, [0, 1]), (true, [1, 0])] {
        let socket = fresh(&mut bench, &address);
        let connects = [bench.submit(Op::connect(socket, &address)), bench.submit(Op::connect(socket, &address))];
        let send = bench.submit(Op::send(socket, b"x".to_vec()));
        let receives = [bench.submit(Op::recv(socket, vec![0u8; 1])), bench.submit(Op::recv_multi(socket))];
        if turned {
            bench.driver.turn(Wait::Poll).unwrap();
        }
        for which in order {
            bench.driver.cancel(connects[which]);
        }
        let connected = connects.map(|connect| bench.outcome_of(connect).is_ok());
        assert!(turned || connected == [false, false], "they had not reached the system");
        let live = connected.contains(&true);
        if live {
            bench.driver.cancel(receives[0]);
            bench.driver.cancel(receives[1]);
        }
        let expected = if live { ErrorKind::Cancelled } else { ErrorKind::NotConnected };
        assert_eq!(receives.map(|receive| bench.kind_of(receive)), [expected; 2]);
        let sent = bench.outcome_of(send);
        assert!(live || sent.unwrap_err().kind() == ErrorKind::NotConnected);
        bench.close(socket);
    }
    bench.close(listener);
    bench.finish();
}

fn a_connect_that_is_cancelled_at_any_moment_leaves_the_socket_ready_for_the_next(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    for round in 0..30 {
        let socket = fresh(&mut bench, &address);
        let first = bench.submit(Op::connect(socket, &address));
        let behind = bench.submit(Op::send(socket, b"first ".to_vec()));
        for _ in 0..round % 3 {
            bench.turn(Wait::Poll);
        }
        bench.driver.cancel(first);
        let connected = bench.outcome_of(first).is_ok();
        assert_eq!(bench.outcome_of(behind).is_ok(), connected, "it goes with the connect");
        let second = bench.submit(Op::connect(socket, &address));
        let send = bench.submit(Op::send(socket, b"second".to_vec()));
        match bench.outcome_of(second) {
            Ok(outcome) => assert!(!connected, "{outcome:?}"),
            Err(error) => assert!(connected && error.kind() == ErrorKind::AlreadyConnected, "{error}"),
        }
        assert!(bench.outcome_of(send).is_ok());
        let expected: &[u8] = if connected { b"first second" } else { b"second" };
        let own = bench.driver.local_addr(socket).unwrap();
        bench.close(socket);
        // What was cancelled may have reached the listener, and is reset.
        loop {
            let accept = bench.submit(Op::accept(listener));
            let Ok(Outcome::Accepted(stream, peer)) = bench.outcome_of(accept) else { panic!("an accept accepts") };
            if peer != own {
                continue;
            }
            let server = bench.driver.adopt(stream).unwrap();
            let first = bench.submit(Op::recv(server, Vec::<u8>::with_capacity(100)));
            let mut all = match bench.end_of(first) {
                end if end.result.is_ok() => end.buf.unwrap().take::<Vec<u8>>().unwrap(),
                // With the same port as the attempt that was cancelled.
                _ => {
                    bench.close(server);
                    continue;
                }
            };
            all.extend(read_to_end(&mut bench, server));
            bench.close(server);
            assert_eq!(all, expected);
            break;
        }
    }
    bench.close(listener);
    bench.finish();
}
