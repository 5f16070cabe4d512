//! Pairs of sessions that have tasks: a proxy written as an async function, with real sockets, on every backend of this system.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use overlapped::driver::Wait;
use overlapped::sim::Network;
use overlapped::{Driver, DriverConfig, Op, Outcome};
use proactor::codec::Lines;
use proactor::{AsyncSession, Builder, Origin, PairError, Server, SessionId, Tasks};

mod async_kit;

use async_kit::{PATIENCE, connect, expect, on_each_backend, serve};

/// A proxy whose clients' tasks take no packet, and which says how the pairing went.
fn start(builder: Builder, upstream: &TcpListener, says: mpsc::Sender<Result<(), PairError>>) -> (Server, TcpStream) {
    let target = upstream.local_addr().unwrap();
    let (server, address) = serve(builder, move |session: AsyncSession| {
        let says = says.clone();
        async move {
            match session.session().origin() {
                Origin::Connected { opener: Some(client), .. } => {
                    // By now something has come from the client, and its task has not taken it.
                    session.next().await.unwrap();
                    let client = session.session().sibling(client).unwrap();
                    says.send(client.pair(session.session())).unwrap();
                }
                _ => session.session().connect(target, 0).unwrap(),
            }
            session.closed().await;
        }
    });
    (server, connect(address))
}

fn accept(listener: &TcpListener) -> TcpStream {
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn what_came_before_and_no_task_took_is_passed_on_first() {
    on_each_backend(|builder| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (says, said) = mpsc::channel();
        let (_server, mut client) = start(builder, &listener, says);
        let mut upstream = accept(&listener);
        client.write_all(b"before").unwrap();
        // Long enough for it to have come; if it has not, the test shows less and still holds.
        thread::sleep(Duration::from_millis(50));
        upstream.write_all(b"go\n").unwrap();
        said.recv_timeout(PATIENCE).unwrap().unwrap();
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
fn a_packet_that_a_codec_has_unpacked_cannot_be_passed_on_and_is_still_the_tasks() {
    on_each_backend(|builder| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let (says, said) = mpsc::channel();
        let tried = Arc::new(AtomicBool::new(false));
        let (_server, address) = serve(builder.codec(Lines::new()), move |session: AsyncSession| {
            let (says, tried) = (says.clone(), Arc::clone(&tried));
            async move {
                if let Origin::Connected { opener: Some(client), .. } = session.session().origin() {
                    let client = session.session().sibling(client).unwrap();
                    says.send(client.pair(session.session())).unwrap();
                    tried.store(true, Ordering::Relaxed);
                    session.closed().await;
                } else {
                    // The other line came with it, and is kept.
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
        let _upstream = accept(&listener);
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), Err(PairError::Codec));
        expect(&client, b"kept\n");
    });
}

#[test]
fn a_pause_of_ones_own_outlasts_the_pairing() {
    let network = Network::new(1);
    let paused: Arc<AtomicBool> = Arc::default();
    let pauses = Arc::clone(&paused);
    // The second that connects is paired with the first, which has paused itself, and whose task has not taken what came.
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
    let mut server = Server::builder().bind("10.0.0.1:80").simulate(&network, logic).unwrap();
    let mut driver = Driver::new(DriverConfig::new().network(network.clone())).unwrap();
    let address = server.local_addrs()[0].clone();
    let ends = [(); 2].map(|()| driver.socket(&address).unwrap());
    driver.submit(Op::connect(ends[0], &address), 0).unwrap();
    driver.submit(Op::send(ends[0], b"before"), 1).unwrap();
    let later = network.now() + Duration::from_secs(4);
    driver.submit(Op::timer(later), 2).unwrap();
    let mut heard = Vec::new();
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
                    heard.extend_from_slice(&packet);
                    if heard.len() > 6 {
                        assert!(!paused.load(Ordering::Relaxed), "it is not read from while it is paused");
                    }
                }
                _ => {}
            }
        }
        heard.len() == 13
    });
    assert!(done.unwrap());
    assert_eq!(heard, b"before, after");
}
