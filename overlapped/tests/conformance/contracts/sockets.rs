//! What is done to a socket directly: binding it before it connects, its options and descriptor,
//! and sockets of the standard library.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use overlapped::driver::Stream;
use overlapped::error::Action;
use overlapped::options::{DatagramOptions, Interface, ListenOptions, Membership, StreamOptions};
use overlapped::sockopt::{self, SocketOption};
use overlapped::{Error, ErrorKind, Op, Outcome};
use socket2::SockRef;

use crate::harness::place::{On, wine_departs};

rules! {
    a_socket_that_is_bound_connects_from_there,
    binding_twice_and_to_what_is_taken_fails_with_the_address,
    options_by_name_are_read_as_they_were_set: "it has no options of the system",
    options_by_level_and_number_are_values_or_bytes: "it has no options of the system",
    an_error_of_an_option_names_it_and_its_value: "it has no options of the system",
    options_of_the_other_kind_of_socket_are_refused: "it has no datagrams",
    options_that_a_socket_is_made_with_are_those_that_it_has: "it has no options of the system",
    a_descriptor_is_the_sockets_own_or_refused_by_name,
    members_of_a_multicast_group_receive_what_is_sent_to_it: "it has no datagrams",
    a_listener_of_the_standard_library_is_adopted_and_given_back: "it is the system's",
    a_datagram_socket_of_the_standard_library_is_adopted: "it is the system's",
    a_duplicate_lives_on_when_the_socket_is_closed: "it is the system's",
    a_socket_becomes_only_what_it_is: "it is the system's",
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn a_socket_that_is_bound_connects_from_there(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let socket = bench.driver.socket("127.0.0.1:0").unwrap();
    bench.driver.bind(socket, ("127.0.0.1", 0)).unwrap();
    let bound = bench.driver.local_addr(socket).unwrap();
    assert_ne!(bound.ip().unwrap().port(), 0);
    let accept = bench.submit(Op::accept(listener));
    let connect = bench.submit(Op::connect(socket, &address));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    let Ok(Outcome::Accepted(stream, peer)) = bench.outcome_of(accept) else { panic!("it accepts") };
    assert_eq!((&peer, &bench.driver.local_addr(socket).unwrap()), (&bound, &bound));
    drop(stream);
    bench.close(socket);

    // The port alone.
    let socket = bench.driver.socket("127.0.0.1:0").unwrap();
    bench.driver.bind(socket, (Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = bench.driver.local_addr(socket).unwrap().ip().unwrap().port();
    let accept = bench.submit(Op::accept(listener));
    let connect = bench.submit(Op::connect(socket, &address));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    let Ok(Outcome::Accepted(_, peer)) = bench.outcome_of(accept) else { panic!("it accepts") };
    assert_eq!(peer, std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    bench.close(socket);
    bench.close(listener);
    bench.finish();
}

fn binding_twice_and_to_what_is_taken_fails_with_the_address(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let socket = bench.driver.socket("127.0.0.1:0").unwrap();
    let error = bench.driver.bind(socket, &address).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::InUse, Some(&address)));
    assert_eq!(kind(bench.driver.bind(socket, "203.0.113.1:0")), ErrorKind::AddressNotAvailable);
    assert_eq!(kind(bench.driver.bind(socket, "localhost:0")), ErrorKind::InvalidArgument);
    bench.driver.bind(socket, "127.0.0.1:0").unwrap();
    for bound in [socket, listener] {
        assert_eq!(kind(bench.driver.bind(bound, "127.0.0.1:0")), ErrorKind::InvalidArgument);
    }
    bench.close(socket);
    assert_eq!(kind(bench.driver.bind(socket, "127.0.0.1:0")), ErrorKind::Closed);
    bench.close(listener);
    bench.finish();
}

fn options_by_name_are_read_as_they_were_set(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    macro_rules! same {
        ($on:expr, $option:ident, $($value:expr),+) => {
            $({
                bench.driver.set_option($on, sockopt::$option, $value).unwrap();
                assert_eq!(bench.driver.option($on, sockopt::$option).unwrap(), $value, stringify!($option));
            })+
        };
    }
    let seconds = Duration::from_secs;
    same!(socket, NODELAY, false, true);
    same!(socket, LINGER, Some(seconds(3)), Some(Duration::ZERO), None);
    same!(socket, KEEP_ALIVE, true, false);
    same!(socket, TTL, 7, 64);
    same!(socket, REUSE_ADDRESS, true);
    // A fraction is not cut down to zero, which means something else.
    bench.driver.set_option(socket, sockopt::LINGER, Some(Duration::from_millis(1))).unwrap();
    assert_eq!(bench.driver.option(socket, sockopt::LINGER).unwrap(), Some(seconds(1)));
    bench.driver.set_option(socket, sockopt::LINGER, None).unwrap();
    for buffer in [sockopt::RECEIVE_BUFFER, sockopt::SEND_BUFFER] {
        bench.driver.set_option(socket, buffer, 40_000).unwrap();
        assert!(bench.driver.option(socket, buffer).unwrap() >= 40_000);
    }
    assert!(bench.driver.option(socket, sockopt::ERROR).unwrap().is_none());
    assert_eq!(kind(bench.driver.set_option(socket, sockopt::ERROR, None)), ErrorKind::Unsupported);
    // Wine knows them since version 9.
    if cfg!(unix) {
        same!(socket, KEEP_ALIVE_IDLE, seconds(33));
        same!(socket, KEEP_ALIVE_INTERVAL, seconds(5));
        same!(socket, KEEP_ALIVE_PROBES, 4);
        same!(socket, REUSE_PORT, true, false);
        same!(socket, TOS, 0x10);
    } else {
        assert_eq!(kind(bench.driver.option(socket, sockopt::REUSE_PORT)), ErrorKind::Unsupported);
        assert_eq!(kind(bench.driver.set_option(socket, sockopt::TOS, 0)), ErrorKind::Unsupported);
    }
    let fresh = bench.driver.socket("[::1]:0").unwrap();
    same!(fresh, TTL, 9);
    same!(fresh, ONLY_V6, true);
    if cfg!(target_os = "linux") {
        same!(socket, USER_TIMEOUT, Some(seconds(2)), None);
        same!(fresh, BIND_ADDRESS_NO_PORT, true);
    } else {
        assert_eq!(kind(bench.driver.option(socket, sockopt::USER_TIMEOUT)), ErrorKind::Unsupported);
        assert_eq!(kind(bench.driver.set_option(fresh, sockopt::BIND_ADDRESS_NO_PORT, true)), ErrorKind::Unsupported);
    }
    let datagram = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    same!(datagram, BROADCAST, true, false);
    same!(datagram, MULTICAST_LOOP, false, true);
    same!(datagram, MULTICAST_TTL, 3);
    same!(datagram, MULTICAST_INTERFACE, Interface::Address(Ipv4Addr::LOCALHOST), Interface::Any);
    assert_eq!(kind(bench.driver.option(datagram, sockopt::JOIN)), ErrorKind::Unsupported, "membership cannot be read");
    for socket in [socket, fresh, datagram] {
        bench.close(socket);
        assert_eq!(kind(bench.driver.option(socket, sockopt::TTL)), ErrorKind::Closed);
    }
    bench.finish();
}

#[cfg(target_os = "linux")]
const SOCKET_LEVEL: (i32, i32) = (1, 3);
#[cfg(not(target_os = "linux"))]
const SOCKET_LEVEL: (i32, i32) = (0xffff, 0x1008);

fn options_by_level_and_number_are_values_or_bytes(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let (level, name) = SOCKET_LEVEL;
    // `SO_TYPE` is `SOCK_STREAM`.
    let driver = &bench.driver;
    assert_eq!(driver.option(socket, SocketOption::<i32>::new(level, name)).unwrap(), 1);
    assert_eq!(driver.option(socket, SocketOption::<u32>::new(level, name)).unwrap(), 1);
    let bytes = driver.option(socket, SocketOption::<Vec<u8>>::new(level, name)).unwrap();
    assert_eq!(bytes[..4], 1i32.to_ne_bytes());
    assert!(bytes.len() == 4 || wine_departs("it does not say how long a value is"));
    assert_eq!(driver.option(socket, SocketOption::<[u8; 4]>::new(level, name)).unwrap(), 1i32.to_ne_bytes());
    if !wine_departs("it does not say how long a value is") {
        let error = driver.option(socket, SocketOption::<[u8; 5]>::new(level, name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    // `TCP_NODELAY`, the same number everywhere.
    driver.set_option(socket, SocketOption::new(6, 1), false).unwrap();
    assert!(!driver.option(socket, sockopt::NODELAY).unwrap());
    driver.set_option(socket, SocketOption::new(6, 1), 1i32.to_ne_bytes().to_vec()).unwrap();
    assert!(driver.option(socket, sockopt::NODELAY).unwrap());
    bench.close(socket);
    bench.finish();
}

fn an_error_of_an_option_names_it_and_its_value(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let says = |error: Error, kind: ErrorKind, what: &str, of_new: bool| {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!((error.action(), error.address().is_some()), (Action::Option, of_new), "{error}");
    };
    let driver = &mut bench.driver;
    let invalid = ErrorKind::InvalidArgument;
    says(driver.set_option(socket, sockopt::TTL, 1000).unwrap_err(), invalid, "TTL 1000", false);
    says(driver.set_options(socket, &StreamOptions::new().ttl(1000)).unwrap_err(), invalid, "ttl 1000", false);
    let much = driver.set_option(socket, sockopt::SEND_BUFFER, usize::MAX).unwrap_err();
    says(much, invalid, "SO_SNDBUF 18446744073709551615", false);
    let unknown = SocketOption::<i32>::new(SOCKET_LEVEL.0, 31_999);
    says(driver.option(socket, unknown).unwrap_err(), ErrorKind::Unsupported, "option 31999 of level", false);
    let listening = ListenOptions::new().stream(StreamOptions::new().ttl(1000));
    says(driver.listen("127.0.0.1:0", &listening).unwrap_err(), invalid, "ttl 1000", true);
    let datagram = DatagramOptions::new().multicast_ttl(1000);
    says(driver.datagram("127.0.0.1:0", &datagram).unwrap_err(), invalid, "multicast_ttl 1000", true);
    bench.close(socket);
    bench.finish();
}

fn options_of_the_other_kind_of_socket_are_refused(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let datagram = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let error = bench.driver.set_options(datagram, &StreamOptions::new().nodelay(true)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("set_datagram_options"), "{error}");
    let error = bench.driver.set_datagram_options(socket, &Default::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("`set_options`"), "{error}");
    bench.driver.set_datagram_options(datagram, &DatagramOptions::new().broadcast(true).ttl(3)).unwrap();
    assert!(bench.driver.option(datagram, sockopt::BROADCAST).unwrap());
    assert_eq!(bench.driver.option(datagram, sockopt::TTL).unwrap(), 3);
    bench.close(datagram);
    bench.close(socket);
    bench.finish();
}

fn options_that_a_socket_is_made_with_are_those_that_it_has(on: &On) {
    let mut bench = on.bench();
    let stream = StreamOptions::new().nodelay(false).linger(Duration::from_secs(2)).ttl(33).send_buffer(50_000);
    let listener = bench.driver.listen("127.0.0.1:0", &ListenOptions::new().stream(stream.clone())).unwrap();
    let address = bench.driver.local_addr(listener).unwrap();
    let accept = bench.submit(Op::accept(listener));
    let (_peer, _) = bench.connect(&address);
    let Ok(Outcome::Accepted(accepted, _)) = bench.outcome_of(accept) else { panic!("it accepts") };
    assert_eq!(accepted.option(sockopt::TTL).unwrap(), 33);
    let accepted = bench.driver.adopt(accepted).unwrap();
    let client = bench.driver.socket(&address).unwrap();
    bench.driver.set_options(client, &stream.reuse_address(true)).unwrap();
    assert!(bench.driver.option(client, sockopt::REUSE_ADDRESS).unwrap());
    for socket in [accepted, client] {
        assert!(!bench.driver.option(socket, sockopt::NODELAY).unwrap());
        assert_eq!(bench.driver.option(socket, sockopt::LINGER).unwrap(), Some(Duration::from_secs(2)));
        assert_eq!(bench.driver.option(socket, sockopt::TTL).unwrap(), 33);
        assert!(bench.driver.option(socket, sockopt::SEND_BUFFER).unwrap() >= 50_000);
        bench.driver.set_option(socket, sockopt::LINGER, None).unwrap();
        bench.close(socket);
    }
    bench.close(listener);
    bench.finish();
}

fn a_descriptor_is_the_sockets_own_or_refused_by_name(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let (listener, address) = bench.listen();
    if on.is_simulated() {
        for socket in [socket, listener] {
            let errors = [
                bench.driver.descriptor(socket).unwrap_err(),
                bench.driver.duplicate(socket).unwrap_err(),
                bench.driver.option(socket, sockopt::TTL).unwrap_err(),
                bench.driver.set_option(socket, sockopt::TTL, 3).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                let text = error.to_string();
                assert!(text.contains("simulated") || text.contains("TTL"), "{text}");
            }
        }
    } else {
        let of_listener = bench.driver.descriptor(listener).unwrap();
        assert_eq!(address, SockRef::from(&of_listener).local_addr().unwrap().as_socket().unwrap());
        match bench.driver.descriptor(socket) {
            Ok(descriptor) => {
                assert!(!on.direct);
                let local = SockRef::from(&descriptor).local_addr().unwrap().as_socket().unwrap();
                assert_eq!(bench.driver.local_addr(socket).unwrap(), local);
            }
            Err(error) => {
                assert!(on.direct, "{error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(error.to_string().contains("direct descriptor"), "{error}");
            }
        }
    }
    bench.close(socket);
    assert_eq!(kind(bench.driver.descriptor(socket)), ErrorKind::Closed);
    bench.close(listener);
    bench.finish();
}

fn members_of_a_multicast_group_receive_what_is_sent_to_it(on: &On) {
    let mut bench = on.bench();
    let here = Interface::Address(Ipv4Addr::LOCALHOST);
    let group = Ipv4Addr::new(239, 255, 77, 7);
    let options = DatagramOptions::new().reuse_address(true).join(Membership::new(group).on(here));
    let first = bench.driver.datagram("0.0.0.0:0", &options).unwrap();
    let port = bench.driver.local_addr(first).unwrap().ip().unwrap().port();
    let second = bench.driver.datagram(("0.0.0.0", port), &options).unwrap();
    let sending = DatagramOptions::new().multicast_interface(here).multicast_loop(true).multicast_ttl(1);
    let sender = bench.driver.datagram("127.0.0.1:0", &sending).unwrap();
    let receives = [first, second].map(|member| bench.submit(Op::recv(member, Vec::<u8>::with_capacity(16))));
    let send = bench.submit(Op::send_to(sender, b"to all", (group, port)));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(6))));
    for receive in receives {
        assert_eq!(bench.bytes_of(receive), b"to all");
    }
    // Those that have left receive no more.
    bench.driver.set_option(first, sockopt::LEAVE, Membership::new(group).on(here)).unwrap();
    let left = bench.driver.set_option(first, sockopt::LEAVE, Membership::new(group).on(here)).unwrap_err();
    assert!(left.to_string().contains("multicast leave "), "{left}");
    bench.driver.set_option(second, sockopt::LEAVE, Membership::new(group).on(here)).unwrap();
    let receives = [first, second].map(|left| bench.submit(Op::recv(left, Vec::<u8>::with_capacity(16))));
    let send = bench.submit(Op::send_to(sender, b"to nobody", (group, port)));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(9))));
    bench.settle();
    for receive in receives {
        bench.driver.cancel(receive);
        assert_eq!(bench.kind_of(receive), ErrorKind::Cancelled);
    }
    for socket in [first, second, sender] {
        bench.close(socket);
    }
    bench.finish();
}

