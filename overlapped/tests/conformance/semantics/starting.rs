//! Starting an operation: what the start itself returns, what it takes over, and the order in which
//! operations are served.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use overlapped::driver::{CloseMode, Flags, ShutdownHow, Wait};
use overlapped::engine::{Received, Status};
use overlapped::error::Action;
use overlapped::event::wait_all;
use overlapped::port::Queued;
use overlapped::routine::sleep_alertable;
use overlapped::{CompletionPort, Engine, ErrorKind, Event};

use crate::harness::engine::*;
use crate::harness::tracked::*;
use crate::harness::*;

engine_rules! {
    immediate_success_sets_the_event,
    immediate_success_queues_the_routine,
    immediate_success_posts_the_packet,
    immediate_success_wakes_the_waker,
    errors_of_the_system_come_as_results,
    errors_of_the_system_are_told_in_all_four_models,
    a_refused_start_gives_the_buffer_back,
    a_refused_start_leaves_the_event_unchanged,
    an_operation_resets_its_event_when_it_starts,
    buffers_keep_their_addresses_and_are_given_back,
    the_operation_owns_its_buffers_until_it_has_ended,
    receives_are_filled_in_the_order_of_their_starts,
    receives_of_many_threads_are_filled_one_after_the_other: "many threads",
    sends_leave_whole_and_in_the_order_of_their_starts,
    sends_wait_for_an_earlier_connect,
    a_shutdown_waits_for_earlier_sends,
    an_empty_list_of_buffers_is_an_invalid_argument,
    a_receive_without_room_waits_for_readability_and_gives_0,
    a_receive_without_room_ends_at_the_end_of_the_stream,
    a_receive_ends_as_soon_as_any_bytes_have_come,
    a_receive_of_several_buffers_ends_as_soon_as_any_bytes_have_come,
    wait_all_receives_until_the_buffers_are_full,
    wait_all_ends_early_with_the_stream,
    a_send_of_32_mebibytes_is_one_completion,
    a_send_of_many_buffers_is_one_completion,
    the_end_of_the_stream_is_success_with_0,
    a_peek_sets_its_flag_and_takes_nothing,
    out_of_band_data_sets_its_flag: "its streams have no out-of-band data",
    a_timer_does_not_end_early,
    the_thread_that_started_an_operation_may_end_before_the_operation: "another thread",
}

fn immediate_success_sets_the_event(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let event = Event::new();
    write(&peer, b"h");
    await_input(&socket, 1);
    let mut recv = socket.recv(vec![0; 9]).event(&event).start().unwrap();
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(recv.status(), Status::Succeeded);
    assert_eq!(recv.result(Wait::Poll).unwrap().buf, b"h");
    let mut send = socket.send(b"there".to_vec()).event(&event).start().unwrap();
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(send.result(Wait::Poll).unwrap().bytes, 5);
    assert_eq!(read(&peer, 5), b"there");
    close(&socket);
}

fn immediate_success_queues_the_routine(engine: &Engine) {
    let (socket, peer) = pair(engine);
    write(&peer, b"h");
    await_input(&socket, 1);
    let told = Rc::new(RefCell::new(Vec::new()));
    let tell = Rc::clone(&told);
    socket.recv(vec![0; 9]).on_complete(move |end| tell.borrow_mut().push(end.unwrap().buf)).unwrap();
    assert!(told.borrow().is_empty(), "not within the start");
    settle(engine);
    assert!(told.borrow().is_empty(), "not in a wait that is not alertable");
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(*told.borrow(), [b"h"]);
    close(&socket);
}

fn immediate_success_posts_the_packet(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let port = CompletionPort::new(1, 4);
    socket.associate(&port, 3).unwrap();
    write(&peer, b"h");
    await_input(&socket, 1);
    let started = socket.recv(vec![0; 9]).to_port(4).unwrap();
    assert!(matches!(started, Queued::Pending(_)), "never within the start");
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!((packet.key, packet.token, packet.status()), (3, 4, Status::Succeeded));
    assert_eq!(packet.result::<Received<Vec<u8>>>().unwrap().buf, b"h");
    close(&socket);
}

