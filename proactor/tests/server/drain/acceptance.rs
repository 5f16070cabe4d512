//! 500 proxied downloads and 500 tasks at any point of their work: a drain lets all of them end
//! whole. With too little time, each cut is counted, and seen by its client.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use proactor::{AsyncSession, Backend, Flow, Handler, NoMessage, Origin, SendError, Server, Session, Target};

use crate::harness::{PATIENCE, address_of, backends, builder, connect, raise_open_files, serve, wait_until};

const MANY: usize = 500;
const DOWNLOAD: usize = 200 * 1024;
const ANSWER: usize = 20 * 1024;
/// Threads that read for the clients.
const READERS: usize = 10;

#[derive(Clone)]
struct Proxy(Target);

impl Handler for Proxy {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        match session.origin() {
            Origin::Connected { opener: Some(client), .. } => {
                let client = session.sibling(client).unwrap();
                client.pair(session).unwrap();
                client.resume();
            }
            _ => {
                session.pause();
                session.connect(self.0.clone(), 0).unwrap();
            }
        }
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Close
    }
}

/// Gives each client a download, piece by piece, with pauses that differ. With `stalls` it never
/// gives the last piece.
fn upstream(backend: Backend, stalls: bool) -> (Server, SocketAddr) {
    let count = Arc::new(AtomicUsize::new(0));
    serve(builder(backend, 1), move |session: AsyncSession| {
        let number = count.fetch_add(1, Ordering::Relaxed) as u64;
        async move {
            const PIECE: usize = 8 * 1024;
            for piece in 0..DOWNLOAD / PIECE {
                if stalls && piece == DOWNLOAD / PIECE - 1 {
                    session.sleep(PATIENCE).await;
                }
                session.send([number as u8; PIECE]).await?;
                if number.is_multiple_of(3) {
                    session.sleep(Duration::from_millis(number % 20)).await;
                }
            }
            Ok::<(), SendError>(())
        }
    })
}

/// Answers each request after a while, which differs, by a thread or a timer.
fn tasks(backend: Backend, begun: &Arc<AtomicUsize>, longest: u64) -> (Server, SocketAddr) {
    let begun = Arc::clone(begun);
    serve(builder(backend, 1).offload_threads(64), move |session: AsyncSession| {
        let begun = Arc::clone(&begun);
        async move {
            while session.next().await.is_some() {
                let number = begun.fetch_add(1, Ordering::Relaxed) as u64;
                let time = Duration::from_millis(number * 7919 % longest);
                match number % 2 {
                    0 => session.offload(move || thread::sleep(time)).await.unwrap(),
                    _ => session.sleep(time).await,
                }
                session.send([number as u8; ANSWER]).await?;
            }
            Ok::<(), SendError>(())
        }
    })
}

/// Reads all to their ends. Returns how many came whole, and how many saw a reset; a part that ends
/// in order is neither.
fn read_all(clients: Vec<TcpStream>, whole: usize) -> (usize, usize) {
    let (got_whole, got_reset) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for clients in clients.chunks(clients.len().div_ceil(READERS)) {
            let (got_whole, got_reset) = (&got_whole, &got_reset);
            scope.spawn(move || {
                for mut client in clients {
                    let mut bytes = Vec::new();
                    match client.read_to_end(&mut bytes) {
                        Ok(_) if bytes.len() == whole => got_whole.fetch_add(1, Ordering::Relaxed),
                        Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                            got_reset.fetch_add(1, Ordering::Relaxed)
                        }
                        other => panic!("{} of {whole} bytes, then {other:?}", bytes.len()),
                    };
                    // The connection ends here, so that no drain waits for it.
                    let _ = client.shutdown(std::net::Shutdown::Both);
                }
            });
        }
    });
    (got_whole.into_inner(), got_reset.into_inner())
}

fn request(address: SocketAddr) -> TcpStream {
    let mut client = connect(address);
    client.write_all(b"?").unwrap();
    client
}

#[test]
fn five_hundred_downloads_and_five_hundred_tasks_end_whole() {
    if raise_open_files() < 6 * MANY {
        eprintln!("skipped: the limit of open files is too low");
        return;
    }
    for backend in backends() {
        let (source, source_address) = upstream(backend, false);
        let proxy = builder(backend, 2).start(Proxy(Target::from(source_address))).unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let (working, tasks_address) = tasks(backend, &begun, 400);
        let downloads: Vec<TcpStream> = (0..MANY).map(|_| connect(address_of(&proxy))).collect();
        let requests: Vec<TcpStream> = (0..MANY).map(|_| request(tasks_address)).collect();
        // Those that are still connecting to their upstream are at work too.
        wait_until("all clients are sessions", || proxy.handle().stats().accepted == MANY as u64);
        wait_until("all requests have come", || begun.load(Ordering::Relaxed) == MANY);
        for server in [&proxy, &working] {
            server.handle().drain(PATIENCE);
        }
        let reader = thread::spawn(move || read_all(requests, ANSWER));
        assert_eq!(read_all(downloads, DOWNLOAD), (MANY, 0), "{backend}");
        assert_eq!(reader.join().unwrap(), (MANY, 0), "{backend}");
        for (server, sessions) in [(proxy, 2 * MANY), (working, MANY)] {
            let handle = server.handle();
            server.wait().unwrap();
            let stats = handle.stats();
            assert_eq!((stats.drained, stats.drain_cut), (sessions as u64, 0), "{backend}: {stats:?}");
        }
        source.handle().stop();
        source.wait().unwrap();
    }
}

#[test]
fn with_too_little_time_each_cut_is_counted_and_seen_by_its_client() {
    const FEW: usize = 60;
    for backend in backends() {
        let (source, source_address) = upstream(backend, true);
        let proxy = builder(backend, 2).start(Proxy(Target::from(source_address))).unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let (working, tasks_address) = tasks(backend, &begun, 500);
        let downloads: Vec<TcpStream> = (0..FEW).map(|_| connect(address_of(&proxy))).collect();
        let requests: Vec<TcpStream> = (0..FEW).map(|_| request(tasks_address)).collect();
        wait_until("all clients are sessions", || proxy.handle().stats().connected == FEW as u64);
        wait_until("all requests have come", || begun.load(Ordering::Relaxed) == FEW);
        for server in [&proxy, &working] {
            server.handle().drain(Duration::from_millis(150));
        }
        let reader = thread::spawn(move || read_all(requests, ANSWER));
        assert_eq!(read_all(downloads, DOWNLOAD), (0, FEW), "{backend}: the upstream never gave the rest");
        let (whole, reset) = reader.join().unwrap();
        assert_eq!(whole + reset, FEW);
        for (server, whole, cut) in [(proxy, 0, 2 * FEW), (working, whole, reset)] {
            let handle = server.handle();
            server.wait().unwrap();
            let stats = handle.stats();
            assert_eq!((stats.drained, stats.drain_cut), (whole as u64, cut as u64), "{backend}: {stats:?}");
        }
        source.handle().stop();
        source.wait().unwrap();
    }
}
