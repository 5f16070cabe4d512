//! Completion ports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use overlapped::driver::{CloseMode, Flags, Wait};
use overlapped::engine::{Accepted, Received, Sent, Status};
use overlapped::error::Action;
use overlapped::port::{Queued, blocking};
use overlapped::{CompletionPort, Engine, ErrorKind};

use crate::harness::engine::*;
use crate::harness::place::wine_departs;
use crate::harness::*;

fn port() -> CompletionPort {
    CompletionPort::new(1, 64)
}

/// Waits until so many threads wait on the port.
fn until_waiting(port: &CompletionPort, threads: usize) {
    let wanted = format!("waiting: {threads}");
    let end = Instant::now() + PATIENCE;
    while !format!("{port:?}").contains(&wanted) {
        assert!(Instant::now() < end, "never {wanted}: {port:?}");
        std::thread::yield_now();
    }
}

engine_rules! {
    packets_have_the_key_of_the_socket_and_the_token_of_the_operation,
    packets_leave_in_order_including_posted_ones,
    a_failed_operation_is_a_packet_and_gives_its_buffer_back,
    accepts_come_through_a_port,
    a_full_port_refuses_starts_and_posts_apart_but_never_a_close,
    closing_a_port_wakes_every_waiter_and_cancels_nothing: "the waiters are threads",
    skipping_packets_on_success_neither_loses_nor_reorders_data,
    with_skipping_pending_and_failed_operations_still_bring_packets,
    with_skipping_nothing_is_sent_after_a_partial_send,
}

