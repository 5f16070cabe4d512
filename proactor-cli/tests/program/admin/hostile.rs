//! Nonsense, and clients that are slow on purpose.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::admin::client::{ask, ask_with, connect, echo, get, send, start, try_connect};
use crate::harness::wait_until;

#[test]
fn nonsense_is_answered_with_what_is_wrong_and_changes_nothing() {
    let (mut server, admin) = start("echo", &[]);
    let mut client = server.connect();
    echo(&mut client, b"before");
    for (method, target, status, said) in [
        ("GET", "/index.html", 404, "there is nothing at \"/index.html\"; there are GET / (a page), /metrics"),
        ("GET", "/history?after=-1", 400, "must be a number"),
        ("POST", "/live.js", 405, "must be one of GET, HEAD"),
        ("GET", "/sessions/0.1.2/open", 404, "there is nothing"),
        ("GET", "/%2e%2e/etc/passwd", 404, "there is nothing"),
        ("GET", "/status?verbose=1", 400, "\"verbose\" is unknown: there are none here"),
        ("GET", "/sessions?pear=1", 400, "\"pear\" is unknown: there are search, peer"),
        ("GET", "/sessions?peer=1&peer=2", 400, "there twice"),
        ("GET", "/sessions?limit=0", 400, "limit=0: must be a number from 1 to 1000"),
        ("GET", "/sessions?limit=1e3", 400, "must be a number"),
        ("GET", "/sessions?offset=-1", 400, "must be a number"),
        ("GET", "/sessions?sort=;DROP", 400, "must be one of id, age"),
        ("GET", "/sessions?hold=asleep", 400, "must be one of any, paused"),
        ("GET", "/sessions?min_age=yesterday", 400, "write a time"),
        ("GET", "/groups?sort=-name", 400, "must be one of members, name"),
        ("GET", "/sessions/", 400, "\"\" is not the name of a session"),
        ("GET", "/sessions/all", 400, "not the name of a session: write it as it is printed"),
        ("GET", "/sessions/99999.0.0", 400, "not the name of a session"),
        ("GET", "/sessions/65535.4294967295.1", 404, "there is no session 65535.4294967295.1"),
        ("POST", "/sessions/0.99.0/close", 404, "there is no session 0.99.0"),
        ("POST", "/sessions/0.0.0/close?how=gently", 400, "must be one of graceful, abort"),
        ("POST", "/drain?timeout=soon", 400, "timeout=soon"),
        ("POST", "/drain?in=1s", 400, "there are timeout"),
        ("POST", "/log", 400, "the parameter level is missing"),
        ("POST", "/log?level=loud", 400, "must be one of off, error"),
        ("POST", "/reload", 409, "there is nothing to reload"),
        ("GET", "/drain", 405, "the method must be one of POST"),
        ("POST", "/sessions", 405, "the method must be one of GET, HEAD"),
        ("DELETE", "/sessions/0.0.0", 405, "DELETE"),
        ("PROPFIND", "/log", 405, "GET, HEAD, POST"),
        ("OPTIONS", "*", 404, "there is nothing at \"*\""),
    ] {
        let answer = ask(admin, method, target);
        assert!(
            answer.status == status && answer.error().contains(said),
            "{method} {target}: {}\n{}",
            answer.head,
            answer.body
        );
        assert!(answer.head.contains("application/json") && answer.head.contains("no-store"), "{}", answer.head);
        assert_eq!(answer.head.contains("\nallow: "), status == 405, "{}", answer.head);
    }
    // No HTTP, or none that is answered.
    let long = "x".repeat(20_000);
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    for (request, status) in [
        ("\r\n\r\n\r\n".to_owned(), None),
        ("GET /status\r\n\r\n".to_owned(), Some(400)),
        (format!("get /status HTTP/1.1\r\nHost: {admin}\r\n\r\n"), Some(400)),
        ("GET /status HTTP/3.0\r\n\r\n".to_owned(), Some(505)),
        ("GET /status HTTP/1.1\r\nHost: a b\r\n: x\r\n\r\n".to_owned(), Some(400)),
        ("\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0".to_owned(), None),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), None),
        (format!("GET /{long} HTTP/1.1\r\nHost: {admin}\r\n\r\n"), Some(431)),
        (format!("GET /status HTTP/1.1\r\nHost: {admin}\r\nCookie: {long}\r\n\r\n"), Some(431)),
        (format!("GET /status HTTP/1.1\r\nHost: {admin}\r\n{many}\r\n"), Some(431)),
        (
            format!(
                "GET /status HTTP/1.1\r\nHost: {admin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            ),
            Some(404),
        ),
    ] {
        let mut stream = connect(admin);
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let got: Option<u16> = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        match status {
            Some(status) => assert_eq!(got, Some(status), "{request:.60}: {text}"),
            None => assert!(got.is_none_or(|status| status >= 400), "{request:.60?}: {text}"),
        }
    }
    // A body that nobody asked for is no harm.
    let posted = ask_with(admin, "POST", "/log?level=info", "Content-Length: 5\r\n");
    assert_eq!((posted.status, posted.json()["level"].as_str()), (200, Some("info")));
    let old = send(admin, b"GET /readyz HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(old.status, 200);
    let head = ask(admin, "HEAD", "/status");
    assert!(head.status == 200 && head.body.is_empty());
    echo(&mut client, b"after");
    assert_eq!(get(admin, "/status")["sessions"], 1);
    drop(client);
    server.interrupt();
    assert_eq!(server.ended().code(), Some(0));
}

