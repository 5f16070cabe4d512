//! Sessions as async functions: packets, back-pressure, ends and panics.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use proactor::codec::Lines;
use proactor::{CloseReason, Limits, SendError};

use crate::harness::{
    PATIENCE, connect, echo, exchange, expect, on_each_backend, pattern, read_end, serve, wait_until,
};

#[test]
fn every_packet_comes_back_and_the_end_of_the_stream_ends_the_session() {
    on_each_backend(|builder| {
        let (server, address) = serve(builder.shards(2), echo);
        let clients: Vec<_> = (0..20).map(|_| connect(address)).collect();
        for round in 0..20 {
            for (index, client) in clients.iter().enumerate() {
                exchange(client, format!("{round} of {index}").as_bytes());
            }
        }
        for client in &clients {
            client.shutdown(Shutdown::Write).unwrap();
            read_end(client);
        }
        wait_until("every session has ended", || server.handle().sessions() == 0);
        assert_eq!(server.handle().stats().closed(CloseReason::ByPeer), 20);
    });
}

#[test]
fn packets_are_read_in_place_or_owned_and_none_is_lost() {
    on_each_backend(|builder| {
        let (_server, address) = serve(builder.codec(Lines::new()), |session| async move {
            let mut count = 0;
            loop {
                let line = match count % 3 {
                    0 => session.next().await.map(|line| line.to_vec()),
                    1 => session.next_with(|line| line.to_vec()).await,
                    // A `next` that is dropped while it waits loses no packet.
                    _ => {
                        let mut waits = 1;
                        let mut line = std::pin::pin!(session.next());
                        let first = std::future::poll_fn(|cx| match line.as_mut().poll(cx) {
                            Poll::Ready(line) => Poll::Ready(Some(line)),
                            Poll::Pending if waits == 0 => Poll::Ready(None),
                            Poll::Pending => {
                                waits -= 1;
                                cx.waker().wake_by_ref();
                                Poll::Pending
                            }
                        });
                        match first.await {
                            Some(line) => line.map(|line| line.to_vec()),
                            None => session.next().await.map(|line| line.to_vec()),
                        }
                    }
                };
                let Some(line) = line else { return };
                count += 1;
                session.try_send(line).unwrap();
            }
        });
        let mut client = connect(address);
        let lines: Vec<String> = (0..2000).map(|index| format!("{}{index}\n", "x".repeat(index % 300))).collect();
        let all = lines.concat();
        // Pieces end in the middle of lines.
        for piece in all.as_bytes().chunks(777) {
            client.write_all(piece).unwrap();
        }
        expect(&client, all.as_bytes());
    });
}

#[test]
fn a_send_waits_until_the_outbox_has_room() {
    on_each_backend(|builder| {
        const OUTBOX: usize = 64 * 1024;
        let most = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&most);
        let bytes = pattern(7, 16 << 20);
        let sent = bytes.clone();
        let (_server, address) = serve(builder.limits(Limits::new().outbox_bytes(OUTBOX)), move |session| {
            let (seen, sent) = (Arc::clone(&seen), sent.clone());
            async move {
                for piece in sent.chunks(10_000) {
                    session.send(piece).await?;
                    seen.fetch_max(session.queued(), Ordering::Relaxed);
                }
                // More than the outbox can hold.
                assert_eq!(session.send(vec![0; OUTBOX + 1]).await, Err(SendError::Full));
                session.send(b"end").await
            }
        });
        let client = connect(address);
        wait_until("half of the outbox is queued", || most.load(Ordering::Relaxed) >= OUTBOX / 2);
        expect(&client, &bytes);
        expect(&client, b"end");
        read_end(&client);
        let most = most.load(Ordering::Relaxed);
        assert!(most < OUTBOX / 2 + 10_000, "{most}");
    });
}

#[test]
fn a_task_that_takes_no_packets_stops_its_own_peer_only() {
    on_each_backend(|builder| {
        let (go, gone) = tokio::sync::watch::channel(false);
        let (_server, address) = serve(builder, move |session| {
            let mut gone = gone.clone();
            async move {
                let first = session.next().await.unwrap_or_default();
                if first.starts_with(b"wait") {
                    gone.wait_for(|gone| *gone).await.unwrap();
                }
                session.send(&first).await?;
                echo(session).await
            }
        });
        let mut held = connect(address);
        held.write_all(b"wait").unwrap();
        let bytes = pattern(7, 64 << 20);
        held.set_nonblocking(true).unwrap();
        // Until the windows of both ends are full. The server keeps only one packet and what
        // arrived before it stopped reading.
        let mut accepted = 0;
        let mut refused = Instant::now();
        while accepted < bytes.len() && refused.elapsed() < Duration::from_millis(300) {
            match held.write(&bytes[accepted..]) {
                Ok(some) => {
                    accepted += some;
                    refused = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("{error}"),
            }
        }
        assert!(accepted < bytes.len(), "the server has taken everything");
        exchange(&connect(address), b"someone else");
        held.set_nonblocking(false).unwrap();
        go.send(true).unwrap();
        expect(&held, b"wait");
        let reader = held.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| held.write_all(&bytes[accepted..accepted + 100_000]).unwrap());
            expect(&reader, &bytes[..accepted + 100_000]);
        });
    });
}