fn packets_have_the_key_of_the_socket_and_the_token_of_the_operation(engine: &Engine) {
    let (port, (socket, peer)) = (port(), pair(engine));
    assert_eq!(socket.recv(vec![0; 1]).to_port(1).unwrap_err().error.kind(), ErrorKind::InvalidArgument);
    socket.associate(&port, 7).unwrap();
    assert_eq!(socket.associate(&port, 8).unwrap_err().kind(), ErrorKind::InvalidArgument, "once");
    for token in 0..3 {
        socket.recv(vec![0; 1]).to_port(token).unwrap();
    }
    assert!(port.get(SHORT).unwrap().is_none());
    write(&peer, b"abc");
    for token in 0..3 {
        let mut packet = port.get(WAIT).unwrap().unwrap();
        assert_eq!((packet.key, packet.token, packet.action()), (7, token, Some(Action::Receive)));
        assert_eq!(packet.status(), Status::Succeeded);
        assert_eq!(
            packet.result::<Sent<Vec<u8>>>().unwrap_err().kind(),
            ErrorKind::InvalidArgument,
            "it is not a send"
        );
        assert_eq!(packet.result::<Received<Box<[u8]>>>().unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(packet.result::<Received<Vec<u8>>>().unwrap().buf, [b'a' + token as u8]);
        assert_eq!(packet.result::<Received<Vec<u8>>>().unwrap_err().kind(), ErrorKind::InvalidArgument, "once");
    }
}

fn packets_leave_in_order_including_posted_ones(engine: &Engine) {
    let (port, (socket, peer)) = (port(), pair(engine));
    socket.associate(&port, 1).unwrap();
    port.post(5, 50).unwrap();
    socket.recv(vec![0; 1]).to_port(2).unwrap();
    write(&peer, b"x");
    until("the receive has ended", || engine.live().operations == 0);
    // An operation that ends later is told of later, so the packet has been queued.
    engine.sleep(Duration::ZERO).start().unwrap().result(Wait::Forever).unwrap();
    port.post(6, 60).unwrap();
    let mut packets = Vec::new();
    assert_eq!(port.get_many(WAIT, 2, &mut packets).unwrap(), 2, "at most as many as requested");
    assert_eq!(port.get_many(WAIT, 9, &mut packets).unwrap(), 1);
    let seen: Vec<_> = packets.iter().map(|packet| (packet.key, packet.token)).collect();
    assert_eq!(seen, [(5, 50), (1, 2), (6, 60)]);
    assert_eq!(packets[0].action(), None);
    assert_eq!(packets[0].result::<()>().unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(port.get_many(WAIT, 0, &mut packets).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

fn a_failed_operation_is_a_packet_and_gives_its_buffer_back(engine: &Engine) {
    let (port, (socket, peer)) = (port(), pair(engine));
    socket.associate(&port, 1).unwrap();
    socket.recv(b"mine".to_vec()).to_port(0).unwrap();
    settle(engine);
    reset(peer);
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!(packet.status(), Status::Failed(ErrorKind::Reset));
    assert_eq!(packet.result::<Received<Vec<u8>>>().unwrap_err().kind(), ErrorKind::Reset);
    assert_eq!(packet.take_buf::<String>(), None);
    assert_eq!(packet.take_buf::<Vec<u8>>().unwrap(), b"mine");
}

fn accepts_come_through_a_port(engine: &Engine) {
    let (port, listener) = (port(), listen(engine).0);
    listener.associate(&port, 1).unwrap();
    listener.accept().to_port(0).unwrap();
    let peer = connect(engine, &listener.local_addr().unwrap());
    let accepted = port.get(WAIT).unwrap().unwrap().result::<Accepted>().unwrap();
    assert_eq!(accepted.peer, peer.local_addr());
    // Dropping the packet closes the connection in it.
    listener.accept().to_port(0).unwrap();
    let lost = connect(engine, &listener.local_addr().unwrap());
    drop(port.get(WAIT).unwrap().unwrap());
    assert_eq!(lost.read(1).unwrap(), b"");
}

/// Operations and posts have room of their own, so a port that is full of receives can be told to
/// stop; and a close always has room.
fn a_full_port_refuses_starts_and_posts_apart_but_never_a_close(engine: &Engine) {
    let (port, (socket, peer)) = (CompletionPort::new(1, 2), pair(engine));
    socket.associate(&port, 1).unwrap();
    (0..2).for_each(|_| drop(socket.recv(vec![0; 1]).to_port(0).unwrap()));
    let refused = socket.recv(b"kept".to_vec()).to_port(0).unwrap_err();
    assert_eq!((refused.error.kind(), &refused.given[..]), (ErrorKind::LimitReached, &b"kept"[..]));
    (0..2).for_each(|_| port.post(9, 9).unwrap());
    assert_eq!(port.post(9, 9).unwrap_err().kind(), ErrorKind::LimitReached);
    assert_eq!(port.get(WAIT).unwrap().unwrap().key, 9);
    port.post(9, 9).unwrap();
    (0..2).for_each(|_| assert_eq!(port.get(WAIT).unwrap().unwrap().key, 9));
    write(&peer, b"a");
    assert_eq!(port.get(WAIT).unwrap().unwrap().key, 1);
    socket.recv(vec![0; 1]).to_port(0).unwrap();
    socket.close(CloseMode::Now).to_port(7).unwrap();
    let tokens: Vec<u64> = (0..3).map(|_| port.get(WAIT).unwrap().unwrap().token).collect();
    assert_eq!(tokens, [0, 0, 7], "two receives that are cancelled, then the close");
}

fn closing_a_port_wakes_every_waiter_and_cancels_nothing(engine: &Engine) {
    let (port, (socket, peer)) = (CompletionPort::new(4, 64), pair(engine));
    socket.associate(&port, 1).unwrap();
    socket.recv(vec![0; 1]).to_port(0).unwrap();
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let port = port.clone();
            std::thread::spawn(move || port.get(Wait::Forever).unwrap_err().kind())
        })
        .collect();
    until_waiting(&port, 4);
    port.close();
    for thread in waiting {
        assert_eq!(thread.join().unwrap(), ErrorKind::Closed);
    }
    assert_eq!(port.post(1, 1).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(port.get(Wait::Poll).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(socket.recv(vec![0; 1]).to_port(0).unwrap_err().error.kind(), ErrorKind::Closed);
    assert_eq!(engine.live().operations, 1, "still in flight");
    write(&peer, b"x");
    until("it ends without a packet", || engine.live().operations == 0);
}

/// Each start either returns the packet or queues one, and the bytes are the same.
fn skipping_packets_on_success_neither_loses_nor_reorders_data(engine: &Engine) {
    let bytes = pattern(many(engine, 1 << 20));
    for skip in [false, true] {
        let (port, (socket, peer)) = (CompletionPort::new(1, 4096), pair(engine));
        assert_eq!(socket.skip_packet_on_success(true).unwrap_err().kind(), ErrorKind::InvalidArgument);
        socket.associate(&port, 1).unwrap();
        socket.skip_packet_on_success(skip).unwrap();
        let (mut done, mut pending) = (0, 0);
        let reader = reader_of(&peer, bytes.len());
        for part in bytes.chunks(5_000) {
            match socket.send(part.to_vec()).to_port(1).unwrap() {
                Queued::Done(mut packet) => {
                    done += packet.result::<Sent<Vec<u8>>>().unwrap().bytes;
                    assert!(skip);
                }
                Queued::Pending(_) => pending += 1,
            }
        }
        for _ in 0..pending {
            done += port.get(WAIT).unwrap().unwrap().result::<Sent<Vec<u8>>>().unwrap().bytes;
        }
        assert_eq!(done, bytes.len() as u64);
        assert!(reader.join().unwrap() == bytes);

        let writer = writer(&peer, bytes.clone());
        let mut received = Vec::new();
        while received.len() < bytes.len() {
            let mut packet = match socket.recv(vec![0; 3_000]).to_port(2).unwrap() {
                Queued::Done(packet) => packet,
                Queued::Pending(_) => port.get(WAIT).unwrap().unwrap(),
            };
            received.extend(packet.result::<Received<Vec<u8>>>().unwrap().buf);
        }
        assert!(received == bytes);
        writer.join().unwrap();
        assert!(port.get(Wait::Poll).unwrap().is_none(), "no packet for what the start returned");
    }
}

fn with_skipping_pending_and_failed_operations_still_bring_packets(engine: &Engine) {
    let (port, (socket, peer)) = (port(), pair(engine));
    socket.associate(&port, 1).unwrap();
    socket.skip_packet_on_success(true).unwrap();
    assert!(matches!(socket.recv(vec![0; 1]).to_port(1).unwrap(), Queued::Pending(_)));
    // Not tried at once while another receive is in flight: it would overtake that one.
    write(&peer, b"ab");
    let second = socket.recv(vec![0; 1]).to_port(2).unwrap();
    let mut seen = vec![port.get(WAIT).unwrap().unwrap()];
    match second {
        Queued::Done(packet) => seen.push(packet),
        Queued::Pending(_) => seen.push(port.get(WAIT).unwrap().unwrap()),
    }
    for (packet, expected) in seen.iter_mut().zip([b"a", b"b"]) {
        assert_eq!(packet.result::<Received<Vec<u8>>>().unwrap().buf, expected);
    }
    let listener = listen(engine).0;
    listener.associate(&port, 2).unwrap();
    listener.skip_packet_on_success(true).unwrap();
    let refused = listener.recv(b"kept".to_vec()).to_port(0).unwrap_err();
    assert_eq!((refused.error.kind(), &refused.given[..]), (ErrorKind::InvalidArgument, &b"kept"[..]));
    reset(peer);
    assert!(matches!(socket.recv_with(vec![0; 1], Flags::PEEK).to_port(3).unwrap(), Queued::Pending(_)));
    match port.get(WAIT).unwrap().unwrap().status() {
        Status::Succeeded => assert!(wine_departs("what is received after a reset has come is the end of the stream")),
        status => assert_eq!(status, Status::Failed(ErrorKind::Reset)),
    }
}

fn with_skipping_nothing_is_sent_after_a_partial_send(engine: &Engine) {
    let (port, (socket, peer)) = (port(), pair(engine));
    socket.associate(&port, 1).unwrap();
    socket.skip_packet_on_success(true).unwrap();
    let send = socket.send(vec![0; many(engine, 64 << 20)]).to_port(1).unwrap();
    let Queued::Pending(id) = send else { panic!("it does not fit: {send:?}") };
    breathe();
    settle(engine);
    engine.cancel(id);
    let error = port.get(WAIT).unwrap().unwrap().result::<Sent<Vec<u8>>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    if error.transferred() > 0 {
        reader_of(&peer, error.transferred() as usize).join().unwrap();
        let next = socket.send(b"after a gap".to_vec()).to_port(2).unwrap();
        assert!(matches!(next, Queued::Pending(_)), "{next:?}");
        let error = port.get(WAIT).unwrap().unwrap().result::<Sent<Vec<u8>>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenStream);
    }
}

/// A send that is tried at once may send a part before the rest must wait. The rest is not refused.
#[test]
fn with_skipping_the_rest_of_a_send_fits_in_a_full_table() {
    let engine = Engine::builder().operations(1).build().unwrap();
    let (port, (socket, peer)) = (port(), pair(&engine));
    socket.associate(&port, 1).unwrap();
    socket.skip_packet_on_success(true).unwrap();
    let receive = socket.recv(vec![0; 1]).start().unwrap();
    let bytes = pattern(32 << 20);
    assert!(matches!(socket.send(bytes.clone()).to_port(1).unwrap(), Queued::Pending(_)));
    assert!(reader_of(&peer, bytes.len()).join().unwrap() == bytes);
    assert_eq!(port.get(WAIT).unwrap().unwrap().result::<Sent<Vec<u8>>>().unwrap().bytes, bytes.len() as u64);
    drop((receive, socket));
    finish(&engine);
}

#[test]
fn the_last_thread_to_wait_is_the_first_to_be_woken() {
    let port = CompletionPort::new(8, 64);
    let (tell, told) = mpsc::channel();
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let (thread_port, tell) = (port.clone(), tell.clone());
            let thread = std::thread::spawn(move || {
                let packet = thread_port.get(Wait::Forever).unwrap().unwrap();
                tell.send((i, packet.token)).unwrap();
            });
            until_waiting(&port, i + 1);
            thread
        })
        .collect();
    for token in 0..4 {
        port.post(0, token).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (3 - token as usize, token));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn at_most_concurrency_threads_run_at_once() {
    let port = CompletionPort::new(2, 256);
    let (running, most, served) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    (0..200).for_each(|token| port.post(0, token).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while port.get(WAIT).unwrap().unwrap().key == 0 {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    if served.fetch_add(1, Ordering::SeqCst) == 199 {
                        (0..6).for_each(|_| port.post(1, 0).unwrap());
                    }
                }
            });
        }
    });
    assert_eq!(served.load(Ordering::SeqCst), 200);
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?} at once");
}

