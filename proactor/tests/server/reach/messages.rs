//! Messages from other threads: order, limits, waiting for room, and the ends of both sides.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use overlapped::future::block_on;
use proactor::task::Event;
use proactor::{
    AsyncSession, CloseReason, Flow, Handle, Handler, Limits, PostError, SendError, Session, SessionId, ShardHandle,
};

use crate::harness::{
    PATIENCE, address_of, backends, builder, connect, expect, finish, read_end, read_to_end, wait_until,
};

/// Keeps the messages of each session, and tells the test of each session that begins.
#[derive(Clone)]
struct Keeps<M> {
    ids: mpsc::Sender<SessionId>,
    kept: Arc<Mutex<Vec<(SessionId, M)>>>,
    closed: Arc<AtomicUsize>,
}

impl<M> Keeps<M> {
    fn new() -> (Keeps<M>, mpsc::Receiver<SessionId>) {
        let (ids, came) = mpsc::channel();
        (Keeps { ids, kept: Arc::default(), closed: Arc::default() }, came)
    }
}

impl<M: Clone + Send + 'static> Handler for Keeps<M> {
    type State = ();
    type Message = M;

    fn connected(&mut self, session: &Session) {
        self.ids.send(session.id()).unwrap();
    }

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn message(&mut self, session: &Session, (): &mut (), message: M) {
        self.kept.lock().unwrap().push((session.id(), message));
    }

    fn closed(&mut self, _: SessionId, (): (), _: &CloseReason) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// The next session that begins.
