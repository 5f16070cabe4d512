//! Timers: an operation without a socket, told of in each of the four models.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use overlapped::driver::{Live, Wait};
use overlapped::engine::{Accepted, Received, Status};
use overlapped::error::Action;
use overlapped::future::block_on;
use overlapped::port::Queued;
use overlapped::routine::sleep_alertable;
use overlapped::{CompletionPort, Engine, ErrorKind, Event};

use crate::harness::PATIENCE;
use crate::harness::engine::*;

engine_rules! {
    a_timer_ends_in_each_of_the_four_ways,
    packets_of_timers_come_in_the_order_of_their_moments,
    a_cancelled_timer_is_a_packet_too,
    a_timer_keeps_room_in_the_port_and_a_closed_port_takes_none,
    a_socket_can_post_to_a_port_that_it_is_not_associated_with,
}

const SOON: Duration = Duration::from_millis(5);

fn a_timer_ends_in_each_of_the_four_ways(engine: &Engine) {
    let at = engine.now() + SOON;
    let event = Event::new();
    let mut timer = engine.timer(at).event(&event).start().unwrap();
    assert!(event.wait(WAIT).unwrap());
    assert!(engine.now() >= at);
    timer.result(Wait::Poll).unwrap();

    let told = Rc::new(Cell::new(false));
    let here = Rc::clone(&told);
    engine.sleep(SOON).on_complete(move |ended| here.set(ended.is_ok())).unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert!(told.get());

    let (port, at) = (CompletionPort::new(1, 1), engine.now() + SOON);
    let started = engine.timer(at).post_to(&port, 3, 4).unwrap();
    assert!(matches!(started, Queued::Pending(_)), "{started:?}");
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert!(engine.now() >= at);
    assert_eq!((packet.key, packet.token, packet.action()), (3, 4, Some(Action::Timer)));
    assert_eq!(packet.status(), Status::Succeeded);
    packet.result::<()>().unwrap();

    block_on(async { engine.sleep(SOON).await }).unwrap().unwrap();
}

fn packets_of_timers_come_in_the_order_of_their_moments(engine: &Engine) {
    let port = CompletionPort::new(1, 16);
    let now = engine.now();
    for token in [3, 1, 2] {
        engine.timer(now + SOON * token).post_to(&port, 0, token.into()).unwrap();
    }
    let tokens = [(); 3].map(|()| port.get(WAIT).unwrap().unwrap().token);
    assert_eq!(tokens, [1, 2, 3]);
}

fn a_cancelled_timer_is_a_packet_too(engine: &Engine) {
    let port = CompletionPort::new(1, 16);
    let started = engine.sleep(PATIENCE).post_to(&port, 0, 1).unwrap();
    let Queued::Pending(id) = started else { panic!("{started:?}") };
    settle(engine);
    assert!(engine.cancel(id));
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!(packet.result::<()>().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!engine.cancel(id));
    assert!(port.get(SHORT).unwrap().is_none(), "only once");
}

fn a_timer_keeps_room_in_the_port_and_a_closed_port_takes_none(engine: &Engine) {
    let port = CompletionPort::new(1, 1);
    engine.sleep(SOON).post_to(&port, 0, 1).unwrap();
    let refused = engine.sleep(SOON).post_to(&port, 0, 2).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::LimitReached);
    port.post(0, 3).expect("posts have room of their own");
    // On a busy machine the timer may have ended before the post.
    let mut tokens = [(); 2].map(|()| port.get(WAIT).unwrap().unwrap().token);
    tokens.sort_unstable();
    assert_eq!(tokens, [1, 3]);
    engine.sleep(SOON).post_to(&port, 0, 4).unwrap();
    port.close();
    let refused = engine.sleep(SOON).post_to(&port, 0, 5).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::Closed);
    until("the timer in flight has ended, without a packet", || engine.live() == Live::default());
}

fn a_socket_can_post_to_a_port_that_it_is_not_associated_with(engine: &Engine) {
    let (own, other) = (CompletionPort::new(1, 16), CompletionPort::new(1, 16));
    let (listener, address) = listen(engine);
    listener.accept().post_to(&other, 1, 1).unwrap();
    let peer = connect(engine, &address);
    let mut packet = other.get(WAIT).unwrap().unwrap();
    let socket = packet.result::<Accepted>().unwrap().socket;

    let refused = socket.recv(vec![0; 4]).to_port(9).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument, "it is not associated");
    socket.associate(&own, 8).unwrap();
    socket.recv(vec![0; 4]).post_to(&other, 2, 2).unwrap();
    write(&peer, b"a");
    let mut packet = other.get(WAIT).unwrap().unwrap();
    assert_eq!((packet.key, packet.token), (2, 2));
    assert_eq!(packet.result::<Received<Vec<u8>>>().unwrap().buf, b"a");
    socket.recv(vec![0; 4]).to_port(9).unwrap();
    write(&peer, b"b");
    let packet = own.get(WAIT).unwrap().unwrap();
    assert_eq!((packet.key, packet.token), (8, 9), "its association stays");
}
