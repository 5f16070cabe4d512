//! Sending files.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use overlapped::driver::{CloseMode, OpId, ShutdownHow, SocketId};
use overlapped::error::Action;
use overlapped::report::Backend;
use overlapped::{Error, ErrorKind, Op, Outcome};

use crate::harness::bench::{Bench, Peer};
use crate::harness::files::Temporary;
use crate::harness::place::On;
use crate::harness::{PATIENCE, pattern};

rules! {
    a_file_arrives_byte_for_byte_and_comes_back,
    a_range_is_sent_however_it_is_written,
    a_range_far_into_a_large_file_is_sent,
    an_empty_range_ends_at_once_with_no_bytes,
    files_keep_the_order_of_the_sends_before_and_behind_them,
    the_position_of_the_file_is_not_used,
    a_cancelled_file_says_how_far_it_came_and_breaks_the_stream,
    a_file_that_is_cancelled_behind_others_leaves_the_stream_whole,
    a_file_at_its_deadline_ends_with_what_it_had_sent,
    a_reset_ends_a_file_with_reset,
    a_graceful_close_delivers_a_file,
    a_close_ends_a_file,
    a_file_that_becomes_shorter_says_so,
    a_range_past_the_end_sends_nothing,
    a_file_that_cannot_be_read_sends_nothing,
    a_range_that_ends_before_it_begins_and_a_datagram_socket_are_refused: "it has no datagrams",
    a_file_on_a_stream_that_was_shut_down_ends_with_shut_down,
    many_files_at_once_arrive_whole,
    a_driver_that_is_dropped_lets_go_of_its_files,
}

/// More than one piece on every backend, and no multiple of one.
const SOME: usize = (3 << 20) + 777;