fn immediate_success_wakes_the_waker(engine: &Engine) {
    let (socket, peer) = pair(engine);
    write(&peer, b"h");
    await_input(&socket, 1);
    let woken = Event::new();
    let wake = woken.clone();
    let task = waker(move || wake.set());
    let mut context = Context::from_waker(&task);
    let mut recv = socket.recv(vec![0; 9]);
    // The thread of an engine may be done before the first poll has returned.
    let ended = match Pin::new(&mut recv).poll(&mut context) {
        Poll::Ready(ended) => ended,
        Poll::Pending => {
            assert!(woken.wait(WAIT).unwrap());
            let Poll::Ready(ended) = Pin::new(&mut recv).poll(&mut context) else {
                panic!("woken although it has not ended")
            };
            ended
        }
    };
    assert_eq!(ended.unwrap().buf, b"h");
    close(&socket);
}

fn errors_of_the_system_come_as_results(engine: &Engine) {
    let nobody = nobody(engine);
    let socket = engine.socket(&nobody, &Default::default()).unwrap();
    let mut recv = socket.recv(vec![0; 9]).start().expect("the system reports that it is not connected");
    assert_eq!(recv.result(WAIT).unwrap_err().kind(), ErrorKind::NotConnected);
    let mut connect = socket.connect(&nobody).start().expect("the system reports that nobody listens");
    let error = connect.result(WAIT).unwrap_err();
    assert_eq!((error.kind(), error.action(), error.address()), (ErrorKind::Refused, Action::Connect, Some(&nobody)));
    close(&socket);
}

fn errors_of_the_system_are_told_in_all_four_models(engine: &Engine) {
    let nobody = nobody(engine);
    let socket = || engine.socket(&nobody, &Default::default()).unwrap();
    let sockets = [socket(), socket(), socket(), socket()];

    let event = Event::new();
    let connect = sockets[0].connect(&nobody).event(&event).start().unwrap();
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(connect.status(), Status::Failed(ErrorKind::Refused));
    drop(connect);

    let told = Rc::new(Cell::new(None));
    let tell = Rc::clone(&told);
    sockets[1].connect(&nobody).on_complete(move |end| tell.set(Some(end.unwrap_err().error.kind()))).unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(told.get(), Some(ErrorKind::Refused));

    let port = CompletionPort::new(1, 1);
    sockets[2].associate(&port, 0).unwrap();
    sockets[2].connect(&nobody).to_port(0).unwrap();
    assert_eq!(port.get(WAIT).unwrap().unwrap().status(), Status::Failed(ErrorKind::Refused));

    let refused = overlapped::future::block_on(sockets[3].connect(&nobody)).unwrap().unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::Refused);
    sockets.iter().for_each(close);
}

