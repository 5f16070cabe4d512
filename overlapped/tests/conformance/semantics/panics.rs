//! Code of the program that panics where the engine calls it.

use overlapped::buf::{RecvBuf, SendBuf};
use overlapped::{Engine, ErrorKind};

use crate::harness::engine::*;

engine_rules! {
    a_buffer_that_panics_ends_its_own_operation_and_no_other,
    a_buffer_that_panics_when_it_is_handed_over_panics_there,
    a_buffer_of_a_datagram_that_panics_at_any_call_hurts_nobody_else: "it has no datagrams",
}

/// A buffer of the program's own type, whose memory is asked for on the engine's thread.
#[derive(Debug)]
struct Panics {
    bytes: Vec<u8>,
    /// How often it is asked before it panics.
    calm: std::cell::Cell<usize>,
    /// It panics when it is told what was received.
    in_the_end: bool,
}

impl Panics {
    fn new(bytes: &[u8], calm: usize, in_the_end: bool) -> Panics {
        Panics { bytes: bytes.to_vec(), calm: calm.into(), in_the_end }
    }

    fn asked(&self) {
        let calm = self.calm.get();
        assert!(calm > 0, "a buffer panics");
        self.calm.set(calm - 1);
    }
}

// SAFETY: the memory is the vector's, which stays as it is.
unsafe impl SendBuf for Panics {
    fn parts(&self) -> usize {
        1
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        self.asked();
        self.bytes.part(i)
    }
}

// SAFETY: the same; what is received is not looked at.
unsafe impl RecvBuf for Panics {
    fn parts(&self) -> usize {
        1
    }
    fn part_mut(&mut self, _: usize) -> (*mut u8, usize) {
        self.asked();
        (self.bytes.as_mut_ptr(), self.bytes.len())
    }
    unsafe fn set_received(&mut self, _: usize) {
        assert!(!self.in_the_end, "a buffer panics");
    }
}

fn a_buffer_that_panics_ends_its_own_operation_and_no_other(engine: &Engine) {
    const NEVER: usize = usize::MAX;
    let (socket, peer) = pair(engine);
    let (other, other_peer) = pair(engine);
    let other_receive = other.recv(vec![0; 8]).start().unwrap();
    // Once it is asked in the call that makes the operation.
    let mut send = socket.send(Panics::new(b"lost", 1, false)).start().unwrap();
    assert_eq!(send.result(WAIT).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(send.take_buf().unwrap().bytes, b"lost", "it is given back");
    let mut receive = socket.recv(Panics::new(&[0; 8], 1, false)).start().unwrap();
    assert_eq!(receive.result(WAIT).unwrap_err().kind(), ErrorKind::InvalidArgument);
    write(&peer, b"abc");
    await_input(&socket, 3);
    let mut receive = socket.recv(Panics::new(&[0; 8], NEVER, true)).start().unwrap();
    let error = receive.result(WAIT).unwrap_err();
    let received = error.transferred() as usize;
    assert!(error.kind() == ErrorKind::InvalidArgument && received > 0, "{error:?}");
    assert_eq!(receive.take_buf().unwrap().bytes[..received], b"abc"[..received]);

    end(socket.send(b"on".to_vec()).start().unwrap()).unwrap();
    assert_eq!(read(&peer, 2), b"on", "the socket goes on");
    write(&other_peer, b"x");
    assert_eq!(end(other_receive).unwrap().buf, b"x", "so do others");
}

/// The program's own code panics in the program's own thread.
fn a_buffer_that_panics_when_it_is_handed_over_panics_there(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = socket.send(Panics::new(b"lost", 0, false)).start();
    }));
    assert!(panics.is_err());
    end(socket.send(b"on".to_vec()).start().unwrap()).unwrap();
    assert_eq!(read(&peer, 2), b"on");
}

/// However often it has been asked before.
fn a_buffer_of_a_datagram_that_panics_at_any_call_hurts_nobody_else(engine: &Engine) {
    let socket = engine.datagram("127.0.0.1:0", &Default::default()).unwrap();
    for calm in 0..8 {
        let started = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            socket.recv(Panics::new(&[0; 8], calm, false)).start().unwrap()
        }));
        let Ok(mut receive) = started else { continue };
        receive.cancel();
        let error = receive.result(WAIT).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::Cancelled), "{error}");
    }
    let mut sleep = engine.sleep(std::time::Duration::ZERO).start().unwrap();
    sleep.result(WAIT).unwrap();
}