/// Requests over one connection, one behind the other before the first is answered.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_server, admin) = start("echo", &[]);
    let mut stream = connect(admin);
    let request = |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
    let targets = ["/readyz", "/sessions?limit=1", "/nothing", "/log"];
    let mut all: String = targets.iter().map(|target| request(target, "")).collect();
    all.push_str(&request("/groups", "Connection: close\r\n"));
    stream.write_all(all.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let statuses: Vec<&str> = text.matches("HTTP/1.1 ").collect();
    assert_eq!(statuses.len(), 5, "{text}");
    let places = ["\"ready\"", "\"sessions\"", "/nothing", "\"level\"", "\"groups\""].map(|word| text.find(word));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {text}");
}

#[test]
fn slow_clients_hold_nobody_up_and_their_number_is_limited() {
    let (server, admin) = start("echo", &[]);
    let mut client = server.connect();
    let mut others: Vec<TcpStream> = (0..300).map(|_| server.connect()).collect();
    others.iter_mut().for_each(|other| echo(other, b"hello"));
    // Half a head each, and as many that want large answers and read nothing of them.
    let begin = b"GET /sessions HTTP/1.1\r\nHost: localhost\r\nX-Slow";
    let mut slow: Vec<TcpStream> = (0..16).map(|_| connect(admin)).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(begin).unwrap());
    let whole = "GET /sessions?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut deaf: Vec<TcpStream> = (0..12).map(|_| connect(admin)).collect();
    for stream in &mut deaf {
        stream.set_nonblocking(true).unwrap();
        // It is read until what is queued for it is too much.
        while stream.write(&whole.repeat(50).into_bytes()).is_ok() {}
    }
    for (round, other) in others.iter_mut().enumerate().take(50) {
        echo(&mut client, format!("round {round}").as_bytes());
        echo(other, b"hello again");
    }
    assert_eq!(get(admin, "/status")["sessions"], 301, "others are answered");
    assert_eq!(get(admin, "/sessions?limit=1")["total"], 301);
    // More of one address than there may be.
    slow.extend((0..16).filter_map(|_| try_connect(admin).ok()));
    let is_refused = || {
        let Ok(mut stream) = try_connect(admin) else { return true };
        let _ = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut text = String::new();
        stream.read_to_string(&mut text).is_err() || text.is_empty()
    };
    wait_until("connections over the limit are refused", is_refused);
    echo(&mut client, b"and the server goes on");
    drop((slow, deaf));
    wait_until("there is room again", || !is_refused());
    assert_eq!(get(admin, "/healthz")["healthy"], true);
}
