//! Datagram sockets: each datagram whole, with its sender; nothing that a peer or a router answers
//! ends the socket.

use std::net::{SocketAddr, UdpSocket};

use overlapped::buf::PoolConfig;
use overlapped::driver::{Flags, OpId, SocketId, Wait};
use overlapped::{Address, ErrorKind, Op, Outcome};

use crate::harness::bench::Bench;
use crate::harness::place::On;
use crate::harness::{PATIENCE, pattern};

rules! {
    a_datagram_comes_whole_with_its_senders_address: "its peers are real sockets",
    a_multishot_receive_brings_each_datagram_with_its_sender: "its peers are real sockets",
    datagrams_of_several_parts_are_one_datagram: "its peers are real sockets",
    a_datagram_of_more_parts_than_the_system_takes_is_refused: "its peers are real sockets",
    a_datagram_that_is_too_large_to_send_is_an_error: "its peers are real sockets",
    an_empty_datagram_is_received_and_ends_nothing: "its peers are real sockets",
    a_truncated_datagram_says_so_and_gives_what_fits: "its peers are real sockets",
    a_truncated_datagram_does_not_end_a_multishot_receive: "its peers are real sockets",
    a_datagram_that_just_fits_is_not_truncated: "its peers are real sockets",
    a_connected_socket_receives_only_from_its_peer: "its peers are real sockets",
    a_peek_leaves_the_datagram: "its peers are real sockets",
    connecting_loses_no_datagram_that_has_come: "its peers are real sockets",
    an_earlier_send_does_not_limit_a_later_receive: "its peers are real sockets",
    receives_are_filled_in_the_order_of_their_starts: "its peers are real sockets",
    a_flood_that_exhausts_the_pool_is_back_pressure: "its peers are real sockets",
    a_closed_port_at_the_other_end_does_not_kill_the_socket: "its peers are real sockets",
    cancelling_and_closing_end_each_operation_once: "its peers are real sockets",
    operations_for_the_other_kind_of_socket_are_refused: "its peers are real sockets",
    pooled_buffers_that_are_too_small_for_datagrams_are_refused: "its peers are real sockets",
    dropping_a_driver_with_datagrams_in_flight_ends: "its peers are real sockets",
    an_address_in_use_is_in_use: "its peers are real sockets",
}

fn datagram(bench: &mut Bench) -> (SocketId, SocketAddr) {
    let socket = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    (socket, bench.driver.local_addr(socket).unwrap().ip().unwrap())
}

fn peer() -> (UdpSocket, Address) {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = peer.local_addr().unwrap();
    (peer, address.into())
}

/// What a receive into a `Vec` brought, and from where.
fn received(bench: &mut Bench, id: OpId) -> (Vec<u8>, Address) {
    let end = bench.end_of(id);
    let Ok(Outcome::ReceivedFrom(bytes, from)) = end.result else { panic!("{end:?}") };
    let buf: Vec<u8> = end.buf.unwrap().take().unwrap();
    assert_eq!(buf.len(), bytes);
    (buf, from)
}

fn a_datagram_comes_whole_with_its_senders_address(on: &On) {
    for (ours, theirs) in [("127.0.0.1:0", "127.0.0.1:0"), ("[::1]:0", "[::1]:0")] {
        let mut bench = on.bench();
        let socket = bench.driver.datagram(ours, &Default::default()).unwrap();
        let address = bench.driver.local_addr(socket).unwrap();
        let peer = UdpSocket::bind(theirs).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let from: Address = peer.local_addr().unwrap().into();
        for pending_first in [false, true] {
            let early = pending_first.then(|| bench.submit(Op::recv_from(socket, vec![0u8; 2000])));
            bench.settle();
            peer.send_to(&pattern(1000), address.ip().unwrap()).unwrap();
            let recv = early.unwrap_or_else(|| bench.submit(Op::recv_from(socket, vec![0u8; 2000])));
            assert_eq!(received(&mut bench, recv), (pattern(1000), from.clone()));
            let send = bench.submit(Op::send_to(socket, pattern(1200), &from));
            assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(1200))));
            let mut back = [0; 2000];
            assert_eq!(peer.recv_from(&mut back).unwrap(), (1200, address.ip().unwrap()));
            assert_eq!(back[..1200], pattern(1200));
        }
        bench.close(socket);
        bench.finish();
    }
}

