//! Status and result of an operation.

use overlapped::driver::Wait;
use overlapped::engine::Status;
use overlapped::{Engine, ErrorKind, Event};

use crate::harness::engine::*;

engine_rules! {
    asking_for_a_result_too_early_is_incomplete_and_can_be_repeated,
    the_status_can_be_read_at_any_time,
    a_failed_operation_gives_its_buffer_back,
    a_reset_by_the_peer_is_reset,
    an_address_in_use_is_in_use,
    any_thread_can_wait_for_a_result: "another thread waits",
    accept_and_connect,
}

fn asking_for_a_result_too_early_is_incomplete_and_can_be_repeated(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut receive = socket.recv(vec![0; 8]).start().unwrap();
    assert_eq!(receive.result(Wait::Poll).unwrap_err().kind(), ErrorKind::Incomplete);
    let short = Wait::For(std::time::Duration::from_millis(3));
    assert_eq!(receive.result(short).unwrap_err().kind(), ErrorKind::Incomplete);
    write(&peer, b"a");
    assert_eq!(receive.result(Wait::Forever).unwrap().buf, b"a");
    assert_eq!(receive.result(Wait::Poll).unwrap_err().kind(), ErrorKind::InvalidArgument, "it can be taken once");
}

fn the_status_can_be_read_at_any_time(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut receive = socket.recv(vec![0; 8]).start().unwrap();
    assert_eq!(receive.status(), Status::Pending);
    write(&peer, b"abc");
    until("it has ended", || receive.has_ended());
    assert_eq!(receive.status(), Status::Succeeded);
    receive.result(Wait::Poll).unwrap();
    assert_eq!(receive.status(), Status::Succeeded, "also after the result was taken");

    let receive = socket.recv(vec![0; 8]).start().unwrap();
    assert!(receive.cancel());
    until("it has ended", || receive.has_ended());
    assert_eq!(receive.status(), Status::Failed(ErrorKind::Cancelled));
}

fn a_failed_operation_gives_its_buffer_back(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let mut receive = socket.recv(b"mine".to_vec()).start().unwrap();
    receive.cancel();
    assert_eq!(receive.result(WAIT).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(receive.take_buf().unwrap(), b"mine");
    assert!(receive.take_buf().is_none());
}

fn a_reset_by_the_peer_is_reset(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let receive = socket.recv(vec![0; 8]).start().unwrap();
    settle(engine);
    reset(peer);
    assert_eq!(end(receive).unwrap_err().kind(), ErrorKind::Reset);
}

fn an_address_in_use_is_in_use(engine: &Engine) {
    let first = listen(engine).0;
    let address = first.local_addr().unwrap();
    let error = engine.listen(&address, &Default::default()).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::InUse, Some(&address)));
}

fn any_thread_can_wait_for_a_result(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut receive = socket.recv(vec![0; 8]).start().unwrap();
    let done = Event::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let result = receive.result(WAIT);
            done.set();
            result.unwrap().buf
        });
        write(&peer, b"abc");
        assert!(done.wait(WAIT).unwrap());
        assert_eq!(waiting.join().unwrap(), b"abc");
    });
}

fn accept_and_connect(engine: &Engine) {
    let listener = listen(engine).0;
    let address = listener.local_addr().unwrap();
    let accept = listener.accept().start().unwrap();
    let client = engine.socket(&address, &Default::default()).unwrap();
    let connect = client.connect(&address).start().unwrap();
    let hello = client.send(b"hello".to_vec()).start().unwrap();
    end(connect).unwrap();
    let accepted = end(accept).unwrap();
    assert_eq!(accepted.peer, client.local_addr().unwrap());
    assert_eq!(accepted.socket.peer_addr().unwrap(), accepted.peer);
    assert_eq!(client.peer_addr().unwrap(), address);
    end(hello).unwrap();
    assert_eq!(receive_all(&accepted.socket, 5), b"hello");
}
