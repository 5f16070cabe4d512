//! Spawned tasks, timers, offloaded work and wake-ups from other threads, and how all of them end.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use proactor::codec::Lines;
use proactor::task::{Elapsed, OffloadError, Remote, SpawnError};
use proactor::{CloseReason, Limits, SlowConsumer, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{
    PATIENCE, connect, echo, exchange, expect, on_each_backend, pattern, read_end, serve, wait_until,
};

/// Records on which threads it was dropped.
struct Dropped(Arc<Mutex<Vec<ThreadId>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(thread::current().id());
    }
}

#[test]
fn timers_are_never_early_fire_in_order_and_can_be_dropped() {
    on_each_backend(|builder| {
        let (_server, address) = serve(builder, |session| async move {
            let order = Rc::new(RefCell::new(Vec::new()));
            let began = session.now();
            for millis in [60, 20, 40, 0] {
                let (own, order) = (session.clone(), Rc::clone(&order));
                session
                    .spawn(async move {
                        own.sleep_until(began + Duration::from_millis(millis)).await;
                        assert!(own.now() - began >= Duration::from_millis(millis), "{millis} ms: early");
                        order.borrow_mut().push(millis);
                    })
                    .unwrap();
            }
            let never = session.timeout(Duration::from_millis(30), session.next());
            assert_eq!(never.await, Err(Elapsed));
            assert_eq!(session.timeout(PATIENCE, async { 7 }).await, Ok(7));
            drop(session.sleep(Duration::ZERO));
            while order.borrow().len() < 4 {
                session.sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(*order.borrow(), [0, 20, 40, 60]);
            session.send(b"in order").await.unwrap();
        });
        expect(&connect(address), b"in order");
    });
}

#[test]
fn spawned_tasks_may_share_what_is_not_send_and_end_with_their_session_or_shard() {
    on_each_backend(|builder| {
        let (kept, keeps) = mpsc::channel();
        let (tied, stray) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let drops = (Arc::clone(&tied), Arc::clone(&stray));
        let (server, address) = serve(builder.codec(Lines::new()), move |session| {
            let (kept, tied, stray) = (kept.clone(), Dropped(Arc::clone(&drops.0)), Dropped(Arc::clone(&drops.1)));
            async move {
                let count = Rc::new(Cell::new(0));
                for _ in 0..100 {
                    let count = Rc::clone(&count);
                    session.spawn(async move { count.set(count.get() + 1) }).unwrap();
                }
                session
                    .spawn(async move {
                        let _tied = tied;
                        std::future::pending::<()>().await;
                    })
                    .unwrap();
                let own = session.clone();
                session
                    .spawn_on_shard(async move {
                        let _stray = stray;
                        own.closed().await;
                        // A session that has begun to close is gone a little later.
                        while own.spawn(async {}) != Err(SpawnError::Closed) {
                            own.sleep(Duration::from_millis(1)).await;
                        }
                        kept.send(own.tasks_on_shard()).unwrap();
                        std::future::pending::<()>().await;
                    })
                    .unwrap();
                while session.next().await.is_some() {
                    session.send(count.get().to_string()).await.unwrap();
                }
            }
        });
        let mut client = connect(address);
        client.write_all(b"how many?\n").unwrap();
        expect(&client, b"100\n");
        client.shutdown(Shutdown::Write).unwrap();
        read_end(&client);
        drop(client);
        assert_eq!(keeps.recv_timeout(PATIENCE).unwrap(), 1, "only the one that asks is left");
        assert_eq!((tied.lock().unwrap().len(), stray.lock().unwrap().len()), (1, 0));
        server.handle().stop();
        server.wait().unwrap();
        assert_eq!(stray.lock().unwrap().len(), 1);
    });
}

#[test]
fn blocking_work_runs_on_a_few_other_threads() {
    on_each_backend(|builder| {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        let (hold, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let (_server, address) = serve(builder.offload_threads(3), move |session| {
            let (now, most, held) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&held));
            async move {
                let shard = thread::current().id();
                while let Some(packet) = session.next().await {
                    if &packet[..] == b"panic" {
                        let failed = session.offload(|| panic!("asked to")).await;
                        assert_eq!(failed, Err(OffloadError::Panicked));
                        session.send(b"fails").await.unwrap();
                        continue;
                    }
                    let (now, most, held) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&held));
                    let work = move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        if &packet[..] == b"block" {
                            let _ = held.lock().unwrap().recv();
                        }
                        now.fetch_sub(1, Ordering::SeqCst);
                        (thread::current().id(), packet)
                    };
                    let (thread, packet) = session.offload(work).await.unwrap();
                    assert_ne!(thread, shard);
                    assert_eq!(thread::current().id(), shard);
                    session.send(packet).await.unwrap();
                }
            }
        });
        let blocked = connect(address);
        (&blocked).write_all(b"block").unwrap();
        let clients: Vec<_> = (0..20).map(|_| connect(address)).collect();
        for round in 0..10 {
            for client in &clients {
                let mut client = client;
                client.write_all(format!("work {round}").as_bytes()).unwrap();
            }
            for client in &clients {
                expect(client, format!("work {round}").as_bytes());
            }
        }
        (&clients[0]).write_all(b"panic").unwrap();
        expect(&clients[0], b"fails");
        drop(hold);
        expect(&blocked, b"block");
        let most = seen.load(Ordering::SeqCst);
        assert!((1..=3).contains(&most), "{most} at once");
    });
}

