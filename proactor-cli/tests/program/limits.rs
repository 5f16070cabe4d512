//! Limits on sessions and connections.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::harness::{Running, run, uring, wait_until};

#[test]
fn connections_over_the_session_limit_are_refused_under_a_low_limit_of_files() {
    let program = env!("CARGO_BIN_EXE_proactor");
    let script = format!("ulimit -n 100; exec {program} echo --listen 127.0.0.1:0 --shards 1 --max-sessions 36");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script);
    let echo = Running::of(shell);
    // The session limit is below the limit of files, so it is the session limit that refuses.
    let streams: Vec<TcpStream> = (0..36).map(|_| echo.connect()).collect();
    for mut stream in &streams {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    assert!(one_more_is_turned_away(&echo));
}

/// Whether the server refused the connection. A session shows itself by echoing.
fn is_turned_away(stream: &mut TcpStream) -> bool {
    stream.write_all(b"x").is_err() || !matches!(stream.read(&mut [0; 1]), Ok(1))
}

/// The same of a new connection. The reset of a refused one can come before `connect` returns.
fn one_more_is_turned_away(echo: &Running) -> bool {
    match echo.try_connect() {
        Ok(mut stream) => is_turned_away(&mut stream),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
            true
        }
    }
}

#[test]
fn sessions_per_address_are_limited_and_places_become_free_again() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--max-sessions-per-ip", "3", "--shards", "2"]);
    let mut streams: Vec<TcpStream> = (0..3).map(|_| echo.connect()).collect();
    assert!(!streams.iter_mut().any(is_turned_away));
    for _ in 0..5 {
        assert!(one_more_is_turned_away(&echo));
    }
    streams.pop();
    wait_until("there is a place again", || !one_more_is_turned_away(&echo));
    assert!(!streams.iter_mut().any(is_turned_away));
    drop(streams);
    let summary = echo.summary();
    assert!(
        summary.contains(" refused (") && summary.contains(": its address has as many sessions as it may have)"),
        "{summary}"
    );
}

#[test]
fn connections_over_the_accept_rate_are_refused() {
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--accept-rate", "1:2"]);
    // A burst of two, then one per second.
    let turned_away = (0..40).filter(|_| one_more_is_turned_away(&echo)).count();
    assert!(turned_away > 0);
    let summary = echo.summary();
    assert!(
        summary.contains(&format!(" {turned_away} refused ({turned_away}: more come in a short time than may come)")),
        "{summary}"
    );
}

#[test]
fn bench_refuses_more_connections_than_open_files() {
    let program = env!("CARGO_BIN_EXE_proactor");
    let script = format!("ulimit -n 100; exec {program} bench --connect 127.0.0.1:9 --connections 37");
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expected in
        ["--connections 37 needs 101 open files", "the limit is 100", "ulimit -Hn", "at most 36 connections"]
    {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}

/// The limit is 100 files; 64 are reserved for descriptors that are not sessions.
fn echo_with_direct_descriptors(sessions: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_proactor");
    let options =
        format!("--listen 127.0.0.1:0 --backend uring --direct-descriptors --shards 3 --max-sessions {sessions}");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n 100; exec {program} echo {options}"));
    shell
}

#[test]
fn direct_descriptors_allow_more_sessions_than_open_files() {
    if !uring() {
        return;
    }
    let echo = Running::of(echo_with_direct_descriptors("108"));
    let mut streams: Vec<TcpStream> = (0..108).map(|_| echo.connect()).collect();
    for _ in 0..2 {
        assert!(!streams.iter_mut().any(is_turned_away));
    }
    assert!(one_more_is_turned_away(&echo), "the limit of sessions is what it was");
    drop(streams);
    assert!(echo.summary().contains("108 sessions ("));
}

#[test]
fn unavailable_direct_descriptors_are_refused_with_the_reason() {
    let output = run(&["echo", "--listen", "127.0.0.1:0", "--backend", "poll", "--direct-descriptors"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("io_uring has"), "{text}");
    if uring() {
        let output = echo_with_direct_descriptors("109").stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("at most 108") && text.contains("--shards"), "{text}");
    }
}
