//! Choosing a backend, and `doctor`.

use crate::harness::{Running, backend, proactor, run, uring, windows};

#[test]
fn a_named_backend_is_used_or_refused_with_the_reason() {
    let (here, other) = if windows() { ("winsock", "uring") } else { ("poll", "winsock") };
    let echo = Running::echo(&["--listen", "127.0.0.1:0", "--backend", here]);
    assert!(echo.line.contains(&format!("backend {here} (asked for)")), "{}", echo.line);
    assert_eq!(echo.log, "");
    let mut named = proactor(&["echo", "--listen", "127.0.0.1:0"]);
    named.env("PROACTOR_BACKEND", here);
    let echo = Running::of(named);
    assert!(echo.line.contains(&format!("backend {here} (asked for by PROACTOR_BACKEND)")), "{}", echo.line);
    for name in [other, "fastest"] {
        for flags in [&["--listen", "127.0.0.1:0"][..], &["--check"]] {
            let arguments = [&["echo"], flags].concat();
            let output = proactor(&arguments).env("PROACTOR_BACKEND", name).output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{text}");
            let named = format!("PROACTOR_BACKEND={name}: there is no such backend here: write one of auto, ");
            assert!(text.contains(&named) && text.contains(here) && text.contains("unset"), "{text}");
        }
        // No server: the library finds it.
        let bench = ["bench", "--connect", "127.0.0.1:9", "--connections", "1"];
        let output = proactor(&bench).env("PROACTOR_BACKEND", name).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(name) && text.contains("unset it"), "{text}");
    }
    let output = run(&["echo", "--backend", other]);
    assert_eq!(output.status.code(), Some(2), "this system has no {other}");
}

#[cfg(unix)]
#[test]
fn the_names_of_the_system_are_taken_too() {
    let own = uring().then_some(("io_uring", "io_uring"));
    for (name, backend) in [("epoll", "poll"), ("kqueue", "poll")].into_iter().chain(own) {
        let echo = Running::echo(&["--listen", "127.0.0.1:0", "--backend", name]);
        assert!(echo.line.contains(&format!("backend {backend} (asked for)")), "{}", echo.line);
        let mut named = proactor(&["echo", "--listen", "127.0.0.1:0"]);
        named.env("PROACTOR_BACKEND", name);
        let echo = Running::of(named);
        assert!(echo.line.contains(&format!("backend {backend} (asked for by PROACTOR_BACKEND)")), "{}", echo.line);
    }
}

#[test]
fn doctor_describes_the_machine() {
    let output = run(&["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let chosen = format!("backend  {} (", backend());
    for expected in ["kernel", &chosen, "backends", ": works", "limits", "advice"] {
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

#[test]
fn doctor_advises_to_mend_a_backend_that_cannot_be_used() {
    let other = if windows() { "uring" } else { "winsock" };
    for name in [other, "fastest"] {
        let output = proactor(&["doctor"]).env("PROACTOR_BACKEND", name).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let advice = &text[text.find("advice\n").unwrap()..];
        assert!(advice.contains(&format!("PROACTOR_BACKEND={name}")) && advice.contains("unset it"), "{advice}");
        assert!(!advice.contains("nothing to change"), "{advice}");
    }
}
