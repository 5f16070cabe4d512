//! How often a broadcast is framed.

use std::cell::Cell;
use std::time::Duration;

use super::Group;
use crate::codec::{LengthPrefixed, Lines};
use crate::{Flow, Handler, Listener, Network, NoMessage, Origin, Server, Session, Simulation};

thread_local! {
    static FRAMED: Cell<usize> = const { Cell::new(0) };
}

/// A packet is framed for a group on this thread.
pub(super) fn note_framing() {
    FRAMED.set(FRAMED.get() + 1);
}

/// Who is accepted is a member.
#[derive(Clone)]
struct Room(Group);

impl Handler for Room {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        if session.origin() == Origin::Accepted {
            session.join(&self.0).unwrap();
        }
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

/// How often the packet is framed when it is broadcast.
fn framings(server: &Simulation<Room>, room: &Group, packet: &str) -> usize {
    let before = FRAMED.get();
    room.broadcast(packet.as_bytes()).unwrap();
    let framed = FRAMED.get() - before;
    server.advance(Duration::from_secs(1));
    framed
}

#[test]
fn a_broadcast_is_framed_once_for_each_framing_that_has_members() {
    let room = Group::new();
    let builder = Server::builder()
        .shards(2)
        .codec(LengthPrefixed::u16())
        .listen(Listener::new("10.0.0.1:1"))
        .listen(Listener::new("10.0.0.1:2").codec(Lines::new()))
        .listen(Listener::new("10.0.0.1:3").codec(LengthPrefixed::u16()));
    let server = builder.simulate(&Network::new(1), Room(room.clone())).unwrap();
    let mut lines: Vec<_> = (0..20).map(|_| server.client("10.0.0.1:2", Lines::new())).collect();
    server.advance(Duration::from_secs(1));
    assert_eq!((room.len(), framings(&server, &room, "one")), (20, 1), "no member has the server's own codec");
    let prefixed = ["10.0.0.1:1", "10.0.0.1:3"].map(|at| server.client(at, LengthPrefixed::u16()));
    server.advance(Duration::from_secs(1));
    assert_eq!((room.len(), framings(&server, &room, "two")), (22, 2), "two listeners have one framing");
    for client in &lines {
        client.expect("one");
        client.expect("two");
    }
    lines.drain(..).for_each(|client| client.close());
    server.advance(Duration::from_secs(1));
    assert_eq!((room.len(), framings(&server, &room, "three")), (2, 1), "nobody has lines any more");
    for client in prefixed {
        client.expect("two");
        client.expect("three");
        client.close();
    }
}

#[cfg(all(feature = "tls", feature = "websocket"))]
mod websocket {
    use super::*;
    use crate::tls::{Tls, TlsClient, TlsClientConfig, TlsConfig};
    use crate::{Deflate, Target, WebSocket, WebSocketClient};

    #[test]
    fn members_that_compress_have_one_framing_whatever_their_number() {
        let deflate = Deflate::new();
        let small = Deflate::new().peer_window_bits(9);
        let room = Group::new();
        let websocket = WebSocket::new().deflate(&deflate);
        let builder = Server::builder().shards(2).listen(Listener::new("10.0.0.1:1").websocket(websocket));
        let server = builder.simulate(&Network::new(3), Room(room.clone())).unwrap();
        let said = "again and again, ".repeat(20);
        let connect = |deflate: Option<&Deflate>| {
            let client = WebSocketClient::new("/");
            let client = deflate.map_or(client.clone(), |deflate| client.deflate(deflate));
            let target = "10.0.0.1:1".parse::<Target>().unwrap().websocket(&client);
            (0..20).for_each(|token| server.handle().connect(target.clone(), token).unwrap());
            server.advance(Duration::from_secs(5));
        };
        for (count, deflate) in [Some(&deflate), Some(&small), None].into_iter().enumerate() {
            connect(deflate);
            assert_eq!((room.len(), framings(&server, &room, &said)), (20 * (count + 1), count + 1));
        }
    }

    #[test]
    fn hundreds_of_members_over_every_transport_have_four_framings() {
        let signed = rcgen::generate_simple_self_signed(["server.test".to_owned()]).unwrap();
        let pem = signed.cert.pem();
        let tls = Tls::new(TlsConfig::new().certificate_pem(pem.clone(), signed.signing_key.serialize_pem())).unwrap();
        let trusting = TlsClient::new(TlsClientConfig::new().roots_pem(pem)).unwrap();
        let listeners = [
            Listener::new("10.0.0.1:1"),
            Listener::new("10.0.0.1:2").codec(Lines::new()),
            Listener::new("10.0.0.1:3").websocket(WebSocket::new()),
            Listener::new("10.0.0.1:4").websocket(WebSocket::new().text()),
            // The same framings again, over TLS.
            Listener::new("10.0.0.1:5").tls(&tls),
            Listener::new("10.0.0.1:6").tls(&tls).codec(Lines::new()),
            Listener::new("10.0.0.1:7").tls(&tls).websocket(WebSocket::new()),
            Listener::new("10.0.0.1:8").tls(&tls).websocket(WebSocket::new().text().path("/")),
        ];
        // As a line, it is a packet for those who connect with the server's codec.
        let packet = "\0\0\0\x02x";
        let room = Group::new();
        let builder = Server::builder().shards(2).codec(LengthPrefixed::u32());
        let builder = listeners.into_iter().fold(builder, |builder, listener| builder.listen(listener));
        let server = builder.simulate(&Network::new(3), Room(room.clone())).unwrap();
        let connect = |port: u16| {
            let target = format!("10.0.0.1:{port}").parse::<Target>().unwrap();
            let target = if port > 4 { target.tls_as(&trusting, "server.test") } else { target };
            let is_websocket = port % 4 == 3 || port.is_multiple_of(4);
            let target = if is_websocket { target.websocket(&WebSocketClient::new("/")) } else { target };
            server.handle().connect(target, 0).unwrap();
        };
        for _ in 0..30 {
            (1..=8).for_each(connect);
        }
        server.advance(Duration::from_secs(10));
        assert_eq!(room.len(), 8 * 30);
        assert_eq!(framings(&server, &room, packet), 4, "plain, lines, binary, text");
        // From another thread: a member that is awaited counts.
        let ids = room.members();
        let other = Group::new();
        for id in &ids {
            server.handle().join(*id, &other).unwrap();
        }
        other.broadcast(packet.as_bytes()).unwrap();
        server.advance(Duration::from_secs(1));
        assert_eq!((other.len(), framings(&server, &other, packet)), (8 * 30, 4));
    }
}
