//! Waits for the readiness of descriptors that are not the driver's.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use overlapped::driver::CloseMode;
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::PATIENCE;
use crate::harness::bench::Bench;
use crate::harness::place::On;

rules! {
    a_wait_ends_when_there_is_something_to_read_and_each_again: "it has no descriptors",
    a_wait_ends_at_once_if_it_is_ready_already: "it has no descriptors",
    a_wait_ends_at_the_end_of_the_stream: "it has no descriptors",
    a_full_pipe_is_writable_when_it_has_been_read: "it has no descriptors",
    waits_of_both_kinds_do_not_wait_for_each_other: "it has no descriptors",
    waits_are_cancelled_and_have_deadlines: "it has no descriptors",
    closing_ends_the_waits_and_leaves_the_programs_descriptor_as_it_was: "it has no descriptors",
    a_watched_descriptor_does_nothing_else: "it has no descriptors",
    files_are_refused_by_name: "it has no descriptors",
    many_waits_and_reads_lose_no_readiness: "it has no descriptors",
    a_simulated_network_refuses_by_name,
}

const SOON: Duration = Duration::from_millis(10);

fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().unwrap()
}

fn assert_ready(bench: &mut Bench, op: Op) {
    let id = bench.submit(op);
    let outcome = bench.outcome_of(id);
    assert!(matches!(outcome, Ok(Outcome::Ready)), "{outcome:?}");
}

fn a_wait_ends_when_there_is_something_to_read_and_each_again(on: &On) {
    let mut bench = on.bench();
    let (mut reader, mut writer) = pipe();
    let watched = bench.driver.watch(&reader).unwrap();
    for round in 0..100 {
        let first = bench.submit(Op::readable(watched));
        let second = bench.submit(Op::readable(watched));
        bench.turn(overlapped::driver::Wait::Poll);
        assert!(bench.seen.is_empty(), "{:?}", bench.seen);
        writer.write_all(&[round]).unwrap();
        assert!(matches!(bench.outcome_of(first), Ok(Outcome::Ready)));
        assert!(matches!(bench.outcome_of(second), Ok(Outcome::Ready)), "nobody has read yet");
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [round]);
    }
    bench.close(watched);
    bench.finish();
}

fn a_wait_ends_at_once_if_it_is_ready_already(on: &On) {
    let mut bench = on.bench();
    let (mut reader, mut writer) = pipe();
    writer.write_all(b"two").unwrap();
    let watched = bench.driver.watch(&reader).unwrap();
    for _ in 0..3 {
        assert_ready(&mut bench, Op::readable(watched));
        reader.read_exact(&mut [0]).unwrap();
    }
    let empty = bench.submit(Op::readable(watched));
    bench.settle();
    assert!(bench.seen.is_empty(), "it has been read empty: {:?}", bench.seen);
    writer.write_all(b"x").unwrap();
    assert!(matches!(bench.outcome_of(empty), Ok(Outcome::Ready)));
    bench.close(watched);
    bench.finish();
}

fn a_wait_ends_at_the_end_of_the_stream(on: &On) {
    let mut bench = on.bench();
    let (reader, writer) = pipe();
    let watched = bench.driver.watch(&reader).unwrap();
    let wait = bench.submit(Op::readable(watched));
    bench.settle();
    drop(writer);
    assert!(matches!(bench.outcome_of(wait), Ok(Outcome::Ready)));
    assert_ready(&mut bench, Op::readable(watched));
    bench.close(watched);
    bench.finish();
}

fn a_full_pipe_is_writable_when_it_has_been_read(on: &On) {
    let mut bench = on.bench();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let watched = bench.driver.watch(&ours).unwrap();
    assert_ready(&mut bench, Op::writable(watched));
    let mut filled = 0;
    while let Ok(bytes) = (&ours).write(&[0; 4096]) {
        filled += bytes;
    }
    let full = bench.submit(Op::writable(watched));
    bench.settle();
    assert!(bench.seen.is_empty(), "{:?}", bench.seen);
    theirs.read_exact(&mut vec![0; filled]).unwrap();
    assert!(matches!(bench.outcome_of(full), Ok(Outcome::Ready)));
    bench.close(watched);
    bench.finish();
}

