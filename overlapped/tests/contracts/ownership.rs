//! Ownership: nothing is freed early, nothing leaks, and dropping a driver with anything in flight ends.

use std::cell::Cell;
use std::io::Read;
use std::net::TcpStream;
use std::rc::Rc;

use overlapped::{CloseMode, Op, Outcome, RecvBuf, SendBuf, Wait};

use crate::harness::{Bench, PATIENCE, write};

/// A buffer that counts its ends.
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

#[test]
fn dropping_a_driver_with_every_kind_in_flight_ends_and_drops_each_buffer_once() {
    for settled in [false, true] {
        let mut bench = Bench::new();
        let ends = Rc::new(Cell::new(0));
        let counted = |len: usize| Counted { bytes: vec![0; len], ends: Rc::clone(&ends) };
        let (listener, address) = bench.listen();
        let (other, _) = bench.listen();
        bench.submit(Op::accept(listener));
        bench.submit(Op::accept_multi(other));
        let (socket, mut peer) = bench.pair();
        bench.submit(Op::recv(socket, counted(100)));
        bench.submit(Op::recv(socket, [counted(100), counted(100)]));
        bench.submit(Op::send(socket, counted(64 << 20)));
        bench.submit(Op::send(socket, [counted(100), counted(100)]));
        let (pooled, live) = bench.pair();
        bench.submit(Op::recv_multi(pooled));
        write(&live, &[1; 100_000]);
        let (closing, _quiet) = bench.pair();
        bench.submit(Op::close(closing, CloseMode::Graceful { linger: PATIENCE }));
        let connecting = bench.driver.socket(address).unwrap();
        bench.submit(Op::connect(connecting, address));
        let timer = Op::timer(bench.driver.now() + PATIENCE);
        bench.submit(timer);
        // A connection that is accepted, or not, but never taken.
        let waiting = TcpStream::connect(address).unwrap();
        waiting.set_read_timeout(Some(PATIENCE)).unwrap();
        if settled {
            bench.driver.turn(Wait::Poll).unwrap();
            bench.driver.turn(Wait::Poll).unwrap();
        }
        assert_eq!(ends.get(), 0, "nothing is freed early");
        drop(bench);
        assert_eq!(ends.get(), 6, "each buffer once");
        let closed = (&waiting).read(&mut [0; 1]);
        assert!(!matches!(closed, Ok(1..)), "closed, not forgotten: {closed:?}");
        let mut rest = Vec::new();
        let _ = peer.read_to_end(&mut rest);
    }
}

#[test]
fn an_accepted_connection_that_nobody_takes_is_closed() {
    let mut bench = Bench::new();
    let (listener, address) = bench.listen();
    let accept = bench.submit(Op::accept(listener));
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(bench.end_of(accept));
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    bench.close(listener);
    bench.finish();
}

#[test]
fn a_packet_outlives_its_driver() {
    let mut bench = Bench::new();
    let (socket, peer) = bench.pair();
    let recv = bench.submit(Op::recv_multi(socket));
    write(&peer, b"kept");
    let Ok(Outcome::Packet(packet)) = bench.next_of(recv).result else { panic!("a packet comes") };
    drop(bench);
    assert_eq!(&packet[..], b"kept");
}

#[test]
fn a_hundred_drivers_one_after_the_other_leave_no_descriptor() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    // Other tests of this process open and close meanwhile, so it runs in a process of its own.
    if std::env::var_os("ALONE").is_none() {
        let me = std::env::current_exe().unwrap();
        let status = std::process::Command::new(me)
            .args(["--exact", "ownership::a_hundred_drivers_one_after_the_other_leave_no_descriptor"])
            .env("ALONE", "1")
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let before = open();
    for _ in 0..100 {
        let mut bench = Bench::new();
        let (listener, address) = bench.listen();
        bench.submit(Op::accept_multi(listener));
        let (socket, peer) = bench.pair();
        bench.submit(Op::recv_multi(socket));
        let _client = TcpStream::connect(address).unwrap();
        write(&peer, b"x");
        bench.turn(Wait::Poll);
    }
    assert_eq!(open(), before);
}

#[test]
fn a_released_connection_lives_on_in_another_driver_and_in_the_standard_library() {
    let mut bench = Bench::new();
    let (socket, mut peer) = bench.pair();
    let stream = bench.driver.release(socket).unwrap();
    let sent = std::thread::spawn(move || {
        let mut other = Bench::new();
        let socket = other.driver.adopt(stream).unwrap();
        let send = other.submit(Op::send(socket, b"from there".to_vec()));
        assert!(other.outcome_of(send).is_ok());
        let stream = other.driver.release(socket).unwrap();
        other.finish();
        let mut stream = TcpStream::try_from(stream).unwrap();
        std::io::Write::write_all(&mut stream, b", and here").unwrap();
    });
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "from there, and here");
    sent.join().unwrap();
    bench.finish();
}

#[test]
fn a_connection_that_was_non_blocking_is_waited_for_all_the_same() {
    let mut bench = Bench::new();
    let (socket, peer) = bench.pair();
    peer.set_nonblocking(true).unwrap();
    let other = bench.driver.adopt(peer.into()).unwrap();
    let recv = bench.submit(Op::recv(other, vec![0u8; 10]));
    // A receive that were tried again and again would keep every turn from waiting.
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
