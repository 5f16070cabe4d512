//! SIGHUP: there is nothing to reload, and nothing ends.

use std::io::{Read, Write};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::Running;

#[test]
fn a_hang_up_is_a_line_in_the_log_and_nothing_else() {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0"]);
    let mut stream = echo.connect();
    let mut exchange = || {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    };
    exchange();
    kill_process(Pid::from_child(&echo.child), Signal::HUP).unwrap();
    let line = echo.next_line();
    assert!(line.contains("SIGHUP") && line.contains("nothing to reload"), "{line}");
    exchange();
    assert!(echo.child.try_wait().unwrap().is_none());
    drop(stream);
    let summary = echo.summary();
    assert!(summary.contains("1 session ("), "{summary}");
}
