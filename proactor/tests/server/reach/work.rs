//! Work that a handler gives away: its result comes to the session's logic, or is dropped with the
//! session, and nothing is left when the server has ended.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use overlapped::Op;
use overlapped::driver::CloseMode;
use proactor::codec::Lines;
use proactor::task::{OffloadError, SpawnError};
use proactor::{CloseReason, Flow, Handler, Network, NoMessage, Server, Session, SessionId};

use crate::harness::{
    Counted, GRACEFUL, address_of, ask, backends, builder, client, close_all, connect, driver, expect, finish,
    read_end, receivers, run_until, turn, wait_until,
};

type Gate = Arc<Mutex<mpsc::Receiver<()>>>;

#[derive(Clone)]
struct Works {
    gate: Gate,
    /// How many pieces of work there are, and of what is called with their results.
    counted: Arc<AtomicUsize>,
    called: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
}

impl Works {
    fn new() -> (Works, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel();
        let gate = Arc::new(Mutex::new(gate));
        (Works { gate, counted: Arc::default(), called: Arc::default(), closed: Arc::default() }, open)
    }

    fn counted(&self) -> usize {
        self.counted.load(Ordering::SeqCst)
    }

    fn called(&self) -> usize {
        self.called.load(Ordering::SeqCst)
    }

    /// A client whose work has begun and waits at the gate.
    fn begin(&self, server: &Server) -> TcpStream {
        let before = self.counted();
        let mut client = connect(address_of(server));
        client.write_all(b"offload").unwrap();
        wait_until("the work has begun", || self.counted() == before + 2);
        client
    }
}

struct Other;

impl Clone for Other {
    fn clone(&self) -> Other {
        Other
    }
}

impl Handler for Other {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

impl Handler for Works {
    type State = Vec<u8>;
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) -> Vec<u8> {
        Vec::new()
    }

    fn received(&mut self, session: &Session, packets: &mut Vec<u8>, packet: &[u8]) -> Flow {
        packets.extend_from_slice(packet);
        let (before, after) = (Counted::new(&self.counted), Counted::new(&self.counted));
        match packet {
            b"offload" => {
                let gate = Arc::clone(&self.gate);
                let work = move || {
                    let _before = before;
                    let _ = gate.lock().unwrap().recv();
                    41
                };
                // The session in its hands must not keep the shard alive.
                let own = session.clone();
                session
                    .offload(work, move |logic: &mut Self, session, packets, result| {
                        let _after = after;
                        assert_eq!(own.id(), session.id());
                        logic.called.fetch_add(1, Ordering::SeqCst);
                        packets.push(result.unwrap());
                        session.send(packets).unwrap();
                    })
                    .unwrap();
            }
            b"panic in work" => {
                let work = move || {
                    let _before = before;
                    assert_eq!(1, 2, "as the test wants");
                };
                session
                    .offload(work, move |_: &mut Self, session, _, result| {
                        let _after = after;
                        assert_eq!(result, Err(OffloadError::Panicked));
                        session.send(b"it panicked").unwrap();
                    })
                    .unwrap();
            }
            b"panic in then" => {
                session
                    .spawn_then(async {}, move |_: &mut Self, _, _, ()| {
                        let _after = after;
                        panic!("as the test wants")
                    })
                    .unwrap();
            }
            b"panic in future" => {
                let future = async move {
                    let _before = before;
                    panic!("as the test wants")
                };
                session.spawn(future).unwrap();
            }
            b"future" => {
                let shard = session.shard();
                let future = async move {
                    let _before = before;
                    shard.sleep(Duration::from_millis(20)).await;
                    42
                };
                session
                    .spawn_then(future, move |logic: &mut Self, session, packets, number| {
                        let _after = after;
                        logic.called.fetch_add(1, Ordering::SeqCst);
                        packets.push(number);
                        session.send(packets).unwrap();
                    })
                    .unwrap();
            }
            b"for ever" => {
                let own = session.clone();
                let future = async move {
                    let (_before, _own) = (before, own);
                    std::future::pending::<()>().await;
                };
                session.spawn_then(future, move |_: &mut Self, _, _, ()| drop(after)).unwrap();
                session.shard().spawn(std::future::pending()).unwrap();
                session.send(b"it waits").unwrap();
            }
            b"other" => {
                let spawned = session.spawn_then(async {}, |_: &mut Other, _, (), ()| {});
                assert_eq!(spawned, Err(SpawnError::OtherHandler));
                let offloaded = session.offload(|| (), |_: &mut Other, _, (), _| {});
                assert_eq!(offloaded, Err(OffloadError::OtherHandler));
                session.send(offloaded.unwrap_err().to_string().as_bytes()).unwrap();
            }
            b"late" => {
                session.close();
                assert_eq!(session.spawn(async {}), Err(SpawnError::Closed));
                assert_eq!(session.offload(|| (), |_: &mut Self, _, _, _| {}), Err(OffloadError::Closed));
            }
            _ => {}
        }
        Flow::Continue
    }