fn sent(bench: &mut Bench, id: OpId) -> u64 {
    match bench.outcome_of(id) {
        Ok(Outcome::Sent(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

fn error_of(bench: &mut Bench, id: OpId) -> Error {
    let error = bench.outcome_of(id).unwrap_err();
    assert_eq!(error.action(), Action::Send);
    error
}

/// Whether a peer that has got `got` bytes has got what the error says was sent.
fn agrees(on: &On, error: &Error, got: usize) -> bool {
    match on.backend {
        // The system tells of whole pieces.
        Backend::Winsock => error.transferred() <= got as u64,
        _ => error.transferred() == got as u64,
    }
}

/// Ends the stream, and returns what its peer reads to its end.
fn arrived(bench: &mut Bench, socket: SocketId, peer: &Peer) -> Vec<u8> {
    let reader = bench.reader(peer);
    bench.close(socket);
    bench.read_all(reader)
}

/// Checks that nothing was sent so far, and that the stream still takes a send.
fn nothing_was_sent(bench: &mut Bench, socket: SocketId, peer: &Peer) {
    let behind = bench.submit(Op::send(socket, b"whole".to_vec()));
    assert_eq!(sent(bench, behind), 5);
    assert_eq!(arrived(bench, socket, peer), b"whole");
}

pub(super) fn a_file_arrives_byte_for_byte_and_comes_back(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(64 << 20) + 777);
    let temporary = Temporary::new(&bytes);
    let send = bench.submit(temporary.send(socket, ..));
    let reader = bench.reader(&peer);
    let end = bench.end_of(send);
    assert!(matches!(end.result, Ok(Outcome::Sent(sent)) if sent == bytes.len() as u64), "{:?}", end.result);
    let back = end.buf.unwrap().take::<Arc<File>>().unwrap();
    assert!(Arc::ptr_eq(&back, &temporary.file));
    assert_eq!(Arc::strong_count(&back), 2, "the driver has let go of it");
    let shut = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    assert!(bench.outcome_of(shut).is_ok());
    assert!(bench.read_all(reader) == bytes);
    bench.close(socket);
    bench.finish();
}

pub(super) fn a_range_is_sent_however_it_is_written(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let temporary = Temporary::new(b"0123456789");
    let file = || Arc::clone(&temporary.file);
    let behind = (std::ops::Bound::Excluded(7), std::ops::Bound::Unbounded);
    let ops = [
        (Op::send_file(socket, file(), ..), 10),
        (Op::send_file(socket, file(), 4..), 6),
        (Op::send_file(socket, file(), ..3), 3),
        (Op::send_file(socket, file(), 4..6), 2),
        (Op::send_file(socket, file(), 4..=6), 3),
        (Op::send_file(socket, file(), behind), 2),
        (Op::send_file(socket, File::open(&temporary.path).unwrap(), 9..10), 1),
    ];
    for (op, expected) in ops {
        let id = bench.submit(op);
        assert_eq!(sent(&mut bench, id), expected);
    }
    assert_eq!(
        arrived(&mut bench, socket, &peer),
        b"0123456789456789012454568".iter().copied().chain(*b"99").collect::<Vec<_>>()
    );
    bench.finish();
}

pub(super) fn a_range_far_into_a_large_file_is_sent(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let temporary = Temporary::new(b"");
    // Nothing but its last bytes takes room on the disk.
    let start = (5 << 30) + 1;
    temporary.file.set_len(start).unwrap();
    let bytes = pattern(1000);
    let mut end = std::fs::OpenOptions::new().append(true).open(&temporary.path).unwrap();
    std::io::Write::write_all(&mut end, &bytes).unwrap();
    let send = bench.submit(temporary.send(socket, start..));
    assert_eq!(sent(&mut bench, send), 1000);
    assert!(arrived(&mut bench, socket, &peer) == bytes);
    bench.finish();
}

pub(super) fn an_empty_range_ends_at_once_with_no_bytes(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let (empty, full) = (Temporary::new(b""), Temporary::new(b"0123456789"));
    for (temporary, from) in [(&empty, 0), (&empty, 5), (&full, 10), (&full, 11)] {
        let send = bench.submit(temporary.send(socket, from..));
        assert_eq!(sent(&mut bench, send), 0);
    }
    let send = bench.submit(Op::send_file(socket, Arc::clone(&full.file), 4..4));
    assert_eq!(sent(&mut bench, send), 0);
    nothing_was_sent(&mut bench, socket, &peer);
    bench.finish();
}

pub(super) fn files_keep_the_order_of_the_sends_before_and_behind_them(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(16 << 20) + 777);
    let temporary = Temporary::new(&bytes);
    let mut ids = Vec::new();
    let mut expected = Vec::new();
    for round in 0..3u8 {
        ids.push(bench.submit(Op::send(socket, [vec![b'<', round], bytes[..5000].to_vec()])));
        ids.push(bench.submit(temporary.send(socket, ..)));
        ids.push(bench.submit(temporary.send(socket, 7..=7)));
        expected.extend([b'<', round]);
        expected.extend(&bytes[..5000]);
        expected.extend(&bytes);
        expected.push(bytes[7]);
    }
    let end = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    let reader = bench.reader(&peer);
    for id in ids {
        sent(&mut bench, id);
    }
    assert!(bench.outcome_of(end).is_ok());
    assert!(bench.read_all(reader) == expected);
    bench.close(socket);
    bench.finish();
}

pub(super) fn the_position_of_the_file_is_not_used(on: &On) {
    use std::io::Seek;
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let temporary = Temporary::new(b"0123456789");
    (&*temporary.file).seek(std::io::SeekFrom::Start(4)).unwrap();
    for _ in 0..2 {
        let send = bench.submit(temporary.send(socket, 1..3));
        assert_eq!(sent(&mut bench, send), 2);
    }
    if cfg!(unix) {
        assert_eq!((&*temporary.file).stream_position().unwrap(), 4);
    }
    assert_eq!(arrived(&mut bench, socket, &peer), b"1212");
    bench.finish();
}

pub(super) fn a_cancelled_file_says_how_far_it_came_and_breaks_the_stream(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.flood());
    let temporary = Temporary::new(&bytes);
    let first = bench.submit(temporary.send(socket, ..));
    let second = bench.submit(temporary.send(socket, ..));
    let third = bench.submit(Op::send(socket, vec![2u8; 10]));
    for _ in 0..5 {
        bench.settle();
    }
    assert!(bench.driver.cancel(first));
    let error = error_of(&mut bench, first);
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.transferred() > 0 && error.transferred() < bytes.len() as u64, "{}", error.transferred());
    assert_eq!(bench.kind_of(second), ErrorKind::BrokenStream);
    assert_eq!(bench.kind_of(third), ErrorKind::BrokenStream);
    let got = arrived(&mut bench, socket, &peer);
    assert!(bytes.starts_with(&got));
    assert!(agrees(on, &error, got.len()), "{} sent, {} received", error.transferred(), got.len());
    bench.finish();
}

