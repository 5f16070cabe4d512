//! Sending files, in each of the four models.

use std::cell::RefCell;
use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use overlapped::driver::{CloseMode, Wait};
use overlapped::engine::{FileSent, Received};
use overlapped::error::Action;
use overlapped::future::block_on;
use overlapped::routine::sleep_alertable;
use overlapped::{CompletionPort, Engine, ErrorKind, Event};

use crate::harness::PATIENCE;
use crate::harness::engine::*;
use crate::harness::files::Temporary;
use crate::harness::pattern;

engine_rules! {
    each_model_is_told_of_a_sent_file,
    each_model_is_told_of_a_file_that_cannot_be_sent,
    a_file_between_a_head_and_a_tail,
    a_deadline_ends_a_file_that_nobody_takes,
    a_dropped_handle_ends_the_file_and_breaks_the_stream,
    a_detached_file_goes_on_and_a_graceful_close_delivers_it,
    files_to_many_peers_at_once,
}

/// More than a connection takes while its other end does not read.
fn flood(engine: &Engine) -> usize {
    if is_simulated(engine) { 1 << 20 } else { 64 << 20 }
}

/// What a peer reads while this thread turns the engine.
fn read_meanwhile(reader: Busy<Vec<u8>, Received<Vec<u8>>>) -> Vec<u8> {
    until("the peer has read", || match &reader {
        Busy::System(thread) => thread.is_finished(),
        Busy::Simulated(receive) => receive.has_ended(),
    });
    reader.join().unwrap()
}

fn each_model_is_told_of_a_sent_file(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(300_000);
    let temporary = Temporary::new(&bytes);
    let file = || Arc::clone(&temporary.file);
    let reader = reader_of(&peer, 4 * bytes.len());
    let all = bytes.len() as u64;

    let event = Event::new();
    let mut send = socket.send_file(file(), ..).event(&event).start().unwrap();
    assert!(event.wait(WAIT).unwrap());
    let ended = send.result(Wait::Poll).unwrap();
    assert_eq!(ended.bytes, all);
    assert!(Arc::ptr_eq(&ended.file, &temporary.file));

    let told = Rc::new(RefCell::new(None));
    let here = Rc::clone(&told);
    socket.send_file(file(), ..).on_complete(move |ended| *here.borrow_mut() = Some(ended.unwrap().bytes)).unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(told.take(), Some(all));

    let port = CompletionPort::new(1, 16);
    socket.associate(&port, 5).unwrap();
    socket.skip_packet_on_success(true).unwrap();
    socket.send_file(file(), ..).to_port(7).unwrap();
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!((packet.key, packet.token, packet.action()), (5, 7, Some(Action::Send)));
    assert_eq!(packet.result::<FileSent>().unwrap().bytes, all);

    let ended = block_on(async { socket.send_file(file(), ..).await }).unwrap();
    assert_eq!(ended.unwrap().bytes, all);
    assert!(reader.join().unwrap() == bytes.repeat(4));
    assert_eq!(Arc::strong_count(&temporary.file), 2, "`ended` has the first");
}

fn each_model_is_told_of_a_file_that_cannot_be_sent(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let temporary = Temporary::new(b"0123456789");
    let file = || Arc::clone(&temporary.file);

    let mut send = socket.send_file(file(), ..11).start().unwrap();
    assert_eq!(send.result(WAIT).unwrap_err().kind(), ErrorKind::EndOfFile);
    assert!(Arc::ptr_eq(&send.take_buf().unwrap(), &temporary.file));

    let told = Rc::new(RefCell::new(None));
    let here = Rc::clone(&told);
    let send = socket.send_file(temporary.for_writing(), ..);
    send.on_complete(move |ended| *here.borrow_mut() = Some(ended.unwrap_err().error.kind())).unwrap();
    assert_eq!(sleep_alertable(WAIT).unwrap(), 1);
    assert_eq!(told.take(), Some(ErrorKind::NotPermitted));

    let port = CompletionPort::new(1, 16);
    socket.send_file(file(), 3..11).post_to(&port, 5, 7).unwrap();
    let mut packet = port.get(WAIT).unwrap().unwrap();
    assert_eq!(packet.result::<FileSent>().unwrap_err().kind(), ErrorKind::EndOfFile);
    assert!(packet.take_buf::<Arc<File>>().is_some());

    let failed = block_on(async { socket.send_file(file(), 3..11).await }).unwrap().unwrap_err();
    assert_eq!((failed.error.kind(), failed.error.transferred()), (ErrorKind::EndOfFile, 0));
    assert!(Arc::ptr_eq(&failed.given, &temporary.file));
}

