//! Bounded: every table and queue has a limit; an exhausted pool is back-pressure; out of
//! descriptors, accepting pauses.

use std::time::{Duration, Instant};

use overlapped::buf::PoolConfig;
use overlapped::driver::Wait;
use overlapped::{Address, DriverConfig, ErrorKind, Op, Outcome};

use crate::harness::place::On;
use crate::harness::{PATIENCE, pattern};

rules! {
    a_full_table_or_queue_refuses_the_start_and_gives_the_operation_back,
    more_starts_than_the_submission_queue_has_entries,
    an_exhausted_pool_is_back_pressure_and_loses_nothing,
    a_receive_goes_on_though_its_buffers_came_back_before_it_was_known_to_have_run_out,
    one_flooding_peer_brings_no_more_than_its_share_a_turn,
    nothing_hidden_the_report_names_features_and_reasons,
}

fn a_full_table_or_queue_refuses_the_start_and_gives_the_operation_back(on: &On) {
    let mut bench = on.bench_with(on.config().operations(5).sockets(5).queue(3));
    let (socket, _peer) = bench.pair();
    let (other, _peer2) = bench.pair();
    let family: Address = "127.0.0.1:1".parse().unwrap();
    let rest: Vec<_> = (bench.driver.live().sockets..5).map(|_| bench.driver.socket(&family).unwrap()).collect();
    assert_eq!(bench.driver.socket(&family).unwrap_err().kind(), ErrorKind::LimitReached, "the table of sockets");
    for socket in rest {
        bench.close(socket);
    }
    for _ in 0..3 {
        bench.submit(Op::recv(socket, vec![0u8; 1]));
    }
    let rejected = bench.driver.submit(Op::recv(socket, vec![7u8; 1]), 0).unwrap_err();
    assert_eq!(rejected.error.kind(), ErrorKind::LimitReached, "the socket's queue");
    assert_eq!(rejected.given.into_buf().unwrap().take::<Vec<u8>>().unwrap(), [7]);
    bench.submit(Op::recv(other, vec![0u8; 1]));
    let timer = bench.submit(Op::timer(overlapped::Time::MAX));
    let rejected = bench.driver.submit(Op::recv(other, vec![0u8; 1]), 0).unwrap_err();
    assert_eq!(rejected.error.kind(), ErrorKind::LimitReached, "the driver's table");
    assert!(bench.driver.cancel(timer), "cancelling needs no room");
    assert_eq!(bench.kind_of(timer), ErrorKind::Cancelled);
    bench.close(socket);
    bench.close(other);
    bench.finish();
}

pub(super) fn more_starts_than_the_submission_queue_has_entries(on: &On) {
    for submissions in [1, 2] {
        more_starts_than_entries(on, submissions);
    }
}

fn more_starts_than_entries(on: &On, submissions: u32) {
    let mut bench = on.bench_with(on.config().submissions(submissions));
    let pairs: Vec<_> = (0..100).map(|_| bench.pair()).collect();
    let ids: Vec<_> = pairs.iter().map(|(socket, _)| bench.submit(Op::recv(*socket, vec![0u8; 10]))).collect();
    for (_, peer) in &pairs {
        bench.write(peer, b"x");
    }
    for id in ids {
        assert!(matches!(bench.outcome_of(id), Ok(Outcome::Received(1))));
    }
    for (socket, _) in &pairs {
        bench.close(*socket);
    }
    bench.finish();
}