fn next(came: &mpsc::Receiver<SessionId>) -> SessionId {
    came.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn messages_of_each_thread_arrive_in_order() {
    const THREADS: usize = 4;
    const MESSAGES: usize = 3_000;
    for backend in backends() {
        let (logic, came) = Keeps::new();
        let limits = Limits::new().inbox_messages(64);
        let server = builder(backend, 2).limits(limits).start(logic.clone()).unwrap();
        let clients: Vec<_> = (0..4).map(|_| connect(address_of(&server))).collect();
        let ids: Vec<SessionId> = clients.iter().map(|_| next(&came)).collect();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (handle, ids) = (server.handle(), &ids);
                scope.spawn(move || {
                    for number in 0..MESSAGES {
                        let (id, mut message) = (ids[number % ids.len()], (thread, number));
                        // Given back until there is room, so none is lost.
                        while let Err(error) = handle.post(id, message) {
                            assert!(matches!(error, PostError::Full(_)), "{error}");
                            message = error.into_message();
                            thread::yield_now();
                        }
                    }
                });
            }
        });
        wait_until("all messages have come", || logic.kept.lock().unwrap().len() == THREADS * MESSAGES);
        for thread in 0..THREADS {
            for (at, id) in ids.iter().enumerate() {
                let kept = logic.kept.lock().unwrap();
                let of = |entry: &&(SessionId, (usize, usize))| entry.0 == *id && entry.1.0 == thread;
                let numbers: Vec<usize> = kept.iter().filter(of).map(|entry| entry.1.1).collect();
                let expected: Vec<usize> = (0..MESSAGES).filter(|number| number % ids.len() == at).collect();
                assert_eq!(numbers, expected, "{backend}, thread {thread}");
            }
        }
        finish(server);
    }
}

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
        let mut client = connect(address_of(&server));
        let id = next(&came);
        let other_client = connect(address_of(&server));
        let other = next(&came);
        let handle = server.handle();
        for number in 0..4 {
            handle.post(id, format!("{number}")).unwrap();
        }
        assert_eq!(handle.post(id, "too many".into()), Err(PostError::Full("too many".into())));
        handle.post(other, "room".into()).unwrap();
        client.write_all(b"?").unwrap();
        expect(&client, b"0");
        handle.post(id, "4".into()).unwrap();
        assert_eq!(handle.post(id, "again".into()).unwrap_err().into_message(), "again");
        for number in 1..=4 {
            client.write_all(b"?").unwrap();
            expect(&client, format!("{number}").as_bytes());
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
        let mut client = connect(address_of(&server));
        let (id, handle) = (next(&came), server.handle());
        handle.post(id, "first").unwrap();
        let mut waits = Box::pin(handle.post_wait(id, "dropped"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(waits);
        let waiter = thread::spawn(move || block_on(handle.post_wait(id, "second")).unwrap());
        client.write_all(b"go").unwrap();
        expect(&client, b"firstsecond");
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

/// Counts how many of it there are.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(count))
    }
}

impl Clone for Counted {
    fn clone(&self) -> Counted {
        Counted::new(&self.0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_message_for_a_session_that_has_ended_is_dropped() {
    for backend in backends() {
        let (logic, came) = Keeps::new();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        let client = connect(address_of(&server));
        let (id, handle) = (next(&came), server.handle());
        drop(client);
        wait_until("the session has ended", || logic.closed.load(Ordering::SeqCst) == 1);
        let count = Arc::default();
        // Its slot serves another session, which must not be handed the message.
        let later = connect(address_of(&server));
        next(&came);
        for _ in 0..10 {
            handle.post(id, Counted::new(&count)).unwrap();
        }
        wait_until("the messages are dropped", || count.load(Ordering::SeqCst) == 0);
        assert!(logic.kept.lock().unwrap().is_empty());
        drop(later);
        finish(server);
    }
}

#[test]
fn messages_arrive_before_a_close_that_was_asked_for_later() {
    for backend in backends() {
        for _ in 0..20 {
            let (logic, came) = Keeps::new();
            let server = builder(backend, 1).start(logic.clone()).unwrap();
            let client = connect(address_of(&server));
            let (id, handle) = (next(&came), server.handle());
            (0..50).for_each(|number| handle.post(id, number).unwrap());
            handle.close(id).unwrap();
            read_end(&client);
            drop(client);
            finish(server);
            let kept: Vec<u32> = logic.kept.lock().unwrap().iter().map(|entry| entry.1).collect();
            assert_eq!(kept, (0..50).collect::<Vec<u32>>(), "{backend}");
        }
    }
}

#[test]
fn messages_that_were_posted_before_a_drain_arrive() {
    for backend in backends() {
        for _ in 0..20 {
            let (logic, came) = Keeps::new();
            let server = builder(backend, 2).start(logic.clone()).unwrap();
            let client = connect(address_of(&server));
            let (id, handle) = (next(&came), server.handle());
            (0..50).for_each(|number| handle.post(id, number).unwrap());
            handle.drain(PATIENCE);
            read_end(&client);
            drop(client);
            server.wait().unwrap();
            assert_eq!(logic.kept.lock().unwrap().len(), 50, "{backend}");
        }
    }
}

#[test]
fn a_panic_in_message_closes_its_session_only() {
    #[derive(Clone)]
    struct Panics(mpsc::Sender<SessionId>);
    impl Handler for Panics {
        type State = ();
        type Message = &'static str;
        fn connected(&mut self, session: &Session) {
            self.0.send(session.id()).unwrap();
        }
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
        fn message(&mut self, session: &Session, (): &mut (), message: &'static str) {
            assert_ne!(message, "panic", "as the test wants");
            session.send(message.as_bytes()).unwrap();
        }
    }
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let server = builder(backend, 1).start(Panics(ids)).unwrap();
        let first = connect(address_of(&server));
        let (bad, handle) = (next(&came), server.handle());
        let second = connect(address_of(&server));
        let good = next(&came);
        handle.post(bad, "panic").unwrap();
        read_end(&first);
        handle.post(good, "well").unwrap();
        expect(&second, b"well");
        let panics = |handle: &Handle| handle.stats().closed(CloseReason::Panic);
        wait_until("it is counted", || panics(&handle.untyped()) == 1);
        finish(server);
    }
}

#[test]
fn each_shard_is_started_once_before_its_first_session_with_the_server_in_hand() {
    #[derive(Clone, Default)]
    struct Starts {
        shards: Arc<Mutex<Vec<usize>>>,
        handle: Option<Handle<SessionId>>,
    }
    impl Handler for Starts {
        type State = ();
        type Message = SessionId;
        fn started(&mut self, shard: &ShardHandle, handle: &Handle<SessionId>) {
            self.shards.lock().unwrap().push(shard.index());
            assert!(self.handle.is_none(), "each shard has a clone of its own");
            self.handle = Some(handle.clone());
        }
        fn connected(&mut self, session: &Session) {
            // A message to itself, by the handle that it was started with.
            self.handle.as_ref().unwrap().post(session.id(), session.id()).unwrap();
            assert_eq!(session.handle().sessions(), session.shard().handle().sessions());
        }
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
        fn message(&mut self, session: &Session, (): &mut (), message: SessionId) {
            assert_eq!(session.id(), message);
            assert!(session.shard().session(message).is_some());
            session.send(b"hello").unwrap();
        }
    }
    for backend in backends() {
        let logic = Starts::default();
        let server = builder(backend, 3).start(logic.clone()).unwrap();
        // They stay, so that `connected` finds the same count twice.
        let mut clients = Vec::new();
        for _ in 0..6 {
            let client = connect(address_of(&server));
            expect(&client, b"hello");
            clients.push(client);
        }
        // A shard that has no session may begin later than the server.
        wait_until("every shard has begun", || logic.shards.lock().unwrap().len() >= 3);
        let mut shards = logic.shards.lock().unwrap().clone();
        shards.sort_unstable();
        assert_eq!(shards, [0, 1, 2]);
        finish(server);
    }
}

/// A server whose `started` panics ends, and says so.
#[test]
fn a_panic_in_started_ends_the_server() {
    #[derive(Clone)]
    struct Panics;
    impl Handler for Panics {
        type State = ();
        type Message = ();
        fn started(&mut self, shard: &ShardHandle, _: &Handle<()>) {
            assert_ne!(shard.index(), 1, "as the test wants");
        }
        fn connected(&mut self, _: &Session) {}
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
    }
    for backend in backends() {
        let server = builder(backend, 2).start(Panics).unwrap();
        let error = server.wait().unwrap_err().to_string();
        assert_eq!(error, "shard 1 panicked");
    }
}

#[test]
fn one_wait_returns_packets_messages_and_the_end() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let logic = move |session: AsyncSession<String>| {
            ids.send(session.id()).unwrap();
            async move {
                loop {
                    match session.event().await {
                        Event::Packet(packet) => session.send(packet).await?,
                        Event::Message(message) => session.send(message).await?,
                        Event::Draining => {}
                        Event::Ended => break,
                    }
                }
                session.send("end").await
            }
        };
        let server = builder(backend, 1).serve_with_messages(logic).unwrap();
        let mut client = connect(address_of(&server));
        let (id, handle) = (next(&came), server.handle());
        for round in 0..50 {
            client.write_all(b"packet").unwrap();
            expect(&client, b"packet");
            handle.post(id, format!("message {round}")).unwrap();
            expect(&client, format!("message {round}").as_bytes());
        }
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&client), b"end");
        finish(server);
    }
}

