//! Operations that succeed within their start, on sockets that skip the packet then: the same
//! results as through the driver, and no more than a fair share of the port's threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use overlapped::driver::{CloseMode, Wait};
use overlapped::engine::{Received, ReceivedFrom, Sent};
use overlapped::error::Action;
use overlapped::port::{CompletionPacket, Queued};
use overlapped::{CompletionPort, Engine, Error, ErrorKind, Socket};

use crate::harness::engine::*;

engine_rules! {
    with_skipping_a_larger_datagram_is_truncated: "it has no datagrams",
    with_skipping_a_reset_is_not_an_end_of_stream: "its peers cannot reset in the middle of a start",
    with_skipping_every_error_is_a_packet: "nothing succeeds within a start",
    with_skipping_a_listener_refuses_a_receive,
    with_skipping_a_receive_waits_for_a_connection,
    with_skipping_a_socket_that_always_succeeds_at_once_does_not_hold_its_thread: "nothing succeeds within a start",
    with_skipping_flooding_clients_take_no_more_than_their_share: "its clients are threads",
}

fn skipping(socket: &Socket, port: &CompletionPort, key: usize) {
    socket.associate(port, key).unwrap();
    socket.skip_packet_on_success(true).unwrap();
}

/// The packet of a start, whether it succeeded within the start or later.
fn packet(port: &CompletionPort, started: Queued) -> CompletionPacket {
    match started {
        Queued::Done(packet) => packet,
        Queued::Pending(_) => port.get(WAIT).unwrap().expect("its packet comes"),
    }
}

fn with_skipping_a_larger_datagram_is_truncated(engine: &Engine) {
    let port = CompletionPort::new(1, 16);
    let socket = engine.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let address = socket.local_addr().unwrap();
    skipping(&socket, &port, 1);
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for connected in [false, true] {
        if connected {
            end(socket.connect(sender.local_addr().unwrap()).start().unwrap()).unwrap();
        }
        sender.send_to(&[7; 100], address.ip().unwrap()).unwrap();
        let mut truncated = packet(&port, socket.recv(vec![0; 8]).to_port(0).unwrap());
        let error = truncated.result::<Received<Vec<u8>>>().unwrap_err();
        assert_eq!((error.kind(), error.transferred()), (ErrorKind::Truncated, 8));
        assert_eq!(truncated.take_buf::<Vec<u8>>().unwrap(), [7; 8]);
        sender.send_to(&[8; 100], address.ip().unwrap()).unwrap();
        let mut truncated = packet(&port, socket.recv_from(vec![0; 8]).to_port(0).unwrap());
        let error = truncated.result::<ReceivedFrom<Vec<u8>>>().unwrap_err();
        assert_eq!((error.kind(), error.transferred()), (ErrorKind::Truncated, 8));
    }
}

/// The system reports a reset once: to the receive that is pending, or to the send that is tried
/// directly. The receive ends with `Reset` either way.
fn with_skipping_a_reset_is_not_an_end_of_stream(engine: &Engine) {
    const SOCKETS: usize = 200;
    const RECEIVE: u64 = 1;
    const SEND: u64 = 2;
    let port = CompletionPort::new(1, 4 * SOCKETS);
    for _ in 0..10 {
        let (sockets, peers): (Vec<_>, Vec<_>) = (0..SOCKETS).map(|_| pair(engine)).unzip();
        for (key, socket) in sockets.iter().enumerate() {
            skipping(socket, &port, key);
            assert!(matches!(socket.recv(vec![0; 8]).to_port(RECEIVE).unwrap(), Queued::Pending(_)));
        }
        settle(engine);
        peers.into_iter().for_each(reset);
        let mut pending = SOCKETS;
        for socket in &sockets {
            pending += usize::from(matches!(socket.send(vec![1; 8]).to_port(SEND).unwrap(), Queued::Pending(_)));
        }
        for _ in 0..pending {
            let mut packet = port.get(WAIT).unwrap().expect("each brings a packet");
            let ended = match packet.token {
                RECEIVE => packet.result::<Received<Vec<u8>>>().map(|received| received.bytes as u64),
                _ => packet.result::<Sent<Vec<u8>>>().map(|sent| sent.bytes),
            };
            assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::Reset), "{packet:?}");
        }
        // What is started later is told so too.
        for socket in &sockets {
            let mut later = packet(&port, socket.recv(vec![0; 8]).to_port(RECEIVE).unwrap());
            assert_eq!(later.result::<Received<Vec<u8>>>().unwrap_err().kind(), ErrorKind::Reset);
        }
    }
}

/// A receive that is not tried in vain: the end of the stream, and then a reset of the peer.
fn with_skipping_every_error_is_a_packet(engine: &Engine) {
    let port = CompletionPort::new(1, 16);
    let (socket, peer) = pair(engine);
    skipping(&socket, &port, 1);
    peer.shut_down_sending();
    until("the end of the stream", || {
        let started = socket.recv(vec![0; 8]).to_port(1).unwrap();
        packet(&port, started).result::<Received<Vec<u8>>>().unwrap().bytes == 0
    });
    let sent = packet(&port, socket.send(b"half".to_vec()).to_port(2).unwrap()).result::<Sent<Vec<u8>>>();
    assert_eq!(sent.unwrap().bytes, 4, "the other direction goes on");
    assert_eq!(read(&peer, 4), b"half");

    let (socket, peer) = pair(engine);
    skipping(&socket, &port, 2);
    reset(peer);
    until("the reset", || {
        let started = socket.send(vec![0; 8]).to_port(2).unwrap();
        let sent = packet(&port, started).result::<Sent<Vec<u8>>>().map_err(|error: Error| error.kind());
        assert!(matches!(sent, Ok(_) | Err(ErrorKind::Reset)), "{sent:?}");
        sent.is_err()
    });
}