fn a_refused_start_gives_the_buffer_back(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let (listener, address) = listen(engine);
    let kept = |given: &Vec<u8>| given == b"mine";

    let wrong = socket.send_with(b"mine".to_vec(), Flags::PEEK).start().unwrap_err();
    assert!(wrong.error.kind() == ErrorKind::InvalidArgument && kept(&wrong.given));
    let wrong = socket.send_with(b"mine".to_vec(), Flags::WAIT_ALL).detach().unwrap_err();
    assert!(wrong.error.kind() == ErrorKind::InvalidArgument && kept(&wrong.given));
    let wrong = socket.recv_with(b"mine".to_vec(), Flags::WAIT_ALL | Flags::OUT_OF_BAND).start().unwrap_err();
    assert!(wrong.error.kind() == ErrorKind::InvalidArgument && kept(&wrong.given));
    let wrong = listener.recv(b"mine".to_vec()).start().unwrap_err();
    assert!(wrong.error.kind() == ErrorKind::InvalidArgument && kept(&wrong.given));
    let wrong = socket.recv(b"mine".to_vec()).to_port(0).unwrap_err();
    assert!(wrong.error.kind() == ErrorKind::InvalidArgument && kept(&wrong.given), "it is not associated");
    let wrong = overlapped::future::block_on(listener.send(b"mine".to_vec())).unwrap().unwrap_err();
    assert!(wrong.error.kind() == ErrorKind::InvalidArgument && kept(&wrong.given));
    assert_eq!(socket.accept().start().unwrap_err().error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(listener.connect(&address).start().unwrap_err().error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(listener.shutdown(ShutdownHow::Both).start().unwrap_err().error.kind(), ErrorKind::InvalidArgument);

    // The routine is dropped without being called.
    let captured = Rc::new(());
    let held = Rc::clone(&captured);
    let routine = move |_| {
        drop(held);
        panic!("nothing was started");
    };
    let wrong = listener.recv(b"mine".to_vec()).on_complete(routine).unwrap_err();
    assert!(wrong.error.kind() == ErrorKind::InvalidArgument && kept(&wrong.given));
    assert_eq!(Rc::strong_count(&captured), 1);
    assert_eq!(sleep_alertable(Wait::Poll).unwrap(), 0);
    close(&socket);
    close(&listener);
}

fn a_refused_start_leaves_the_event_unchanged(engine: &Engine) {
    let (listener, _) = listen(engine);
    let event = Event::new();
    event.set();
    listener.recv(vec![0; 9]).event(&event).start().unwrap_err();
    assert!(event.is_signalled());
    close(&listener);
    listener.accept().event(&event).start().unwrap_err();
    assert!(event.is_signalled());
    event.reset();
    listener.accept().event(&event).start().unwrap_err();
    settle(engine);
    assert!(!event.is_signalled());
}

fn an_operation_resets_its_event_when_it_starts(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let event = Event::new();
    event.set();
    let operation = socket.recv(vec![0; 9]).event(&event);
    assert!(event.is_signalled(), "unchanged before the start");
    let mut recv = operation.start().unwrap();
    assert!(!event.is_signalled());
    settle(engine);
    assert!(!event.is_signalled());
    write(&peer, b"n");
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(recv.result(Wait::Poll).unwrap().buf, b"n");
    assert!(event.is_signalled(), "taking the result does not reset it");

    // The same event again, for an operation without a handle.
    socket.recv(vec![0; 9]).event(&event).detach().unwrap();
    assert!(!event.is_signalled());
    write(&peer, b"more");
    assert!(event.wait(WAIT).unwrap());
    close(&socket);
}

fn buffers_keep_their_addresses_and_are_given_back(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let parts = [pattern(3), pattern(5), pattern(7)];
    let addresses = parts.each_ref().map(|part| part.as_ptr());
    let sent = socket.send(parts).start().unwrap().result(WAIT).unwrap();
    assert_eq!(sent.bytes, 15);
    assert_eq!(sent.buf.each_ref().map(|part| part.as_ptr()), addresses, "the same memory");
    assert_eq!(read(&peer, 15), [pattern(3), pattern(5), pattern(7)].concat());

    let mut parts: Vec<Vec<u8>> = sent.buf.into();
    parts.push(Vec::with_capacity(3));
    let mut recv = socket.recv_with(parts, Flags::WAIT_ALL).start().unwrap();
    settle(engine);
    write(&peer, b"abcdefghijklmnopqr");
    let received = recv.result(WAIT).unwrap();
    assert_eq!((received.bytes, received.flags), (18, Flags::WAIT_ALL));
    assert_eq!(received.buf.concat(), b"abcdefghijklmnopqr");
    assert_eq!(received.buf.iter().map(|part| part.as_ptr()).take(3).collect::<Vec<_>>(), addresses);
    close(&socket);
}

fn the_operation_owns_its_buffers_until_it_has_ended(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let living = Counter::default();
    let recv = socket.recv(Tracked::new(vec![0; 9], &living)).start().unwrap();
    settle(engine);
    assert_eq!((living.get(), engine.live().buffers), (1, 1));
    drop(recv);
    until("the buffer is freed", || living.get() == 0);
    let mut recv = socket.recv(Tracked::new(vec![0; 9], &living)).start().unwrap();
    write(&peer, b"x");
    let received = recv.result(WAIT).unwrap();
    drop(recv);
    assert_eq!((living.get(), &received.buf.bytes[..]), (1, &b"x"[..]), "the program owns it again");
    assert_eq!(engine.live().buffers, 0);
    close(&socket);
}

fn receives_are_filled_in_the_order_of_their_starts(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(1000);
    let events: Vec<Event> = (0..6).map(|_| Event::new()).collect();
    for round in 0..20 {
        let start = |(i, event)| socket.recv(vec![0; 10 + i]).event(event).start().unwrap();
        let recvs: Vec<_> = events.iter().enumerate().map(start).collect();
        if round % 2 == 0 {
            settle(engine);
        }
        let all: usize = (0..6).map(|i| 10 + i).sum();
        write(&peer, &bytes[..all]);
        assert!(wait_all(&events.iter().collect::<Vec<_>>(), WAIT).unwrap());
        let parts = recvs.into_iter().map(|mut recv| recv.result(Wait::Poll).unwrap().buf);
        let mut got = parts.collect::<Vec<_>>().concat();
        // Some may have received less than their size.
        got.extend(receive_all(&socket, all - got.len()));
        assert_eq!(got, bytes[..all]);
    }
    close(&socket);
}

fn receives_of_many_threads_are_filled_one_after_the_other(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(64 << 10);
    let turn = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..64 {
                        // The lock makes the order of the starts that of the list.
                        let mut starts = turn.lock().unwrap();
                        starts.push(socket.recv_with(vec![0; 256], Flags::WAIT_ALL).start().unwrap());
                    }
                })
            })
            .collect();
        write(&peer, &bytes);
        until("all have started", || threads.iter().all(|thread| thread.is_finished()));
    });
    let parts = turn.into_inner().unwrap().into_iter().map(|mut recv| recv.result(WAIT).unwrap().buf);
    assert!(parts.collect::<Vec<_>>().concat() == bytes);
    close(&socket);
}