fn a_listener_of_the_standard_library_is_adopted_and_given_back(on: &On) {
    let mut bench = on.bench();
    let inherited = TcpListener::bind("127.0.0.1:0").unwrap();
    inherited.set_nonblocking(true).unwrap();
    let address = inherited.local_addr().unwrap();
    let listener = bench.driver.adopt(inherited.into()).unwrap();
    assert_eq!(bench.driver.local_addr(listener).unwrap(), address);
    let accept = bench.submit(Op::accept_multi(listener));
    bench.settle();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = TcpStream::connect(address).unwrap();
        let Ok(Outcome::Accepted(stream, peer)) = bench.next_of(accept).result else { panic!("it accepts") };
        assert_eq!(peer, client.local_addr().unwrap());
        clients.push((client, stream));
    }
    let refused = bench.driver.submit(Op::recv(listener, vec![0u8; 1]), 0).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    bench.driver.cancel(accept);
    assert_eq!(bench.kind_of(accept), ErrorKind::Cancelled);
    // On Windows a socket stays with its completion port.
    if cfg!(windows) {
        bench.close(listener);
        return bench.finish();
    }
    let stream = bench.driver.release(listener).unwrap();
    // Another driver can have it in between.
    let mut there = on.bench();
    let listener = there.driver.adopt(stream).unwrap();
    let accept = there.submit(Op::accept(listener));
    let client = TcpStream::connect(address).unwrap();
    assert!(matches!(there.outcome_of(accept), Ok(Outcome::Accepted(..))));
    drop(client);
    let listener = TcpListener::try_from(there.driver.release(listener).unwrap()).unwrap();
    there.finish();
    // It blocks.
    let accepting = std::thread::spawn(move || listener.accept().unwrap().1);
    std::thread::sleep(Duration::from_millis(20));
    let client = TcpStream::connect(address).unwrap();
    assert_eq!(accepting.join().unwrap(), client.local_addr().unwrap());
    bench.finish();
}

