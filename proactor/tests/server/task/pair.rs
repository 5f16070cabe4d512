//! Pairs of sessions that have tasks: a proxy written as an async function.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use overlapped::{Op, Outcome};
use proactor::codec::Lines;
use proactor::{AsyncSession, Builder, Network, Origin, PairError, Server, SessionId, Tasks, Wait};

use crate::harness::{PATIENCE, connect, driver, expect, on_each_backend, patient, read_to_end, serve};

/// Starts a proxy and a client. The client's task takes no packet. Reports the result of the
/// pairing.
fn start(
    builder: Builder,
    upstream: &TcpListener,
    results: mpsc::Sender<Result<(), PairError>>,
) -> (Server, TcpStream) {
    let target = upstream.local_addr().unwrap();
    let (server, address) = serve(builder, move |session: AsyncSession| {
        let results = results.clone();
        async move {
            match session.session().origin() {
                Origin::Connected { opener: Some(client), .. } => {
                    // By now the client has sent something that its task has not taken.
                    session.next().await.unwrap();
                    let client = session.session().sibling(client).unwrap();
                    results.send(client.pair(session.session())).unwrap();
                }
                _ => session.session().connect(target, 0).unwrap(),
            }
            session.closed().await;
        }
    });
    (server, connect(address))
}

#[test]
fn a_packet_that_no_task_has_taken_goes_to_the_partner_first() {
    on_each_backend(|builder| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (results, result) = mpsc::channel();
        let (_server, mut client) = start(builder, &listener, results);
        let mut upstream = patient(listener.accept().unwrap().0);
        client.write_all(b"before").unwrap();
        // Time for it to arrive. If it has not arrived, the test shows less and still passes.
        thread::sleep(Duration::from_millis(50));
        upstream.write_all(b"go\n").unwrap();
        result.recv_timeout(PATIENCE).unwrap().unwrap();
        client.write_all(b", after").unwrap();
        expect(&upstream, b"before, after");
        upstream.write_all(b"back").unwrap();
        expect(&client, b"back");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&upstream), b"");
        upstream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&client), b"");
    });
}

#[test]
fn a_decoded_packet_prevents_a_pairing_and_stays_with_its_task() {
    on_each_backend(|builder| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let (results, result) = mpsc::channel();
        let tried = Arc::new(AtomicBool::new(false));
        let (_server, address) = serve(builder.codec(Lines::new()), move |session: AsyncSession| {
            let (results, tried) = (results.clone(), Arc::clone(&tried));
            async move {
                if let Origin::Connected { opener: Some(client), .. } = session.session().origin() {
                    let client = session.session().sibling(client).unwrap();
                    results.send(client.pair(session.session())).unwrap();
                    tried.store(true, Ordering::Relaxed);
                    session.closed().await;
                } else {
                    // The second line came with the first, and waits.
                    assert_eq!(session.next().await.unwrap(), "taken");
                    session.session().connect(target, 0).unwrap();
                    while !tried.load(Ordering::Relaxed) {
                        session.sleep(Duration::from_millis(5)).await;
                    }
                    while let Some(line) = session.next().await {
                        session.send(line).await.unwrap();
                    }
                }
            }
        });
        let mut client = connect(address);
        client.write_all(b"taken\nkept\n").unwrap();
        let _upstream = patient(listener.accept().unwrap().0);
        assert_eq!(result.recv_timeout(PATIENCE).unwrap(), Err(PairError::Codec));
        expect(&client, b"kept\n");
    });
}

#[test]
fn a_paused_session_stays_paused_after_a_pairing() {
    let network = Network::new(1);
    let paused: Arc<AtomicBool> = Arc::default();
    let pauses = Arc::clone(&paused);
    // The second session is paired with the first, which is paused and has a packet that its task
    // has not taken.
    let mut first: Option<SessionId> = None;
    let logic = Tasks::new(move |session: AsyncSession| {
        let (client, pauses) = (first, Arc::clone(&pauses));
        first.get_or_insert(session.id());
        async move {
            match client {
                None => {
                    session.sleep(Duration::from_secs(1)).await;
                    session.session().pause();
                    pauses.store(true, Ordering::Relaxed);
                    session.sleep(Duration::from_secs(10)).await;
                    pauses.store(false, Ordering::Relaxed);
                    session.session().resume();
                }
                Some(client) => {
                    session.sleep(Duration::from_secs(2)).await;
                    let client = session.session().sibling(client).unwrap();
                    client.pair(session.session()).unwrap();
                }
            }
            session.closed().await;
        }
    });
    let mut server = Server::builder().listen("10.0.0.1:80").simulate(&network, logic).unwrap();
    let mut driver = driver(&network);
    let address = server.local_addrs()[0].clone();
    let ends = [(); 2].map(|()| driver.socket(&address).unwrap());
    driver.submit(Op::connect(ends[0], &address), 0).unwrap();
    driver.submit(Op::send(ends[0], b"before"), 1).unwrap();
    let later = network.now() + Duration::from_secs(4);
    driver.submit(Op::timer(later), 2).unwrap();
    let mut received = Vec::new();
    let done = server.run(|_| {
        driver.turn(Wait::Poll).unwrap();
        while let Some(completion) = driver.next() {
            match completion.result.unwrap() {
                Outcome::Connected if completion.token == 0 => {
                    driver.submit(Op::connect(ends[1], &address), 3).unwrap();
                    driver.submit(Op::recv_multi(ends[1]), 4).unwrap();
                }
                Outcome::Elapsed => drop(driver.submit(Op::send(ends[0], b", after"), 0).unwrap()),
                Outcome::Packet(packet) => {
                    received.extend_from_slice(&packet);
                    if received.len() > 6 {
                        assert!(!paused.load(Ordering::Relaxed), "it is not read from while it is paused");
                    }
                }
                _ => {}
            }
        }
        received.len() == 13
    });
    assert!(done.unwrap());
    assert_eq!(received, b"before, after");
}