fn sends_leave_whole_and_in_the_order_of_their_starts(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let peer = reader(&peer);
    let bytes = pattern(many(engine, 24 << 20));
    // Some are far larger than what the system takes at once.
    let sizes = [8 << 20, 1, 3 << 20, 100, 5 << 20, 0, 70_000].map(|size| many(engine, size));
    let (mut at, mut sends) = (0, Vec::new());
    for size in sizes.into_iter().cycle().take(10) {
        let size = size.min(bytes.len() - at);
        sends.push((size, socket.send(bytes[at..at + size].to_vec()).start().unwrap()));
        at += size;
    }
    for (size, mut send) in sends {
        assert_eq!(send.result(WAIT).unwrap().bytes, size as u64, "whole");
    }
    socket.shutdown(ShutdownHow::Send).start().unwrap().result(WAIT).unwrap();
    assert!(peer.join().unwrap() == bytes[..at], "in order");
    close(&socket);
}

fn sends_wait_for_an_earlier_connect(engine: &Engine) {
    let (listener, address) = listen(engine);
    let socket = engine.socket(&address, &Default::default()).unwrap();
    let mut connect = socket.connect(&address).start().unwrap();
    let mut send = socket.send(b"hello").start().unwrap();
    let mut accepted = listener.accept().start().unwrap().result(WAIT).unwrap();
    connect.result(WAIT).unwrap();
    assert_eq!(send.result(WAIT).unwrap().bytes, 5);
    assert_eq!(receive_all(&accepted.socket, 5), b"hello");
    assert_eq!(accepted.peer, socket.local_addr().unwrap());
    accepted.socket.set_options(&Default::default()).unwrap();
    for socket in [&listener, &socket, &mut accepted.socket] {
        close(socket);
    }
}

fn a_shutdown_waits_for_earlier_sends(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(many(engine, 8 << 20));
    let mut send = socket.send(bytes.clone()).start().unwrap();
    let mut shutdown = socket.shutdown(ShutdownHow::Send).start().unwrap();
    let peer = reader(&peer);
    assert_eq!(send.result(WAIT).unwrap().bytes, bytes.len() as u64);
    shutdown.result(WAIT).unwrap();
    assert!(peer.join().unwrap() == bytes);
    close(&socket);
}