fn a_multishot_receive_brings_each_datagram_with_its_sender(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let recv = bench.submit(Op::recv_from_multi(socket));
    let peers: Vec<_> = (0..3).map(|_| peer()).collect();
    for round in 0..100 {
        let (peer, from) = &peers[round % 3];
        let bytes = pattern(1 + round * 10);
        peer.send_to(&bytes, address).unwrap();
        let completion = bench.next_of(recv);
        assert!(completion.more);
        let Ok(Outcome::Datagram(packet, sender)) = completion.result else { panic!("{completion:?}") };
        assert_eq!((&packet[..], &sender), (&bytes[..], from));
    }
    assert!(bench.driver.cancel(recv));
    assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
    bench.close(socket);
    bench.finish();
}

fn datagrams_of_several_parts_are_one_datagram(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, to) = peer();
    let send = bench.submit(Op::send_to(socket, [b"one ".to_vec(), Vec::new(), b"and two".to_vec()], &to));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(11))));
    let mut got = [0; 100];
    let bytes = peer.recv(&mut got).unwrap();
    assert_eq!(&got[..bytes], b"one and two");
    let recv = bench.submit(Op::recv_from(socket, [vec![0u8; 4], vec![0u8; 100]]));
    peer.send_to(b"one and two", address).unwrap();
    let end = bench.end_of(recv);
    assert!(matches!(end.result, Ok(Outcome::ReceivedFrom(11, ref from)) if *from == to), "{end:?}");
    assert_eq!(end.buf.unwrap().take::<[Vec<u8>; 2]>().unwrap(), [&b"one "[..], b"and two"]);
    bench.close(socket);
    bench.finish();
}

/// A send on a stream goes on behind the parts that the system took. A datagram cannot.
fn a_datagram_of_more_parts_than_the_system_takes_is_refused(on: &On) {
    let mut bench = on.bench();
    let (socket, _) = datagram(&mut bench);
    let (_peer, to) = peer();
    let parts = || vec![vec![7u8]; 2000];
    let refused = bench.driver.submit(Op::send_to(socket, parts(), &to), 0).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(refused.given.into_buf().unwrap().take::<Vec<Vec<u8>>>().unwrap(), parts());
    let refused = bench.driver.submit(Op::recv_from(socket, parts()), 0).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    let connect = bench.submit(Op::connect(socket, &to));
    assert!(bench.outcome_of(connect).is_ok());
    for op in [Op::send(socket, parts()), Op::recv(socket, parts())] {
        assert_eq!(bench.driver.submit(op, 0).unwrap_err().error.kind(), ErrorKind::InvalidArgument);
    }
    bench.close(socket);
    bench.finish();
}

fn a_datagram_that_is_too_large_to_send_is_an_error(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, to) = peer();
    let send = bench.submit(Op::send_to(socket, vec![0u8; 70_000], &to));
    let error = bench.outcome_of(send).unwrap_err();
    assert_eq!((error.kind(), error.address(), error.transferred()), (ErrorKind::Truncated, Some(&to), 0));
    let send = bench.submit(Op::send_to(socket, b"small".to_vec(), &to));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(5))), "and the socket goes on");
    assert_eq!(peer.recv_from(&mut [0; 9]).unwrap(), (5, address));
    bench.close(socket);
    bench.finish();
}

