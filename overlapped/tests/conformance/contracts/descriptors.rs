//! Descriptors: bounded, and none is leaked. They belong to the process, so each rule has a process
//! of its own.

use std::fs::File;
use std::time::{Duration, Instant};

use overlapped::driver::{Completion, OpId, Wait};
use overlapped::{ErrorKind, Op, Outcome};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::harness::bench::Bench;
use crate::harness::place::On;
use crate::harness::{PATIENCE, alone};

rules! {
    out_of_descriptors_accepting_pauses_and_resumes_without_losing_a_peer: "it has no descriptors",
    out_of_descriptors_an_accept_waits_for_a_client_and_tells_of_it_at_a_bounded_rate: "it has no descriptors",
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

/// Turns so long. Ends the test if an accept ends meanwhile.
fn nothing_happens(bench: &mut Bench, millis: u64) {
    let end = Instant::now() + Duration::from_millis(millis);
    while Instant::now() < end {
        bench.turn(Wait::For(Duration::from_millis(20)));
        assert!(bench.seen.is_empty(), "nobody has connected: {:?}", bench.seen);
    }
}

/// The results of accepting for so long, and on a busy machine for as many turns. One that ends is
/// started again at once.
fn results(bench: &mut Bench, accept: &mut OpId, again: impl Fn() -> Op, millis: u64) -> Vec<Completion> {
    const TURN: u64 = 5;
    let (end, mut results) = (Instant::now() + Duration::from_millis(millis), Vec::new());
    let mut turns = 0;
    while Instant::now() < end || turns < millis / TURN / 2 {
        turns += 1;
        bench.turn(Wait::For(Duration::from_millis(TURN)));
        for result in std::mem::take(&mut bench.seen) {
            if !result.more {
                *accept = bench.submit(again());
            }
            results.push(result);
        }
    }
    results
}

fn out_of_descriptors_an_accept_waits_for_a_client_and_tells_of_it_at_a_bounded_rate(on: &On) {
    let name = "out_of_descriptors_an_accept_waits_for_a_client_and_tells_of_it_at_a_bounded_rate";
    if !alone(&format!("contracts::descriptors::{}::{name}", on.name())) {
        return;
    }
    let before = open();
    for multi in [false, true] {
        let mut bench = on.bench();
        let (listener, address) = bench.listen();
        let again = || if multi { Op::accept_multi(listener) } else { Op::accept(listener) };
        let address = address.ip().unwrap().into();
        let client = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let (first, second, mut spare) = (client(), client(), Some(File::open("/dev/null").unwrap()));
        let own = client();
        let limit = Rlimit { current: Some(open() as u64 - 1), maximum: Some(4096) };
        setrlimit(Resource::Nofile, limit).unwrap();
        // Descriptors need not have been given out without gaps.
        let gaps: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        // There is no descriptor, and nobody to accept.
        let mut accept = bench.submit(again());
        nothing_happens(&mut bench, 300);
        // There is a client, and no descriptor.
        first.connect(&address).unwrap();
        let begun = Instant::now();
        let refused = results(&mut bench, &mut accept, again, 1000);
        let most = begun.elapsed().as_millis() as usize / 100 + 2;
        assert!((2..=most).contains(&refused.len()), "{} errors, and not {most} at most", refused.len());
        for result in refused {
            assert_eq!(result.result.unwrap_err().kind(), ErrorKind::TooManyFiles);
            assert_eq!(result.more, multi);
        }
        // There is one descriptor. After that there is none, and nobody to accept.
        drop(spare.take());
        let accepted = results(&mut bench, &mut accept, again, 500);
        let [Completion { result: Ok(Outcome::Accepted(stream, _)), .. }] = &accepted[..] else {
            panic!("{accepted:?}");
        };
        assert!(stream.peer_addr().is_ok());
        nothing_happens(&mut bench, 300);
        second.connect(&address).unwrap();
        drop((own, gaps));
        let accepted = results(&mut bench, &mut accept, again, 500);
        let last = accepted.into_iter().rfind(|result| result.result.is_ok());
        assert!(last.is_some(), "it is accepted when there is a descriptor");
        bench.close(listener);
        drop(bench);
        setrlimit(Resource::Nofile, Rlimit { current: Some(before as u64 + 500), maximum: Some(4096) }).unwrap();
    }
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
