//! Descriptors: bounded, and none is leaked. They belong to the process, so each rule has a process
//! of its own.

use std::time::Instant;

use overlapped::driver::Wait;
use overlapped::{ErrorKind, Op, Outcome};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::harness::place::On;
use crate::harness::{PATIENCE, alone};

rules! {
    out_of_descriptors_accepting_pauses_and_resumes_without_losing_a_peer: "it has no descriptors",
    a_hundred_drivers_one_after_the_other_leave_no_descriptor: "it has no descriptors",
}

fn open() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}

fn out_of_descriptors_accepting_pauses_and_resumes_without_losing_a_peer(on: &On) {
    let name = "out_of_descriptors_accepting_pauses_and_resumes_without_losing_a_peer";
    if !alone(&format!("contracts::descriptors::{}::{name}", on.name())) {
        return;
    }
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let accept = bench.submit(Op::accept_multi(listener));
    let clients: Vec<_> = (0..40).map(|_| bench.connect(&address)).collect();
    let limit = Some(open() as u64 - 1 + 10);
    setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
    let (mut held, mut peers, mut pauses) = (Vec::new(), Vec::new(), 0);
    let end = Instant::now() + PATIENCE;
    while peers.len() < clients.len() {
        assert!(Instant::now() < end, "{} of {}", peers.len(), clients.len());
        let completion = bench.next_of(accept);
        assert!(completion.more, "it goes on");
        match completion.result {
            Ok(Outcome::Accepted(stream, peer)) => {
                held.push(stream);
                peers.push(peer);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooManyFiles);
                pauses += 1;
                held.clear();
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(pauses > 0, "descriptors did run out");
    let mut expected: Vec<_> = clients.iter().map(|(_, address)| address.clone()).collect();
    expected.sort();
    peers.sort();
    assert_eq!(peers, expected, "each client once");
    drop(held);
    bench.close(listener);
    bench.finish();
}

fn a_hundred_drivers_one_after_the_other_leave_no_descriptor(on: &On) {
    let name = "a_hundred_drivers_one_after_the_other_leave_no_descriptor";
    if !alone(&format!("contracts::descriptors::{}::{name}", on.name())) {
        return;
    }
    // Descriptors that a process opens once and keeps.
    drop(on.bench());
    let before = open();
    for _ in 0..100 {
        let mut bench = on.bench();
        let (listener, address) = bench.listen();
        bench.submit(Op::accept_multi(listener));
        let (socket, peer) = bench.pair();
        bench.submit(Op::recv_multi(socket));
        let _client = bench.connect(&address);
        bench.write(&peer, b"x");
        bench.turn(Wait::Poll);
    }
    assert_eq!(open(), before);
}