pub(super) fn a_file_that_is_cancelled_behind_others_leaves_the_stream_whole(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = vec![0; on.flood()];
    let temporary = Temporary::new(b"never");
    let before = bench.submit(Op::send(socket, bytes.clone()));
    let file = bench.submit(temporary.send(socket, ..));
    let behind = bench.submit(Op::send(socket, b"behind".to_vec()));
    bench.settle();
    assert!(bench.driver.cancel(file));
    let error = error_of(&mut bench, file);
    assert_eq!((error.kind(), error.transferred()), (ErrorKind::Cancelled, 0));
    let reader = bench.reader(&peer);
    assert_eq!(sent(&mut bench, before), bytes.len() as u64);
    assert_eq!(sent(&mut bench, behind), 6);
    bench.close(socket);
    assert!(bench.read_all(reader) == [&bytes[..], b"behind"].concat());
    bench.finish();
}

pub(super) fn a_file_at_its_deadline_ends_with_what_it_had_sent(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let temporary = Temporary::sparse(on.flood());
    let at = bench.driver.now() + Duration::from_millis(200);
    let file = bench.submit(temporary.send(socket, ..).with_deadline(at));
    let behind = bench.submit(Op::send(socket, vec![0; 5]));
    let error = error_of(&mut bench, file);
    assert!(bench.driver.now() >= at);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.transferred() < on.flood() as u64);
    let kind = bench.kind_of(behind);
    assert_eq!(kind, ErrorKind::BrokenStream);
    // It has passed before the file's turn comes.
    let late = bench.submit(temporary.send(socket, ..).with_deadline(at));
    assert!(matches!(bench.kind_of(late), ErrorKind::TimedOut | ErrorKind::BrokenStream));
    bench.close(socket);
    bench.finish();
}

pub(super) fn a_reset_ends_a_file_with_reset(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let temporary = Temporary::sparse(on.flood());
    let first = bench.submit(temporary.send(socket, ..));
    let second = bench.submit(temporary.send(socket, ..));
    bench.settle();
    assert!(!bench.peer_reads(&peer, 1000).unwrap().is_empty());
    bench.reset(peer);
    let error = error_of(&mut bench, first);
    assert_eq!(error.kind(), ErrorKind::Reset);
    assert!(error.transferred() < on.flood() as u64, "{}", error.transferred());
    assert_eq!(bench.kind_of(second), ErrorKind::Reset);
    bench.close(socket);
    bench.finish();
}

pub(super) fn a_graceful_close_delivers_a_file(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let bytes = pattern(on.many(16 << 20));
    let temporary = Temporary::new(&bytes);
    let send = bench.submit(temporary.send(socket, ..));
    let close = bench.submit(Op::close(socket, CloseMode::Graceful { linger: PATIENCE }));
    let reader = bench.reader(&peer);
    assert_eq!(sent(&mut bench, send), bytes.len() as u64);
    if on.is_simulated() {
        assert!(bench.read_all(reader) == bytes);
        bench.drop_peer(peer);
        assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
    } else {
        // The reader closes it when it has read everything.
        bench.drop_peer(peer);
        assert!(matches!(bench.outcome_of(close), Ok(Outcome::Closed)));
        assert!(bench.read_all(reader) == bytes);
    }
    bench.finish();
}

pub(super) fn a_close_ends_a_file(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let temporary = Temporary::sparse(on.flood());
    let first = bench.submit(temporary.send(socket, ..));
    let second = bench.submit(temporary.send(socket, ..));
    bench.settle();
    bench.close(socket);
    assert_eq!(bench.kind_of(first), ErrorKind::Cancelled);
    assert_eq!(bench.kind_of(second), ErrorKind::Cancelled);
    bench.finish();
}

pub(super) fn a_file_that_becomes_shorter_says_so(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let len = on.flood() as u64;
    let temporary = Temporary::sparse(on.flood());
    let file = bench.submit(temporary.send(socket, 0..len));
    let behind = bench.submit(Op::send(socket, vec![0; 5]));
    for _ in 0..5 {
        bench.settle();
    }
    assert!(bench.seen.is_empty(), "it waits for the peer");
    temporary.file.set_len(5).unwrap();
    let reader = bench.reader(&peer);
    let error = error_of(&mut bench, file);
    assert_eq!(error.kind(), ErrorKind::EndOfFile, "{error}");
    assert!(error.transferred() > 0 && error.transferred() < len, "{}", error.transferred());
    assert_eq!(bench.kind_of(behind), ErrorKind::BrokenStream);
    bench.close(socket);
    let got = bench.read_all(reader);
    assert!(agrees(on, &error, got.len()), "{} sent, {} received", error.transferred(), got.len());
    bench.finish();
}