pub(super) fn an_exhausted_pool_is_back_pressure_and_loses_nothing(on: &On) {
    let pool = PoolConfig::new().buffers(4).buffer_bytes(1024);
    let mut bench = on.bench_with(on.config().pool(pool));
    let (first, peer) = bench.pair();
    let (second, quiet) = bench.pair();
    let (one, two) = (bench.submit(Op::recv_multi(first)), bench.submit(Op::recv_multi(second)));
    let bytes = pattern(200_000);
    let writer = bench.writer(&peer, bytes.clone());
    // All four buffers are held. Nothing fails, and nothing more comes.
    bench.until("the pool is empty", |seen| (seen.len() == 4).then_some(()));
    bench.write(&quiet, b"hello");
    bench.settle();
    assert_eq!(bench.seen.len(), 4, "held up: {:?}", bench.seen);
    assert!(bench.driver.starvations() > 0, "it is counted");
    let (mut got, mut hello) = (Vec::new(), Vec::new());
    while got.len() < bytes.len() || hello.len() < 5 {
        // They are taken and dropped one by one. Each gives its buffer back.
        let completion = bench.until("a packet", |seen| (!seen.is_empty()).then(|| seen.remove(0)));
        match completion.result.unwrap() {
            Outcome::Packet(packet) if completion.id == one => got.extend_from_slice(&packet),
            Outcome::Packet(packet) => hello.extend_from_slice(&packet),
            Outcome::Received(0) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(got == bytes && hello == b"hello");
    bench.written(writer);
    bench.driver.cancel(two);
    bench.close(first);
    bench.close(second);
    bench.finish();
}

/// The program takes one completion a turn. So the system has the packets' buffers again before the
/// program sees that the receive has ended for lack of them.
pub(super) fn a_receive_goes_on_though_its_buffers_came_back_before_it_was_known_to_have_run_out(on: &On) {
    let pool = PoolConfig::new().buffers(2).buffer_bytes(1024);
    let mut bench = on.bench_with(on.config().pool(pool).turn_bytes(0));
    let (socket, peer) = bench.pair();
    bench.write(&peer, &[1; 8192]);
    let recv = bench.submit(Op::recv_multi(socket));
    let (mut got, end) = (0, Instant::now() + PATIENCE);
    while got < 8192 {
        assert!(Instant::now() < end, "nothing more after {got} bytes");
        bench.driver.turn(Wait::For(Duration::from_millis(50))).unwrap();
        match bench.driver.next().map(|completion| completion.result) {
            Some(Ok(Outcome::Packet(packet))) => got += packet.len(),
            None => {}
            other => panic!("{other:?}"),
        }
    }
    bench.driver.cancel(recv);
    bench.close(socket);
    bench.finish();
}

pub(super) fn one_flooding_peer_brings_no_more_than_its_share_a_turn(on: &On) {
    let mut bench = on.bench();
    let limited = bench.driver.report().features.iter().any(|f| f.name == "limit of a multishot receive" && f.used);
    // A kernel without a limit of bytes stops at 32 buffers.
    let share = if limited { 64 * 1024 + 16 * 1024 } else { 32 * 16 * 1024 };
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv_multi(socket));
    let much = on.many(32 << 20);
    let writer = bench.writer(&peer, vec![1; much]);
    let mut total = 0;
    while total < much {
        bench.turn(Wait::For(Duration::from_secs(1)));
        let mut turn = 0;
        for completion in bench.seen.drain(..) {
            if let Ok(Outcome::Packet(packet)) = completion.result {
                turn += packet.len();
            }
        }
        assert!(turn <= share, "{turn} bytes in one turn");
        total += turn;
    }
    bench.written(writer);
    bench.driver.cancel(recv);
    bench.close(socket);
    bench.finish();
}

fn nothing_hidden_the_report_names_features_and_reasons(on: &On) {
    let bench = on.bench();
    let report = bench.driver.report();
    assert!(!report.why.is_empty() && !report.features.is_empty());
    assert!(report.features.iter().all(|feature| !feature.name.is_empty() && !feature.why.is_empty()));
    let (mut one, mut two) = (on.bench(), on.bench());
    assert_ne!(one.driver.random(), two.driver.random());
    let config = DriverConfig::new().operations(0);
    let error = overlapped::Driver::new(config).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("0 operations"), "{error}");
}
