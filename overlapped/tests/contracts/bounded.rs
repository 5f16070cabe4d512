//! Bounded: every table and queue has a limit; an exhausted pool is back-pressure; out of descriptors, accepting pauses.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use overlapped::{DriverConfig, ErrorKind, Op, Outcome, PoolConfig, Wait};

use crate::harness::{Bench, PATIENCE, pattern, write};

#[test]
fn a_full_table_or_queue_refuses_the_start_and_gives_the_operation_back() {
    let mut bench = Bench::with(DriverConfig { operations: 5, sockets: 2, queue: 3, ..Default::default() });
    let (socket, _peer) = bench.pair();
    let (other, _peer2) = bench.pair();
    let third = bench.driver.socket(std::net::SocketAddr::from(([127, 0, 0, 1], 1))).unwrap_err();
    assert_eq!(third.kind(), ErrorKind::LimitReached);
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

#[test]
fn more_starts_than_the_submission_queue_has_entries() {
    let mut bench = Bench::with(DriverConfig { submissions: 2, ..Default::default() });
    let pairs: Vec<_> = (0..100).map(|_| bench.pair()).collect();
    let ids: Vec<_> = pairs.iter().map(|(socket, _)| bench.submit(Op::recv(*socket, vec![0u8; 10]))).collect();
    for (_, peer) in &pairs {
        write(peer, b"x");
    }
    for id in ids {
        assert!(matches!(bench.outcome_of(id), Ok(Outcome::Received(1))));
    }
    for (socket, _) in &pairs {
        bench.close(*socket);
    }
    bench.finish();
}

#[test]
fn an_exhausted_pool_is_back_pressure_and_loses_nothing() {
    let pool = PoolConfig { buffers: 4, buffer_bytes: 1024 };
    let mut bench = Bench::with(DriverConfig { pool, ..Default::default() });
    let (first, peer) = bench.pair();
    let (second, quiet) = bench.pair();
    let (one, two) = (bench.submit(Op::recv_multi(first)), bench.submit(Op::recv_multi(second)));
    let bytes = pattern(200_000);
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || write(&peer, &sent));
    // All four buffers are held: nothing fails, nothing more comes.
    bench.until("the pool is empty", |seen| (seen.len() == 4).then_some(()));
    write(&quiet, b"hello");
    bench.settle();
    assert_eq!(bench.seen.len(), 4, "held up: {:?}", bench.seen);
    let (mut got, mut hello) = (Vec::new(), Vec::new());
    while got.len() < bytes.len() || hello.len() < 5 {
        // Taken out and dropped one by one: each gives its buffer back.
        let completion = bench.until("a packet", |seen| (!seen.is_empty()).then(|| seen.remove(0)));
        match completion.result.unwrap() {
            Outcome::Packet(packet) if completion.id == one => got.extend_from_slice(&packet),
            Outcome::Packet(packet) => hello.extend_from_slice(&packet),
            Outcome::Received(0) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(got == bytes && hello == b"hello");
    writer.join().unwrap();
    bench.driver.cancel(two);
    bench.close(first);
    bench.close(second);
    bench.finish();
}

#[test]
fn one_flooding_peer_brings_no_more_than_its_share_a_turn() {
    let mut bench = Bench::new();
    let limited = bench.driver.report().features.iter().any(|f| f.name == "limit of a multishot receive" && f.used);
    // Without the kernel's help it stops at 32 buffers.
    let share = if limited { 64 * 1024 + 16 * 1024 } else { 32 * 16 * 1024 };
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv_multi(socket));
    let writer = std::thread::spawn(move || write(&peer, &vec![1; 32 << 20]));
    let mut total = 0;
    while total < 32 << 20 {
        bench.driver.turn(Wait::For(Duration::from_secs(1))).unwrap();
        let mut turn = 0;
        while let Some(completion) = bench.driver.next() {
            if let Ok(Outcome::Packet(packet)) = completion.result {
                turn += packet.len();
            }
        }
        assert!(turn <= share, "{turn} bytes in one turn");
        total += turn;
    }
    writer.join().unwrap();
    bench.driver.cancel(recv);
    bench.close(socket);
    bench.finish();
}

#[test]
fn out_of_descriptors_accepting_pauses_and_resumes_and_nobody_is_dropped() {
    // The limit is the process's, so it runs in one of its own.
    if std::env::var_os("ALONE").is_none() {
        let me = std::env::current_exe().unwrap();
        let status = std::process::Command::new(me)
            .args(["--exact", "bounded::out_of_descriptors_accepting_pauses_and_resumes_and_nobody_is_dropped"])
            .env("ALONE", "1")
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let mut bench = Bench::new();
    let (listener, address) = bench.listen();
    let accept = bench.submit(Op::accept_multi(listener));
    let clients: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
    let limit = libc::rlimit { rlim_cur: open + 10, rlim_max: open + 10 };
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
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
    let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
    expected.sort();
    peers.sort();
    assert_eq!(peers, expected, "each client once");
    drop(held);
    bench.close(listener);
    bench.finish();
}

#[test]
fn nothing_hidden_the_report_names_features_and_reasons() {
    let bench = Bench::new();
    let report = bench.driver.report();
    assert!(!report.why.is_empty() && !report.features.is_empty());
    assert!(report.features.iter().all(|feature| !feature.name.is_empty() && !feature.why.is_empty()));
    let (mut one, mut two) = (Bench::new(), Bench::new());
    assert_ne!(one.driver.random(), two.driver.random());
    let config = DriverConfig { operations: 0, ..Default::default() };
    let error = overlapped::Driver::new(config).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("0 operations"), "{error}");
}
