//! Cancelling, dropping, closing.

use std::time::Duration;

use overlapped::driver::{CloseMode, Flags, Live, ShutdownHow, Wait};
use overlapped::engine::{Received, Status};
use overlapped::future::block_on;
use overlapped::{Engine, ErrorKind, Event, Overlapped};

use crate::harness::engine::*;
use crate::harness::tracked::{Counter, Panics};
use crate::harness::*;

engine_rules! {
    a_cancelled_operation_ends_once_and_a_second_cancel_returns_false,
    an_operation_can_be_cancelled_before_it_reaches_the_system,
    a_cancel_that_comes_too_late_loses_no_data,
    dropping_a_handle_cancels_and_frees_the_buffer_after_the_end,
    an_accepted_connection_that_nobody_takes_is_closed,
    a_detached_operation_goes_on_without_its_handle,
    closing_ends_each_pending_operation_once_with_cancelled,
    dropping_the_last_handle_of_a_socket_closes_it,
    cancel_all_ends_everything_on_one_socket_and_nothing_on_another,
    a_graceful_close_delivers_everything,
    a_graceful_close_that_is_cancelled_closes_at_once_and_one_that_is_dropped_goes_on,
    shutting_down_sending_comes_after_the_sends,
    an_old_operation_never_affects_a_new_socket,
    a_timer_ends_in_time_or_is_cancelled,
    a_waker_that_panics_is_contained,
    a_buffer_that_panics_when_it_is_dropped_is_contained,
    dropping_an_engine_ends_each_operation_once,
}

fn a_cancelled_operation_ends_once_and_a_second_cancel_returns_false(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let event = Event::new();
    let mut receive = socket.recv(vec![0; 8]).event(&event).start().unwrap();
    settle(engine);
    assert!(receive.cancel());
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(receive.result(Wait::Poll).unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!receive.cancel());
    write(&peer, b"not lost");
    assert_eq!(receive_all(&socket, 8), b"not lost");
}

fn an_operation_can_be_cancelled_before_it_reaches_the_system(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    for _ in 0..50 {
        let receive = socket.recv(vec![0; 8]).start().unwrap();
        receive.cancel();
        assert_eq!(end(receive).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}

/// Data that had already been received is kept.
fn a_cancel_that_comes_too_late_loses_no_data(engine: &Engine) {
    let (socket, peer) = pair(engine);
    for i in 0..100u8 {
        let receive = socket.recv(vec![0; 1]).start().unwrap();
        write(&peer, &[i]);
        receive.cancel();
        let got = match end(receive) {
            Ok(received) => received.buf,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Cancelled);
                end(socket.recv(vec![0; 1]).start().unwrap()).unwrap().buf
            }
        };
        assert_eq!(got, [i], "not lost and not received twice");
    }
}

fn dropping_a_handle_cancels_and_frees_the_buffer_after_the_end(engine: &Engine) {
    let (socket, peer) = pair(engine);
    for _ in 0..10 {
        drop(socket.recv(vec![0; 1 << 16]).start().unwrap());
    }
    until("the buffers are freed", || engine.live().buffers == 0);
    write(&peer, b"still here");
    assert_eq!(receive_all(&socket, 10), b"still here");
}

fn an_accepted_connection_that_nobody_takes_is_closed(engine: &Engine) {
    let listener = listen(engine).0;
    let accept = listener.accept().start().unwrap();
    let peer = connect(engine, &listener.local_addr().unwrap());
    until("it has ended", || accept.has_ended());
    drop(accept);
    assert_eq!(peer.read(1).unwrap(), b"");
}

fn a_detached_operation_goes_on_without_its_handle(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let event = Event::new();
    socket.send(b"one".to_vec()).event(&event).detach().unwrap();
    socket.send(b"two".to_vec()).start().unwrap().detach();
    assert!(event.wait(WAIT).unwrap());
    until("both have ended", || engine.live().operations == 0);
    assert_eq!(read(&peer, 6), b"onetwo");
}

