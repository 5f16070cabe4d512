//! A full table of sockets takes no client out of a listener's backlog.

use std::time::Duration;

use overlapped::report::Backend;
use overlapped::{Engine, ErrorKind, Socket};

use crate::harness::engine::{WAIT, connect, end, finish, is_simulated, listen, receive, settle, until, write};

threaded_rules! {
    with_a_full_table_no_client_is_accepted_and_none_is_lost,
    an_accept_in_flight_keeps_a_place_in_the_table,
}

/// Another engine of the same backend, with room for few sockets.
fn narrow(engine: &Engine, sockets: usize) -> Engine {
    assert!(!is_simulated(engine) && engine.report().backend != Backend::Sim);
    Engine::builder().backend(engine.report().backend).sockets(sockets).build().unwrap()
}

fn accept(listener: &Socket) -> Socket {
    end(listener.accept().start().unwrap()).unwrap().socket
}

fn with_a_full_table_no_client_is_accepted_and_none_is_lost(engine: &Engine) {
    let narrow = narrow(engine, 3);
    let (listener, address) = listen(&narrow);
    let clients = [(); 4].map(|()| connect(&narrow, &address));
    for (number, client) in clients.iter().enumerate() {
        write(client, &[number as u8]);
    }
    let first = accept(&listener);
    let second = accept(&listener);
    for _ in 0..3 {
        let refused = listener.accept().start().unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::LimitReached);
        assert!(refused.error.to_string().contains("table of sockets"), "{}", refused.error);
    }
    assert_eq!((receive(&first, 9), receive(&second, 9)), (vec![0], vec![1]));
    drop(first);
    until("there is room", || narrow.live().sockets == 2);
    let third = accept(&listener);
    drop(second);
    until("there is room", || narrow.live().sockets == 2);
    let fourth = accept(&listener);
    assert_eq!((receive(&third, 9), receive(&fourth, 9)), (vec![2], vec![3]), "in their order, with their bytes");
    drop((listener, third, fourth, clients));
    finish(&narrow);
}

fn an_accept_in_flight_keeps_a_place_in_the_table(engine: &Engine) {
    let narrow = narrow(engine, 3);
    let (listener, address) = listen(&narrow);
    let mut accept = listener.accept().start().unwrap();
    let other = narrow.socket(&address, &Default::default()).unwrap();
    for _ in 0..2 {
        let full = narrow.socket(&address, &Default::default()).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::LimitReached);
        assert_eq!(listener.accept().start().unwrap_err().error.kind(), ErrorKind::LimitReached);
    }
    settle(&narrow);
    let client = connect(&narrow, &address);
    std::thread::sleep(Duration::from_millis(20));
    // It has ended, and its place is kept until its result is taken.
    assert_eq!(narrow.socket(&address, &Default::default()).unwrap_err().kind(), ErrorKind::LimitReached);
    let accepted = accept.result(WAIT).unwrap().socket;
    write(&client, b"here");
    assert_eq!(receive(&accepted, 9), b"here");
    // The place of one that is cancelled is free.
    drop(other);
    until("there is room", || narrow.live().sockets == 2);
    let mut accept = listener.accept().start().unwrap();
    accept.cancel();
    assert_eq!(accept.result(WAIT).unwrap_err().kind(), ErrorKind::Cancelled);
    let last = narrow.socket(&address, &Default::default()).unwrap();
    drop((listener, accepted, last, client));
    finish(&narrow);
}
