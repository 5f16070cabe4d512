//! Many operations in one engine: what is done with one socket costs what is on that socket.

use std::time::{Duration, Instant};

use overlapped::driver::Flags;
use overlapped::{Engine, ErrorKind, Time};

use crate::harness::engine::*;

engine_rules! {
    cancel_all_costs_only_the_operations_of_its_socket,
    cancel_all_leaves_out_what_has_ended_and_finds_the_rest,
}

const OTHERS: usize = 30_000;
const ROUNDS: usize = 3000;

fn cancel_all_costs_only_the_operations_of_its_socket(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let rounds = || {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| assert_eq!(socket.cancel_all(), 0));
        start.elapsed()
    };
    let alone = rounds();
    let others: Vec<_> = (0..OTHERS).map(|_| engine.timer(Time::MAX).start().unwrap()).collect();
    settle(engine);
    // Another process may take the time of a measurement, and not of each.
    let among_others = (0..5).map(|_| rounds()).min().unwrap();
    assert!(among_others <= 20 * alone + Duration::from_millis(300), "{among_others:?} instead of {alone:?}");
    drop(others);
}

fn cancel_all_leaves_out_what_has_ended_and_finds_the_rest(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let one = || socket.recv_with(vec![0; 1].into_boxed_slice(), Flags::WAIT_ALL).start().unwrap();
    let mut receives: Vec<_> = (0..5).map(|_| one()).collect();
    write(&peer, b"a");
    until("the first has ended", || receives[0].has_ended());
    // One in the middle, and the last.
    for cancelled in [4, 2] {
        let receive = receives.remove(cancelled);
        assert!(receive.cancel());
        assert_eq!(end(receive).unwrap_err().kind(), ErrorKind::Cancelled);
    }
    let later = socket.recv(vec![0; 1]).start().unwrap();
    settle(engine);
    assert_eq!(socket.cancel_all(), 3, "the first has ended, although its result has not been taken");
    let ends: Vec<_> = receives.into_iter().map(|receive| end(receive).map(|received| received.buf)).collect();
    assert_eq!(ends[0].as_ref().unwrap()[..], *b"a");
    assert!(ends[1..].iter().all(|end| end.as_ref().unwrap_err().kind() == ErrorKind::Cancelled));
    assert_eq!(end(later).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(socket.cancel_all(), 0);
}
