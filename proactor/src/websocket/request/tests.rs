//! Requests in order and out of it, each whole and split at every byte.

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A request with some lines in place of the usual ones, and others besides.
fn request(line: &str, headers: &[(&str, &str)]) -> String {
    let usual = [
        ("Host", "example.org"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ];
    let is_replaced = |name: &str| headers.iter().any(|(other, _)| *other == name);
    let kept = usual.iter().filter(|(name, _)| !is_replaced(name));
    let lines = kept.chain(headers).filter(|(_, value)| *value != "-");
    let lines: String = lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{line}\r\n{lines}\r\n")
}

fn get(headers: &[(&str, &str)]) -> String {
    request("GET /ws HTTP/1.1", headers)
}

/// What becomes of a request in pieces: the answer, the upgrade, and what is left.
fn asked(bytes: &[u8], piece: usize, config: &WebSocket) -> (Result<(String, Upgrade), Refused>, Vec<u8>) {
    let (mut head, mut result, mut rest) = (Head::default(), None, Vec::new());
    for mut piece in bytes.chunks(piece) {
        if result.is_none() {
            match next(&mut head, &mut piece, config) {
                #[cfg(feature = "http")]
                Requested::Beside => unreachable!("there is no service"),
                Requested::Unfinished => {}
                Requested::Accepted(answer, upgrade) => {
                    result = Some(Ok((String::from_utf8(answer).unwrap(), upgrade)));
                }
                Requested::Refused(refused) => result = Some(Err(refused)),
            }
        }
        rest.extend_from_slice(piece);
    }
    (result.expect("it is answered"), rest)
}

#[track_caller]
fn status(request: &str, config: &WebSocket) -> u16 {
    let statuses = [1, 2, 3, 7, request.len()].map(|piece| {
        let (result, _) = asked(request.as_bytes(), piece, config);
        result.map_or_else(|refused| refused.status, |_| 101)
    });
    assert!(statuses.iter().all(|status| *status == statuses[0]), "{statuses:?}");
    statuses[0]
}

#[test]
fn a_request_in_order_is_accepted_and_what_is_behind_it_is_left() {
    let config = WebSocket::new().path("/ws").protocols(["v2", "v1"]).headers(["cookie", "missing"]);
    let request = request(
        "GET /ws?room=1 HTTP/1.1",
        &[("Sec-WebSocket-Protocol", "v0, v1"), ("sec-websocket-protocol", "v2"), ("Cookie", "a=b")],
    );
    let all = format!("{request}\u{1}frames");
    for piece in 1..=all.len() {
        let (result, rest) = asked(all.as_bytes(), piece, &config);
        let (answer, upgrade) = result.unwrap();
        assert_eq!(
            answer,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v2\r\n\r\n"
        );
        assert_eq!((upgrade.path(), upgrade.query(), upgrade.protocol()), ("/ws", Some("room=1"), Some("v2")));
        assert_eq!((upgrade.header("Cookie"), upgrade.header("missing")), (Some("a=b"), None));
        assert_eq!(rest, b"\x01frames");
    }
}

#[test]
fn lists_and_names_are_in_letters_of_either_case_and_lines_may_end_in_lf() {
    let config = WebSocket::new();
    let request = get(&[("Upgrade", "h2c, WebSocket"), ("Connection", "keep-alive, UPGRADE")]);
    assert_eq!(status(&request, &config), 101);
    assert_eq!(status(&request.to_lowercase().replace("get /ws http", "GET /ws HTTP"), &config), 400, "the key");
    assert_eq!(status(&request.replace("\r\n", "\n"), &config), 101);
    let no_extension = get(&[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]);
    let (result, _) = asked(no_extension.as_bytes(), no_extension.len(), &config);
    assert!(!result.unwrap().0.contains("Extensions"), "an extension that is offered is not taken");
}

#[test]
fn what_is_not_in_order_is_refused_with_its_status() {
    let config = WebSocket::new().path("/ws");
    for (expected, request) in [
        (404, request("GET / HTTP/1.1", &[])),
        (404, request("GET /ws/ HTTP/1.1", &[])),
        (101, request("GET /ws? HTTP/1.1", &[])),
        (400, request("GET http://example.org/ws HTTP/1.1", &[])),
        (400, request("GET /ws#a HTTP/1.1", &[])),
        (400, request("GET  HTTP/1.1", &[])),
        (505, request("GET /ws HTTP/1.0", &[])),
        (505, request("GET /ws HTTP/2.0", &[])),
        (405, request("POST /ws HTTP/1.1", &[])),
        (405, request("GETS /ws HTTP/1.1", &[])),
        (400, "\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03".into()),
        (400, "get /ws HTTP/1.1\r\n\r\n".into()),
        (400, get(&[("Host", "-")])),
        (400, get(&[("Host", "a"), ("host", "b")])),
        (400, get(&[("Sec-WebSocket-Key", "-")])),
        (400, get(&[("Sec-WebSocket-Key", "short")])),
        (400, get(&[("Sec-WebSocket-Key", KEY), ("sec-websocket-key", KEY)])),
        (400, get(&[("Sec-WebSocket-Version", "-")])),
        (426, get(&[("Sec-WebSocket-Version", "8")])),
        (426, get(&[("Upgrade", "-")])),
        (426, get(&[("Upgrade", "h2c")])),
        (426, get(&[("Connection", "keep-alive")])),
        (400, get(&[("Content-Length", "5")])),
        (101, get(&[("Content-Length", "0")])),
        (400, get(&[("Content-Length", "0"), ("content-length", "5")])),
        (400, get(&[("Transfer-Encoding", "chunked")])),
        (400, get(&[("Bad Name", "x")])),
        (400, get(&[("X", "a\r\n folded")])),
        (400, get(&[("X", "a\0b")])),
    ] {
        assert_eq!(status(&request, &config), expected, "{request}");
    }
}

#[test]
fn a_head_over_its_limits_is_refused_and_not_gathered() {
    let config = WebSocket::new();
    assert_eq!(status(&get(&[("X", &"x".repeat(7 * 1024))]), &config), 101);
    assert_eq!(status(&get(&[("X", &"x".repeat(1 << 20))]), &config), 431);
    let many: Vec<(String, String)> = (0..60).map(|index| (format!("X-{index}"), "x".into())).collect();
    let many = |count: usize| {
        let headers: Vec<(&str, &str)> = many[..count].iter().map(|(name, value)| (&**name, &**value)).collect();
        status(&get(&headers), &config)
    };
    assert_eq!((many(59), many(60)), (101, 431), "five of its own");
    assert_eq!(status(&get(&[]), &WebSocket::new().max_head(100, 64)), 431);
    assert_eq!(status(&get(&[]), &WebSocket::new().max_head(1000, 4)), 431);
}

#[test]
fn pages_of_other_origins_are_refused_unless_they_are_listed() {
    let same = WebSocket::new();
    for (origin, host, expected) in [
        ("-", "example.org", 101),
        ("http://example.org", "example.org", 101),
        ("https://EXAMPLE.org", "example.org", 101),
        ("http://example.org", "example.org:80", 101),
        ("https://example.org:443", "example.org", 101),
        ("http://example.org:8080", "example.org:8080", 101),
        ("http://[::1]:8080", "[::1]:8080", 101),
        ("http://example.org:8080", "example.org", 403),
        ("http://example.org.evil.net", "example.org", 403),
        ("http://evil.net", "example.org", 403),
        ("null", "example.org", 403),
        ("example.org", "example.org", 403),
    ] {
        assert_eq!(status(&get(&[("Origin", origin), ("Host", host)]), &same), expected, "{origin} to {host}");
    }
    let listed = WebSocket::new().origins(["https://app.example.org", "null"]);
    for (origin, expected) in [
        ("-", 101),
        ("https://app.example.org", 101),
        ("https://App.Example.ORG", 101),
        ("null", 101),
        ("http://app.example.org", 403),
        ("https://example.org", 403),
        ("https://app.example.org.evil.net", 403),
    ] {
        assert_eq!(status(&get(&[("Origin", origin)]), &listed), expected, "{origin}");
    }
    let twice = get(&[("Origin", "https://app.example.org"), ("origin", "https://evil.net")]);
    assert_eq!(status(&twice, &listed), 403);
    assert_eq!(status(&get(&[("Origin", "http://evil.net")]), &WebSocket::new().any_origin()), 101);
}

#[test]
fn a_function_may_refuse_and_sees_the_request() {
    let config = WebSocket::new().path("/ws").refuse_if(|request| {
        assert_eq!(request.path(), "/ws");
        if request.query() == Some("panic") {
            panic!("a fault of the function");
        }
        let names: Vec<&str> = request.headers().map(|(name, _)| name).collect();
        assert!(names.contains(&"Sec-WebSocket-Key"));
        match (request.header("authorization"), request.protocols().next()) {
            (Some(b"Bearer good"), _) => None,
            (Some(_), Some(b"odd")) => Some(200),
            (Some(_), _) => Some(403),
            (None, _) => Some(401),
        }
    });
    let authorized = |value: &'static str| get(&[("Authorization", value)]);
    assert_eq!(status(&authorized("Bearer good"), &config), 101);
    assert_eq!(status(&authorized("Bearer bad"), &config), 403);
    assert_eq!(status(&get(&[]), &config), 401);
    assert_eq!(status(&get(&[("Authorization", "x"), ("Sec-WebSocket-Protocol", "odd")]), &config), 500);
    assert_eq!(status(&request("GET /ws?panic HTTP/1.1", &[]), &config), 500);
    assert_eq!(status(&request("GET /other HTTP/1.1", &[]), &config), 404, "the function is not asked");
}

#[test]
fn an_answer_says_why_and_what_would_do() {
    let answer = |status| String::from_utf8(Refused { status, why: "so" }.answer()).unwrap();
    assert_eq!(
        answer(404),
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nso\n"
    );
    assert!(
        answer(426).contains("Sec-WebSocket-Version: 13\r\n") && answer(426).contains("Connection: Upgrade, close")
    );
    assert!(answer(405).contains("Allow: GET\r\n"));
    assert!(answer(418).starts_with("HTTP/1.1 418 Refused\r\n"));
}
