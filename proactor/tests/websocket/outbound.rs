//! WebSocket connections that the server makes: to a server of ours, and to what is none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use proactor::{
    AsyncSession, CloseCode, CloseReason, ConnectError, ConnectFailure, Flow, Group, Handler, MessageKind, NoMessage,
    Origin, SendError, Server, Session, SessionId, Target, WebSocket, WebSocketClient,
};

use super::sessions::{Echo, listener, on_each_backend};
use crate::harness::{address_of, finish, next, patient, wait_until};

/// Says what it is told, and reports what comes of the connections that it makes.
#[derive(Clone)]
struct Client(Sender<String>);

impl Client {
    fn report(&self, what: impl Into<String>) {
        let _ = self.0.send(what.into());
    }
}

impl Handler for Client {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        let upgrade = session.upgrade().expect("it is a WebSocket");
        assert!(matches!(session.origin(), Origin::Connected { token: 7, .. }));
        self.report(format!("connected {} {:?}", upgrade.path(), upgrade.protocol()));
        session.send_as(MessageKind::Text, b"hello").unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        self.report(format!("{:?} {}", session.packet_kind(), String::from_utf8_lossy(packet)));
        match packet {
            b"hello" => session.send(&vec![b'x'; 70_000]).map_or(Flow::Close, |()| Flow::Continue),
            _ => {
                session.close_with(CloseCode::new(4000).unwrap(), "done");
                Flow::Continue
            }
        }
    }
    fn connect_failed(&mut self, _: Option<&Session>, token: u64, error: &ConnectError) {
        assert_eq!(token, 7);
        self.report(format!("{:?} {:?} {error}", error.failure(), error.upgrade_status()));
    }
    fn closed(&mut self, _: SessionId, (): (), reason: &CloseReason) {
        self.report(format!("closed {reason:?}"));
    }
}

#[test]
fn our_client_speaks_with_our_server() {
    on_each_backend(|builder| {
        let websocket = WebSocket::new().path("/feed").protocols(["v1"]).max_message(1 << 20);
        let server = builder.clone().listen(listener(websocket)).start(Echo).unwrap();
        let (reports, told) = channel();
        let client = builder.listen("127.0.0.1:0").start(Client(reports)).unwrap();
        let feed = WebSocketClient::new("/feed?a=b").protocols(["v2", "v1"]).max_message(1 << 20);
        let target = Target::from(address_of(&server)).websocket(&feed);
        client.handle().connect(target, 7).unwrap();
        assert_eq!(next(&told), r#"connected /feed Some("v1")"#);
        assert_eq!(next(&told), "Text hello");
        assert_eq!(next(&told), format!("Binary {}", "x".repeat(70_000)));
        assert_eq!(next(&told), "closed ByHandler");
        wait_until("the server was told", || server.handle().stats().closed(CloseReason::ByPeer) == 1);
        finish(client);
        finish(server);
    });
}

#[test]
fn an_upgrade_that_is_not_made_is_told_with_its_reason() {
    on_each_backend(|builder| {
        let websocket = WebSocket::new().path("/feed").refuse_if(|request| request.query().map(|_| 401));
        let server = builder.clone().listen(listener(websocket)).start(Echo).unwrap();
        let (reports, told) = channel();
        let client = builder.listen("127.0.0.1:0").start(Client(reports)).unwrap();
        let connect = |address, path: &str| {
            let target = Target::from(address).websocket(&WebSocketClient::new(path));
            client.handle().connect(target, 7).unwrap();
            next(&told)
        };
        let answer = connect(address_of(&server), "/other");
        assert!(answer.starts_with("Upgrade Some(404) "), "{answer}");
        let answer = connect(address_of(&server), "/feed?x");
        assert!(answer.starts_with("Upgrade Some(401) ") && answer.contains("status 401"), "{answer}");
        for (greeting, expected) in [
            (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "no answer of HTTP/1.1"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "status 200"),
            (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "Sec-WebSocket-Accept"),
            (b"HTTP/1.1 101 X\r\n", "left"),
        ] {
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = other.local_addr().unwrap();
            let other = thread::spawn(move || {
                let mut stream = patient(other.accept().unwrap().0);
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                stream.write_all(greeting).unwrap();
            });
            let answer = connect(address, "/");
            other.join().unwrap();
            assert!(answer.starts_with("Upgrade ") && answer.contains(expected), "{answer}");
        }
        let error = ConnectFailure::Upgrade;
        assert_eq!(format!("{error:?}"), "Upgrade");
        assert_eq!(client.handle().stats().connects_failed, 6);
        finish(client);
        finish(server);
    });
}

#[test]
fn a_task_connects_and_speaks() {
    on_each_backend(|builder| {
        let server = builder.clone().listen(listener(WebSocket::new())).start(Echo).unwrap();
        let address = address_of(&server);
        let (reports, told) = channel();
        let logic = move |session: AsyncSession| {
            let reports = reports.clone();
            async move {
                if session.session().origin() != Origin::Accepted {
                    session.send("ping-pong").await?;
                    let answer = session.next().await;
                    let _ = reports.send(answer);
                    return Ok(());
                }
                let target = Target::from(address).websocket(&WebSocketClient::new("/"));
                if session.connect(target, 0).await.is_err() {
                    let _ = reports.send(None);
                }
                Ok::<_, SendError>(())
            }
        };
        let client = builder.listen("127.0.0.1:0").serve(logic).unwrap();
        let _opener = crate::harness::connect(address_of(&client));
        assert_eq!(next(&told).as_deref(), Some(&b"ping-pong"[..]));
        finish(client);
        finish(server);
    });
}

#[test]
fn connections_that_the_server_made_can_be_members_of_groups() {
    /// Joins, and counts what comes.
    #[derive(Clone)]
    struct Member(Group, Sender<Vec<u8>>);
    impl Handler for Member {
        type State = ();
        type Message = NoMessage;
        fn connected(&mut self, session: &Session) {
            session.join(&self.0).unwrap();
        }
        fn received(&mut self, _: &Session, (): &mut (), packet: &[u8]) -> Flow {
            let _ = self.1.send(packet.to_vec());
            Flow::Continue
        }
    }
    on_each_backend(|builder| {
        let echo = builder.clone().listen(listener(WebSocket::new())).start(Echo).unwrap();
        let (came, told) = channel();
        let room = Group::new();
        let server: Server = builder.listen(listener(WebSocket::new())).start(Member(room.clone(), came)).unwrap();
        let client = WebSocketClient::new("/");
        for client in [client.clone(), client.text()] {
            server.handle().connect(Target::from(address_of(&echo)).websocket(&client), 0).unwrap();
        }
        let peer = super::peer::Peer::new(address_of(&server));
        wait_until("all are members", || room.len() == 3);
        room.broadcast(b"to all").unwrap();
        peer.expect(super::peer::BINARY, "to all");
        assert_eq!((next(&told), next(&told)), (b"to all".to_vec(), b"to all".to_vec()), "the echo of both");
        drop(peer);
        finish(server);
        finish(echo);
    });
}
