//! SIGQUIT: the last events are printed, and the server goes on.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Running, wait_until};

#[test]
fn sigquit_prints_the_last_events_and_the_server_goes_on() {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0", "--shards", "1", "--flight-recorder", "64"]);
    let mut stream = echo.connect();
    let mut exchange = || {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    };
    for _ in 0..2 {
        exchange();
        kill_process(Pid::from_child(&echo.child), Signal::QUIT).unwrap();
        let head = echo.next_line();
        assert!(head.starts_with("proactor: SIGQUIT: the last ") && head.contains("the server goes on"), "{head}");
        // A turn may have been slow on a busy machine.
        let count: usize = head.split(' ').nth(4).unwrap().parse().unwrap();
        let lines: Vec<String> = (0..count).map(|_| echo.next_line()).collect();
        let accepted = lines.iter().filter(|line| line.contains(" s, session 0.0.0: accepted, at 127.0.0.1:")).count();
        assert_eq!(accepted, 1, "{lines:?}");
    }
    exchange();
    drop(stream);
    let summary = echo.summary();
    assert!(summary.contains("1 session ("), "{summary}");
}

#[test]
fn without_a_recorder_sigquit_ends_the_process_as_by_default() {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0"]);
    kill_process(Pid::from_child(&echo.child), Signal::QUIT).unwrap();
    assert_eq!(echo.ended().signal(), Some(Signal::QUIT.as_raw()));
}

#[test]
fn a_reader_that_has_stalled_does_not_keep_the_server_from_being_told_to_end() {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0", "--shards", "1", "--flight-recorder", "4096"]);
    for _ in 0..600 {
        let mut stream = echo.connect();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    // Nobody reads what is printed, and a pipe holds less than that of two signals.
    for _ in 0..10 {
        kill_process(Pid::from_child(&echo.child), Signal::QUIT).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    echo.interrupt();
    wait_until("it accepts no more", || echo.try_connect().is_err());
    // All of it begins as the summary does.
    let (_, said) = echo.rest_of_log();
    assert!(said.contains("SIGQUIT: the last 1000 of ") && said.contains(" has ended: "), "{said}");
    assert_eq!(echo.ended().code(), Some(0));
}
