//! io_uring, available or refused.

use crate::harness::{Running, run, uring};

#[test]
fn doctor_lists_io_uring_features_or_says_how_to_enable_it() {
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

/// Run by `ci/no-uring.sh`, where io_uring is refused as in Docker.
#[test]
#[ignore = "needs a system that refuses io_uring: ci/no-uring.sh"]
fn echo_falls_back_and_says_why_once_where_io_uring_is_refused() {
    let mut echo = Running::echo(&["--listen", "127.0.0.1:0", "--shards", "2"]);
    assert!(
        echo.line.contains("backend poll (io_uring cannot be used: ") && echo.line.contains("seccomp"),
        "{}",
        echo.line
    );
    assert_eq!(echo.log.matches("falling back to the backend poll").count(), 1, "{}", echo.log);
    echo.interrupt();
    assert_eq!(echo.ended().code(), Some(0));
    assert_eq!(echo.rest_of_log().0, "");
    let output = run(&["echo", "--listen", "127.0.0.1:0", "--backend", "uring"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expected in ["io_uring is refused here", "seccomp", "os error 1", "--backend auto", "proactor doctor"] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}