fn with_skipping_a_listener_refuses_a_receive(engine: &Engine) {
    let port = CompletionPort::new(1, 16);
    let (listener, _) = listen(engine);
    skipping(&listener, &port, 1);
    let refused = listener.recv(vec![0; 8]).to_port(0).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(port.get(Wait::Poll).unwrap().map(|packet| packet.key), None);
}

/// It is not tried on a socket that is still connecting.
fn with_skipping_a_receive_waits_for_a_connection(engine: &Engine) {
    let port = CompletionPort::new(1, 16);
    let (listener, address) = listen(engine);
    for _ in 0..20 {
        let socket = engine.socket(&address, &Default::default()).unwrap();
        skipping(&socket, &port, 1);
        socket.connect(&address).to_port(1).unwrap();
        socket.recv(vec![0; 8]).to_port(2).unwrap();
        let server = end(listener.accept().start().unwrap()).unwrap().socket;
        end(server.send(b"hello".to_vec()).start().unwrap()).unwrap();
        let [mut connected, mut received] = [port.get(WAIT), port.get(WAIT)].map(|packet| packet.unwrap().unwrap());
        assert_eq!((connected.token, received.token), (1, 2));
        connected.result::<()>().unwrap();
        assert!(received.result::<Received<Vec<u8>>>().unwrap().bytes > 0);
        close(&server);
    }
    close(&listener);
}

/// A loop that goes on as long as starts succeed at once, as programs have it, ends.
fn with_skipping_a_socket_that_always_succeeds_at_once_does_not_hold_its_thread(engine: &Engine) {
    const MOST: usize = 64;
    let port = CompletionPort::new(1, 16);
    let (socket, peer) = pair(engine);
    skipping(&socket, &port, 1);
    write(&peer, &[1; 4 * MOST]);
    await_input(&socket, 4 * MOST);
    let mut at_once = 0;
    while let Queued::Done(_) = socket.recv(vec![0; 1]).to_port(0).unwrap() {
        at_once += 1;
        assert!(at_once <= MOST, "it would go on for ever");
    }
    assert!(at_once > 0, "it has skipped none");
    assert!(port.get(WAIT).unwrap().is_some());

    // Another packet waits for no more than one of them.
    port.post(2, 0).unwrap();
    assert!(matches!(socket.recv(vec![0; 1]).to_port(0).unwrap(), Queued::Done(_)));
    assert!(matches!(socket.recv(vec![0; 1]).to_port(0).unwrap(), Queued::Pending(_)));
    assert_eq!([port.get(WAIT), port.get(WAIT)].map(|packet| packet.unwrap().unwrap().key), [2, 1]);
}

/// Two threads serve a port. Four clients always have more to send; the others await each answer.
fn with_skipping_flooding_clients_take_no_more_than_their_share(own: Own) {
    // A local engine's operations go on only while its own thread waits.
    let Own::Threaded(engine) = own else { return };
    let engine = &engine;
    const FLOODERS: usize = 4;
    const OTHERS: usize = 8;
    const ROUNDS: usize = 200;
    const STOP: usize = 1_000;
    let port = CompletionPort::new(2, 1_024);
    let (sockets, peers): (Vec<_>, Vec<_>) = (0..FLOODERS + OTHERS).map(|_| pair(engine)).unzip();
    for (key, socket) in sockets.iter().enumerate() {
        skipping(socket, &port, key);
        assert!(matches!(socket.recv(vec![0; 64]).to_port(0).unwrap(), Queued::Pending(_)));
    }
    let (over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let serve = || {
        while let Some(mut next) = port.get(WAIT).unwrap().filter(|packet| packet.key != STOP) {
            // As long as the session's starts succeed at once, its thread stays with it.
            while let Some(Queued::Done(packet)) = answer(&sockets[next.key], next) {
                next = packet;
            }
        }
        port.post(STOP, 0).unwrap();
    };
    std::thread::scope(|scope| {
        (0..2).for_each(|_| _ = scope.spawn(serve));
        let (flooders, others) = peers.split_at(FLOODERS);
        for peer in flooders {
            let Peer::System(peer) = peer else { unreachable!("it is not simulated") };
            let reading = peer.again();
            scope.spawn(move || while reading.read(1 << 16).is_ok_and(|read| !read.is_empty()) {});
            scope.spawn(|| {
                let flood = || !over.load(Ordering::SeqCst) && peer.write(&[2; 1 << 14]).is_ok();
                while flood() {}
            });
        }
        let clients: Vec<_> = others
            .iter()
            .map(|peer| {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        write(peer, b"ping");
                        assert_eq!(read(peer, 4), b"ping");
                        answers.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        over.store(true, Ordering::SeqCst);
        sockets.iter().for_each(|socket| drop(socket.close(CloseMode::Abort).detach()));
        port.post(STOP, 0).unwrap();
        assert!(ended.iter().all(Result::is_ok), "the flooders hold the threads");
    });
    assert_eq!(answers.into_inner(), OTHERS * ROUNDS);
    port.close();
}

/// Answers a receive with a send, and a send with a receive. `None` at the end of the session.
fn answer(socket: &Socket, mut ended: CompletionPacket) -> Option<Queued> {
    match ended.action() {
        Some(Action::Receive) => {
            let received = ended.result::<Received<Vec<u8>>>().ok().filter(|received| received.bytes > 0)?;
            socket.send(received.buf).to_port(0).ok()
        }
        _ => {
            ended.result::<Sent<Vec<u8>>>().ok()?;
            socket.recv(vec![0; 64]).to_port(0).ok()
        }
    }
}
