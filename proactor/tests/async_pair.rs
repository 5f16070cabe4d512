//! Pairs of sessions that have tasks: a proxy written as an async function, with real sockets, on every backend of this system.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use proactor::codec::Lines;
use proactor::{AsyncSession, Builder, Origin, PairError, Server};

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
