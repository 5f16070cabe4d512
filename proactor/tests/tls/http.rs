//! HTTP beside a WebSocket, both over TLS.

use std::convert::Infallible;
use std::io::Write;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use proactor::{AsyncSession, CloseReason, Listener, SendError, Server, WebSocket};

use super::peers::{Authority, Peer};
use crate::harness::{address_of, backends, finish, wait_until};

static PAGE: [u8; 300_000] = [b'p'; 300_000];

async fn page(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(&PAGE))))
}

async fn echo(session: AsyncSession) -> Result<(), SendError> {
    while let Some(message) = session.next().await {
        session.send(&message).await?;
    }
    Ok(())
}

#[track_caller]
fn expect_page(peer: &mut Peer) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(peer.expect_some(1));
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", head.escape_ascii());
    peer.expect(&PAGE);
}

#[test]
fn a_page_and_its_websocket_are_on_one_port_over_tls() {
    let authority = Authority::new();
    for backend in backends() {
        let builder = Server::builder().shards(1).backend(Some(backend));
        let websocket = WebSocket::new().path("/ws").http(service_fn(page));
        let listener = Listener::new("127.0.0.1:0").tls(&authority.tls()).websocket(websocket);
        let server = builder.listen(listener).serve(echo).unwrap();
        let address = address_of(&server);
        let mut pages = authority.peer().connect(address);
        for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"] {
            // Each byte in a record of its own.
            request.as_bytes().chunks(1).for_each(|byte| pages.send(byte));
            expect_page(&mut pages);
        }
        let mut socket = authority.peer().connect(address);
        socket.send(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        socket.expect(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
        socket.send(&[0x82, 0x80 | 3, 0, 0, 0, 0, 7, 8, 9]);
        socket.expect(&[0x82, 3, 7, 8, 9]);
        // The last answer, and then the end that TLS tells of.
        pages.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let rest = pages.read_to_end();
        assert!(rest.ends_with(&PAGE) && rest.len() < PAGE.len() + 200, "{} bytes", rest.len());
        // A client that says its end behind its request has its answer.
        let mut ends = authority.peer().connect(address);
        ends.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        ends.end();
        expect_page(&mut ends);
        assert_eq!(ends.read_to_end(), b"");
        // One that is cut off during its answer ends nobody else.
        let mut cut = authority.peer().connect(address);
        cut.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        drop(cut);
        socket.send(&[0x82, 0x80, 0, 0, 0, 0]);
        socket.expect(&[0x82, 0]);
        assert_eq!(server.handle().stats().closed(CloseReason::Panic), 0);
        socket.0.flush().unwrap();
        drop((pages, socket, ends));
        wait_until("all are gone", || server.handle().sessions() == 0);
        finish(server);
    }
}
