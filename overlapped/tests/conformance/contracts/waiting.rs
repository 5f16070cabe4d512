//! What waits in a socket's queue goes on, or ends, when what it waits for has ended early.

use std::time::Duration;

use overlapped::driver::ShutdownHow;
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::place::On;

rules! {
    receives_that_are_started_behind_a_shutdown_for_receiving_all_end,
    what_waits_for_a_connect_whose_deadline_has_passed_ends,
    a_send_that_runs_out_of_time_between_two_pieces_breaks_the_stream,
}

fn receives_that_are_started_behind_a_shutdown_for_receiving_all_end(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let pending = bench.submit(Op::recv(socket, vec![0u8; 8]));
    bench.settle();
    let shutdown = bench.submit(Op::shutdown(socket, ShutdownHow::Receive));
    let late = [0; 3].map(|_| bench.submit(Op::recv(socket, vec![0u8; 8])));
    assert!(matches!(bench.outcome_of(shutdown), Ok(Outcome::ShutDown)));
    for receive in [pending].into_iter().chain(late) {
        assert!(matches!(bench.outcome_of(receive), Ok(Outcome::Received(0))));
    }
    bench.close(socket);
    bench.finish();
}

fn what_waits_for_a_connect_whose_deadline_has_passed_ends(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let socket = bench.driver.socket(&address).unwrap();
    let now = bench.driver.now();
    let connect = bench.submit(Op::connect(socket, &address).with_deadline(now));
    let (send, receive) = (Op::send(socket, b"lost".to_vec()), Op::recv(socket, vec![0u8; 8]));
    let (send, receive) = (bench.submit(send), bench.submit(receive));
    assert_eq!(bench.kind_of(connect), ErrorKind::TimedOut);
    assert_eq!(bench.kind_of(send), ErrorKind::NotConnected);
    assert_eq!(bench.kind_of(receive), ErrorKind::NotConnected);
    let again = bench.submit(Op::connect(socket, &address));
    assert!(matches!(bench.outcome_of(again), Ok(Outcome::Connected)));
    bench.close(socket);
    bench.close(listener);
    bench.finish();
}

fn a_send_that_runs_out_of_time_between_two_pieces_breaks_the_stream(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let at = bench.driver.now() + Duration::from_millis(20);
    let send = bench.submit(Op::send(socket, vec![7u8; 64 << 20]).with_deadline(at));
    let failure = bench.outcome_of(send).unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::TimedOut);
    if failure.transferred() > 0 {
        let behind = bench.submit(Op::send(socket, b"behind".to_vec()));
        assert_eq!(bench.kind_of(behind), ErrorKind::BrokenStream);
    }
    bench.drop_peer(peer);
    bench.close(socket);
    bench.finish();
}
