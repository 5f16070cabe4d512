//! Futures.

use std::time::Duration;

use futures::future::{Either, join_all, select};
use futures::{FutureExt, select_biased};
use overlapped::driver::Wait;
use overlapped::future::block_on;
use overlapped::{Engine, ErrorKind, Socket};

use crate::harness::engine::*;
use crate::harness::tracked::*;
use crate::harness::*;

async fn echo(socket: Socket) -> Result<usize, overlapped::Error> {
    let mut buffer = vec![0; 1024];
    let mut total = 0;
    loop {
        let received = socket.recv(buffer).await?;
        if received.bytes == 0 {
            return Ok(total);
        }
        total += received.bytes;
        buffer = socket.send(received.buf).await?.buf;
    }
}

engine_rules! {
    an_operation_is_a_future,
    an_unpolled_future_starts_nothing_and_a_refused_start_is_its_output,
    dropping_a_future_cancels,
    select_and_timeouts_neither_lose_nor_reorder_bytes,
    many_sessions_in_one_executor_keep_their_bytes_apart: "their clients are a thread",
    the_waker_of_the_last_poll_is_woken,
    an_executor_that_never_turns_a_local_engine_is_told_so,
}

fn an_operation_is_a_future(engine: &Engine) {
    let (socket, peer) = pair(engine);
    write(&peer, b"hello");
    peer.shut_down_sending();
    assert_eq!(block_on(echo(socket)).unwrap().unwrap(), 5);
    assert_eq!(read(&peer, 5), b"hello");
}

fn an_unpolled_future_starts_nothing_and_a_refused_start_is_its_output(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    drop(socket.recv(vec![0; 8]));
    assert_eq!(engine.live().operations, 0);
    block_on(socket.close(overlapped::driver::CloseMode::Now)).unwrap().unwrap();
    let failed = block_on(socket.send(b"kept".to_vec())).unwrap().unwrap_err();
    assert_eq!((failed.error.kind(), &failed.given[..]), (ErrorKind::Closed, &b"kept"[..]));
}

fn dropping_a_future_cancels(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let timed_out = block_on(async {
        let receive = socket.recv(vec![0; 8]);
        let sleep = engine.sleep(Duration::from_millis(3));
        matches!(select(receive, sleep).await, Either::Right(..))
    })
    .unwrap();
    assert!(timed_out);
    until("its buffer is freed", || engine.live().buffers == 0);
}

/// A receive that is kept across the rounds of a `select` loses nothing when something else ends
/// first.
fn select_and_timeouts_neither_lose_nor_reorder_bytes(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(20_000);
    let writer = writer(&peer, bytes.clone());
    let (received, timeouts) = block_on(async {
        let (mut received, mut timeouts) = (Vec::new(), 0);
        let mut receive = socket.recv(vec![0; 64]).start().unwrap();
        while received.len() < 20_000 {
            let mut tick = engine.sleep(Duration::from_micros(50)).fuse();
            select_biased! {
                _ = tick => timeouts += 1,
                ended = (&mut receive).fuse() => {
                    let mut ended = ended.unwrap();
                    received.extend_from_slice(&ended.buf);
                    ended.buf.clear();
                    receive = socket.recv(ended.buf).start().unwrap();
                }
            }
        }
        (received, timeouts)
    })
    .unwrap();
    assert!(received == bytes, "with {timeouts} timeouts in between");
    writer.join().unwrap();
}

fn many_sessions_in_one_executor_keep_their_bytes_apart(engine: &Engine) {
    let (sockets, peers): (Vec<_>, Vec<_>) = (0..100).map(|_| pair(engine)).unzip();
    let clients = std::thread::spawn(move || {
        for round in 0..5 {
            for (i, peer) in peers.iter().enumerate() {
                write(peer, &[i as u8, round]);
            }
            for (i, peer) in peers.iter().enumerate() {
                assert_eq!(read(peer, 2), [i as u8, round]);
            }
        }
    });
    let served = block_on(join_all(sockets.into_iter().map(echo))).unwrap();
    clients.join().unwrap();
    assert!(served.into_iter().all(|total| total.unwrap() == 10));
}

/// A task may move to another thread between polls. Only its newest waker is woken.
fn the_waker_of_the_last_poll_is_woken(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut receive = socket.recv(vec![0; 8]).start().unwrap();
    let (first, second) = (Counter::default(), Counter::default());
    for count in [&first, &second] {
        let count = count.clone();
        let waker = waker(move || _ = count.up());
        let polled = std::pin::Pin::new(&mut receive).poll(&mut std::task::Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    write(&peer, b"x");
    until("it is woken", || second.get() == 1);
    assert_eq!(first.get(), 0);
    assert_eq!(end(receive).unwrap().buf, b"x");
}

/// Nobody would ever end the operation.
fn an_executor_that_never_turns_a_local_engine_is_told_so(own: Own) {
    let Own::Local(engine) = own else { return };
    let socket = engine.datagram("127.0.0.1:0", &Default::default());
    let failed = futures::executor::block_on(engine.sleep(Duration::ZERO)).unwrap_err();
    assert_eq!(failed.error.kind(), ErrorKind::WouldDeadlock);
    assert!(failed.error.to_string().contains("block_on"), "{}", failed.error);
    if let Ok(socket) = socket {
        let failed = futures::executor::block_on(socket.recv(b"kept".to_vec())).unwrap_err();
        assert_eq!((failed.error.kind(), &failed.given[..]), (ErrorKind::WouldDeadlock, &b"kept"[..]));
    }
    block_on(engine.sleep(Duration::ZERO)).unwrap().unwrap();

    // An executor whose loop turns the engine is none of these.
    engine.turn(Wait::Poll).unwrap();
    let mut pool = futures::executor::LocalPool::new();
    let task = pool.run_until(async { engine.sleep(Duration::ZERO).now_or_never() });
    assert!(task.is_none(), "it is pending");
    finish(&engine);
}
