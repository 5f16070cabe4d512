//! Signals and consoles: the first drains the server, the second stops it at once.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::harness::Running;

fn delivers_what_is_queued_and_exits_with_0(ask_to_end: impl Fn(&Running)) {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0"]);
    let mut stream = echo.connect();
    stream.write_all(&[7; 10_000]).unwrap();
    let mut back = vec![0; 10_000];
    stream.read_exact(&mut back[..1]).unwrap();
    ask_to_end(&echo);
    stream.read_exact(&mut back[1..]).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "closed in order");
    drop(stream);
    assert_eq!(echo.ended().code(), Some(0));
    let refused = TcpStream::connect(echo.addresses[0]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn ctrl_c_delivers_what_is_queued_and_exits_with_0() {
    delivers_what_is_queued_and_exits_with_0(Running::interrupt);
}

#[test]
#[cfg(unix)]
fn sigterm_delivers_what_is_queued_and_exits_with_0() {
    use rustix::process::{Pid, Signal, kill_process};
    delivers_what_is_queued_and_exits_with_0(|echo| {
        kill_process(Pid::from_child(&echo.child), Signal::TERM).unwrap();
    });
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0", "--drain-timeout", "1h"]);
    let mut stream = echo.connect();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    echo.interrupt();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "told that it is over");
    assert!(echo.child.try_wait().unwrap().is_none(), "it waits for the peer's end");
    echo.interrupt();
    assert_eq!(echo.ended().code(), Some(0));
}

#[test]
fn a_drain_ends_at_its_time_out() {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0", "--drain-timeout", "100ms"]);
    let mut stream = echo.connect();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    echo.interrupt();
    assert_eq!(echo.ended().code(), Some(0));
}
