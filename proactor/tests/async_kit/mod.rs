//! What the tests of async sessions share: a server on each backend, and a client of the standard library.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use overlapped::report::Backend;
use proactor::task::TaskOutput;
use proactor::{AsyncSession, Builder, SendError, Server, ServerError};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn on_each_backend(test: impl Fn(Builder)) {
    let mut ran = 0;
    for backend in Backend::of_this_system() {
        let builder = || Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend));
        match builder().serve(|_| async {}) {
            Ok(_) => test(builder()),
            Err(error @ ServerError::Io(_)) => {
                eprintln!("not on {backend}: {error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        ran += 1;
    }
    assert!(ran > 0);
}

pub(crate) fn serve<F, Fut>(builder: Builder, function: F) -> (Server, SocketAddr)
where
    F: FnMut(AsyncSession) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: TaskOutput> + 'static,
{
    let server = builder.serve(function).unwrap();
    let address = server.local_addrs()[0].ip().unwrap();
    (server, address)
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(crate) async fn echo(session: AsyncSession) -> Result<(), SendError> {
    while let Some(packet) = session.next().await {
        session.send(&packet).await?;
    }
    Ok(())
}

pub(crate) fn expect(mut stream: &TcpStream, bytes: &[u8]) {
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert!(back == bytes, "{:?} instead of {:?}", String::from_utf8_lossy(&back), String::from_utf8_lossy(bytes));
}

pub(crate) fn exchange(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    expect(stream, bytes);
}

/// Sees the end of a connection that says nothing more.
pub(crate) fn read_end(mut stream: &TcpStream) {
    match stream.read(&mut [0; 64]) {
        Ok(0) => {}
        Ok(more) => panic!("{more} more bytes"),
        Err(error) => assert!(
            matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted),
            "no end: {error}"
        ),
    }
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Bytes that repeat late.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut state = 7_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(len)
    .collect()
}