fn a_datagram_socket_of_the_standard_library_is_adopted(on: &On) {
    let mut bench = on.bench();
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = ours.local_addr().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    let socket = bench.driver.adopt(ours.into()).unwrap();
    let recv = bench.submit(Op::recv_from(socket, Vec::<u8>::with_capacity(64)));
    peer.send_to(b"there", address).unwrap();
    let came = bench.end_of(recv);
    assert!(matches!(came.result, Ok(Outcome::ReceivedFrom(5, ref from)) if *from == peer.local_addr().unwrap()));
    let send = bench.submit(Op::send_to(socket, b"and back", peer.local_addr().unwrap()));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(8))));
    let mut back = [0; 64];
    assert_eq!(peer.recv_from(&mut back).unwrap(), (8, address));
    // A port at which nobody is does not disturb it.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let recv = bench.submit(Op::recv_from(socket, Vec::<u8>::with_capacity(64)));
    let send = bench.submit(Op::send_to(socket, b"lost", nobody));
    assert!(bench.outcome_of(send).is_ok());
    bench.settle();
    peer.send_to(b"again", address).unwrap();
    assert!(matches!(bench.outcome_of(recv), Ok(Outcome::ReceivedFrom(5, _))));
    if cfg!(windows) {
        bench.close(socket);
    } else {
        let ours = UdpSocket::try_from(bench.driver.release(socket).unwrap()).unwrap();
        assert_eq!(ours.local_addr().unwrap(), address);
    }
    bench.finish();
}