fn waits_of_both_kinds_do_not_wait_for_each_other(on: &On) {
    let mut bench = on.bench();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let watched = bench.driver.watch(&ours).unwrap();
    let readable = bench.submit(Op::readable(watched));
    assert_ready(&mut bench, Op::writable(watched));
    theirs.write_all(b"x").unwrap();
    assert!(matches!(bench.outcome_of(readable), Ok(Outcome::Ready)));
    bench.close(watched);
    bench.finish();
}

fn waits_are_cancelled_and_have_deadlines(on: &On) {
    let mut bench = on.bench();
    let (reader, mut writer) = pipe();
    let watched = bench.driver.watch(&reader).unwrap();
    let at = bench.driver.now() + SOON;
    let late = bench.submit(Op::readable(watched).with_deadline(at));
    assert_eq!(bench.kind_of(late), ErrorKind::TimedOut);
    let (first, second) = (bench.submit(Op::readable(watched)), bench.submit(Op::readable(watched)));
    bench.settle();
    assert!(bench.driver.cancel(first));
    assert_eq!(bench.kind_of(first), ErrorKind::Cancelled);
    writer.write_all(b"x").unwrap();
    assert!(matches!(bench.outcome_of(second), Ok(Outcome::Ready)));
    bench.close(watched);
    bench.finish();
}

fn closing_ends_the_waits_and_leaves_the_programs_descriptor_as_it_was(on: &On) {
    for mode in [CloseMode::Now, CloseMode::Abort, CloseMode::Graceful { linger: PATIENCE }] {
        let mut bench = on.bench();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let watched = bench.driver.watch(&ours).unwrap();
        let wait = bench.submit(Op::readable(watched));
        bench.settle();
        let close = bench.submit(Op::close(watched, mode));
        assert_eq!(bench.kind_of(wait), ErrorKind::Cancelled);
        assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
        theirs.write_all(b"x").unwrap();
        ours.write_all(b"y").unwrap();
        let mut byte = [0];
        ours.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"x", "it is open, and reads");
        assert_eq!(ours.read(&mut byte).unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it does not block");
        bench.finish();
    }
}

fn a_watched_descriptor_does_nothing_else(on: &On) {
    let mut bench = on.bench();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let watched = bench.driver.watch(&ours).unwrap();
    let (socket, _peer) = bench.pair();
    let wrong = [
        Op::recv(watched, vec![0u8; 1]),
        Op::send(watched, vec![0u8; 1]),
        Op::accept(watched),
        Op::readable(socket),
        Op::writable(socket),
    ];
    for op in wrong {
        let refused = bench.driver.submit(op, 0).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument, "{refused:?}");
    }
    bench.close(socket);
    bench.close(watched);
    bench.finish();
}

fn files_are_refused_by_name(on: &On) {
    let mut bench = on.bench();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let refused = bench.driver.watch(&file).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    bench.finish();
}

/// A thread writes while the driver waits, and reads a part each time.
fn many_waits_and_reads_lose_no_readiness(on: &On) {
    const BYTES: usize = 200_000;
    let mut bench = on.bench();
    let (mut reader, mut writer) = pipe();
    let watched = bench.driver.watch(&reader).unwrap();
    let writing = std::thread::spawn(move || {
        for chunk in vec![7u8; BYTES].chunks(997) {
            writer.write_all(chunk).unwrap();
        }
    });
    let mut read = 0;
    loop {
        assert_ready(&mut bench, Op::readable(watched));
        match reader.read(&mut [0; 1500]).unwrap() {
            0 => break,
            bytes => read += bytes,
        }
    }
    writing.join().unwrap();
    assert_eq!(read, BYTES);
    bench.close(watched);
    bench.finish();
}

fn a_simulated_network_refuses_by_name(on: &On) {
    if on.is_simulated() {
        let mut bench = on.bench();
        let (reader, _writer) = pipe();
        assert_eq!(bench.driver.watch(&reader).unwrap_err().kind(), ErrorKind::Unsupported);
        bench.finish();
    }
}
