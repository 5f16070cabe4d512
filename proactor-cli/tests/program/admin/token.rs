//! Who is answered.

use crate::admin::client::{ask, ask_with, file, send, start};
use crate::harness::run;

const TOKEN: &str = "5e0c2a7f9d1b4e6380aa";

#[test]
fn with_a_token_only_who_has_it_is_answered_except_for_health_and_readiness() {
    let path = file("token", &format!("{TOKEN}\n"));
    let (_server, admin) = start("echo", &["--admin-token-file", path.to_str().unwrap()]);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let routes = ["/metrics", "/status", "/sessions", "/sessions/0.0.0", "/groups", "/log", "/nothing"];
    for target in routes {
        let without = ask(admin, "GET", target);
        assert!(
            without.status == 401 && without.head.contains("www-authenticate: bearer"),
            "{target}: {}",
            without.head
        );
        assert!(without.error().contains("a token is needed"));
        for wrong in ["", "x", &TOKEN[1..], &format!("{TOKEN}0"), &TOKEN.to_uppercase()] {
            let answer = ask_with(admin, "GET", target, &bearer(wrong));
            assert_eq!(answer.status, 401, "{target} with {wrong:?}");
            assert!(!answer.body.contains(TOKEN));
        }
        let expected = if target.contains("0.0.0") || target == "/nothing" { 404 } else { 200 };
        assert_eq!(ask_with(admin, "GET", target, &bearer(TOKEN)).status, expected, "{target}");
    }
    for target in ["/drain", "/reload", "/log?level=trace", "/sessions/0.0.0/close"] {
        assert_eq!(ask(admin, "POST", target).status, 401, "{target}");
        assert_eq!(ask_with(admin, "POST", target, "Authorization: Basic YTpi\r\n").status, 401, "{target}");
    }
    assert_eq!(ask_with(admin, "GET", "/log", &bearer(TOKEN)).json()["level"], "warn", "nothing was done");
    for open in ["/healthz", "/readyz"] {
        assert_eq!(ask(admin, "GET", open).status, 200);
    }
    let kept = send(admin, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(kept.head.contains("connection: close"), "without the token no connection is kept: {}", kept.head);
    let remote = ask_with(admin, "GET", "/status", &format!("{}X-Forwarded-Host: admin.example\r\n", bearer(TOKEN)));
    assert_eq!(remote.status, 200);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn without_a_token_pages_of_other_sites_are_refused() {
    let (_server, admin) = start("echo", &[]);
    let origin = |origin: &str| ask_with(admin, "POST", "/drain?timeout=1h", &format!("Origin: {origin}\r\n"));
    for other in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let refused = origin(other);
        assert!(refused.status == 403 && refused.error().contains("may not ask here"), "{other}: {}", refused.body);
    }
    let named = |host: &str| {
        let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        send(admin, request.as_bytes()).unwrap()
    };
    assert!(named("evil.example").error().contains("evil.example is refused"));
    assert_eq!(named("localhost").status, 200);
    assert_eq!(ask(admin, "GET", "/readyz").status, 200, "it was not drained");
    assert_eq!(origin(&format!("http://{admin}")).status, 202);
}

#[test]
fn what_would_let_strangers_in_is_refused_at_the_start() {
    let short = file("short", "abc\n");
    let wide = file("wide", "0123456789abcdef 0123456789abcdef\n");
    let none = short.with_file_name("no-such-token");
    let (short, wide, none) = (short.to_str().unwrap(), wide.to_str().unwrap(), none.to_str().unwrap());
    for (arguments, said) in [
        (vec!["--admin", "0.0.0.0:0"], "--admin 0.0.0.0:0: other machines may reach this address, so it needs a token"),
        (vec!["--admin", ":0"], "needs a token"),
        (vec!["--admin", "127.0.0.1:0", "--admin-token-file", short], "has 3 characters: it must have 16 to 1024"),
        (vec!["--admin", "127.0.0.1:0", "--admin-token-file", wide], "must be one line of printable ASCII"),
        (vec!["--admin", "127.0.0.1:0", "--admin-token-file", none], "could not read"),
        (vec!["--admin-token-file", short], "--admin <ADDR>"),
        (vec!["--admin", "nowhere"], "--admin"),
    ] {
        let output = run(&[&["echo", "--listen", "127.0.0.1:0"], &arguments[..]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(said), "{arguments:?}: {stderr}");
    }
    std::fs::remove_file(short).unwrap();
    std::fs::remove_file(wide).unwrap();
}
