//! What is particular to Windows. What all backends share is in the conformance suite.

#![cfg(windows)]

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use overlapped::buf::PoolConfig;
use overlapped::driver::{CloseMode, Completion, Live, OpId, ShutdownHow, SocketId, Wait};
use overlapped::options::{ListenOptions, StreamOptions};
use overlapped::{Address, Driver, DriverConfig, ErrorKind, Op, Outcome};
use socket2::{Domain, SockRef, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(60);

fn driver() -> Driver {
    Driver::new(DriverConfig::new()).unwrap()
}

fn next(driver: &mut Driver) -> Completion {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(completion) = driver.next() {
            return completion;
        }
        assert!(Instant::now() < end, "nothing comes");
        driver.turn(Wait::For(Duration::from_millis(50))).unwrap();
    }
}

/// The last completion of an operation; others are dropped.
fn end(driver: &mut Driver, id: OpId) -> Completion {
    loop {
        let completion = next(driver);
        if completion.id == id && !completion.more {
            return completion;
        }
    }
}

fn kind(driver: &mut Driver, op: Op) -> ErrorKind {
    let id = driver.submit(op, 0).unwrap();
    end(driver, id).result.unwrap_err().kind()
}

fn finish(mut driver: Driver, sockets: &[SocketId]) {
    for &socket in sockets {
        let close = driver.submit(Op::close(socket, CloseMode::Now), 0).unwrap();
        assert!(matches!(end(&mut driver, close).result, Ok(Outcome::Closed)));
    }
    assert_eq!(driver.live(), Live::default());
}

fn pair(driver: &mut Driver) -> (SocketId, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    (driver.adopt(ours.into()).unwrap(), peer)
}

/// The system does not hand them down. The second connection is accepted in another way than the
/// first.
#[test]
fn every_accepted_connection_begins_with_the_listeners_options() {
    for nodelay in [false, true] {
        let mut driver = driver();
        let stream = StreamOptions::new().nodelay(nodelay);
        let listener = driver.listen("127.0.0.1:0", &ListenOptions::new().stream(stream)).unwrap();
        let address = driver.local_addr(listener).unwrap().ip().unwrap();
        let clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
        driver.submit(Op::accept_multi(listener), 0).unwrap();
        for _ in &clients {
            let Ok(Outcome::Accepted(stream, peer)) = next(&mut driver).result else { panic!("a connection comes") };
            assert!(clients.iter().any(|client| Address::from(client.local_addr().unwrap()) == peer));
            assert_eq!(stream.peer_addr().unwrap(), peer);
            let stream = TcpStream::try_from(stream).unwrap();
            assert_eq!(stream.nodelay().unwrap(), nodelay);
        }
        finish(driver, &[listener]);
    }
}

#[test]
fn a_listeners_port_cannot_be_taken_by_reusing_its_address() {
    let mut driver = driver();
    let listener = driver.listen("127.0.0.1:0", &ListenOptions::new()).unwrap();
    let address = driver.local_addr(listener).unwrap().ip().unwrap();
    let rival = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    rival.set_reuse_address(true).unwrap();
    rival.bind(&address.into()).unwrap_err();
    finish(driver, &[listener]);
}

#[test]
fn a_socket_stays_with_its_completion_port_and_goes_on() {
    let mut driver = driver();
    let (socket, mut peer) = pair(&mut driver);
    assert_eq!(driver.release(socket).unwrap_err().kind(), ErrorKind::Unsupported);
    let send = driver.submit(Op::send(socket, b"still here".to_vec()), 0).unwrap();
    assert!(matches!(end(&mut driver, send).result, Ok(Outcome::Sent(10))));
    let mut read = [0; 10];
    std::io::Read::read_exact(&mut peer, &mut read).unwrap();
    assert_eq!(&read, b"still here");
    finish(driver, &[socket]);
}