/// A count that other threads raise, and the tasks that wait for it.
#[derive(Default)]
struct Gate {
    state: Mutex<(usize, Vec<Waker>)>,
}

impl Gate {
    fn raise(&self) {
        let wakers = {
            let mut state = self.state.lock().unwrap();
            state.0 += 1;
            std::mem::take(&mut state.1)
        };
        for waker in wakers {
            waker.wake_by_ref();
            // Neither this nor the drop of the waker may run or drop the task on this thread.
            waker.wake();
        }
    }

    async fn reach(&self, count: usize) {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock().unwrap();
            if state.0 >= count {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn wake_ups_from_other_threads_are_not_lost_and_tasks_run_and_drop_on_their_shard() {
    on_each_backend(|builder| {
        const THREADS: usize = 4;
        const EACH: usize = 5000;
        let gate = Arc::new(Gate::default());
        let polls: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
        let drops: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
        let (wait, seen, dropped) = (Arc::clone(&gate), Arc::clone(&polls), Arc::clone(&drops));
        let (server, address) = serve(builder, move |session| {
            let (gate, polls, dropped) = (Arc::clone(&wait), Arc::clone(&seen), Dropped(Arc::clone(&dropped)));
            async move {
                let _dropped = dropped;
                session.send(b"ready").await.unwrap();
                for count in 1..=THREADS * EACH {
                    gate.reach(count).await;
                    let mut polls = polls.lock().unwrap();
                    if polls.last() != Some(&thread::current().id()) {
                        polls.push(thread::current().id());
                    }
                }
                session.send(b"all").await.unwrap();
                // Woken again long after the session has closed. The shard drops it.
                gate.reach(usize::MAX).await;
            }
        });
        let clients: Vec<_> = (0..8).map(|_| connect(address)).collect();
        for client in &clients {
            expect(client, b"ready");
        }
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        gate.raise();
                    }
                });
            }
        });
        for client in &clients {
            expect(client, b"all");
        }
        drop(clients);
        gate.raise();
        server.handle().stop();
        server.wait().unwrap();
        gate.raise();
        let (polls, drops) = (polls.lock().unwrap(), drops.lock().unwrap());
        assert_eq!(polls.len(), 1, "one thread has polled them");
        assert_eq!(*drops, vec![polls[0]; 8], "and the same has dropped them");
        assert_ne!(polls[0], thread::current().id());
    });
}

#[test]
fn waiting_tasks_learn_of_a_drain_and_are_dropped_on_their_shard() {
    for stop in [false, true] {
        on_each_backend(|builder| {
            let drops: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
            let (ends, ended) = mpsc::channel();
            let dropped = Arc::clone(&drops);
            let (server, address) =
                serve(builder.shards(2).timeouts(Timeouts::new().linger(Duration::from_millis(100))), move |session| {
                    let (dropped, ends) = (Arc::clone(&dropped), ends.clone());
                    async move {
                        let _dropped = Dropped(Arc::clone(&dropped));
                        let word = session.next().await;
                        // Only this one waits for the next packet.
                        let idle = word.as_deref() == Some(b"next");
                        match word.as_deref() {
                            Some(b"next") => {
                                session.send(b"x").await.unwrap();
                                assert_eq!(session.next().await, None);
                            }
                            Some(b"fill") => while session.send([b'x'; 4096]).await.is_ok() {},
                            Some(b"closed") => {
                                session.send(b"x").await.unwrap();
                                session.closed().await;
                            }
                            Some(b"deaf") => {
                                session.send(b"x").await.unwrap();
                                let _tasks = Dropped(dropped);
                                std::future::pending::<()>().await;
                            }
                            Some(b"away") => {
                                session.send(b"x").await.unwrap();
                                session.offload(|| thread::sleep(Duration::from_millis(50))).await.unwrap();
                                session.closed().await;
                            }
                            other => panic!("{other:?}"),
                        }
                        ends.send((idle, session.closed().await)).unwrap();
                    }
                });
            let clients: Vec<_> = [&b"next"[..], b"fill", b"closed", b"deaf", b"away", b"next"]
                .into_iter()
                .map(|word| {
                    let mut client = connect(address);
                    client.write_all(word).unwrap();
                    expect(&client, b"x");
                    client
                })
                .collect();
            if stop {
                server.handle().stop();
            } else {
                // Long enough for those that are idle, also on a busy machine.
                server.handle().drain(Duration::from_secs(1));
            }
            server.wait().unwrap();
            drop(clients);
            let reasons: Vec<(bool, CloseReason)> = ended.try_iter().collect();
            // "deaf" never asks for the reason, and "away" may still have been offloading.
            assert!((4..=5).contains(&reasons.len()), "{reasons:?}");
            for (idle, reason) in reasons {
                let asked = idle && !stop;
                assert_eq!(reason, if asked { CloseReason::Drained } else { CloseReason::ServerStopping });
            }
            let drops = drops.lock().unwrap();
            assert_eq!(drops.len(), 7);
            assert!(!drops.contains(&thread::current().id()));
        });
    }
}

