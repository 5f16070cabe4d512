//! More clients than there may be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::harness::{Running, run, uring, wait_until};

#[test]
fn whoever_is_over_the_session_limit_is_turned_away_under_a_low_limit_of_files() {
    let program = env!("CARGO_BIN_EXE_proactor");
    let script = format!("ulimit -n 100; exec {program} echo --listen 127.0.0.1:0 --shards 1 --max-sessions 36");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script);
    let echo = Running::of(shell);
    // The program takes fewer sessions than files: the limit it was given is what turns the rest away.
    let streams: Vec<TcpStream> = (0..36).map(|_| echo.connect()).collect();
    for mut stream in &streams {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    let mut late = echo.connect();
    let turned_away = late.write_all(b"x").is_err() || !matches!(late.read(&mut [0; 1]), Ok(1));
    assert!(turned_away);
}

/// Whether the server has turned it away; else it is a session, which it shows by echoing.
fn is_turned_away(stream: &mut TcpStream) -> bool {
    stream.write_all(b"x").is_err() || !matches!(stream.read(&mut [0; 1]), Ok(1))
}

#[test]
fn no_address_has_more_sessions_than_it_may_and_places_are_given_back() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--max-sessions-per-ip", "3", "--shards", "2"]);
    let mut streams: Vec<TcpStream> = (0..3).map(|_| echo.connect()).collect();
    assert!(!streams.iter_mut().any(is_turned_away));
    for _ in 0..5 {
        assert!(is_turned_away(&mut echo.connect()));
    }
    streams.pop();
    wait_until("there is a place again", || !is_turned_away(&mut echo.connect()));
    assert!(!streams.iter_mut().any(is_turned_away));
    drop(streams);
    let summary = echo.summary();
    assert!(
        summary.contains(" refused (") && summary.contains(": its address has as many sessions as it may have)"),
        "{summary}"
    );
}

#[test]
fn more_than_may_come_at_once_are_turned_away() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--accept-rate", "1:2"]);
    // Two at once, and one more a second.
    let turned_away = (0..40).filter(|_| is_turned_away(&mut echo.connect())).count();
    assert!(turned_away > 0);
    let summary = echo.summary();
    assert!(
        summary.contains(&format!(" {turned_away} refused ({turned_away}: more come in a short time than may come)")),
        "{summary}"
    );
}

#[test]
fn a_load_of_more_connections_than_files_is_refused_beforehand() {
    let program = env!("CARGO_BIN_EXE_proactor");
    let script = format!("ulimit -n 100; exec {program} bench --connect 127.0.0.1:9 --connections 37");
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expected in ["--connections 37 needs 101 open files", "the limit is 100", "ulimit -n", "at most 36 connections"]
    {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}

/// Under a limit of 100 files, of which 64 are left for what are no sessions.
fn echo_with_direct_descriptors(sessions: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_proactor");
    let options =
        format!("--listen 127.0.0.1:0 --backend uring --direct-descriptors --shards 3 --max-sessions {sessions}");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n 100; exec {program} echo {options}"));
    shell
}

#[test]
fn with_direct_descriptors_there_are_more_sessions_than_open_files() {
    if !uring() {
        return;
    }
    let echo = Running::of(echo_with_direct_descriptors("108"));
    let mut streams: Vec<TcpStream> = (0..108).map(|_| echo.connect()).collect();
    for _ in 0..2 {
        assert!(!streams.iter_mut().any(is_turned_away));
    }
    let mut late = echo.connect();
    assert!(is_turned_away(&mut late), "the limit of sessions is what it was");
    drop(streams);
    assert!(echo.summary().contains("108 sessions ("));
}

#[test]
fn direct_descriptors_that_cannot_be_had_are_refused_with_the_reason() {
    let output = run(&["echo", "--listen", "127.0.0.1:0", "--backend", "poll", "--direct-descriptors"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("io_uring has"), "{text}");
    if uring() {
        let output = echo_with_direct_descriptors("109").stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("at most 108") && text.contains("--shards"), "{text}");
    }
}
