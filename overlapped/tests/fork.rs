//! A child that is forked from a process with engines: its starts are refused by name, and neither
//! it nor its parent is hurt by its end.

#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use overlapped::driver::{CloseMode, Wait};
use overlapped::engine::Status;
use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig, Engine, ErrorKind, Op, Socket};

const WAIT: Wait = Wait::For(Duration::from_secs(60));

fn backends() -> impl Iterator<Item = Backend> {
    let backends = Backend::of_this_system().iter().copied();
    backends.filter(|backend| Driver::new(DriverConfig::new().backend(*backend)).is_ok())
}

/// Runs `child` in a child, and fails if it panics, hangs, or ends by a signal.
fn in_child(child: impl FnOnce()) {
    // SAFETY: the child ends with `_exit`, and uses only what the parent's other threads (the
    // engine's, and those of other tests) do not lock, or what it is the test's affair to find out.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", std::io::Error::last_os_error());
    if pid == 0 {
        // SAFETY: SIGALRM ends a child that hangs.
        unsafe { libc::alarm(20) };
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        // SAFETY: it ends the child without running anything else.
        unsafe { libc::_exit(i32::from(ended.is_err())) };
    }
    let mut status = 0;
    // SAFETY: the child is ours.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!((waited, status), (pid, 0), "the child panicked, hung or was killed");
}

/// Drops in the child what returning from `main` would drop there.
fn drop_as_main_would<T>(value: &T) {
    // SAFETY: the child ends without dropping the original; the parent keeps its own.
    drop(unsafe { std::ptr::read(value) });
}

fn pair(adopt: impl FnOnce(TcpStream) -> Socket) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (adopt(near), listener.accept().unwrap().0)
}

/// What a child is refused, of an engine that its parent goes on using.
fn refused(
    engine: &Engine,
    socket: &Socket,
    pending: &mut overlapped::Overlapped<overlapped::engine::Received<Vec<u8>>>,
) {
    let failed = socket.send(b"from the child".to_vec()).start().unwrap_err();
    assert_eq!((failed.error.kind(), &failed.given[..]), (ErrorKind::Closed, &b"from the child"[..]));
    assert!(failed.error.to_string().contains("forked"), "{}", failed.error);
    assert_eq!(engine.sleep(Duration::ZERO).start().unwrap_err().error.kind(), ErrorKind::Closed);
    assert_eq!(engine.listen("127.0.0.1:0", &Default::default()).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(socket.close(CloseMode::Now).start().unwrap_err().error.kind(), ErrorKind::Closed);
    assert_eq!(pending.status(), Status::Failed(ErrorKind::Closed));
    assert_eq!(pending.result(Wait::Forever).unwrap_err().kind(), ErrorKind::Closed);
    assert!(!pending.cancel());
    assert_eq!(socket.cancel_all(), 0);
    assert_eq!(socket.set_options(&Default::default()).unwrap_err().kind(), ErrorKind::Closed);
}

/// The parent goes on as if there had been no child.
fn goes_on(
    socket: &Socket,
    mut peer: &TcpStream,
    mut pending: overlapped::Overlapped<overlapped::engine::Received<Vec<u8>>>,
) {
    peer.write_all(b"hello").unwrap();
    let received = pending.result(WAIT).unwrap();
    assert_eq!(received.buf, b"hello");
    socket.send(received.buf).start().unwrap().result(WAIT).unwrap();
    let mut echo = [0; 5];
    peer.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello");
}

#[test]
fn an_engine_with_a_thread_is_refused_in_a_child_and_goes_on_in_the_parent() {
    for backend in backends() {
        let engine = Engine::builder().backend(backend).build().unwrap();
        let (socket, peer) = pair(|near| engine.adopt(near).unwrap());
        let mut pending = socket.recv(vec![0; 16]).start().unwrap();
        engine.sleep(Duration::ZERO).start().unwrap().result(WAIT).unwrap();
        in_child(|| {
            refused(&engine, &socket, &mut pending);
            drop_as_main_would(&pending);
            drop_as_main_would(&socket);
            drop_as_main_would(&engine);
            let own = Engine::builder().backend(backend).build().unwrap();
            own.sleep(Duration::ZERO).start().unwrap().result(WAIT).unwrap();
        });
        goes_on(&socket, &peer, pending);
    }
}

#[test]
fn a_local_engine_is_refused_in_a_child_and_goes_on_in_the_parent() {
    for backend in backends() {
        let engine = Engine::builder().backend(backend).local().unwrap();
        let (socket, peer) = pair(|near| engine.adopt(near).unwrap());
        let mut pending = socket.recv(vec![0; 16]).start().unwrap();
        engine.turn(Wait::Poll).unwrap();
        in_child(|| {
            refused(&engine, &socket, &mut pending);
            assert_eq!(engine.turn(Wait::Poll).unwrap_err().kind(), ErrorKind::Closed);
            drop_as_main_would(&pending);
            drop_as_main_would(&socket);
            drop_as_main_would(&engine);
            let own = Engine::builder().backend(backend).local().unwrap();
            own.sleep(Duration::ZERO).start().unwrap().result(WAIT).unwrap();
        });
        goes_on(&socket, &peer, pending);
    }
}

#[test]
fn a_driver_is_refused_in_a_child_and_goes_on_in_the_parent() {
    for backend in backends() {
        let mut driver = Driver::new(DriverConfig::new().backend(backend)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut peer = listener.accept().unwrap().0;
        let socket = driver.adopt(near.into()).unwrap();
        driver.submit(Op::recv_multi(socket), 1).unwrap();
        driver.turn(Wait::Poll).unwrap();
        in_child(|| {
            assert_eq!(driver.submit(Op::recv_multi(socket), 2).unwrap_err().error.kind(), ErrorKind::Closed);
            assert_eq!(driver.turn(Wait::Forever).unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(driver.release(socket).unwrap_err().kind(), ErrorKind::Closed);
            drop_as_main_would(&driver);
            let mut own = Driver::new(DriverConfig::new().backend(backend)).unwrap();
            own.turn(Wait::Poll).unwrap();
        });
        peer.write_all(b"hello").unwrap();
        driver.turn(WAIT).unwrap();
        assert!(driver.next().unwrap().result.is_ok());
    }
}

#[test]
fn a_child_that_ends_leaves_the_parents_unix_listener_alone() {
    let path = std::env::temp_dir().join(format!("overlapped-fork-{}.sock", std::process::id()));
    let engine = Engine::new().unwrap();
    let listener = engine.listen(format!("unix:{}", path.display()).as_str(), &Default::default()).unwrap();
    let accept = listener.accept().start().unwrap();
    in_child(|| {
        drop_as_main_would(&listener);
        drop_as_main_would(&engine);
    });
    assert!(path.exists());
    let mut accept = accept;
    let _peer = std::os::unix::net::UnixStream::connect(&path).unwrap();
    accept.result(WAIT).unwrap();
}
