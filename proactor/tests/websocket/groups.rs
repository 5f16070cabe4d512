//! Groups whose members are WebSockets, lines and length-prefixed sessions: each is sent what is
//! broadcast in its own framing.

use proactor::codec::{LengthPrefixed, Lines};
use proactor::{Flow, Group, Handler, Listener, NoMessage, Session, WebSocket};

use super::peer::{BINARY, Peer, TEXT};
use super::sessions::{listener, on_each_backend};
use crate::harness::{connect, expect, finish, wait_until};

/// What one says, the others hear.
#[derive(Clone)]
struct Chat(Group);

impl Handler for Chat {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        self.0.broadcast_except(session.id(), packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

#[test]
fn members_of_every_framing_hear_each_other() {
    on_each_backend(|builder| {
        let room = Group::new();
        let server = builder
            .codec(LengthPrefixed::u16())
            .listen("127.0.0.1:0")
            .listen(Listener::new("127.0.0.1:0").codec(Lines::new()))
            .listen(listener(WebSocket::new()))
            .listen(listener(WebSocket::new().text()))
            // The same framing as the third: one more path.
            .listen(listener(WebSocket::new().path("/ws")))
            .start(Chat(room.clone()))
            .unwrap();
        let at: Vec<_> = server.local_addrs().iter().map(|address| address.ip().unwrap()).collect();
        let (prefixed, lines) = (connect(at[0]), connect(at[1]));
        let (bytes, text, other) = (Peer::new(at[2]), Peer::new(at[3]), Peer::new(at[4]));
        wait_until("all are members", || room.len() == 5);
        text.send(TEXT, "hello");
        expect(&prefixed, b"\0\x05hello");
        expect(&lines, b"hello\n");
        bytes.expect(BINARY, "hello");
        other.expect(BINARY, "hello");
        std::io::Write::write_all(&mut &lines, b"from a line\n").unwrap();
        expect(&prefixed, b"\0\x0bfrom a line");
        bytes.expect(BINARY, "from a line");
        text.expect(TEXT, "from a line");
        other.expect(BINARY, "from a line");
        // No line has it, so nobody gets it.
        bytes.send(BINARY, b"two\nlines");
        bytes.expect_close(1000);
        wait_until("it has left", || room.len() == 4);
        room.broadcast(b"\xff").unwrap();
        expect(&prefixed, b"\0\x01\xff");
        expect(&lines, b"\xff\n");
        text.expect(BINARY, b"\xff");
        other.expect(BINARY, b"\xff");
        drop((prefixed, lines, text, other));
        finish(server);
    });
}

#[test]
fn many_members_get_everything_in_order() {
    on_each_backend(|builder| {
        let room = Group::new();
        let server = builder.listen(listener(WebSocket::new())).start(Chat(room.clone())).unwrap();
        let address = crate::harness::address_of(&server);
        let peers: Vec<Peer> = (0..20).map(|_| Peer::new(address)).collect();
        wait_until("all are members", || room.len() == 20);
        for index in 0..500 {
            room.broadcast(format!("message {index}").as_bytes()).unwrap();
        }
        for peer in &peers {
            for index in 0..500 {
                peer.expect(BINARY, format!("message {index}"));
            }
        }
        drop(peers);
        finish(server);
    });
}
