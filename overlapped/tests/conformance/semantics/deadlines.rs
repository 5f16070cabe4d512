//! Deadlines of operations, in each of the four models.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use overlapped::driver::{CloseMode, Flags, Wait};
use overlapped::engine::Received;
use overlapped::future::block_on;
use overlapped::port::Queued;
use overlapped::routine::sleep_alertable;
use overlapped::{CompletionPort, Engine, ErrorKind, Event};

use crate::harness::PATIENCE;
use crate::harness::engine::*;

engine_rules! {
    an_event_tells_of_the_deadline_and_the_buffer_comes_back,
    a_routine_is_told_of_the_deadline,
    a_packet_tells_of_the_deadline,
    a_future_ends_at_the_deadline_and_the_next_receive_loses_nothing,
    a_result_in_time_is_the_operations_own,
    a_cancel_before_the_deadline_is_a_cancel,
    a_timer_and_a_close_refuse_a_deadline,
}

const SOON: Duration = Duration::from_millis(20);

fn an_event_tells_of_the_deadline_and_the_buffer_comes_back(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let (event, at) = (Event::new(), engine.now() + SOON);
    let mut receive = socket.recv(vec![3; 9]).deadline(at).event(&event).start().unwrap();
    assert!(event.wait(WAIT).unwrap());
    assert!(engine.now() >= at);
    assert_eq!(receive.result(Wait::Poll).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(receive.take_buf().unwrap().len(), 9);
    // In either order.
    let mut again = socket.recv(vec![3; 9]).event(&event).timeout(SOON).start().unwrap();
    assert!(event.wait(WAIT).unwrap());
    assert_eq!(again.result(Wait::Poll).unwrap_err().kind(), ErrorKind::TimedOut);
}

fn a_routine_is_told_of_the_deadline(engine: &Engine) {
    let (listener, _) = listen(engine);
    let told = Rc::new(RefCell::new(None));
    let here = Rc::clone(&told);
    let accept = listener.accept().timeout(SOON);
    accept.on_complete(move |ended| *here.borrow_mut() = Some(ended.unwrap_err().error.kind())).unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(told.take(), Some(ErrorKind::TimedOut));
}

fn a_packet_tells_of_the_deadline(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let port = CompletionPort::new(1, 16);
    socket.associate(&port, 5).unwrap();
    for skip in [false, true] {
        socket.skip_packet_on_success(skip).unwrap();
        let started = socket.recv(vec![3; 9]).timeout(SOON).to_port(7).unwrap();
        assert!(matches!(started, Queued::Pending(_)), "{started:?}");
        let mut packet = port.get(WAIT).unwrap().unwrap();
        assert_eq!((packet.key, packet.token), (5, 7));
        assert_eq!(packet.result::<Received<Vec<u8>>>().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(packet.take_buf::<Vec<u8>>().unwrap().len(), 9);
    }
}

fn a_future_ends_at_the_deadline_and_the_next_receive_loses_nothing(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let timed_out = block_on(async { socket.recv(vec![0; 9]).timeout(SOON).await }).unwrap();
    assert_eq!(timed_out.unwrap_err().error.kind(), ErrorKind::TimedOut);
    write(&peer, b"not lost");
    let receive = socket.recv_with(vec![0; 8], Flags::WAIT_ALL).timeout(PATIENCE);
    let received = block_on(receive).unwrap();
    assert_eq!(received.unwrap().buf, b"not lost");
}

fn a_result_in_time_is_the_operations_own(engine: &Engine) {
    let (socket, peer) = pair(engine);
    write(&peer, b"a");
    let receive = socket.recv(vec![0; 9]).timeout(PATIENCE).start().unwrap();
    assert_eq!(end(receive).unwrap().buf, b"a");
    assert_eq!(end(socket.send(vec![1; 5]).timeout(PATIENCE).start().unwrap()).unwrap().bytes, 5);
}

fn a_cancel_before_the_deadline_is_a_cancel(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let mut receive = socket.recv(vec![0; 9]).timeout(PATIENCE).start().unwrap();
    settle(engine);
    assert!(receive.cancel());
    assert_eq!(receive.result(WAIT).unwrap_err().kind(), ErrorKind::Cancelled);
}

fn a_timer_and_a_close_refuse_a_deadline(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let timer = engine.sleep(SOON).timeout(SOON).start().unwrap_err();
    let close = socket.close(CloseMode::Now).timeout(SOON).start().unwrap_err();
    for refused in [timer, close] {
        assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    }
    assert!(socket.local_addr().is_ok(), "it is not being closed");
}