#[test]
fn a_flood_of_messages_does_not_keep_a_session_from_its_packets() {
    for backend in backends() {
        let (ids, came) = mpsc::channel();
        let logic = move |session: AsyncSession<u64>| {
            ids.send(session.id()).unwrap();
            async move {
                let mut messages = 0_u64;
                loop {
                    match session.event().await {
                        Event::Packet(packet) => session.send(packet).await?,
                        Event::Message(_) => messages += 1,
                        Event::Draining => {}
                        Event::Ended => break,
                    }
                }
                session.send(messages.to_be_bytes()).await
            }
        };
        let server = builder(backend, 1).serve_with_messages(logic).unwrap();
        let mut client = connect(address_of(&server));
        let (id, handle) = (next(&came), server.handle());
        let posted = thread::scope(|scope| {
            let is_over = Arc::new(AtomicUsize::new(0));
            let over = Arc::clone(&is_over);
            let flood = scope.spawn(move || {
                let mut posted = 0;
                while over.load(Ordering::Relaxed) == 0 {
                    posted += u64::from(handle.post(id, posted).is_ok());
                }
                posted
            });
            for _ in 0..50 {
                client.write_all(b"packet").unwrap();
                expect(&client, b"packet");
            }
            is_over.store(1, Ordering::Relaxed);
            flood.join().unwrap()
        });
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let counted = u64::from_be_bytes(read_to_end(&client).try_into().unwrap());
        assert_eq!(counted, posted, "{backend}: what was posted before the end comes before it");
        finish(server);
    }
}
