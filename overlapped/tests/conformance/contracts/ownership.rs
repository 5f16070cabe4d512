//! Ownership: nothing is freed early, nothing leaks, and dropping a driver with anything in flight
//! ends.

use std::cell::Cell;
use std::net::TcpStream;
use std::rc::Rc;

use overlapped::buf::{RecvBuf, SendBuf};
use overlapped::driver::{CloseMode, SocketId, Stream, Wait};
use overlapped::report::Backend;
use overlapped::{ErrorKind, Op, Outcome};

use crate::harness::PATIENCE;
use crate::harness::bench::{Bench, Peer};
use crate::harness::place::On;

rules! {
    dropping_a_driver_with_every_kind_in_flight_ends_and_drops_each_buffer_once,
    an_accepted_connection_that_nobody_takes_is_closed,
    a_packet_outlives_its_driver,
    a_released_connection_lives_on_in_another_driver: "the other driver is on another thread",
    a_released_connection_lives_on_in_the_standard_library: "it is the system's",
    a_connection_that_was_non_blocking_is_waited_for_all_the_same: "only the system's can be non-blocking",
}

/// A buffer that counts how often it is dropped.
struct Counted {
    bytes: Vec<u8>,
    ends: Rc<Cell<usize>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ends.set(self.ends.get() + 1);
    }
}

// SAFETY: the bytes are the vector's, on the heap.
unsafe impl SendBuf for Counted {
    fn parts(&self) -> usize {
        1
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        self.bytes.part(i)
    }
}

// SAFETY: as above.
unsafe impl RecvBuf for Counted {
    fn parts(&self) -> usize {
        1
    }
    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        self.bytes.part_mut(i)
    }
    unsafe fn set_received(&mut self, bytes: usize) {
        // SAFETY: passed on.
        unsafe { self.bytes.set_received(bytes) }
    }
}

pub(super) fn dropping_a_driver_with_every_kind_in_flight_ends_and_drops_each_buffer_once(on: &On) {
    for settled in [false, true] {
        let mut bench = on.bench();
        let ends = Rc::new(Cell::new(0));
        let counted = |len: usize| Counted { bytes: vec![0; len], ends: Rc::clone(&ends) };
        let (listener, address) = bench.listen();
        let (other, _) = bench.listen();
        bench.submit(Op::accept(listener));
        bench.submit(Op::accept_multi(other));
        let (socket, peer) = bench.pair();
        bench.submit(Op::recv(socket, counted(100)));
        bench.submit(Op::recv(socket, [counted(100), counted(100)]));
        bench.submit(Op::send(socket, counted(on.flood())));
        bench.submit(Op::send(socket, [counted(100), counted(100)]));
        let (pooled, live) = bench.pair();
        bench.submit(Op::recv_multi(pooled));
        bench.write(&live, &[1; 100_000]);
        let (closing, _quiet) = bench.pair();
        bench.submit(Op::close(closing, CloseMode::Graceful { linger: PATIENCE }));
        let connecting = bench.driver.socket(&address).unwrap();
        bench.submit(Op::connect(connecting, &address));
        let timer = Op::timer(bench.driver.now() + PATIENCE);
        bench.submit(timer);
        // A connection that may have been accepted, and is never taken.
        let (waiting, _) = bench.connect(&address);
        if settled {
            bench.driver.turn(Wait::Poll).unwrap();
            bench.driver.turn(Wait::Poll).unwrap();
        }
        assert_eq!(ends.get(), 0, "nothing is freed early");
        drop(bench);
        assert_eq!(ends.get(), 6, "each buffer once");
        // Peers that are sockets of the driver are dropped with it.
        if let (Peer::System(waiting), Peer::System(peer)) = (waiting, peer) {
            assert_is_over(waiting.read(1).map(|bytes| bytes.len()));
            assert_is_over(peer.read_to_end().map(|_| 0));
        }
    }
}

fn an_accepted_connection_that_nobody_takes_is_closed(on: &On) {
    let mut bench = on.bench();
    let (listener, address) = bench.listen();
    let accept = bench.submit(Op::accept(listener));
    let (client, _) = bench.connect(&address);
    drop(bench.end_of(accept));
    assert_eq!(bench.peer_reads(&client, 1).unwrap(), b"");
    bench.close(listener);
    bench.finish();
}

pub(super) fn a_packet_outlives_its_driver(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv_multi(socket));
    bench.write(&peer, b"kept");
    let Ok(Outcome::Packet(packet)) = bench.next_of(recv).result else { panic!("a packet comes") };
    drop(bench);
    assert!(!packet.is_empty() && b"kept".starts_with(&packet), "{packet:?}");
}

/// A connection that the driver has released. Where that is impossible it returns an error, and
/// keeps the connection.
fn released(bench: &mut Bench, socket: SocketId, on: &On) -> Option<Stream> {
    match bench.driver.release(socket) {
        Ok(stream) => Some(stream),
        Err(error) => {
            assert!(on.backend == Backend::Winsock, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "a socket stays with its completion port");
            bench.close(socket);
            None
        }
    }
}

pub(super) fn a_released_connection_lives_on_in_another_driver(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let Some(stream) = released(&mut bench, socket, on) else { return };
    let backend = on.backend;
    let sent = std::thread::spawn(move || {
        let mut other = On::new(backend).bench();
        let socket = other.driver.adopt(stream).unwrap();
        let send = other.submit(Op::send(socket, b"from there".to_vec()));
        assert!(other.outcome_of(send).is_ok());
        other.close(socket);
        other.finish();
    });
    let reader = bench.reader(&peer);
    assert_eq!(bench.read_all(reader), b"from there");
    sent.join().unwrap();
    bench.finish();
}

fn a_released_connection_lives_on_in_the_standard_library(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let Some(stream) = released(&mut bench, socket, on) else { return };
    let mut stream = TcpStream::try_from(stream).unwrap();
    std::io::Write::write_all(&mut stream, b"and here").unwrap();
    drop(stream);
    let reader = bench.reader(&peer);
    assert_eq!(bench.read_all(reader), b"and here");
    bench.finish();
}

/// How a peer sees that the other end is gone: the end of the stream, or a reset.
fn assert_is_over(read: std::io::Result<usize>) {
    match read {
        Ok(bytes) => assert_eq!(bytes, 0, "closed, not forgotten"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "closed, not forgotten"),
    }
}

pub(super) fn a_connection_that_was_non_blocking_is_waited_for_all_the_same(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    if let Peer::System(peer) = &peer {
        peer.set_nonblocking();
    }
    let other = bench.adopt_peer(peer);
    let recv = bench.submit(Op::recv(other, vec![0u8; 10]));
    // If the receive were tried again and again, no turn would wait.
    let timer = bench.driver.now() + std::time::Duration::from_millis(50);
    let timer = bench.submit(Op::timer(timer));
    let mut turns = 0;
    while !bench.seen.iter().any(|completion| completion.id == timer) {
        bench.turn(Wait::Forever);
        turns += 1;
    }
    assert!(turns < 20, "{turns} turns");
    bench.submit(Op::send(socket, b"x".to_vec()));
    assert!(matches!(bench.outcome_of(recv), Ok(Outcome::Received(1))));
    bench.close(socket);
    bench.close(other);
    bench.finish();
}