    fn closed(&mut self, _: SessionId, _: Vec<u8>, _: &CloseReason) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn results_come_to_the_logic_and_packets_come_meanwhile() {
    for backend in backends() {
        let (logic, open) = Works::new();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        let client = logic.begin(&server);
        // A session is handed packets while its work is done.
        let mut other = connect(address_of(&server));
        other.write_all(b"panic in work").unwrap();
        // There are four threads, and the work of the first session blocks one.
        expect(&other, b"it panicked");
        open.send(()).unwrap();
        expect(&client, b"offload)");
        ask(&client, b"future", b"offload)future*");
        ask(&client, b"other", b"the server runs another handler than the closure takes");
        assert_eq!((logic.called(), logic.counted()), (2, 0), "{backend}");
        finish(server);
    }
}

#[test]
fn a_result_is_dropped_with_its_session() {
    for backend in backends() {
        let (logic, open) = Works::new();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        let client = logic.begin(&server);
        drop(client);
        wait_until("the session has ended", || logic.closed.load(Ordering::SeqCst) == 1);
        // What was to be called is gone already; the work goes on.
        wait_until("the work alone is left", || logic.counted() == 1);
        open.send(()).unwrap();
        wait_until("nothing is left", || logic.counted() == 0);
        let mut client = connect(address_of(&server));
        client.write_all(b"late").unwrap();
        read_end(&client);
        assert_eq!(logic.called(), 0);
        finish(server);
    }
}

#[test]
fn a_panic_ends_the_session_whose_work_it_is() {
    for backend in backends() {
        for what in ["panic in then", "panic in future"] {
            let (logic, _open) = Works::new();
            let server = builder(backend, 1).start(logic.clone()).unwrap();
            let (mut bad, good) = (connect(address_of(&server)), connect(address_of(&server)));
            bad.write_all(what.as_bytes()).unwrap();
            read_end(&bad);
            ask(&good, b"future", b"future*");
            wait_until("it is counted", || server.handle().stats().closed(CloseReason::Panic) == 1);
            assert_eq!(logic.counted(), 0, "{backend}: {what}");
            finish(server);
        }
    }
}

#[test]
fn nothing_is_left_when_the_server_ends() {
    for backend in backends() {
        let (logic, open) = Works::new();
        let server = builder(backend, 1).start(logic.clone()).unwrap();
        let waits = connect(address_of(&server));
        ask(&waits, b"for ever", b"it waits");
        let _works = logic.begin(&server);
        server.handle().stop();
        server.wait().unwrap();
        drop(open);
        wait_until("nothing is left", || logic.counted() == 0);
        assert_eq!(logic.called(), 0);
    }
}

/// A server that is dropped between a result and its call must not keep itself alive.
#[test]
fn a_result_that_nobody_was_given_is_dropped_with_the_server() {
    let (logic, open) = Works::new();
    drop(open);
    let network = Network::new(1);
    let mut server =
        Server::builder().listen("10.0.0.1:7777").codec(Lines::new()).simulate(&network, logic.clone()).unwrap();
    let mut driver = driver(&network);
    let socket = client(&mut driver, &server.local_addrs()[0]);
    driver.submit(Op::send(socket, b"offload\n"), 0).unwrap();
    // The session is closed in the turn in which its result is ready.
    for _ in 0..10_000 {
        server.turn().unwrap();
        turn(&mut driver);
        network.advance();
        if logic.called() == 1 {
            break;
        }
    }
    assert_eq!((logic.called(), logic.counted()), (1, 0));
    driver.submit(Op::send(socket, b"for ever\n"), 0).unwrap();
    driver.submit(Op::send(socket, b"offload\n"), 0).unwrap();
    for step in 0.. {
        if logic.counted() > 0 {
            break;
        }
        assert!(step < 10_000, "the work never begins");
        server.turn().unwrap();
        turn(&mut driver);
        network.advance();
    }
    drop(server);
    assert_eq!(logic.counted(), 0);
}

/// Under every seed, a result comes once, or not at all if its session has ended.
#[test]
fn results_come_once_whatever_the_clients_do() {
    const CLIENTS: usize = 6;
    let mut called = 0;
    for seed in 0..40 {
        let (logic, open) = Works::new();
        drop(open);
        let network = Network::new(seed);
        let builder = Server::builder().listen("10.0.0.1:7777").shards(1 + seed as usize % 2).codec(Lines::new());
        let mut server = builder.simulate(&network, logic.clone()).unwrap();
        let (mut driver, mut sockets) = receivers(&network, &server, CLIENTS);
        for step in 0.. {
            let pause = Duration::from_micros(driver.random() % 20_000);
            if !run_until(&mut server, &mut driver, network.now() + pause) {
                break;
            }
            assert!(step < 5_000, "seed {seed}: the server does not end");
            if step < 200 && !sockets.is_empty() {
                let at = driver.random() as usize % sockets.len();
                let packet: &[u8] = if driver.random().is_multiple_of(2) { b"offload\n" } else { b"future\n" };
                driver.submit(Op::send(sockets[at], packet.to_vec()), 0).unwrap();
                if driver.random().is_multiple_of(50) {
                    driver.submit(Op::close(sockets.swap_remove(at), CloseMode::Abort), 0).unwrap();
                }
            }
            if step == 200 {
                server.handle().drain(Duration::from_secs(1));
                close_all(&mut driver, &mut sockets, GRACEFUL);
            }
        }
        assert_eq!(server.handle().stats().closed(CloseReason::Panic), 0, "seed {seed}");
        drop(server);
        assert_eq!(logic.counted(), 0, "seed {seed}: something is left");
        called += logic.called();
    }
    assert!(called > 2_000, "{called}");
}
