//! The choice of a backend, and what `doctor` says of it.

use std::io::Read;

use crate::harness::{Echo, backend, proactor, run, uring, windows};

#[test]
fn a_backend_that_is_named_is_taken_or_is_an_error_that_says_why() {
    let (here, other) = if windows() { ("winsock", "uring") } else { ("poll", "winsock") };
    let echo = Echo::start(&["--listen", "127.0.0.1:0", "--backend", here]);
    assert!(echo.line.contains(&format!("backend {here} (asked for)")), "{}", echo.line);
    assert_eq!(echo.log, "");
    let mut named = proactor(&["echo", "--listen", "127.0.0.1:0"]);
    named.env("PROACTOR_BACKEND", here);
    let echo = Echo::of(named);
    assert!(echo.line.contains(&format!("backend {here} (asked for by PROACTOR_BACKEND)")), "{}", echo.line);
    for (name, texts) in [
        (other, &[other, "PROACTOR_BACKEND asks for this backend", "proactor doctor"][..]),
        ("fastest", &["'fastest' is not a backend", "PROACTOR_BACKEND"]),
    ] {
        let output = proactor(&["echo", "--listen", "127.0.0.1:0"]).env("PROACTOR_BACKEND", name).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(texts.iter().all(|expected| text.contains(expected)), "{text}");
    }
    let output = run(&["echo", "--backend", other]);
    assert_eq!(output.status.code(), Some(2), "this system has no {other}");
}

#[test]
fn doctor_says_what_it_runs_on() {
    let output = run(&["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let chosen = format!("backend  {} (", backend());
    for expected in ["kernel", &chosen, "backends", ": can be set up", "limits", "advice"] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    let output = run(&["doctor", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["backend"], backend());
    let candidates = json["backends"].as_array().unwrap();
    let names: Vec<&str> = candidates.iter().map(|candidate| candidate["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        if windows() {
            &["winsock"][..]
        } else if cfg!(target_os = "linux") {
            &["io_uring", "poll"][..]
        } else {
            &["poll"]
        }
    );
    for candidate in candidates {
        let usable = candidate["name"] != "io_uring" || uring();
        assert_eq!(candidate["usable"], usable, "{candidate}");
        assert_eq!(candidate["why_not"].is_null(), usable, "{candidate}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn doctor_lists_the_features_of_io_uring_or_says_how_to_have_it() {
    let output = run(&["doctor", "--json", "--backend", "uring"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.success(), uring());
    let advised = json["advice"].to_string().contains("seccomp");
    if uring() {
        assert!(json["features"].as_array().unwrap().len() > 4 && !advised, "{json}");
    } else {
        assert!(json["why"].as_str().unwrap().contains("seccomp") && advised, "{json}");
    }
}

/// Run by `ci/no-uring.sh`, which refuses io_uring as Docker does.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs a system that refuses io_uring: ci/no-uring.sh"]
fn where_io_uring_is_refused_echo_falls_back_and_says_why_once() {
    let mut echo = Echo::start(&["--listen", "127.0.0.1:0", "--shards", "2"]);
    assert!(
        echo.line.contains("backend poll (io_uring is not to be had: ") && echo.line.contains("seccomp"),
        "{}",
        echo.line
    );
    assert_eq!(echo.log.matches("falling back to the backend poll").count(), 1, "{}", echo.log);
    echo.interrupt();
    assert_eq!(echo.ended().code(), Some(0));
    let mut rest = String::new();
    echo.stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    let output = run(&["echo", "--listen", "127.0.0.1:0", "--backend", "uring"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expected in ["io_uring is refused here", "seccomp", "os error 1", "--backend auto", "proactor doctor"] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}