fn an_empty_datagram_is_received_and_ends_nothing(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, to) = peer();
    let recv = bench.submit(Op::recv_from(socket, vec![0u8; 10]));
    peer.send_to(b"", address).unwrap();
    assert_eq!(received(&mut bench, recv), (Vec::new(), to.clone()));
    let send = bench.submit(Op::send_to(socket, Vec::<u8>::new(), &to));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(0))));
    assert_eq!(peer.recv_from(&mut [0; 9]).unwrap(), (0, address));
    let recv = bench.submit(Op::recv_from_multi(socket));
    for bytes in [&b""[..], b"x", b""] {
        peer.send_to(bytes, address).unwrap();
        let completion = bench.next_of(recv);
        assert!(completion.more, "{completion:?}");
        let Ok(Outcome::Datagram(packet, from)) = completion.result else { panic!("{completion:?}") };
        assert_eq!((&packet[..], &from), (bytes, &to));
    }
    bench.driver.cancel(recv);
    assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
    // A connected socket too.
    let connect = bench.submit(Op::connect(socket, &to));
    assert!(bench.outcome_of(connect).is_ok());
    let send = bench.submit(Op::send(socket, Vec::<u8>::new()));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(0))));
    assert_eq!(peer.recv_from(&mut [0; 9]).unwrap(), (0, address));
    for bytes in [&b""[..], b"y"] {
        peer.send_to(bytes, address).unwrap();
        let recv = bench.submit(Op::recv(socket, vec![0u8; 9]));
        assert_eq!(bench.bytes_of(recv), bytes);
    }
    bench.close(socket);
    bench.finish();
}

fn a_truncated_datagram_says_so_and_gives_what_fits(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, from) = peer();
    for pending_first in [false, true] {
        for parts in 1..3 {
            let bufs = || vec![vec![0u8; 100 / parts]; parts];
            let early = pending_first.then(|| bench.submit(Op::recv_from(socket, bufs())));
            bench.settle();
            peer.send_to(&pattern(300), address).unwrap();
            peer.send_to(b"whole", address).unwrap();
            let recv = early.unwrap_or_else(|| bench.submit(Op::recv_from(socket, bufs())));
            let end = bench.end_of(recv);
            let error = end.result.unwrap_err();
            assert_eq!(
                (error.kind(), error.address(), error.transferred()),
                (ErrorKind::Truncated, Some(&from), 100),
                "{error}"
            );
            assert_eq!(end.buf.unwrap().take::<Vec<Vec<u8>>>().unwrap().concat(), pattern(300)[..100]);
            let next = bench.submit(Op::recv_from(socket, vec![0u8; 100]));
            assert_eq!(
                received(&mut bench, next),
                (b"whole".to_vec(), from.clone()),
                "the rest is lost, the next is not"
            );
        }
    }
    let connect = bench.submit(Op::connect(socket, &from));
    assert!(bench.outcome_of(connect).is_ok());
    let recv = bench.submit(Op::recv(socket, vec![0u8; 3]));
    peer.send_to(b"abcdef", address).unwrap();
    let end = bench.end_of(recv);
    let error = end.result.unwrap_err();
    assert_eq!((error.kind(), error.transferred()), (ErrorKind::Truncated, 3));
    assert_eq!(end.buf.unwrap().take::<Vec<u8>>().unwrap(), b"abc");
    bench.close(socket);
    bench.finish();
}

fn a_truncated_datagram_does_not_end_a_multishot_receive(on: &On) {
    let pool = PoolConfig::new().buffers(4).buffer_bytes(256);
    let mut bench = on.bench_with(on.config().pool(pool));
    let (socket, address) = datagram(&mut bench);
    let (peer, from) = peer();
    let recv = bench.submit(Op::recv_from_multi(socket));
    for _ in 0..20 {
        peer.send_to(&[1; 1000], address).unwrap();
        let completion = bench.next_of(recv);
        assert!(completion.more);
        let error = completion.result.unwrap_err();
        assert_eq!((error.kind(), error.address()), (ErrorKind::Truncated, Some(&from)), "{error}");
        peer.send_to(b"fits", address).unwrap();
        let completion = bench.next_of(recv);
        assert!(matches!(completion.result, Ok(Outcome::Datagram(ref packet, _)) if &packet[..] == b"fits"));
    }
    bench.driver.cancel(recv);
    assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
    bench.close(socket);
    bench.finish();
}

