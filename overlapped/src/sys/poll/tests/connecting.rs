//! Connecting and accepting.

use super::*;

#[test]
fn connecting_does_not_wait_and_leaves_the_socket_as_it_was() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    bench.attach_at(0, Maker::System.stream(&address).unwrap());
    // Readiness of a socket without a connection is not readiness of the connection.
    bench.settle();
    let connect = bench.connect(0, &address);
    assert!(matches!(bench.ended(connect), Ok(Outcome::Connected)));
    assert!(blocks(bench.handles[0].as_ref().unwrap()));
    assert!(!bench.poll.sockets[0].inexact);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"hello").unwrap();
    let recv = bench.recv(0, 9);
    assert_eq!(bench.received(recv), b"hello");

    drop(listener);
    bench.attach_at(1, Maker::System.stream(&address).unwrap());
    let refused = bench.connect(1, &address);
    assert_eq!(bench.code(refused), libc::ECONNREFUSED);
}

/// What other systems need after a failed connect works here too.
#[test]
fn a_renewed_socket_has_its_descriptor_its_options_and_its_address_and_connects() {
    use socket2::{Domain, Protocol, Socket, Type};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    for bound in [true, false] {
        let made = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        made.set_tcp_nodelay(true).unwrap();
        made.set_keepalive(true).unwrap();
        made.set_linger(Some(Duration::ZERO)).unwrap();
        if bound {
            made.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        }
        let (fd, local) = (made.as_raw_fd(), made.local_addr().unwrap());
        let mut bench = Bench::new();
        let socket = bench.attach(made);
        let handle = bench.handles[socket as usize].take().unwrap();
        bench.poll.before_connect.insert(socket, local.clone());
        bench.poll.renew(socket, &handle);
        let system = &handle.system().socket;
        assert_eq!(system.as_raw_fd(), fd);
        assert!(system.tcp_nodelay().unwrap() && system.keepalive().unwrap());
        assert_eq!(system.linger().unwrap(), Some(Duration::ZERO));
        assert_eq!(system.local_addr().unwrap().as_socket(), local.as_socket());
        // SAFETY: it asks about an open descriptor.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) } & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        bench.handles[socket as usize] = Some(handle);
        let connect = bench.connect(socket, &address);
        assert!(matches!(bench.ended(connect), Ok(Outcome::Connected)));
        let (peer, from) = listener.accept().unwrap();
        assert!(!bound || Some(from) == local.as_socket(), "from the address that it was bound to");
        let receive = bench.recv(socket, 10);
        bench.settle();
        write(&peer, b"heard");
        assert_eq!(bench.received(receive), b"heard", "the new socket is watched");
    }
}

