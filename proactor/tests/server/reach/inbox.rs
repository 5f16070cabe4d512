//! A full inbox: a message is given back, or waits for room, or for the end of its session.

use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use overlapped::future::block_on;
use proactor::{AsyncSession, Flow, Handler, Limits, PostError, SendError, Session, SessionId};

use crate::harness::{PATIENCE, address_of, ask, backends, builder, connect, expect, finish, next};

#[test]
fn a_full_inbox_gives_the_message_back_and_other_sessions_have_room() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let limits = Limits::new().inbox_messages(4);
        // Takes messages only when it is told to.
        let logic = move |session: AsyncSession<String>| {
            ids.send(session.id()).unwrap();
            async move {
                while session.next().await.is_some() {
                    let message = session.message().await.unwrap();
                    session.send(message).await?;
                }
                Ok::<_, SendError>(())
            }
        };
        let server = builder(backend, 1).limits(limits).serve_with_messages(logic).unwrap();
        let client = connect(address_of(&server));
        let id = next(&came);
        let other_client = connect(address_of(&server));
        let other = next(&came);
        let handle = server.handle();
        for number in 0..4 {
            handle.post(id, format!("{number}")).unwrap();
        }
        assert_eq!(handle.post(id, "too many".into()), Err(PostError::Full("too many".into())));
        handle.post(other, "room".into()).unwrap();
        ask(&client, b"?", b"0");
        handle.post(id, "4".into()).unwrap();
        assert_eq!(handle.post(id, "again".into()).unwrap_err().into_message(), "again");
        for number in 1..=4 {
            ask(&client, b"?", format!("{number}").as_bytes());
        }
        drop(other_client);
        finish(server);
    }
}

#[test]
fn a_tokio_task_waits_for_room_and_is_woken_by_the_shard() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let logic = move |session: AsyncSession<u32>| {
            ids.send(session.id()).unwrap();
            async move {
                while let Some(number) = session.message().await {
                    if number % 100 == 0 {
                        // The inbox fills meanwhile.
                        session.sleep(Duration::from_millis(10)).await;
                    }
                    session.send(number.to_be_bytes()).await?;
                }
                Ok::<_, SendError>(())
            }
        };
        let server = builder(backend, 1).limits(Limits::new().inbox_messages(3)).serve_with_messages(logic).unwrap();
        let client = connect(address_of(&server));
        let (id, handle) = (next(&came), server.handle());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            for number in 0..500_u32 {
                handle.post_wait(id, number).await.unwrap();
            }
        });
        let expected: Vec<u8> = (0..500_u32).flat_map(u32::to_be_bytes).collect();
        expect(&client, &expected);
        finish(server);
    }
}

#[test]
fn a_future_that_is_dropped_posts_nothing_and_lets_others_wait() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let logic = move |session: AsyncSession<&'static str>| {
            ids.send(session.id()).unwrap();
            async move {
                session.next().await;
                while let Some(message) = session.message().await {
                    session.send(message).await?;
                }
                Ok::<_, SendError>(())
            }
        };
        let server = builder(backend, 1).limits(Limits::new().inbox_messages(1)).serve_with_messages(logic).unwrap();
        let client = connect(address_of(&server));
        let (id, handle) = (next(&came), server.handle());
        handle.post(id, "first").unwrap();
        let mut waits = Box::pin(handle.post_wait(id, "dropped"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(waits);
        let waiter = thread::spawn(move || block_on(handle.post_wait(id, "second")).unwrap());
        ask(&client, b"go", b"firstsecond");
        waiter.join().unwrap().unwrap();
        finish(server);
    }
}

#[test]
fn the_end_of_a_session_or_of_the_server_ends_every_wait() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let logic = move |session: AsyncSession<u8>| {
            ids.send(session.id()).unwrap();
            async move { while session.next().await.is_some() {} }
        };
        let server = builder(backend, 1).limits(Limits::new().inbox_messages(1)).serve_with_messages(logic).unwrap();
        let (ended, kept) = (connect(address_of(&server)), connect(address_of(&server)));
        let ids = [next(&came), next(&came)];
        let handle = server.handle();
        let wait_for = |id| {
            handle.post(id, 0).unwrap();
            let mut waits = Box::pin(handle.post_wait(id, 1));
            assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let (tell, told) = mpsc::channel();
            thread::spawn(move || tell.send(block_on(waits).unwrap()));
            told
        };
        let (of_ended, of_kept) = (wait_for(ids[0]), wait_for(ids[1]));
        drop(ended);
        // The shard takes it, and drops it with the session.
        let first = of_ended.recv_timeout(PATIENCE).or_else(|_| of_kept.recv_timeout(PATIENCE));
        assert_eq!(first.unwrap(), Ok(()));
        drop(kept);
        finish(server);
        let id = ids[1];
        assert_eq!(handle.post(id, 7), Err(PostError::Closed(7)));
        let late = block_on(handle.post_wait(id, 8)).unwrap();
        assert_eq!(late, Err(PostError::Closed(8)));
    }
}

#[test]
fn a_server_that_stops_wakes_those_that_wait_for_a_blocked_shard() {
    for backend in backends() {
        let (block, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let (ids, came) = mpsc::channel();
        #[derive(Clone)]
        struct Blocks(mpsc::Sender<SessionId>, Arc<Mutex<mpsc::Receiver<()>>>);
        impl Handler for Blocks {
            type State = ();
            type Message = u64;
            fn connected(&mut self, session: &Session) {
                self.0.send(session.id()).unwrap();
            }
            fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
                Flow::Continue
            }
            fn message(&mut self, _: &Session, (): &mut (), _: u64) {
                let _ = self.1.lock().unwrap().recv();
            }
        }
        let limits = Limits::new().inbox_messages(8);
        let server = builder(backend, 1).limits(limits).start(Blocks(ids, blocked)).unwrap();
        let client = connect(address_of(&server));
        let (id, handle) = (next(&came), server.handle());
        let mut posted = 0;
        while handle.post(id, posted).is_ok() {
            posted += 1;
        }
        assert!(posted >= 8, "{posted}");
        let wait = handle.post_wait(id, posted);
        let waiter = thread::spawn(move || block_on(wait).unwrap());
        handle.stop();
        drop(block);
        let ended = waiter.join().unwrap();
        assert!(matches!(ended, Ok(()) | Err(PostError::Closed(_))), "{ended:?}");
        drop(client);
        server.wait().unwrap();
    }
}
