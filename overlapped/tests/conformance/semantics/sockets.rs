//! What is done to a socket of an engine directly: binding, options, its descriptor, and sockets of
//! the standard library.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use overlapped::driver::{CloseMode, Stream};
use overlapped::options::{DatagramOptions, StreamOptions};
use overlapped::{Engine, ErrorKind, sockopt};
use socket2::SockRef;

use crate::harness::engine::{close, end, is_simulated, listen, pair, receive, write};

engine_rules! {
    a_socket_that_is_bound_connects_from_there,
    options_are_those_that_were_set_until_any_handle_closes_the_socket: "it has no options of the system",
    a_simulated_socket_refuses_options_and_descriptor_by_name,
    a_close_on_another_thread_waits_until_the_descriptor_is_given_back: "it has no descriptors",
    what_would_wait_for_its_own_loan_of_the_descriptor_is_refused: "it has no descriptors",
    a_listener_of_the_standard_library_is_adopted_and_released: "it is the system's",
    a_datagram_socket_of_the_standard_library_is_adopted: "it is the system's",
    only_an_idle_socket_is_released_and_its_handles_are_closed_then: "it is the system's",
}

fn a_socket_that_is_bound_connects_from_there(engine: &Engine) {
    let (listener, address) = listen(engine);
    let socket = engine.socket("127.0.0.1:0", &StreamOptions::new().reuse_address(true)).unwrap();
    let vain = engine.socket("127.0.0.1:0", &Default::default()).unwrap();
    assert_eq!(vain.bind(&address).unwrap_err().kind(), ErrorKind::InUse);
    close(&vain);
    socket.bind("127.0.0.1:0").unwrap();
    let bound = socket.local_addr().unwrap();
    assert_eq!(socket.bind("127.0.0.1:0").unwrap_err().kind(), ErrorKind::InvalidArgument);
    let accept = listener.accept().start().unwrap();
    end(socket.connect(&address).start().unwrap()).unwrap();
    let accepted = end(accept).unwrap();
    assert_eq!((&accepted.peer, &socket.local_addr().unwrap()), (&bound, &bound));
    for socket in [&listener, &socket, &accepted.socket] {
        close(socket);
    }
}

fn options_are_those_that_were_set_until_any_handle_closes_the_socket(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    socket.set_option(sockopt::TTL, 11).unwrap();
    assert_eq!(socket.option(sockopt::TTL).unwrap(), 11);
    socket.set_options(&StreamOptions::new().nodelay(false).ttl(12)).unwrap();
    assert_eq!((socket.option(sockopt::TTL).unwrap(), socket.option(sockopt::NODELAY).unwrap()), (12, false));
    let datagram = engine.datagram("127.0.0.1:0", &DatagramOptions::new().broadcast(true)).unwrap();
    assert!(datagram.option(sockopt::BROADCAST).unwrap());
    datagram.set_datagram_options(&DatagramOptions::new()).unwrap();
    assert!(!datagram.option(sockopt::BROADCAST).unwrap());
    let of_streams = datagram.set_options(&StreamOptions::new().nodelay(true)).unwrap_err();
    assert!(of_streams.to_string().contains("set_datagram_options"), "{of_streams}");
    close(&datagram);
    let other = socket.clone();
    close(&other);
    assert_eq!(socket.option(sockopt::TTL).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(socket.set_option(sockopt::TTL, 11).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(socket.bind("127.0.0.1:0").unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(socket.duplicate().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(socket.release().unwrap_err().kind(), ErrorKind::Closed);
    let lent = socket.with_descriptor(|_| unreachable!("it is closed"));
    assert_eq!(lent.unwrap_err().kind(), ErrorKind::Closed);
}

fn a_simulated_socket_refuses_options_and_descriptor_by_name(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    if is_simulated(engine) {
        let errors = [
            socket.option(sockopt::NODELAY).unwrap_err(),
            socket.with_descriptor(|_| ()).unwrap_err(),
            socket.duplicate().unwrap_err(),
            socket.release().unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    } else {
        let peer = socket.with_descriptor(|descriptor| SockRef::from(&descriptor).peer_addr().unwrap()).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), peer.as_socket().unwrap());
    }
    close(&socket);
}

fn a_close_on_another_thread_waits_until_the_descriptor_is_given_back(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let address = socket.local_addr().unwrap();
    let other = socket.clone();
    let (started, has_started) = mpsc::channel();
    let closing = socket
        .with_descriptor(|descriptor| {
            let closing = std::thread::spawn(move || {
                started.send(()).unwrap();
                other.close(CloseMode::Now).start().unwrap()
            });
            has_started.recv().unwrap();
            std::thread::sleep(Duration::from_millis(20));
            let local = SockRef::from(&descriptor).local_addr().unwrap();
            assert_eq!(address, local.as_socket().unwrap(), "it is still this socket");
            closing
        })
        .unwrap();
    end(closing.join().unwrap()).unwrap();
    assert_eq!(socket.with_descriptor(|_| ()).unwrap_err().kind(), ErrorKind::Closed);
}

fn what_would_wait_for_its_own_loan_of_the_descriptor_is_refused(engine: &Engine) {
    let (socket, peer) = pair(engine);
    socket
        .with_descriptor(|_| {
            let kind = |error: overlapped::Error| assert_eq!(error.kind(), ErrorKind::WouldDeadlock, "{error}");
            kind(socket.close(CloseMode::Now).start().unwrap_err().error);
            kind(socket.option(sockopt::TTL).unwrap_err());
            kind(socket.with_descriptor(|_| ()).unwrap_err());
            kind(socket.clone().release().unwrap_err());
        })
        .unwrap();
    // A panic ends the loan.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = socket.with_descriptor(|_| std::panic::resume_unwind(Box::new(())));
    }));
    assert!(panicked.is_err());
    write(&peer, b"goes on");
    assert_eq!(receive(&socket, 16), b"goes on");
    close(&socket);
}