fn closing_ends_each_pending_operation_once_with_cancelled(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let events: Vec<Event> = (0..3).map(|_| Event::new()).collect();
    let receives: Vec<_> = events.iter().map(|event| socket.recv(vec![0; 8]).event(event).start().unwrap()).collect();
    settle(engine);
    end(socket.close(CloseMode::Now).start().unwrap()).unwrap();
    for (mut receive, event) in receives.into_iter().zip(&events) {
        assert!(event.is_signalled());
        assert_eq!(receive.result(Wait::Poll).unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert_eq!(peer.read(1).unwrap(), b"", "the peer sees the end");
    assert_eq!(socket.recv(vec![0; 1]).start().unwrap_err().error.kind(), ErrorKind::Closed);
    assert_eq!(socket.close(CloseMode::Now).start().unwrap_err().error.kind(), ErrorKind::Closed);
    assert_eq!(socket.local_addr().unwrap_err().kind(), ErrorKind::Closed);
}

fn dropping_the_last_handle_of_a_socket_closes_it(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let another = socket.clone();
    let receive = socket.recv(vec![0; 8]).start().unwrap();
    drop(socket);
    settle(engine);
    assert_eq!(receive.status(), Status::Pending);
    drop(another);
    assert_eq!(end(receive).unwrap_err().kind(), ErrorKind::Cancelled);
    until("it is closed", || engine.live().sockets == peer.sockets());
    assert_eq!(peer.read(1).unwrap(), b"");
}

fn cancel_all_ends_everything_on_one_socket_and_nothing_on_another(engine: &Engine) {
    let ((socket, _peer), (other, other_peer)) = (pair(engine), pair(engine));
    let receives: Vec<_> = (0..3).map(|_| socket.recv(vec![0; 8]).start().unwrap()).collect();
    let untouched = other.recv(vec![0; 8]).start().unwrap();
    settle(engine);
    assert_eq!(socket.cancel_all(), 3);
    for receive in receives {
        assert_eq!(end(receive).unwrap_err().kind(), ErrorKind::Cancelled);
    }
    write(&other_peer, b"x");
    assert_eq!(end(untouched).unwrap().buf, b"x");
}

/// With unread input, a plain close would reset the connection, and the peer would lose data.
fn a_graceful_close_delivers_everything(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(many(engine, 3 << 20));
    write(&peer, b"unread input");
    socket.send(bytes.clone()).detach().unwrap();
    let close = socket.close(CloseMode::Graceful { linger: PATIENCE }).start().unwrap();
    peer.shut_down_sending();
    let reader = reader(&peer);
    end(close).unwrap();
    assert!(reader.join().unwrap() == bytes);
}

fn a_graceful_close_that_is_cancelled_closes_at_once_and_one_that_is_dropped_goes_on(engine: &Engine) {
    let (socket, first) = pair(engine);
    let close = socket.close(CloseMode::Graceful { linger: PATIENCE }).start().unwrap();
    settle(engine);
    assert!(close.cancel());
    assert_eq!(end(close).unwrap_err().kind(), ErrorKind::Cancelled);

    let (socket, peer) = pair(engine);
    drop(socket.close(CloseMode::Graceful { linger: PATIENCE }).start().unwrap());
    settle(engine);
    assert_eq!(engine.live().sockets, 1 + first.sockets() + peer.sockets(), "it waits for the peer");
    drop(peer);
    until("it is closed", || engine.live().sockets == first.sockets());
}

fn shutting_down_sending_comes_after_the_sends(engine: &Engine) {
    let (socket, peer) = pair(engine);
    socket.send(b"all of it".to_vec()).detach().unwrap();
    end(socket.shutdown(ShutdownHow::Send).start().unwrap()).unwrap();
    assert_eq!(reader(&peer).join().unwrap(), b"all of it");
    write(&peer, b"answer");
    assert_eq!(end(socket.recv_with(vec![0; 6], Flags::WAIT_ALL).start().unwrap()).unwrap().buf, b"answer");
}

/// The system reuses descriptors at once. An old operation must not act on the new socket.
fn an_old_operation_never_affects_a_new_socket(engine: &Engine) {
    for i in 0..200u8 {
        let (socket, peer) = pair(engine);
        let receive = socket.recv(vec![0; 1]).start().unwrap();
        if i % 3 == 0 {
            settle(engine);
        }
        drop(socket);
        drop(peer);
        let (socket, peer) = pair(engine);
        write(&peer, &[i]);
        assert_eq!(end(socket.recv(vec![0; 1]).start().unwrap()).unwrap().buf, [i]);
        // At most, the operation saw the end of the stream before the close reached it.
        if let Ok(old) = end(receive) {
            assert_eq!(old.bytes, 0, "the old operation received nothing");
        }
    }
}

fn a_timer_ends_in_time_or_is_cancelled(engine: &Engine) {
    let timer = engine.sleep(Duration::from_secs(3600)).start().unwrap();
    let at = engine.now() + Duration::from_millis(5);
    end(engine.timer(at).start().unwrap()).unwrap();
    assert!(engine.now() >= at);
    timer.cancel();
    assert_eq!(end(timer).unwrap_err().kind(), ErrorKind::Cancelled);
}

fn a_waker_that_panics_is_contained(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let waker = waker(|| panic!("on purpose"));
    let mut receive = socket.recv(vec![0; 1]).start().unwrap();
    let polled = std::pin::Pin::new(&mut receive).poll(&mut std::task::Context::from_waker(&waker));
    assert!(polled.is_pending());
    write(&peer, b"x");
    until("it has ended", || receive.has_ended());
    assert_eq!(end(receive).unwrap().buf, b"x");
    assert!(block_on(engine.sleep(Duration::from_millis(1))).unwrap().is_ok(), "the engine goes on");
}

fn a_buffer_that_panics_when_it_is_dropped_is_contained(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let dropped = Counter::default();
    drop(socket.recv(Panics(vec![0; 1], dropped.clone())).start().unwrap());
    until("it is dropped", || dropped.get() == 1);
    assert!(block_on(engine.sleep(Duration::from_millis(1))).unwrap().is_ok(), "the engine goes on");
}

type Receive = Overlapped<Received<Vec<u8>>>;

fn everything_in_flight(engine: &Engine) -> (Vec<Receive>, Vec<Event>) {
    let mut receives = Vec::new();
    let mut events = Vec::new();
    for _ in 0..20 {
        let (socket, peer) = pair(engine);
        let event = Event::new();
        receives.push(socket.recv(vec![0; 4096]).event(&event).start().unwrap());
        events.push(event);
        // Handles that outlive the engine.
        std::mem::forget(peer);
        std::mem::forget(socket);
    }
    (receives, events)
}

fn all_ended(receives: Vec<Receive>, events: Vec<Event>) {
    for (mut receive, event) in receives.into_iter().zip(events) {
        assert!(event.is_signalled());
        assert_eq!(receive.result(Wait::Poll).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}

fn dropping_an_engine_ends_each_operation_once(own: Own) {
    let (receives, events) = everything_in_flight(&own);
    let (socket, _peer) = pair(&own);
    // Only the handles of an engine with a thread keep it alive.
    let handle = match &own {
        Own::Local(engine) => Some((**engine).clone()),
        Own::Threaded(_) => None,
    };
    drop(own);
    all_ended(receives, events);
    assert_eq!(socket.recv(vec![0; 1]).start().unwrap_err().error.kind(), ErrorKind::Closed);
    if let Some(handle) = handle {
        assert_eq!(handle.live(), Live::default());
        assert_eq!(handle.sleep(Duration::ZERO).start().unwrap_err().error.kind(), ErrorKind::Closed);
    }
}