fn a_duplicate_lives_on_when_the_socket_is_closed(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let duplicate: Stream = bench.driver.duplicate(socket).unwrap();
    assert_eq!(duplicate.peer_addr().unwrap(), bench.driver.peer_addr(socket).unwrap());
    let again = TcpStream::try_from(duplicate).unwrap();
    bench.close(socket);
    // What comes for the old socket does not disturb one that has its number.
    bench.write(&peer, b"unread");
    let (next, of_next) = bench.pair();
    let recv = bench.submit(Op::recv(next, Vec::<u8>::with_capacity(16)));
    bench.settle();
    bench.write(&of_next, b"for the next");
    assert_eq!(bench.bytes_of(recv), b"for the next");
    std::io::Write::write_all(&mut &again, b"still here").unwrap();
    assert_eq!(bench.peer_reads(&peer, 64).unwrap(), b"still here");
    drop(again);

    let (listener, address) = bench.listen();
    let again = TcpListener::try_from(bench.driver.duplicate(listener).unwrap()).unwrap();
    bench.close(listener);
    let client = TcpStream::connect(address).unwrap();
    if cfg!(unix) {
        assert_eq!(again.accept().unwrap().1, client.local_addr().unwrap());
    }
    bench.close(next);
    bench.finish();
}

fn a_socket_becomes_only_what_it_is(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let (listener, _) = bench.listen();
    let datagram = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let of = |socket| bench.driver.duplicate(socket).unwrap();
    let invalid = ErrorKind::InvalidArgument;
    assert_eq!(kind(TcpListener::try_from(of(socket))), invalid);
    assert_eq!(kind(UdpSocket::try_from(of(socket))), invalid);
    assert_eq!(kind(TcpStream::try_from(of(listener))), invalid);
    assert_eq!(kind(TcpStream::try_from(of(datagram))), invalid);
    assert!(UdpSocket::try_from(of(datagram)).is_ok());
    assert!(TcpStream::try_from(of(socket)).is_ok());
    for socket in [socket, listener, datagram] {
        bench.close(socket);
    }
    bench.finish();
}