/// The system does not tell when a Unix listener's backlog has room again.
#[test]
#[cfg(target_os = "linux")]
fn connects_that_find_a_backlog_full_are_tried_again() {
    let mut bench = Bench::new();
    let path = std::env::temp_dir().join(format!("overlapped-backlog-{}", std::process::id()));
    let address = Address::Unix(path);
    let options = crate::options::ListenOptions::new().backlog(0);
    let listener = Maker::System.listen(&address, &options).unwrap();
    let connects: Vec<OpId> = (0..3)
        .map(|socket| {
            bench.attach_at(socket, Maker::System.stream(&address).unwrap());
            bench.connect(socket, &address)
        })
        .collect();
    bench.settle();
    assert!(bench.seen.len() < 3, "the backlog takes fewer");
    bench.attach_at(3, listener);
    bench.start(3, OpKind::Accept { multi: true });
    let (mut accepted, mut connected) = (0, 0);
    while accepted < 3 || connected < 3 {
        let event = bench.event();
        match event.result {
            Ok(Outcome::Accepted(..)) => accepted += 1,
            Ok(Outcome::Connected) if connects.contains(&event.id) => connected += 1,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn accepted_sockets_come_with_their_peers_and_close_on_exec() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = bench.attach(listener);
    let accept = bench.start(socket, OpKind::Accept { multi: true });
    let peers: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    for peer in &peers {
        let event = bench.event();
        let Ok(Outcome::Accepted(handle, from)) = event.result else { panic!("{event:?}") };
        assert_eq!((event.more, from.ip()), (true, Some(peer.local_addr().unwrap())));
        // SAFETY: it only asks.
        assert!(unsafe { libc::fcntl(handle.0.system().raw_fd(), libc::F_GETFD) } & libc::FD_CLOEXEC != 0);
    }
    bench.poll.cancel(accept);
    assert_eq!(bench.code(accept), libc::ECANCELED);
}

#[test]
fn new_connections_do_not_each_wait_for_a_round_of_all_sockets() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let _peers: Vec<TcpStream> = (0..8)
        .map(|_| {
            let (ours, peer) = streams();
            let socket = bench.attach(ours);
            bench.start(socket, OpKind::RecvMulti);
            write(&peer, b"a message");
            peer
        })
        .collect();
    let socket = bench.attach(listener);
    bench.start(socket, OpKind::Accept { multi: true });
    let _connected: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    let events: Vec<bool> = (0..13).map(|_| matches!(bench.event().result, Ok(Outcome::Accepted(..)))).collect();
    let first = events.iter().position(|accepted| *accepted).unwrap();
    assert!(events[first..first + 5].iter().all(|accepted| *accepted), "{events:?}");
}

#[test]
fn a_flood_of_connections_does_not_keep_others_waiting() {
    let mut bench = Bench::with(PoolConfig::new(), 4 * 1024);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = bench.attach(listener);
    bench.start(socket, OpKind::Accept { multi: true });
    let _connected: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    let (ours, peer) = streams();
    let talks = bench.attach(ours);
    bench.start(talks, OpKind::RecvMulti);
    write(&peer, b"a message");
    let before = (0..21).position(|_| matches!(bench.event().result, Ok(Outcome::Packet(_)))).unwrap();
    assert!(before <= 8, "after {before} of them");
}

/// This holds for any share of a turn.
#[test]
fn a_flood_of_connections_does_not_take_every_turn() {
    for turn_bytes in [0, TURN_BYTES] {
        let mut bench = Bench::with(PoolConfig::new(), turn_bytes);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = bench.attach(listener);
        bench.start(socket, OpKind::Accept { multi: true });
        let _connected: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        let (ours, peer) = streams();
        let talks = bench.attach(ours);
        bench.start(talks, OpKind::RecvMulti);
        write(&peer, b"a message");
        let before = (0..101).position(|_| matches!(bench.event().result, Ok(Outcome::Packet(_)))).unwrap();
        assert!(before <= ATTEMPTS_A_TURN as usize, "after {before} of them");
    }
}

#[test]
fn the_peers_address_tells_the_family_of_an_accepted_socket() {
    let path = std::env::temp_dir().join(format!("overlapped-family-{}", std::process::id()));
    let tcp: Address = "127.0.0.1:0".parse().unwrap();
    for (address, is_ip) in [(tcp, true), (Address::Unix(path), false)] {
        let mut bench = Bench::new();
        let listener = Maker::System.listen(&address, &Default::default()).unwrap();
        let address = listener.local_addr().unwrap();
        bench.attach_at(0, listener);
        bench.start(0, OpKind::Accept { multi: true });
        bench.attach_at(1, Maker::System.stream(&address).unwrap());
        bench.connect(1, &address);
        let accepted = loop {
            if let Ok(Outcome::Accepted(handle, _)) = bench.event().result {
                break handle.0;
            }
        };
        bench.attach_at(2, accepted);
        assert_eq!(bench.poll.sockets[2].inexact, !is_ip, "{address}");
    }
}

fn blocks(handle: &Handle) -> bool {
    // SAFETY: it only asks.
    unsafe { libc::fcntl(handle.system().raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK == 0 }
}