pub(super) fn a_range_past_the_end_sends_nothing(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let temporary = Temporary::new(b"0123456789");
    for range in [0..11, 10..11, 11..11, 20..30, 0..u64::MAX] {
        let file = bench.submit(temporary.send(socket, range));
        let error = error_of(&mut bench, file);
        assert_eq!((error.kind(), error.transferred()), (ErrorKind::EndOfFile, 0));
    }
    nothing_was_sent(&mut bench, socket, &peer);
    bench.finish();
}

pub(super) fn a_file_that_cannot_be_read_sends_nothing(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let temporary = Temporary::new(b"0123456789");
    let mut cases = Vec::from([(temporary.for_writing(), ErrorKind::NotPermitted)]);
    cases.reserve(4);
    #[cfg(unix)]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        cases.push((File::from(std::os::fd::OwnedFd::from(reader)), ErrorKind::InvalidArgument));
        cases.push((File::from(std::os::fd::OwnedFd::from(writer)), ErrorKind::InvalidArgument));
        cases.push((File::open(std::env::temp_dir()).unwrap(), ErrorKind::InvalidArgument));
        cases.push((File::open("/dev/null").unwrap(), ErrorKind::InvalidArgument));
    }
    for (file, kind) in cases {
        let send = bench.submit(Op::send_file(socket, file, ..));
        let end = bench.end_of(send);
        let error = end.result.unwrap_err();
        assert_eq!((error.kind(), error.transferred()), (kind, 0), "{error}");
        assert!(end.buf.unwrap().take::<Arc<File>>().is_ok(), "it comes back");
    }
    nothing_was_sent(&mut bench, socket, &peer);
    bench.finish();
}

#[expect(clippy::reversed_empty_ranges, reason = "it is what is refused")]
pub(super) fn a_range_that_ends_before_it_begins_and_a_datagram_socket_are_refused(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let datagrams = bench.driver.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let (listener, _) = bench.listen();
    let temporary = Temporary::new(b"0123456789");
    let file = || Arc::clone(&temporary.file);
    for op in
        [Op::send_file(socket, file(), 5..4), Op::send_file(datagrams, file(), ..), Op::send_file(listener, file(), ..)]
    {
        let failed = bench.driver.submit(op, 0).unwrap_err();
        assert_eq!(failed.error.kind(), ErrorKind::InvalidArgument);
        assert!(failed.given.into_buf().unwrap().take::<Arc<File>>().is_ok());
    }
    for socket in [socket, datagrams, listener] {
        bench.close(socket);
    }
    bench.finish();
}

pub(super) fn a_file_on_a_stream_that_was_shut_down_ends_with_shut_down(on: &On) {
    let mut bench = on.bench();
    let (socket, _peer) = bench.pair();
    let temporary = Temporary::new(b"0123456789");
    let shut = bench.submit(Op::shutdown(socket, ShutdownHow::Send));
    let file = bench.submit(temporary.send(socket, ..));
    assert!(bench.outcome_of(shut).is_ok());
    assert_eq!(bench.kind_of(file), ErrorKind::ShutDown);
    bench.close(socket);
    bench.finish();
}

pub(super) fn many_files_at_once_arrive_whole(on: &On) {
    let mut bench = on.bench();
    let count = if on.is_simulated() { 10 } else { 30 };
    let bytes = pattern(on.many(SOME));
    let temporary = Temporary::new(&bytes);
    let pairs: Vec<_> = (0..count).map(|_| bench.pair()).collect();
    let sends: Vec<_> =
        (0..count as u64).map(|index| bench.submit(temporary.send(pairs[index as usize].0, index..))).collect();
    let readers: Vec<_> = pairs.iter().map(|(_, peer)| bench.reader(peer)).collect();
    for (index, send) in sends.into_iter().enumerate() {
        assert_eq!(sent(&mut bench, send), (bytes.len() - index) as u64);
    }
    for (index, ((socket, _), reader)) in pairs.iter().zip(readers).enumerate() {
        bench.close(*socket);
        assert!(bench.read_all(reader) == bytes[index..], "file {index}");
    }
    bench.finish();
}

pub(super) fn a_driver_that_is_dropped_lets_go_of_its_files(on: &On) {
    let temporary = Temporary::sparse(on.flood());
    let mut bench = on.bench();
    let pairs: Vec<_> = (0..3).map(|_| bench.pair()).collect();
    for (socket, _) in &pairs {
        for _ in 0..2 {
            bench.submit(temporary.send(*socket, ..));
        }
    }
    bench.turn(overlapped::driver::Wait::Poll);
    drop(bench);
    assert_eq!(Arc::strong_count(&temporary.file), 1);
}
