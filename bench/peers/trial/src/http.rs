//! HTTP/1.1: every GET is answered with the same body, and the connection stays.

use std::io::Read;

use crate::client::Client;
use crate::server::Server;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const BODY: &[u8] = b"Hello, World!";
const HEAD_MAX_BYTES: usize = 1024;

pub(crate) fn tried(server: &Server) {
    let mut one = server.connect();
    let mut other = server.connect();
    for _ in 0..3 {
        one.write(REQUEST);
        other.write(REQUEST);
        expect_response(&mut one);
        expect_response(&mut other);
    }
    one.write_apart(&[&REQUEST[..5], &REQUEST[5..20], &REQUEST[20..]]);
    expect_response(&mut one);
    other.write(&REQUEST.repeat(3));
    for _ in 0..3 {
        expect_response(&mut other);
    }
    server.connect().reset();
    one.write(REQUEST);
    expect_response(&mut one);
    one.finish();
}

fn expect_response(client: &mut Client) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.socket.read_exact(&mut byte).expect("the server answers");
        head.push(byte[0]);
        assert!(head.len() < HEAD_MAX_BYTES, "a head that does not end");
    }
    let head = String::from_utf8(head).expect("a head is text").to_lowercase();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("http/1.1 200 ok"));
    let length = lines.find_map(|line| line.strip_prefix("content-length:")).map(str::trim);
    assert_eq!(length, Some("13"));
    client.expect(BODY);
}