fn a_datagram_that_just_fits_is_not_truncated(on: &On) {
    let pool = PoolConfig::new().buffers(4).buffer_bytes(1024);
    let mut bench = on.bench_with(on.config().pool(pool));
    let (socket, address) = datagram(&mut bench);
    let (peer, from) = peer();
    peer.send_to(&pattern(100), address).unwrap();
    let recv = bench.submit(Op::recv_from(socket, vec![0u8; 100]));
    assert_eq!(received(&mut bench, recv), (pattern(100), from));
    let recv = bench.submit(Op::recv_from_multi(socket));
    // io_uring leaves this much of a pooled buffer.
    peer.send_to(&pattern(1024 - 144), address).unwrap();
    let completion = bench.next_of(recv);
    assert!(matches!(completion.result, Ok(Outcome::Datagram(ref packet, _)) if packet[..] == pattern(1024 - 144)));
    drop(completion);
    bench.driver.cancel(recv);
    assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
    bench.close(socket);
    bench.finish();
}

fn a_connected_socket_receives_only_from_its_peer(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let ((friend, name), (stranger, _)) = (peer(), peer());
    let connect = bench.submit(Op::connect(socket, &name));
    let send = bench.submit(Op::send(socket, [b"to ".to_vec(), b"you".to_vec()]));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(6))));
    assert_eq!(bench.driver.peer_addr(socket).unwrap(), name);
    let mut got = [0; 9];
    assert_eq!(friend.recv_from(&mut got).unwrap(), (6, address));
    assert_eq!(&got[..6], b"to you");
    let recv = bench.submit(Op::recv(socket, vec![0u8; 100]));
    let _ = stranger.send_to(b"from a stranger", address);
    friend.send_to(b"from a friend", address).unwrap();
    assert_eq!(bench.bytes_of(recv), b"from a friend");
    let recv = bench.submit(Op::recv_from_multi(socket));
    let _ = stranger.send_to(b"from a stranger", address);
    friend.send_to(b"again", address).unwrap();
    let completion = bench.next_of(recv);
    assert!(
        matches!(completion.result, Ok(Outcome::Datagram(ref packet, ref from)) if &packet[..] == b"again" && *from == name)
    );
    drop(completion);
    bench.close(socket);
    bench.finish();
}

fn a_peek_leaves_the_datagram(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, name) = peer();
    let connect = bench.submit(Op::connect(socket, &name));
    assert!(bench.outcome_of(connect).is_ok());
    peer.send_to(b"look", address).unwrap();
    for flags in [Flags::PEEK, Flags::PEEK, Flags::NONE] {
        let recv = bench.submit(Op::recv_with(socket, vec![0u8; 9], flags));
        assert_eq!(bench.bytes_of(recv), b"look");
    }
    bench.close(socket);
    bench.finish();
}

fn receives_are_filled_in_the_order_of_their_starts(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, from) = peer();
    let ids: Vec<_> = (0..10).map(|_| bench.submit(Op::recv_from(socket, vec![0u8; 100]))).collect();
    bench.settle();
    (0..10u8).for_each(|i| assert_eq!(peer.send_to(&[i], address).unwrap(), 1));
    for (i, id) in ids.into_iter().enumerate() {
        assert_eq!(received(&mut bench, id), (vec![i as u8], from.clone()));
    }
    // And sends leave in the order of their starts.
    let ids: Vec<_> = (0..10u8).map(|i| bench.submit(Op::send_to(socket, vec![i], &from))).collect();
    ids.into_iter().for_each(|id| assert!(bench.outcome_of(id).is_ok()));
    for i in 0..10 {
        let mut got = [0; 9];
        assert_eq!((peer.recv(&mut got).unwrap(), got[0]), (1, i));
    }
    bench.close(socket);
    bench.finish();
}

