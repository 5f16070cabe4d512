//! Messages from other threads: order, and the ends of both sides.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use proactor::task::Event;
use proactor::{AsyncSession, CloseReason, Flow, Handle, Handler, Limits, PostError, Session, SessionId};

use crate::harness::{
    Counted, PATIENCE, address_of, backends, builder, connect, exchange, expect, finish, next, read_end, read_to_end,
    wait_until,
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
        let client = connect(address_of(&server));
        let (id, handle) = (next(&came), server.handle());
        for round in 0..50 {
            exchange(&client, b"packet");
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
        let client = connect(address_of(&server));
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
                exchange(&client, b"packet");
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