#[test]
fn a_tokio_runtime_in_the_same_process_is_a_client_and_answers_for_sessions() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    on_each_backend(|builder| {
        // Tasks of the runtime answer the sessions, or send to the client themselves.
        let (asks, mut asked) =
            tokio::sync::mpsc::channel::<(Vec<u8>, Remote, tokio::sync::oneshot::Sender<Vec<u8>>)>(8);
        runtime.spawn(async move {
            while let Some((mut question, remote, answer)) = asked.recv().await {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(u64::from(question[0]) % 5)).await;
                    question.reverse();
                    if question.len() % 2 == 0 {
                        remote.send(question).unwrap();
                        drop(answer);
                    } else {
                        answer.send(question).unwrap();
                    }
                });
            }
        });
        let (server, address) = serve(builder.codec(Lines::new()).shards(2), move |session| {
            let asks = asks.clone();
            async move {
                while let Some(line) = session.next().await {
                    let (answer, answered) = tokio::sync::oneshot::channel();
                    asks.send((line.to_vec(), session.remote(), answer)).await.unwrap();
                    if let Ok(answer) = answered.await {
                        session.send(answer).await.unwrap();
                    }
                }
                let remote = session.remote();
                remote.send(&b"bye"[..]).unwrap();
                // The close takes effect after the send before it.
                remote.close().unwrap();
                session.closed().await;
                while session.spawn(async {}).is_ok() {
                    session.sleep(Duration::from_millis(1)).await;
                }
            }
        });
        runtime.block_on(async {
            let clients: Vec<_> = (0..20)
                .map(|client| {
                    tokio::spawn(async move {
                        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                        for round in 0..30 {
                            let line = format!("{client}/{}", "x".repeat(round));
                            stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
                            let mut back = vec![0; line.len() + 1];
                            stream.read_exact(&mut back).await.unwrap();
                            let reversed: String = line.chars().rev().collect();
                            assert_eq!(String::from_utf8(back).unwrap(), format!("{reversed}\n"));
                        }
                        stream.shutdown().await.unwrap();
                        let mut rest = String::new();
                        stream.read_to_string(&mut rest).await.unwrap();
                        assert_eq!(rest, "bye\n");
                    })
                })
                .collect();
            for client in clients {
                tokio::time::timeout(PATIENCE, client).await.unwrap().unwrap();
            }
        });
        wait_until("every session has ended", || server.handle().sessions() == 0);
    });
}

#[test]
fn a_send_waits_for_room_under_every_policy_for_slow_consumers() {
    for policy in [SlowConsumer::PauseReading, SlowConsumer::Close] {
        on_each_backend(|builder| {
            let builder = builder.limits(Limits::new().outbox_bytes(64 * 1024)).slow_consumer(policy);
            let (server, address) = serve(builder, |session| async move {
                session.send(&pattern(7, 31 * 1024)).await?;
                session.send(&pattern(7, 40 * 1024)).await
            });
            let client = connect(address);
            expect(&client, &pattern(7, 31 * 1024));
            expect(&client, &pattern(7, 40 * 1024));
            read_end(&client);
            drop(client);
            wait_until("every session has ended", || server.handle().sessions() == 0);
            assert_eq!(server.handle().stats().closed(CloseReason::TooSlow), 0);
        });
    }
}

#[test]
fn a_task_that_is_always_ready_leaves_time_for_others() {
    on_each_backend(|builder| {
        let (_server, address) = serve(builder, |session| async move {
            session
                .spawn_on_shard(std::future::poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    Poll::<()>::Pending
                }))
                .unwrap();
            echo(session).await
        });
        let client = connect(address);
        let end = Instant::now() + PATIENCE;
        for round in 0..100 {
            exchange(&client, format!("round {round}").as_bytes());
            assert!(Instant::now() < end);
        }
    });
}