fn a_listener_of_the_standard_library_is_adopted_and_released(engine: &Engine) {
    let inherited = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = inherited.local_addr().unwrap();
    let listener = engine.adopt(inherited).unwrap();
    assert_eq!(listener.local_addr().unwrap(), address);
    let mut accept = listener.accept().start().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let accepted = accept.result(crate::harness::engine::WAIT).unwrap();
    assert_eq!(accepted.peer, client.local_addr().unwrap());
    close(&accepted.socket);
    let again = TcpListener::try_from(listener.release().unwrap()).unwrap();
    assert_eq!(listener.accept().start().unwrap_err().error.kind(), ErrorKind::Closed);
    let accepting = std::thread::spawn(move || again.accept().unwrap().1);
    std::thread::sleep(Duration::from_millis(20));
    let client = TcpStream::connect(address).unwrap();
    assert_eq!(accepting.join().unwrap(), client.local_addr().unwrap());
}

fn a_datagram_socket_of_the_standard_library_is_adopted(engine: &Engine) {
    let socket = engine.adopt(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let receive = socket.recv_from(vec![0; 16]).start().unwrap();
    peer.send_to(b"there", socket.local_addr().unwrap()).unwrap();
    let received = end(receive).unwrap();
    assert_eq!((&received.buf[..], received.from), (&b"there"[..], peer.local_addr().unwrap().into()));
    close(&socket);
}

fn only_an_idle_socket_is_released_and_its_handles_are_closed_then(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let waiting = socket.recv(vec![0; 16]).start().unwrap();
    assert_eq!(socket.release().unwrap_err().kind(), ErrorKind::InvalidArgument);
    write(&peer, b"first");
    assert_eq!(end(waiting).unwrap().buf, b"first");
    let other = socket.clone();
    let stream: Stream = socket.release().unwrap();
    assert_eq!(other.recv(vec![0; 16]).start().unwrap_err().error.kind(), ErrorKind::Closed);
    assert_eq!(other.release().unwrap_err().kind(), ErrorKind::Closed);
    write(&peer, b"second");
    let mut stream = TcpStream::try_from(stream).unwrap();
    let mut bytes = [0; 6];
    std::io::Read::read_exact(&mut stream, &mut bytes).unwrap();
    assert_eq!(&bytes, b"second");
}
