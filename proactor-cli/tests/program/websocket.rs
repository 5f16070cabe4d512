//! `--websocket`: echo and chat for browsers.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Running, run};

pub(crate) const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Sends a request. Returns the first line of the answer, after all of its head.
pub(crate) fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().lines().next().unwrap().to_owned()
}

fn accepted(server: &Running) -> TcpStream {
    let mut stream = server.connect();
    assert_eq!(ask(&mut stream, REQUEST), "HTTP/1.1 101 Switching Protocols");
    stream
}

pub(crate) fn send(stream: &mut TcpStream, first: u8, payload: &[u8]) {
    // Masked with zeros.
    stream.write_all(&[&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()).unwrap();
}

#[track_caller]
pub(crate) fn expect(stream: &mut TcpStream, frame: &[u8]) {
    let mut came = vec![0; frame.len()];
    stream.read_exact(&mut came).unwrap();
    assert_eq!(came, frame);
}

#[test]
fn an_echo_answers_text_with_text_and_bytes_with_bytes() {
    let echo =
        Running::echo(&["--listen", "127.0.0.1:0", "--websocket", "/ws", "--max-frame", "100", "--heartbeat", "1h"]);
    assert!(echo.line.contains(" as WebSocket; backend "), "{}", echo.line);
    let mut stream = accepted(&echo);
    send(&mut stream, 0x81, b"hello");
    expect(&mut stream, b"\x81\x05hello");
    send(&mut stream, 0x82, b"\xff");
    expect(&mut stream, b"\x82\x01\xff");
    send(&mut stream, 0x82, &[7; 101]);
    expect(&mut stream, b"\x88");
    drop(stream);
    let mut other = echo.connect();
    assert_eq!(ask(&mut other, &REQUEST.replace("/ws", "/")), "HTTP/1.1 404 Not Found");
    drop(other);
    let summary = echo.summary();
    assert!(summary.contains("1: the upgrade to WebSocket failed"), "{summary}");
    assert!(summary.contains("1: a frame was over the limit"), "{summary}");
}

#[test]
fn browsers_of_the_listed_origins_chat() {
    let chat = Running::chat(&["--websocket", "--websocket-origin", "https://example.org"]);
    let mut ann = accepted(&chat);
    let mut stranger = chat.connect();
    let of_other = REQUEST.replace("\r\n\r\n", "\r\nOrigin: http://example.org\r\n\r\n");
    assert_eq!(ask(&mut stranger, &of_other), "HTTP/1.1 403 Forbidden");
    let mut bob = chat.connect();
    let of_listed = REQUEST.replace("\r\n\r\n", "\r\nOrigin: https://example.org\r\n\r\n");
    assert_eq!(ask(&mut bob, &of_listed), "HTTP/1.1 101 Switching Protocols");
    send(&mut bob, 0x81, b"hello, ann");
    expect(&mut ann, b"\x81\x0ahello, ann");
    send(&mut ann, 0x89, b"?");
    expect(&mut ann, b"\x8a\x01?");
}

#[test]
fn options_that_make_no_sense_are_named() {
    for (arguments, texts) in [
        (&["--websocket", "ws"][..], &["--websocket", "/ws"][..]),
        (&["--websocket", "/ws?a"], &["path without a query"]),
        (&["--websocket", "--websocket-origin", "example.org"], &["https://example.org"]),
        (&["--websocket-origin", "https://example.org"], &["--websocket"]),
        (&["--websocket", "--max-frame", "1GiB"], &["--max-frame"]),
    ] {
        let output = run(&[&["echo", "--listen", "127.0.0.1:0"], arguments].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        for text in texts {
            assert!(said.contains(text), "{arguments:?}: {text:?} is not in {said:?}");
        }
    }
}