fn a_file_between_a_head_and_a_tail(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(many(engine, 4 << 20));
    let temporary = Temporary::new(&bytes);
    let head = socket.send("head").start().unwrap();
    let file = socket.send_file(Arc::clone(&temporary.file), ..).start().unwrap();
    let tail = socket.send("tail").start().unwrap();
    let reader = reader_of(&peer, bytes.len() + 8);
    assert_eq!(end(head).unwrap().bytes, 4);
    assert_eq!(end(file).unwrap().bytes, bytes.len() as u64);
    assert_eq!(end(tail).unwrap().bytes, 4);
    assert!(reader.join().unwrap() == [b"head", &bytes[..], b"tail"].concat());
}

fn a_deadline_ends_a_file_that_nobody_takes(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let temporary = Temporary::sparse(flood(engine));
    let at = engine.now() + Duration::from_millis(200);
    let mut file = socket.send_file(Arc::clone(&temporary.file), ..).deadline(at).start().unwrap();
    let behind = socket.send("behind").start().unwrap();
    let error = file.result(WAIT).unwrap_err();
    assert!(engine.now() >= at);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.transferred() < flood(engine) as u64);
    assert!(file.take_buf().is_some());
    assert_eq!(end(behind).unwrap_err().kind(), ErrorKind::BrokenStream);
}

fn a_dropped_handle_ends_the_file_and_breaks_the_stream(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let temporary = Temporary::sparse(flood(engine));
    let file = socket.send_file(Arc::clone(&temporary.file), ..).start().unwrap();
    let behind = socket.send("behind").start().unwrap();
    // Some of it has arrived.
    assert_eq!(read_meanwhile(reader_of(&peer, 100)).len(), 100);
    drop(file);
    assert_eq!(end(behind).unwrap_err().kind(), ErrorKind::BrokenStream);
    until("the engine lets go of the file", || Arc::strong_count(&temporary.file) == 1);
}

fn a_detached_file_goes_on_and_a_graceful_close_delivers_it(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(many(engine, 4 << 20));
    let temporary = Temporary::new(&bytes);
    socket.send_file(File::open(&temporary.path).unwrap(), ..).detach().unwrap();
    let close = socket.close(CloseMode::Graceful { linger: PATIENCE }).start().unwrap();
    let reader = reader(&peer);
    assert!(read_meanwhile(reader) == bytes);
    drop(peer);
    end(close).unwrap();
}

fn files_to_many_peers_at_once(engine: &Engine) {
    let count = if is_simulated(engine) { 5 } else { 40 };
    let bytes = pattern(many(engine, 3 << 20));
    let temporary = Temporary::new(&bytes);
    let pairs: Vec<_> = (0..count).map(|_| pair(engine)).collect();
    let stalled = pair(engine);
    let flood = Temporary::sparse(flood(engine));
    let stuck = stalled.0.send_file(Arc::clone(&flood.file), ..).start().unwrap();
    let sends: Vec<_> =
        pairs.iter().map(|(socket, _)| socket.send_file(Arc::clone(&temporary.file), ..).start().unwrap()).collect();
    let readers: Vec<_> = pairs.iter().map(|(_, peer)| reader_of(peer, bytes.len())).collect();
    for (send, reader) in sends.into_iter().zip(readers) {
        assert_eq!(end(send).unwrap().bytes, bytes.len() as u64);
        assert!(reader.join().unwrap() == bytes);
    }
    assert!(!stuck.has_ended(), "its peer takes nothing, which holds up nobody else");
    assert!(stuck.cancel());
    assert_eq!(end(stuck).unwrap_err().kind(), ErrorKind::Cancelled);
}
