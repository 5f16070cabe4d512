//! Messages, timers and work while a server drains.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use overlapped::{Op, Outcome};
use proactor::codec::Lines;
use proactor::task::Event;
use proactor::{AsyncSession, Busy, CloseReason, Flow, Handler, Network, SendError, Server, Session, SessionId, Wait};

use crate::harness::{
    GRACEFUL, PATIENCE, address_of, ask, backends, builder, connect, exchange, expect, read_to_end, receivers,
    wait_until,
};

#[test]
fn a_task_is_told_once_of_a_drain_and_closed_when_it_has_nothing_left() {
    for backend in backends() {
        let logic = |session: AsyncSession| async move {
            loop {
                match session.event().await {
                    Event::Packet(packet) => session.send(packet).await?,
                    Event::Draining => session.send("bye").await?,
                    Event::Ended => return Ok::<_, SendError>(()),
                }
            }
        };
        let server = builder(backend, 1).serve(logic).unwrap();
        let client = connect(address_of(&server));
        exchange(&client, b"hello");
        let handle = server.handle();
        handle.drain(PATIENCE);
        assert_eq!(read_to_end(&client), b"bye", "{backend}");
        drop(client);
        server.wait().unwrap();
        assert_eq!((handle.stats().drain_cut, handle.stats().closed(CloseReason::Drained)), (0, 1));
    }
}

/// Works for a while when it is asked to.
#[derive(Clone)]
struct Works {
    begun: Arc<AtomicUsize>,
    ids: mpsc::Sender<SessionId>,
}

impl Works {
    fn new() -> (Works, mpsc::Receiver<SessionId>) {
        let (ids, came) = mpsc::channel();
        (Works { begun: Arc::default(), ids }, came)
    }
}

impl Handler for Works {
    type State = Option<Busy>;
    type Message = &'static str;

    fn connected(&mut self, session: &Session) -> Option<Busy> {
        let _ = self.ids.send(session.id());
        None
    }

    fn received(&mut self, session: &Session, busy: &mut Option<Busy>, packet: &[u8]) -> Flow {
        match packet {
            b"offload" => {
                let work = || std::thread::sleep(Duration::from_millis(100));
                let then = |_: &mut Self, session: &Session, _: &mut Option<Busy>, done: Result<(), _>| {
                    done.unwrap();
                    session.send(b"done\n").unwrap();
                };
                session.offload(work, then).unwrap();
            }
            b"future" => {
                let shard = session.shard();
                let future = async move { shard.sleep(Duration::from_millis(100)).await };
                session.spawn_then(future, |_: &mut Self, session, _, ()| session.send(b"done").unwrap()).unwrap();
            }
            b"beside" => session.spawn(std::future::pending()).unwrap(),
            b"timer" => {
                *busy = Some(session.busy());
                session.after(Duration::from_millis(50), 1).unwrap();
            }
            _ => {}
        }
        if packet != b"future" {
            session.send(b"begun\n").unwrap();
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        Flow::Continue
    }

    fn timer(&mut self, session: &Session, _: &mut Option<Busy>, _: u64) {
        session.send(b"timer\n").unwrap();
        self.ids.send(session.id()).unwrap();
    }

    fn message(&mut self, session: &Session, busy: &mut Option<Busy>, message: &'static str) {
        session.send(message.as_bytes()).unwrap();
        *busy = None;
    }
}

#[test]
fn a_drain_waits_for_the_result_of_a_handlers_work_and_not_for_what_runs_beside_it() {
    for backend in backends() {
        let (logic, _came) = Works::new();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        let (mut works, mut beside) = (connect(address_of(&server)), connect(address_of(&server)));
        works.write_all(b"offload").unwrap();
        beside.write_all(b"beside").unwrap();
        expect(&works, b"begun\n");
        expect(&beside, b"begun\n");
        let handle = server.handle();
        handle.drain(PATIENCE);
        assert_eq!(read_to_end(&works), b"done\n", "{backend}");
        assert_eq!(read_to_end(&beside), b"");
        drop((works, beside));
        server.wait().unwrap();
        assert_eq!(handle.stats().drain_cut, 0, "{backend}");
    }
}

#[test]
fn timers_and_messages_come_while_a_busy_session_drains() {
    for backend in backends() {
        let (logic, came) = Works::new();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        let client = connect(address_of(&server));
        let id = came.recv_timeout(PATIENCE).unwrap();
        ask(&client, b"timer", b"begun\n");
        wait_until("it is busy", || logic.begun.load(Ordering::SeqCst) == 1);
        let handle = server.handle();
        handle.drain(PATIENCE);
        assert_eq!(came.recv_timeout(PATIENCE), Ok(id));
        handle.post(id, "message").unwrap();
        assert_eq!(read_to_end(&client), b"timer\nmessage", "{backend}");
        drop(client);
        server.wait().unwrap();
        assert_eq!(handle.stats().drain_cut, 0, "{backend}");
    }
}

/// Whenever a drain begins, each request that was read is answered.
#[test]
fn every_result_arrives_under_every_seed() {
    const CLIENTS: usize = 6;
    let mut answered = 0;
    for seed in 0..40 {
        let (logic, _came) = Works::new();
        let network = Network::new(seed);
        let builder = Server::builder().listen("10.0.0.1:7777").shards(1 + seed as usize % 2).codec(Lines::new());
        let mut server = builder.simulate(&network, logic.clone()).unwrap();
        let (mut driver, sockets) = receivers(&network, &server, CLIENTS);
        let mut bytes = 0;
        let drain_at = driver.random() % 60;
        for step in 0.. {
            server.run_until(network.now() + Duration::from_micros(driver.random() % 20_000)).unwrap();
            driver.turn(Wait::Poll).unwrap();
            while let Some(completion) = driver.next() {
                match completion.result {
                    Ok(Outcome::Packet(packet)) => bytes += packet.len(),
                    Ok(Outcome::Received(0)) => {
                        let _ = driver.submit(Op::close(sockets[completion.token as usize], GRACEFUL), 0);
                    }
                    _ => {}
                }
            }
            if server.has_ended() {
                break;
            }
            assert!(step < 20_000, "seed {seed}: the server does not end");
            if step < drain_at {
                let at = driver.random() as usize % sockets.len();
                let _ = driver.submit(Op::send(sockets[at], b"future\n"), 0);
            }
            if step == drain_at {
                server.handle().drain(Duration::from_secs(100));
            }
        }
        for _ in 0..1000 {
            driver.turn(Wait::Poll).unwrap();
            while let Some(completion) = driver.next() {
                if let Ok(Outcome::Packet(packet)) = completion.result {
                    bytes += packet.len();
                }
            }
            network.advance();
        }
        let begun = logic.begun.load(Ordering::SeqCst);
        assert_eq!(bytes, begun * "done\n".len(), "seed {seed}: an answer is missing");
        assert_eq!(server.handle().stats().drain_cut, 0, "seed {seed}");
        answered += begun;
    }
    assert!(answered > 400, "{answered}");
}
