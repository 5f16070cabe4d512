//! Clients of the standard library.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use super::waiting::PATIENCE;

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).unwrap())
}

/// Sets time limits, so that a test fails instead of waiting for ever.
pub(crate) fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads exactly these bytes.
#[track_caller]
pub(crate) fn expect(mut stream: &TcpStream, bytes: &[u8]) {
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert!(back == bytes, "{:?} instead of {:?}", String::from_utf8_lossy(&back), String::from_utf8_lossy(bytes));
}

/// Sends bytes and reads exactly the answer.
#[track_caller]
pub(crate) fn ask(mut stream: &TcpStream, bytes: &[u8], answer: &[u8]) {
    stream.write_all(bytes).unwrap();
    expect(stream, answer);
}

/// Sends bytes to a server that echoes them.
#[track_caller]
pub(crate) fn exchange(stream: &TcpStream, bytes: &[u8]) {
    ask(stream, bytes, bytes);
}

/// Sends bytes in pieces, ends the stream, and returns everything that comes back meanwhile.
pub(crate) fn round_trip(stream: &TcpStream, bytes: &[u8], piece: usize) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut stream = stream;
            for piece in bytes.chunks(piece) {
                stream.write_all(piece).unwrap();
            }
            stream.shutdown(Shutdown::Write).unwrap();
        });
        read_to_end(stream)
    })
}

#[track_caller]
pub(crate) fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Reads once, however often the call is interrupted. The start of a server sets up an io_uring on
/// the thread of the test, and the kernel interrupts that thread when it tears the io_uring down.
pub(crate) fn read_once(mut stream: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Waits for the end of a connection on which nothing more comes.
#[track_caller]
pub(crate) fn read_end(stream: &TcpStream) {
    match read_once(stream, &mut [0; 64]) {
        Ok(0) => {}
        Ok(more) => panic!("{more} more bytes"),
        Err(error) => assert!(
            matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted),
            "no end: {error}"
        ),
    }
}

/// Bytes that differ from those of every other seed. No byte is ASCII: none is a command to a
/// handler or ends a line.
pub(crate) fn pattern(seed: usize, len: usize) -> Vec<u8> {
    let mut state = seed as u64 * 2 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..len).map(|_| next() | 0x80).collect()
}