#[test]
fn a_task_learns_of_the_end_of_its_session_from_either_side() {
    on_each_backend(|builder| {
        let (ends, ended) = mpsc::channel();
        let (server, address) = serve(builder, move |session| {
            let ends = ends.clone();
            async move {
                match session.next().await.as_deref() {
                    Some(b"close") => {
                        session.try_send(b"last").unwrap();
                        session.close();
                        assert_eq!(session.try_send(b"more"), Err(SendError::Closed));
                        assert_eq!(session.send(b"more").await, Err(SendError::Closed));
                    }
                    Some(b"return") => session.try_send(b"last").unwrap(),
                    Some(b"wait") => {
                        session.try_send(b"go").unwrap();
                        // The peer sends no more, but it may still read.
                        assert_eq!(session.next().await, None);
                        assert_eq!(session.closed().await, CloseReason::ByPeer);
                        session.send(b"afterwards").await.unwrap();
                    }
                    Some(b"stay") => {
                        session.try_send(b"so I do").unwrap();
                        assert_eq!(session.closed().await, CloseReason::Reset);
                        assert_eq!(session.next().await, None);
                    }
                    other => panic!("{other:?}"),
                }
                ends.send(session.id()).unwrap();
            }
        });
        let mut client = connect(address);
        client.write_all(b"close").unwrap();
        expect(&client, b"last");
        read_end(&client);
        drop(client);
        ended.recv_timeout(PATIENCE).unwrap();
        let mut client = connect(address);
        client.write_all(b"wait").unwrap();
        expect(&client, b"go");
        client.shutdown(Shutdown::Write).unwrap();
        expect(&client, b"afterwards");
        read_end(&client);
        ended.recv_timeout(PATIENCE).unwrap();
        wait_until("every session has ended", || server.handle().sessions() == 0);
        let stats = server.handle().stats();
        assert_eq!((stats.closed(CloseReason::ByHandler), stats.closed(CloseReason::ByPeer)), (1, 1));
        let mut client = connect(address);
        client.write_all(b"return").unwrap();
        expect(&client, b"last");
        read_end(&client);
        ended.recv_timeout(PATIENCE).unwrap();
        let mut client = connect(address);
        client.write_all(b"stay").unwrap();
        expect(&client, b"so I do");
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        ended.recv_timeout(PATIENCE).unwrap();
    });
}

#[test]
fn a_panic_ends_its_own_session_and_no_other() {
    on_each_backend(|builder| {
        let (server, address) = serve(builder, |session| async move {
            let own = session.clone();
            while let Some(packet) = session.next().await {
                match &packet[..] {
                    b"panic" => panic!("asked to"),
                    b"child" => own.spawn(async { panic!("asked to, in a child") }).unwrap(),
                    b"stray" => own.spawn_on_shard(async { panic!("asked to, of no session") }).unwrap(),
                    _ => session.send(&packet).await.unwrap(),
                }
            }
        });
        let other = connect(address);
        exchange(&other, b"before");
        for word in [&b"panic"[..], b"child"] {
            let mut client = connect(address);
            exchange(&client, b"fine");
            client.write_all(word).unwrap();
            read_end(&client);
            exchange(&other, b"still here");
        }
        (&other).write_all(b"stray").unwrap();
        wait_until("both panics are counted", || server.handle().stats().closed(CloseReason::Panic) == 2);
        thread::sleep(Duration::from_millis(20));
        exchange(&other, b"and after that");
    });
}

#[test]
fn a_function_that_panics_before_it_returns_a_future_ends_its_session() {
    on_each_backend(|builder| {
        let count = Arc::new(AtomicUsize::new(0));
        let (_server, address) = serve(builder, move |session| {
            assert!(count.fetch_add(1, Ordering::Relaxed) != 0, "the first");
            echo(session)
        });
        read_end(&connect(address));
        exchange(&connect(address), b"the second");
    });
}

#[test]
fn a_session_that_its_task_resumes_loses_nothing() {
    on_each_backend(|builder| {
        let (_server, address) = serve(builder, |session| async move {
            let own = session.clone();
            session
                .spawn(async move {
                    for _ in 0..20 {
                        own.session().resume();
                        own.sleep(Duration::from_millis(1)).await;
                    }
                })
                .unwrap();
            // Packets arrive meanwhile and wait.
            session.sleep(Duration::from_millis(100)).await;
            echo(session).await
        });
        let client = connect(address);
        let bytes = pattern(7, 200_000);
        thread::scope(|scope| {
            scope.spawn(|| {
                for piece in bytes.chunks(5000) {
                    (&client).write_all(piece).unwrap();
                    thread::sleep(Duration::from_millis(1));
                }
            });
            expect(&client, &bytes);
        });
    });
}

/// A waker that breaks the rule that wakers do not panic.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Panics>) {
        panic!("asked to, when woken");
    }
}

#[test]
fn a_waker_that_panics_loses_no_packet() {
    on_each_backend(|builder| {
        let (_server, address) = serve(builder, |session| async move {
            {
                let waker = Waker::from(Arc::new(Panics));
                let mut cx = Context::from_waker(&waker);
                let mut next = std::pin::pin!(session.next());
                let mut closed = std::pin::pin!(session.closed());
                assert!(next.as_mut().poll(&mut cx).is_pending());
                assert!(closed.as_mut().poll(&mut cx).is_pending());
                session.send(b"ready").await?;
                session.sleep(Duration::from_millis(50)).await;
            }
            echo(session).await
        });
        let clients: Vec<_> = (0..3).map(|_| connect(address)).collect();
        for client in &clients {
            expect(client, b"ready");
        }
        // The end of the stream wakes the first task. Two packets wake each of the others.
        clients[0].shutdown(Shutdown::Write).unwrap();
        read_end(&clients[0]);
        for client in &clients[1..] {
            exchange(client, b"the packet");
            exchange(client, b"another");
        }
    });
}
