//! The engine's own thread, and other threads that end.

use std::sync::{Mutex, mpsc};

use overlapped::driver::Wait;
use overlapped::{Engine, ErrorKind, Event};

use crate::harness::engine::*;
use crate::harness::tracked::Dropped;
use crate::harness::*;

threaded_rules! {
    dropping_the_last_handle_on_the_engines_own_thread_does_not_hang,
    a_wait_on_the_engines_own_thread_would_deadlock,
    any_executor_can_run_the_futures,
    routines_of_a_thread_that_ends_are_dropped_there,
}

fn dropping_the_last_handle_on_the_engines_own_thread_does_not_hang(own: Own) {
    let Own::Threaded(engine) = own else { unreachable!("the rule is for engines with a thread") };
    let (socket, peer) = pair(&engine);
    let mut receive = socket.recv(vec![0; 1]).start().unwrap();
    let (tell, told) = mpsc::channel();
    let last = Mutex::new(Some(engine));
    let waker = waker(move || {
        drop(last.lock().unwrap().take());
        tell.send(()).unwrap();
    });
    let polled = std::pin::Pin::new(&mut receive).poll(&mut std::task::Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(waker);
    write(&peer, b"x");
    told.recv_timeout(PATIENCE).expect("the drop returns");
    assert_eq!(peer.read(1).unwrap(), b"", "the engine ends and closes its sockets");
}

/// A waker runs on the engine's own thread, which must not wait for something that only it can do.
fn a_wait_on_the_engines_own_thread_would_deadlock(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let (tell, told) = mpsc::channel();
    let never = Event::new();
    let waker = waker(move || _ = tell.send(never.wait(Wait::Forever).unwrap_err().kind()));
    let mut receive = socket.recv(vec![0; 8]).start().unwrap();
    let mut context = std::task::Context::from_waker(&waker);
    assert!(std::pin::Pin::new(&mut receive).poll(&mut context).is_pending());
    write(&peer, b"x");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ErrorKind::WouldDeadlock);
    assert_eq!(end(receive).unwrap().buf, b"x", "the operation goes on");
}

fn any_executor_can_run_the_futures(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let mut pool = futures::executor::LocalPool::new();
    let client = std::thread::spawn(move || {
        write(&peer, b"abc");
        read(&peer, 3)
    });
    let served = pool.run_until(async {
        let received = socket.recv(vec![0; 8]).await.unwrap();
        socket.send(received.buf).await.unwrap().bytes
    });
    assert_eq!((served, client.join().unwrap()), (3, b"abc".to_vec()));
}

/// The thread that started the operations ends. Its routines are dropped on it without being
/// called. The operations end and free their buffers.
fn routines_of_a_thread_that_ends_are_dropped_there(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let (tell, told) = mpsc::channel();
    let thread = {
        let socket = socket.clone();
        let peer = peer.again();
        let engine = engine.clone();
        std::thread::spawn(move || {
            for _ in 0..2 {
                let kept = Dropped(tell.clone());
                socket
                    .recv(vec![0; 1])
                    .on_complete(move |_| {
                        drop(kept);
                        panic!("nobody waits alertably");
                    })
                    .unwrap();
            }
            // One of them ends before the thread, the other after it.
            write(&peer, b"a");
            until("one has ended", || engine.live().operations == 1);
            std::thread::current().id()
        })
    };
    let id = thread.join().unwrap();
    assert_eq!([told.recv().unwrap(), told.recv().unwrap()], [id, id]);
    assert_eq!(engine.live().buffers, 1, "the other still owns its buffer");
    write(&peer, b"b");
    until("it ends", || engine.live().buffers == 0);
}
