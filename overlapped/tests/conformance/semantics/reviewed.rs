//! Limits and leaks at the edges of the models: accepted sockets whose packets nobody has taken,
//! routines of starts that panic, and wakers that wait for what was refused with them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use overlapped::buf::SendBuf;
use overlapped::engine::Accepted;
use overlapped::{CompletionPort, Engine, ErrorKind, LocalEngine};

use crate::harness::engine::*;
use crate::harness::place;

engine_rules! {
    a_routine_of_a_start_that_panics_is_dropped: "it has no datagrams",
}

macro_rules! on_each_backend {
    ($($backend:ident $name:ident),* $(,)?) => {$(
        mod $name {
            use super::*;
            use overlapped::report::Backend;
            #[test]
            fn accepted_sockets_in_packets_that_wait_count_as_sockets() {
                if place::is_there(Backend::$backend) {
                    accepted_sockets_count(Engine::builder().backend(Backend::$backend).sockets(4).local().unwrap());
                }
            }
            #[test]
            fn a_waker_waits_for_what_was_refused_in_the_same_batch() {
                if place::is_there(Backend::$backend) {
                    a_waker_waits(Engine::builder().backend(Backend::$backend).local().unwrap());
                }
            }
        }
    )*};
}

#[cfg(target_os = "linux")]
on_each_backend! { Uring uring_alone }
#[cfg(unix)]
on_each_backend! { Poll poll_alone }
#[cfg(windows)]
on_each_backend! { Winsock winsock_alone }

#[test]
fn accepted_sockets_in_packets_that_wait_count_as_sockets_in_the_simulation() {
    place::each_seed(|network| {
        // Its peers are sockets of the engine too: as many as are accepted.
        let engine = Engine::builder().network(&network).sockets(7).local().unwrap();
        accepted_sockets_count(engine);
    });
}

fn accepted_sockets_count(engine: LocalEngine) {
    let (listener, address) = listen(&engine);
    let port = CompletionPort::new(1, 64);
    listener.associate(&port, 0).unwrap();
    let mut peers = Vec::new();
    for token in 0..3 {
        listener.accept().to_port(token).unwrap();
        peers.push(connect(&engine, &address));
        until("it is accepted", || engine.live().operations == 0);
    }
    let refused = listener.accept().to_port(3).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::LimitReached, "three sockets wait in packets");

    // A packet that is dropped gives its place back, and so does a socket.
    let dropped = port.get(WAIT).unwrap().unwrap();
    assert_eq!(dropped.token, 0);
    drop(dropped);
    listener.accept().to_port(4).unwrap();
    assert!(listener.accept().to_port(5).is_err());
    let taken = port.get(WAIT).unwrap().unwrap().result::<Accepted>().unwrap();
    assert!(listener.accept().to_port(5).is_err(), "it is a socket now");
    drop(taken);
    until("its place is free", || match listener.accept().to_port(6) {
        Ok(_) => true,
        Err(refused) => {
            assert_eq!(refused.error.kind(), ErrorKind::LimitReached);
            false
        }
    });
    listener.cancel_all();
    drop((peers, port, listener));
    until("nothing is left", || engine.live().sockets == 0);
}

/// The waker runs while the engine tells of what the driver has not taken.
fn a_waker_waits(engine: LocalEngine) {
    static ENDED: AtomicBool = AtomicBool::new(false);
    ENDED.store(false, Ordering::Relaxed);
    let (socket, _peer) = pair(&engine);
    let mut first = socket.recv(vec![0; 8]).start().unwrap();
    let second = socket.recv(vec![0; 8]).start().unwrap();
    first.cancel();
    second.cancel();
    let second = Mutex::new(Some(second));
    let waker = waker(move || {
        if let Some(mut second) = second.lock().unwrap().take() {
            let ended = second.result(WAIT).unwrap_err().kind();
            ENDED.store(ended == ErrorKind::Cancelled, Ordering::Relaxed);
        }
    });
    assert!(std::pin::Pin::new(&mut first).poll(&mut Context::from_waker(&waker)).is_pending());
    until("the first has ended", || first.has_ended());
    assert_eq!(end(first).unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(ENDED.load(Ordering::Relaxed), "the second ended while the waker waited for it");
}

/// A buffer that panics when a start asks how many parts it has.
#[derive(Debug)]
struct Panics(Vec<u8>, std::cell::Cell<usize>);

// SAFETY: the memory is the vector's, which stays as it is.
unsafe impl SendBuf for Panics {
    fn parts(&self) -> usize {
        let calm = self.1.get();
        assert!(calm > 0, "a buffer panics");
        self.1.set(calm - 1);
        1
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        self.0.part(i)
    }
}

fn a_routine_of_a_start_that_panics_is_dropped(engine: &Engine) {
    let socket = engine.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let to = socket.local_addr().unwrap();
    let (mut panicked, living) = (0, Rc::new(()));
    for calm in 0..8 {
        let routine = Rc::clone(&living);
        let buf = Panics(vec![1; 4], calm.into());
        let started = catch_unwind(AssertUnwindSafe(|| {
            socket.send_to(buf, &to).on_complete(move |_| drop(routine)).map_err(|failed| failed.error)
        }));
        match started {
            Err(_) => {
                panicked += 1;
                assert_eq!(Rc::strong_count(&living), 1, "its routine is gone");
            }
            Ok(_) => {
                while Rc::strong_count(&living) > 1 {
                    overlapped::routine::sleep_alertable(WAIT).unwrap();
                }
            }
        }
    }
    assert!(panicked > 1, "{panicked}");
}