#[test]
fn there_are_no_unix_sockets() {
    let mut driver = driver();
    let path: Address = "unix:C:/server.sock".parse().unwrap();
    let error = driver.listen("unix:C:/server.sock", &ListenOptions::new()).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::Unsupported, Some(&path)));
    assert_eq!(driver.socket(path.clone()).unwrap_err().kind(), ErrorKind::Unsupported);
    let socket = driver.socket("127.0.0.1:1".parse::<Address>().unwrap()).unwrap();
    let other_family = kind(&mut driver, Op::connect(socket, path));
    assert_eq!(other_family, ErrorKind::InvalidArgument);
    finish(driver, &[socket]);
}

#[test]
fn an_unbound_socket_has_an_unspecified_address_and_connects_within_its_family() {
    let mut driver = driver();
    let v6: Address = "[::1]:1".parse().unwrap();
    let v4 = driver.socket("127.0.0.1:1".parse::<Address>().unwrap()).unwrap();
    assert_eq!(driver.local_addr(v4).unwrap().to_string(), "0.0.0.0:0");
    assert_eq!(kind(&mut driver, Op::connect(v4, v6)), ErrorKind::InvalidArgument);
    finish(driver, &[v4]);
}

/// Winsock has no such rule; every other system does.
#[test]
fn shutting_down_receiving_ends_the_receive_that_waits_and_those_after_it() {
    let mut driver = driver();
    let (socket, _peer) = pair(&mut driver);
    for receive in [Op::recv(socket, vec![0; 9]), Op::recv_multi(socket)] {
        let receive = driver.submit(receive, 0).unwrap();
        driver.turn(Wait::Poll).unwrap();
        driver.submit(Op::shutdown(socket, ShutdownHow::Receive), 0).unwrap();
        assert!(matches!(end(&mut driver, receive).result, Ok(Outcome::Received(0))));
    }
    finish(driver, &[socket]);
}

/// They wait without a buffer, and bytes are fetched one piece at a time.
#[test]
fn idle_sessions_hold_no_buffer_and_many_readable_ones_share_two() {
    let pool = PoolConfig::new().buffers(2).buffer_bytes(64);
    let mut driver = Driver::new(DriverConfig::new().pool(pool)).unwrap();
    let mut pairs: Vec<_> = (0..20).map(|_| pair(&mut driver)).collect();
    let mut receives = Vec::new();
    for (socket, _) in &pairs {
        receives.push(driver.submit(Op::recv_multi(*socket), 0).unwrap());
    }
    driver.turn(Wait::Poll).unwrap();
    assert!(driver.next().is_none() && driver.live().packets == 0);
    for (_, peer) in &mut pairs {
        std::io::Write::write_all(peer, &[7; 200]).unwrap();
    }
    let mut bytes = vec![0; receives.len()];
    while bytes.iter().any(|bytes| *bytes < 200) {
        let completion = next(&mut driver);
        let Ok(Outcome::Packet(packet)) = completion.result else { panic!("{completion:?}") };
        assert!(packet.iter().all(|byte| *byte == 7));
        assert_eq!(driver.live().packets, 1);
        bytes[receives.iter().position(|id| *id == completion.id).unwrap()] += packet.len();
    }
    let sockets: Vec<_> = pairs.iter().map(|(socket, _)| *socket).collect();
    finish(driver, &sockets);
}

/// A connection of the standard library is prepared for both uses, and given back in the mode that
/// the standard library expects.
#[test]
fn a_connection_that_was_never_adopted_goes_back_to_the_standard_library_and_blocks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let stream = overlapped::driver::Stream::from(ours);
    let mut ours = TcpStream::try_from(stream).unwrap();
    SockRef::from(&ours).set_read_timeout(Some(PATIENCE)).unwrap();
    let reader = std::thread::spawn(move || {
        let mut read = [0; 1];
        std::io::Read::read_exact(&mut ours, &mut read).map(|()| read[0])
    });
    std::thread::sleep(Duration::from_millis(20));
    std::io::Write::write_all(&mut peer, &[5]).unwrap();
    assert_eq!(reader.join().unwrap().unwrap(), 5);
}
