//! Errors and help.

use std::net::TcpListener;

#[cfg(not(feature = "cluster"))]
use crate::harness::proactor;
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
            if windows() {
                &["--max-sessions 99999999", "at most"]
            } else {
                &["--max-sessions 99999999", "ulimit -Hn", "LimitNOFILE="]
            },
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
        let remedy = format!("build it with `cargo build --release --features {feature}`\n");
        assert!(text.ends_with(&remedy) && text.lines().count() == 1, "{text}");
    }
}

#[cfg(not(feature = "cluster"))]
#[test]
fn a_cluster_in_the_environment_or_the_file_of_a_program_without_it_is_an_error() {
    let remedy = "cargo build --release --features cluster";
    let of = |server, variable, value| proactor(&[server, "--check"]).env(variable, value).output().unwrap();
    for variable in ["PROACTOR_CLUSTER", "PROACTOR_NODE", "PROACTOR_CLUSTER_CA"] {
        let output = of("chat", variable, "nats://127.0.0.1:4222");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(variable) && text.contains(remedy) && text.contains("unset"), "{text}");
        assert!(of("chat", variable, "").status.success());
        assert!(of("echo", variable, "no option of echo").status.success());
    }
    let file = std::env::temp_dir().join(format!("proactor-left-out-{}.toml", std::process::id()));
    std::fs::write(&file, "command = \"chat\"\ncluster = \"nats://127.0.0.1:4222\"\n").unwrap();
    let output = run(&["config", "check", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && text.contains(remedy) && text.contains(":2:"), "{text}");
    let help = String::from_utf8(run(&["chat", "--help"]).stdout).unwrap();
    assert!(!help.contains("--cluster"), "{help}");
}

#[test]
fn arguments_of_other_programs_are_answered_with_those_of_this_one() {
    let cases: [(&[&str], &str); 8] = [
        (&["echo", "127.0.0.1:7900"], "write --listen 127.0.0.1:7900"),
        (&["chat", "[::1]:7900"], "write --listen [::1]:7900"),
        (&["proxy", "127.0.0.1:7900"], "write --upstream 127.0.0.1:7900"),
        (&["bench", "127.0.0.1:7900"], "write --connect 127.0.0.1:7900"),
        (&["echo", "--port", "7000"], "write --listen 127.0.0.1:PORT"),
        (&["echo", "--port=7000"], "write --listen 127.0.0.1:PORT"),
        (&["echo", "-p", "7000"], "write --listen 127.0.0.1:PORT"),
        (&["echo", "elsewhere"], "unexpected argument 'elsewhere'"),
    ];
    let tls = (&["echo", "--tls"][..], "write --tls-cert FILE --tls-key FILE");
    let admin = (&["admin", "127.0.0.1:7802", "sessions"][..], "write --admin 127.0.0.1:7802");
    let tls = cfg!(feature = "tls").then_some(tls);
    for (arguments, expected) in cases.into_iter().chain(tls).chain(cfg!(feature = "admin").then_some(admin)) {
        let output = run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected) && !text.contains("a similar argument"), "{arguments:?}: {text}");
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
