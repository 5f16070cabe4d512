//! Pairs with a WebSocket: a message of one side is bytes, or a message, of the other.

use std::io::Write;
use std::net::SocketAddr;

use proactor::codec::Raw;
use proactor::{Flow, Handler, Listener, NoMessage, Origin, Session, Target, WebSocket, WebSocketClient};

use super::peer::{BINARY, CLOSE, Peer, TEXT, closing};
use super::sessions::{Echo, listener, on_each_backend};
use crate::harness::{address_of, connect, expect, finish};

/// Passes on what comes, both ways.
#[derive(Clone)]
struct Proxy(Target);

impl Handler for Proxy {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        match session.origin() {
            Origin::Connected { opener: Some(client), .. } => {
                let client = session.sibling(client).expect("it waits");
                client.pair(session).expect("both are open");
                client.resume();
            }
            _ => {
                session.pause();
                session.connect(self.0.clone(), 0).unwrap();
            }
        }
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        panic!("it is paired");
    }
}

#[test]
fn a_web_socket_is_passed_on_to_a_plain_server_and_the_other_way() {
    on_each_backend(|builder| {
        let plain = builder.clone().codec(Raw).listen("127.0.0.1:0").start(Echo).unwrap();
        let target: Target = address_of(&plain).into();
        let proxy = builder.listen(listener(WebSocket::new())).start(Proxy(target)).unwrap();
        let peer = Peer::new(address_of(&proxy));
        peer.send(TEXT, "through");
        peer.expect(BINARY, "through");
        peer.send(CLOSE, closing(1000, ""));
        peer.expect_close(1000);
        finish(proxy);
        finish(plain);
    });
}

#[test]
fn messages_keep_their_kind_and_bounds_between_web_sockets() {
    on_each_backend(|builder| {
        let server = builder.clone().listen(listener(WebSocket::new())).start(Echo).unwrap();
        let target = Target::from(address_of(&server)).websocket(&WebSocketClient::new("/"));
        let proxy = builder
            .listen(listener(WebSocket::new()))
            .listen(Listener::new("127.0.0.1:0").codec(Raw))
            .start(Proxy(target))
            .unwrap();
        let peer = Peer::new(address_of(&proxy));
        for round in 0..20 {
            for (kind, message) in
                [(TEXT, format!("{round}")), (BINARY, "x".repeat(round * 1000)), (TEXT, String::new())]
            {
                peer.send(kind, &message);
                peer.expect(kind, &message);
            }
        }
        peer.send(CLOSE, closing(1000, ""));
        peer.expect_close(1000);
        let raw: SocketAddr = proxy.local_addrs()[1].ip().unwrap();
        let mut raw = connect(raw);
        raw.write_all(b"bytes").unwrap();
        expect(&raw, b"bytes");
        drop(raw);
        finish(proxy);
        finish(server);
    });
}