fn a_flood_that_exhausts_the_pool_is_back_pressure(on: &On) {
    let pool = PoolConfig::new().buffers(4).buffer_bytes(1024);
    let mut bench = on.bench_with(on.config().pool(pool));
    let (socket, address) = datagram(&mut bench);
    let (peer, from) = peer();
    let recv = bench.submit(Op::recv_from_multi(socket));
    (0..50u8).for_each(|i| assert_eq!(peer.send_to(&[i; 100], address).unwrap(), 100));
    bench.until("the pool is empty", |seen| (seen.len() == 4).then_some(()));
    bench.settle();
    assert_eq!(bench.seen.len(), 4, "held up: {:?}", bench.seen);
    // The system's own buffer holds all of them here, so none may be lost.
    for i in 0..50 {
        let completion = bench.next_of(recv);
        assert!(completion.more);
        let Ok(Outcome::Datagram(packet, sender)) = completion.result else { panic!("{completion:?}") };
        assert_eq!((&packet[..], &sender), (&[i; 100][..], &from));
    }
    assert!(bench.driver.cancel(recv));
    assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
    bench.close(socket);
    bench.finish();
}

/// At most one operation is told of a "port unreachable".
fn a_closed_port_at_the_other_end_does_not_kill_the_socket(on: &On) {
    for (connected, multi) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut bench = on.bench();
        let (socket, address) = datagram(&mut bench);
        let (gone, name) = peer();
        drop(gone);
        if connected {
            let connect = bench.submit(Op::connect(socket, &name));
            assert!(bench.outcome_of(connect).is_ok());
        }
        let start = |bench: &mut Bench| match multi {
            true => bench.submit(Op::recv_from_multi(socket)),
            false => bench.submit(Op::recv_from(socket, vec![0u8; 9])),
        };
        let mut recv = start(&mut bench);
        for _ in 0..3 {
            let send = bench.submit(Op::send_to(socket, b"anybody?".to_vec(), &name));
            if let Err(error) = bench.outcome_of(send) {
                assert_eq!(error.kind(), ErrorKind::Refused);
            }
            bench.settle();
        }
        let refused = bench.seen.len();
        assert!(refused <= 1 && (connected || refused == 0), "{:?}", bench.seen);
        if let Some(end) = bench.seen.pop() {
            assert!(!end.more && end.result.unwrap_err().kind() == ErrorKind::Refused);
            recv = start(&mut bench);
        }
        let back = UdpSocket::bind(name.ip().unwrap()).unwrap();
        back.send_to(b"here", address).unwrap();
        loop {
            let completion = bench.next_of(recv);
            match completion.result {
                Ok(Outcome::Datagram(packet, from)) => break assert_eq!((&packet[..], from), (&b"here"[..], name)),
                Ok(Outcome::ReceivedFrom(4, from)) => break assert_eq!(from, name),
                // One more answer may have been on its way.
                Err(error) if connected => {
                    assert_eq!(error.kind(), ErrorKind::Refused);
                    recv = start(&mut bench);
                }
                other => panic!("{other:?}"),
            }
        }
        bench.close(socket);
        bench.finish();
    }
}

fn cancelling_and_closing_end_each_operation_once(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, from) = peer();
    let ids: Vec<_> = (0..4).map(|_| bench.submit(Op::recv_from(socket, vec![0u8; 9]))).collect();
    bench.settle();
    assert!(bench.driver.cancel(ids[0]) && bench.driver.cancel(ids[2]));
    for id in [ids[0], ids[2]] {
        assert_eq!(bench.kind_of(id), ErrorKind::Cancelled);
    }
    peer.send_to(b"one", address).unwrap();
    assert_eq!(received(&mut bench, ids[1]), (b"one".to_vec(), from));
    bench.close(socket);
    assert_eq!(bench.kind_of(ids[3]), ErrorKind::Cancelled);
    for graceful in [false, true] {
        let (socket, _) = datagram(&mut bench);
        let recv = bench.submit(Op::recv_from_multi(socket));
        bench.settle();
        match graceful {
            true => {
                let close = Op::close(socket, overlapped::driver::CloseMode::Graceful { linger: PATIENCE });
                let close = bench.submit(close);
                assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)), "there is nothing to wait for");
            }
            false => bench.close(socket),
        }
        assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
    }
    assert!(bench.seen.is_empty(), "{:?}", bench.seen);
    bench.finish();
}

