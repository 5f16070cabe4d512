//! How many sessions fit, and why: said by the start-up line.

use std::process::Command;

use crate::harness::{Running, uring, without_fallback};

/// A command of the program under this limit of open files.
fn under(files: u32, arguments: &str) -> Running {
    let program = env!("CARGO_BIN_EXE_proactor");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {files}; exec {program} {arguments}"));
    Running::of(shell)
}

#[test]
fn a_low_limit_of_files_is_said_and_warned_of() {
    for (files, command, room) in [
        (64, "echo", "room for 1 session (64 open files)"),
        (100, "echo", "room for 36 sessions (100 open files)"),
        (100, "proxy --upstream 127.0.0.1:1", "room for 18 sessions (100 open files)"),
    ] {
        let server = under(files, &format!("{command} --listen 127.0.0.1:0 --shards 1"));
        assert!(server.line.contains(room), "{}", server.line);
        for expected in ["WARN", &format!("the limit of {files} open files"), "ulimit -Hn", "LimitNOFILE="] {
            assert!(server.log.contains(expected), "{expected:?} is not in {}", server.log);
        }
    }
}

#[test]
fn room_that_was_asked_for_or_is_enough_is_no_warning() {
    for (files, arguments, room) in [
        (1_064, "", "room for 1000 sessions (1064 open files)"),
        (100, "--max-sessions 36", "room for 36 sessions (--max-sessions)"),
    ] {
        let echo = under(files, &format!("echo --listen 127.0.0.1:0 --shards 1 {arguments}"));
        assert!(echo.line.contains(room), "{}", echo.line);
        assert_eq!(without_fallback(&echo.log), "");
    }
}

#[test]
fn direct_descriptors_are_named_as_the_limit() {
    if !uring() {
        return;
    }
    let options = "--listen 127.0.0.1:0 --backend uring --direct-descriptors --shards 2";
    let echo = under(100, &format!("echo {options}"));
    assert!(echo.line.contains("room for 72 sessions (2 tables of direct descriptors"), "{}", echo.line);
    assert!(echo.log.contains("the limit of 100 open files"), "{}", echo.log);
}