fn an_empty_list_of_buffers_is_an_invalid_argument(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let none = Vec::<Vec<u8>>::new;
    assert_eq!(socket.recv(none()).start().unwrap_err().error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(socket.send(none()).start().unwrap_err().error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(socket.recv(none()).detach().unwrap_err().error.kind(), ErrorKind::InvalidArgument);
    let routine = |_| panic!("nothing was started");
    assert_eq!(socket.send(none()).on_complete(routine).unwrap_err().error.kind(), ErrorKind::InvalidArgument);
    let port = CompletionPort::new(1, 1);
    socket.associate(&port, 0).unwrap();
    for skip in [false, true, false] {
        assert_eq!(socket.recv(none()).to_port(0).unwrap_err().error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(socket.send(none()).to_port(0).unwrap_err().error.kind(), ErrorKind::InvalidArgument);
        socket.skip_packet_on_success(!skip).unwrap();
    }
    assert_eq!(sleep_alertable(Wait::Poll).unwrap(), 0);
    assert!(port.get(Wait::Poll).unwrap().is_none());
    close(&socket);
}

fn a_receive_without_room_waits_for_readability_and_gives_0(engine: &Engine) {
    let (socket, peer) = pair(engine);
    for round in 0..2 {
        let event = Event::new();
        let mut single = socket.recv(Vec::<u8>::new()).event(&event).start().unwrap();
        settle(engine);
        assert_eq!(single.status(), Status::Pending, "nothing has come");
        write(&peer, b"some");
        assert!(event.wait(WAIT).unwrap());
        assert_eq!(single.result(Wait::Poll).unwrap().bytes, 0);
        let mut listed = socket.recv([Vec::<u8>::new(), Vec::new()]).start().unwrap();
        assert_eq!(listed.result(WAIT).unwrap().bytes, 0, "the bytes are still there");
        assert_eq!(receive_all(&socket, 4), b"some", "nothing was taken in round {round}");
    }
    let mut listed = socket.recv([Vec::<u8>::new(), Vec::new()]).start().unwrap();
    settle(engine);
    assert_eq!(listed.status(), Status::Pending);
    write(&peer, b"x");
    assert_eq!(listed.result(WAIT).unwrap().bytes, 0);
    close(&socket);
}

fn a_receive_without_room_ends_at_the_end_of_the_stream(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut recv = socket.recv(Vec::<u8>::new()).start().unwrap();
    settle(engine);
    drop(peer);
    assert_eq!(recv.result(WAIT).unwrap().bytes, 0);
    assert_eq!(receive(&socket, 1), b"");
    close(&socket);
}

fn a_receive_ends_as_soon_as_any_bytes_have_come(engine: &Engine) {
    let (socket, peer) = pair(engine);
    for pending_first in [true, false] {
        if !pending_first {
            write(&peer, b"abc");
            await_input(&socket, 3);
        }
        let mut recv = socket.recv(vec![0; 1 << 20]).start().unwrap();
        if pending_first {
            settle(engine);
            write(&peer, b"abc");
        }
        let received = recv.result(WAIT).unwrap();
        assert!(received.bytes > 0 && b"abc".starts_with(&received.buf), "{received:?}");
        receive_all(&socket, 3 - received.bytes);
    }
    close(&socket);
}

fn a_receive_of_several_buffers_ends_as_soon_as_any_bytes_have_come(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut recv = socket.recv([vec![0; 2], vec![0; 2], vec![0; 2]]).start().unwrap();
    write(&peer, b"abc");
    let received = recv.result(WAIT).unwrap();
    assert!((1..=3).contains(&received.bytes), "{received:?}");
    assert_eq!(received.buf.concat(), b"abc"[..received.bytes], "one part after the other");
    close(&socket);
}

fn wait_all_receives_until_the_buffers_are_full(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(600_000);
    let parts = [vec![0; 100_000], vec![0; 200_000]];
    let mut first = socket.recv_with(parts, Flags::WAIT_ALL).start().unwrap();
    let mut second = socket.recv_with(vec![0; 300_000], Flags::WAIT_ALL).start().unwrap();
    for piece in bytes.chunks(60_000) {
        settle(engine);
        assert_eq!(second.status(), Status::Pending);
        write(&peer, piece);
    }
    let received = first.result(WAIT).unwrap();
    assert_eq!(received.bytes, 300_000);
    assert!(received.flags.contains(Flags::WAIT_ALL));
    assert!(received.buf.concat() == bytes[..300_000]);
    assert!(second.result(WAIT).unwrap().buf == bytes[300_000..]);
    close(&socket);
}

fn wait_all_ends_early_with_the_stream(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut recv = socket.recv_with(vec![0; 100], Flags::WAIT_ALL).start().unwrap();
    settle(engine);
    write(&peer, b"not many");
    drop(peer);
    assert_eq!(recv.result(WAIT).unwrap().buf, b"not many");
    let mut recv = socket.recv_with(vec![0; 100], Flags::WAIT_ALL).start().unwrap();
    assert_eq!(recv.result(WAIT).unwrap().bytes, 0);
    close(&socket);
}

fn a_send_of_32_mebibytes_is_one_completion(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(many(engine, 32 << 20));
    let all = bytes.len() as u64;
    let told = Counter::default();
    let tell = told.clone();
    socket
        .send(bytes.clone())
        .on_complete(move |end| {
            tell.up();
            assert_eq!(end.unwrap().bytes, all);
        })
        .unwrap();
    settle(engine);
    peer.shut_down_sending();
    let peer = reader(&peer);
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    socket.close(CloseMode::Graceful { linger: PATIENCE }).start().unwrap().result(WAIT).unwrap();
    assert!(peer.join().unwrap() == bytes);
    assert_eq!(sleep_alertable(Wait::Poll).unwrap(), 0);
    assert_eq!(told.get(), 1);
}

fn a_send_of_many_buffers_is_one_completion(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(many(engine, 6 << 20));
    // More parts than one call of the system takes.
    let parts: Vec<Vec<u8>> = bytes.chunks(bytes.len() / 2005).map(<[u8]>::to_vec).collect();
    assert!(parts.len() > 2000);
    let port = CompletionPort::new(1, 10);
    socket.associate(&port, 0).unwrap();
    socket.send(parts).to_port(0).unwrap();
    let peer = reader(&peer);
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!(packet.result::<overlapped::engine::Sent<Vec<Vec<u8>>>>().unwrap().bytes, bytes.len() as u64);
    close(&socket);
    assert!(peer.join().unwrap() == bytes);
    assert!(port.get(Wait::Poll).unwrap().is_none());
}

fn the_end_of_the_stream_is_success_with_0(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut recv = socket.recv(vec![0; 9]).start().unwrap();
    settle(engine);
    drop(peer);
    let received = recv.result(WAIT).unwrap();
    assert_eq!((received.bytes, received.buf.len()), (0, 0));
    assert_eq!(recv.status(), Status::Succeeded);
    assert_eq!(receive(&socket, 9), b"", "and again");
    close(&socket);
}

fn a_peek_sets_its_flag_and_takes_nothing(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut peek = socket.recv_with(vec![0; 9], Flags::PEEK).start().unwrap();
    settle(engine);
    write(&peer, b"look");
    let peeked = peek.result(WAIT).unwrap();
    assert!(peeked.flags.contains(Flags::PEEK));
    assert!(b"look".starts_with(&peeked.buf) && peeked.bytes > 0);
    let received = socket.recv_with(vec![0; 4], Flags::WAIT_ALL).start().unwrap().result(WAIT).unwrap();
    assert_eq!(received.buf, b"look");
    assert!(!received.flags.contains(Flags::PEEK));
    close(&socket);
}

fn out_of_band_data_sets_its_flag(engine: &Engine) {
    let (socket, peer) = pair(engine);
    if let Peer::System(peer) = &peer {
        peer.send_out_of_band(b"ab");
    }
    assert_eq!(receive(&socket, 9), b"a");
    let urgent = socket.recv_with(vec![0; 9], Flags::OUT_OF_BAND).start().unwrap().result(WAIT).unwrap();
    assert_eq!(urgent.buf, b"b");
    assert!(urgent.flags.contains(Flags::OUT_OF_BAND));
    socket.send_with(b"cd", Flags::OUT_OF_BAND).start().unwrap().result(WAIT).unwrap();
    assert_eq!(read(&peer, 1), b"c");
    reset(peer);
    close(&socket);
}

fn a_timer_does_not_end_early(engine: &Engine) {
    let at = engine.now() + std::time::Duration::from_millis(20);
    let mut late = engine.timer(at).start().unwrap();
    engine.timer(overlapped::Time::ZERO).start().unwrap().result(WAIT).unwrap();
    late.result(WAIT).unwrap();
    assert!(engine.now() >= at);
}

/// io_uring cancels a request when the thread that submitted it ends.
fn the_thread_that_started_an_operation_may_end_before_the_operation(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let event = Event::new();
    let (mut receive, mut send) = std::thread::scope(|scope| {
        let start = || (socket.recv(vec![0; 9]).event(&event).start().unwrap(), socket.send(b"out").start().unwrap());
        scope.spawn(start).join().unwrap()
    });
    settle(engine);
    assert_eq!(receive.status(), Status::Pending);
    write(&peer, b"in");
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(receive.result(Wait::Poll).unwrap().buf, b"in");
    assert_eq!(send.result(WAIT).unwrap().bytes, 3);
    assert_eq!(read(&peer, 3), b"out");
    close(&socket);
}