#[test]
fn a_thread_in_blocking_lets_another_run() {
    let port = CompletionPort::new(1, 16);
    (0..2).for_each(|token| port.post(0, token).unwrap());
    // To pass the barrier both threads must hold a packet at once. With a concurrency of one, only
    // `blocking` makes that possible.
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                port.get(WAIT).unwrap().unwrap();
                blocking(|| barrier.wait());
            });
        }
    });
}

#[test]
fn a_thread_that_ends_makes_room_for_another() {
    let port = CompletionPort::new(1, 16);
    port.post(0, 0).unwrap();
    port.post(0, 1).unwrap();
    let first = port.clone();
    std::thread::spawn(move || assert!(first.get(WAIT).unwrap().is_some())).join().unwrap();
    assert_eq!(port.get(WAIT).unwrap().unwrap().token, 1);
}

/// A wait may time out just as a packet is handed to it. The packet is not lost.
#[test]
fn a_waiter_that_times_out_while_a_packet_is_handed_over_loses_nothing() {
    const PACKETS: usize = 2_000;
    let port = CompletionPort::new(4, 16);
    let taken = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (port, taken) = (port.clone(), Arc::clone(&taken));
            std::thread::spawn(move || {
                let end = Instant::now() + PATIENCE;
                while taken.load(Ordering::SeqCst) < PACKETS && Instant::now() < end {
                    if port.get(Wait::For(Duration::from_micros(20))).unwrap().is_some() {
                        taken.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let mut posted = 0;
    let end = Instant::now() + PATIENCE;
    while posted < PACKETS && Instant::now() < end {
        posted += usize::from(port.post(0, 0).is_ok());
        std::thread::sleep(Duration::from_micros(20));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((posted, taken.load(Ordering::SeqCst)), (PACKETS, PACKETS));
}

/// The thread's wait turns its local engine, which runs a waker that takes a packet as well.
#[test]
fn a_thread_counts_once_even_if_a_waker_takes_packets_during_its_wait() {
    let engine = Engine::local().unwrap();
    let port = CompletionPort::new(2, 4);
    let inner = port.clone();
    let waker = waker(move || {
        inner.post(1, 0).unwrap();
        inner.post(2, 0).unwrap();
        assert_eq!(inner.get(Wait::Poll).unwrap().unwrap().key, 2, "the outer wait gets the first");
    });
    let mut timer = engine.sleep(Duration::from_millis(1)).start().unwrap();
    let polled = std::pin::Pin::new(&mut timer).poll(&mut std::task::Context::from_waker(&waker));
    assert!(polled.is_pending());
    assert_eq!(port.get(WAIT).unwrap().unwrap().key, 1);
    assert!(format!("{port:?}").contains("running: 1"), "{port:?}");
    timer.result(WAIT).unwrap();
}
