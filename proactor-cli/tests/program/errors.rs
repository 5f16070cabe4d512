//! Errors and help.

use std::net::TcpListener;

use crate::harness::{run, windows};

#[test]
fn errors_name_the_cause_and_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cases: [(&[&str], i32, &[&str]); 6] = [
        (&["--listen", &address], 1, &[&address, "in use", "choose another port"]),
        (&["--listen", "203.0.113.1:7777"], 1, &["203.0.113.1:7777", "choose an address of this machine"]),
        (&["--listen", "localhost"], 2, &["localhost", "--listen"]),
        (
            &["--max-sessions", "99999999"],
            1,
            if windows() { &["--max-sessions 99999999", "at most"] } else { &["--max-sessions 99999999", "ulimit -n"] },
        ),
        (&["--listen", "127.0.0.1:0", "--outbox-bytes", "5"], 2, &["--outbox-bytes", "5 bytes", "at least 64KiB"]),
        (&["--drain-timeout", "soon"], 2, &["soon", "--drain-timeout"]),
    ];
    for (arguments, code, texts) in cases {
        says(arguments, code, texts);
    }
}

#[test]
fn what_the_program_was_built_without_says_how_to_get_it() {
    let cases: [(&[&str], bool, &str); 3] = [
        (&["chat", "--cluster", "nats://127.0.0.1:4222", "--node", "eu-1"], cfg!(feature = "cluster"), "cluster"),
        (&["top"], cfg!(feature = "top"), "top"),
        (&["echo", "--otlp", "http://127.0.0.1:4318"], cfg!(feature = "otel"), "otel"),
    ];
    for (arguments, _, feature) in cases.into_iter().filter(|(_, is_in, _)| !is_in) {
        let output = run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(&format!("cargo run --release --features {feature} -- ...")), "{text}");
    }
}

/// Runs `echo`, which fails with this code and names all of this.
fn says(arguments: &[&str], code: i32, texts: &[&str]) {
    let output = run(&[&["echo"], arguments].concat());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for expected in texts {
        assert!(text.contains(expected), "{arguments:?}: {expected:?} is not in {text:?}");
    }
}

#[test]
fn texts_that_are_nearly_addresses_say_what_is_missing() {
    for (address, fault) in [
        ("127.0.0.1", "the port is missing"),
        ("::1", "needs brackets"),
        ("127.0.0.1:99999", "not a number up to 65535"),
        ("/run/echo.sock", "begins with unix:"),
        ("unix:", "the path is missing"),
    ] {
        says(&["--listen", address], 2, &[address, "--listen", fault]);
    }
}

#[cfg(unix)]
#[test]
fn paths_that_cannot_be_listened_on_say_why() {
    if windows() {
        return;
    }
    let long = format!("unix:/tmp/{}", "x".repeat(150));
    let below = format!("unix:{}/echo.sock", env!("CARGO_BIN_EXE_proactor"));
    for (address, texts) in [
        ("unix:/no-such-directory/echo.sock", &["No such file or directory", "make its directory first"][..]),
        (&long, &[&long, "a path of 155 bytes", "has at most 10"]),
        ("unix:/tmp", &["something that is not a socket", "choose another path"]),
        (&below, &["os error 20"]),
    ] {
        says(&["--listen", address], 1, &[&[address], texts].concat());
    }
}

#[test]
fn every_command_has_help() {
    for arguments in
        [&["--help"][..], &["echo", "--help"], &["chat", "--help"], &["bench", "--help"], &["doctor", "--help"]]
    {
        let output = run(arguments);
        assert!(output.status.success() && output.stdout.len() > 200, "{arguments:?}");
    }
    let help = String::from_utf8(run(&["echo", "--help"]).stdout).unwrap();
    for expected in ["--backend", "auto", if windows() { "winsock" } else { "poll" }, "PROACTOR_BACKEND"] {
        assert!(help.contains(expected), "{expected:?} is not in {help}");
    }
}

#[test]
fn both_helps_name_every_command_in_their_words() {
    for flag in ["-h", "--help"] {
        let help = String::from_utf8(run(&[flag]).stdout).unwrap();
        let words = &help[..help.find("Usage:").unwrap()];
        for command in ["echo", "chat", "proxy", "load", "doctor"] {
            assert!(words.contains(command), "{flag}: {command:?} is not in {words}");
        }
    }
}