fn pooled_buffers_that_are_too_small_for_datagrams_are_refused(on: &On) {
    let pool = PoolConfig::new().buffers(2).buffer_bytes(128);
    let mut bench = on.bench_with(on.config().pool(pool));
    let (socket, _) = datagram(&mut bench);
    let refused = bench.driver.submit(Op::recv_from_multi(socket), 0).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    assert!(refused.error.to_string().contains("128 bytes"), "{}", refused.error);
    bench.close(socket);
    bench.finish();
}

fn operations_for_the_other_kind_of_socket_are_refused(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (stream, _peer) = bench.pair();
    let (listener, _) = bench.listen();
    let wrong = [
        Op::recv_multi(socket),
        Op::accept(socket),
        Op::recv_with(socket, vec![0u8; 1], Flags::WAIT_ALL),
        Op::send_with(socket, vec![0u8; 1], Flags::OUT_OF_BAND),
        Op::send_to(socket, Vec::<Vec<u8>>::new(), address),
        Op::recv_from(stream, vec![0u8; 1]),
        Op::recv_from_multi(stream),
        Op::send_to(stream, vec![0u8; 1], address),
        Op::recv_from(listener, vec![0u8; 1]),
    ];
    for op in wrong {
        let text = format!("{op:?}");
        let refused = bench.driver.submit(op, 0).expect_err(&text);
        assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument, "{text}");
    }
    let recv = bench.submit(Op::recv(socket, vec![0u8; 1]));
    assert_eq!(bench.driver.release(socket).unwrap_err().kind(), ErrorKind::InvalidArgument, "it is not idle");
    bench.driver.cancel(recv);
    assert_eq!(bench.kind_of(recv), ErrorKind::Cancelled);
    for socket in [socket, stream, listener] {
        bench.close(socket);
    }
    bench.finish();
}

fn dropping_a_driver_with_datagrams_in_flight_ends(on: &On) {
    for turned in [false, true] {
        let mut bench = on.bench();
        let (first, address) = datagram(&mut bench);
        let (second, _) = datagram(&mut bench);
        let (peer, to) = peer();
        bench.submit(Op::recv_from_multi(first));
        bench.submit(Op::recv_from(second, [vec![0u8; 10], vec![0u8; 10]]));
        bench.submit(Op::send_to(second, vec![0u8; 10], &to));
        peer.send_to(b"on its way", address).unwrap();
        if turned {
            bench.driver.turn(Wait::Poll).unwrap();
        }
        drop(bench);
        assert!(UdpSocket::bind(address).is_ok(), "it is closed");
    }
}

fn an_address_in_use_is_in_use(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let error = bench.driver.datagram(Address::from(address), &Default::default()).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::InUse, Some(&address.into())));
    bench.close(socket);
    bench.finish();
}

fn connecting_loses_no_datagram_that_has_come(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, to) = peer();
    peer.send_to(b"before", address).unwrap();
    bench.settle();
    let connect = bench.submit(Op::connect(socket, &to));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    let recv = bench.submit(Op::recv_from(socket, vec![0u8; 40]));
    assert_eq!(received(&mut bench, recv), (b"before".to_vec(), to));
    bench.close(socket);
    bench.finish();
}

/// What a backend keeps of an earlier message must not affect the next.
fn an_earlier_send_does_not_limit_a_later_receive(on: &On) {
    let mut bench = on.bench();
    let (socket, address) = datagram(&mut bench);
    let (peer, to) = peer();
    for parts in [vec![b"tiny".to_vec()], vec![b"in ".to_vec(), b"parts".to_vec()]] {
        let send = bench.submit(Op::send_to(socket, parts, &to));
        assert!(bench.outcome_of(send).is_ok());
        let multi = bench.submit(Op::recv_from_multi(socket));
        bench.settle();
        peer.send_to(&pattern(9000), address).unwrap();
        let completion = bench.next_of(multi);
        let Ok(Outcome::Datagram(packet, from)) = completion.result else { panic!("{completion:?}") };
        assert!(packet[..] == pattern(9000) && from == to, "{} bytes", packet.len());
        drop(packet);
        assert!(bench.driver.cancel(multi));
        assert_eq!(bench.kind_of(multi), ErrorKind::Cancelled);
    }
    bench.close(socket);
    bench.finish();
}
