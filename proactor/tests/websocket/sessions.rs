//! WebSocket sessions on each backend: messages are packets, and all that is above them holds.

use std::time::Duration;

use proactor::{
    AsyncSession, Builder, Flow, Handler, Limits, Listener, MessageKind, NoMessage, SendError, Server, Session,
    Timeouts, UpgradeRequest, WebSocket,
};

use super::peer::{ACCEPTED, BINARY, CONTINUATION, LAST, PING, PONG, Peer, REQUEST, TEXT, frame, sent};
use crate::harness::{address_of, backends, connect, expect, finish, pattern, wait_until};

/// Runs a test on each backend, with one shard and with two.
pub(super) fn on_each_backend(test: impl Fn(Builder)) {
    for backend in backends() {
        for shards in [1, 2] {
            test(Server::builder().shards(shards).backend(Some(backend)));
        }
    }
}

pub(super) fn listener(websocket: WebSocket) -> Listener {
    Listener::new("127.0.0.1:0").websocket(websocket)
}

/// Answers each message with one of its kind. `?` is answered with the facts of the upgrade.
#[derive(Clone)]
pub(super) struct Echo;

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let sent = match packet {
            b"?" => {
                let upgrade = session.upgrade().expect("it is a WebSocket");
                let facts = (upgrade.path(), upgrade.query(), upgrade.protocol(), upgrade.header("user-agent"));
                session.send(format!("{facts:?}").as_bytes())
            }
            packet => session.send_as(session.packet_kind(), packet),
        };
        sent.map_or(Flow::Close, |()| Flow::Continue)
    }
}

#[test]
fn messages_of_each_kind_and_length_are_packets() {
    on_each_backend(|builder| {
        let builder = builder.limits(Limits::new().outbox_bytes(4 << 20));
        let server = builder.listen(listener(WebSocket::new().max_message(1 << 20))).start(Echo).unwrap();
        let peer = Peer::new(address_of(&server));
        for len in [0, 1, 125, 126, 127, 1000, 16_378, 16_384, 65_535, 65_536, 1 << 20] {
            let message = pattern(len, len);
            peer.send(BINARY, &message);
            peer.expect(BINARY, &message);
        }
        peer.send(TEXT, "größer");
        peer.expect(TEXT, "größer");
        let many: Vec<u8> = (0..1000).flat_map(|index: u32| sent(TEXT, index.to_string())).collect();
        peer.write(&many);
        for index in 0..1000 {
            peer.expect(TEXT, index.to_string());
        }
        drop(peer);
        finish(server);
    });
}

#[test]
fn fragments_are_one_packet_and_pings_between_them_are_answered() {
    on_each_backend(|builder| {
        let server = builder.listen(listener(WebSocket::new())).start(Echo).unwrap();
        let peer = Peer::new(address_of(&server));
        let stream = [
            frame(TEXT, b"one", true),
            sent(PING, "are you there?"),
            frame(CONTINUATION, b", two", true),
            sent(PONG, "unasked"),
            frame(LAST | CONTINUATION, b", three", true),
            sent(BINARY, [1, 2, 3]),
        ]
        .concat();
        for piece in [stream.len(), 1] {
            for piece in stream.chunks(piece) {
                peer.write(piece);
            }
            peer.expect(PONG, "are you there?");
            peer.expect(TEXT, "one, two, three");
            peer.expect(BINARY, [1, 2, 3]);
        }
        drop(peer);
        finish(server);
    });
}

#[test]
fn the_upgrade_may_come_in_any_pieces_and_with_frames_behind_it() {
    on_each_backend(|builder| {
        let server = builder.listen(listener(WebSocket::new())).start(Echo).unwrap();
        let all = [REQUEST.as_bytes(), &sent(TEXT, "at once")].concat();
        for piece in [1, 100, all.len()] {
            let peer = Peer(connect(address_of(&server)));
            for piece in all.chunks(piece) {
                peer.write(piece);
            }
            expect(&peer.0, ACCEPTED.as_bytes());
            peer.expect(TEXT, "at once");
        }
        finish(server);
    });
}

#[test]
fn the_logic_knows_what_the_upgrade_said() {
    on_each_backend(|builder| {
        let websocket = WebSocket::new().protocols(["v2", "v1"]).headers(["User-Agent"]).text();
        let server = builder.listen(listener(websocket)).start(Echo).unwrap();
        let request = REQUEST
            .replace("/ws", "/room/1?as=guest")
            .replace("\r\n\r\n", "\r\nUser-Agent: test\r\nSec-WebSocket-Protocol: v1, v2\r\n\r\n");
        let (peer, answer) = Peer::asking(address_of(&server), &request);
        assert!(answer.contains("Sec-WebSocket-Protocol: v2\r\n"), "{answer}");
        peer.send(TEXT, "?");
        peer.expect(TEXT, r#"("/room/1", Some("as=guest"), Some("v2"), Some("test"))"#);
        drop(peer);
        finish(server);
    });
}

#[test]
fn a_request_that_is_refused_is_answered_counted_and_not_known_to_the_logic() {
    #[derive(Clone)]
    struct Nobody;
    impl Handler for Nobody {
        type State = ();
        type Message = NoMessage;
        fn connected(&mut self, session: &Session) {
            panic!("{session:?} is known");
        }
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Continue
        }
    }
    on_each_backend(|builder| {
        let hook = |request: &UpgradeRequest<'_>| (request.query() == Some("no")).then_some(402);
        let websocket = WebSocket::new().path("/ws").origins(["https://example.org"]).refuse_if(hook);
        let server = builder.listen(listener(websocket)).start(Nobody).unwrap();
        let cases = [
            (REQUEST.replace("/ws", "/"), 404),
            (REQUEST.replace("\r\n\r\n", "\r\nOrigin: https://evil.net\r\n\r\n"), 403),
            (REQUEST.replace("/ws", "/ws?no"), 402),
            (REQUEST.replace("Upgrade: websocket\r\n", ""), 426),
            (REQUEST.replace("GET", "PUT"), 405),
            (REQUEST.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(9000))), 431),
            (REQUEST.replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc"), 400),
        ];
        for (request, status) in &cases {
            let (peer, answer) = Peer::asking(address_of(&server), request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            let body = crate::harness::read_to_end(&peer.0);
            assert!(body.ends_with(b"\n"), "the reason in words, and the end");
        }
        let handle = server.handle();
        wait_until("each is counted", || handle.stats().upgrades_refused().map(|(_, count)| count).sum::<u64>() == 7);
        for (_, status) in cases {
            assert_eq!(handle.stats().upgrade_refused(status), 1, "{status}");
        }
        finish(server);
    });
}

#[test]
fn an_upgrade_without_end_is_given_up_in_time_and_half_of_one_is_no_fault() {
    on_each_backend(|builder| {
        let websocket = WebSocket::new().max_upgrade_time(Duration::from_millis(500));
        let server = builder.listen(listener(websocket)).start(Echo).unwrap();
        let silent = connect(address_of(&server));
        let half = Peer(connect(address_of(&server)));
        half.write(&REQUEST.as_bytes()[..40]);
        let left = Peer(connect(address_of(&server)));
        left.write(&REQUEST.as_bytes()[..40]);
        drop(left);
        crate::harness::read_end(&silent);
        crate::harness::read_end(&half.0);
        // Without a linger.
        drop((silent, half));
        let handle = server.handle();
        wait_until("all are gone", || handle.stats().closed(proactor::CloseReason::UpgradeFailed) == 3);
        finish(server);
    });
}

#[test]
fn async_sessions_take_messages_as_packets() {
    on_each_backend(|builder| {
        let echo = |session: AsyncSession| async move {
            while let Some(packet) = session.next().await {
                let kind = session.session().packet_kind();
                session.session().send_as(kind, &packet)?;
            }
            Ok::<_, SendError>(())
        };
        let server = builder.listen(listener(WebSocket::new())).serve(echo).unwrap();
        let peer = Peer::new(address_of(&server));
        for round in 0..100 {
            let kind = if round % 2 == 0 { TEXT } else { BINARY };
            let burst: Vec<u8> = (0..20).flat_map(|index| sent(kind, format!("{round}.{index}"))).collect();
            peer.write(&burst);
            for index in 0..20 {
                peer.expect(kind, format!("{round}.{index}"));
            }
        }
        peer.send(8, super::peer::closing(1000, ""));
        peer.expect_close(1000);
        finish(server);
    });
}

/// Sends a text, then bytes, then what cannot be text.
#[derive(Clone)]
struct Kinds;

impl Handler for Kinds {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.send(b"text").unwrap();
        session.send(b"\xff").unwrap();
        session.send_as(MessageKind::Binary, b"bytes").unwrap();
        assert!(matches!(session.send_as(MessageKind::Text, b"\xff"), Err(SendError::Frame(_))));
        session.send(b"again").unwrap();
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Close
    }
}

#[test]
fn packets_are_sent_as_the_kind_that_is_set_or_asked_for() {
    on_each_backend(|builder| {
        let server = builder.listen(listener(WebSocket::new().text().max_frame(3))).start(Kinds).unwrap();
        let peer = Peer::new(address_of(&server));
        assert_eq!(peer.next(), (TEXT, b"tex".to_vec()));
        assert_eq!(peer.next(), (LAST | CONTINUATION, b"t".to_vec()));
        peer.expect(BINARY, b"\xff");
        assert_eq!(peer.next(), (BINARY, b"byt".to_vec()));
        assert_eq!(peer.next(), (LAST | CONTINUATION, b"es".to_vec()));
        assert_eq!(peer.next().0, TEXT);
        drop(peer);
        finish(server);
    });
}

#[test]
fn a_heartbeat_is_a_ping() {
    #[derive(Clone)]
    struct Silent;
    impl Handler for Silent {
        type State = ();
        type Message = NoMessage;
        fn connected(&mut self, _: &Session) {}
        fn heartbeat(&mut self, _: &Session, (): &mut ()) {
            panic!("the ping is enough");
        }
        fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
            Flow::Close
        }
    }
    on_each_backend(|builder| {
        let timeouts = Timeouts::new().heartbeat(Duration::from_millis(20));
        let server = builder.timeouts(timeouts).listen(listener(WebSocket::new())).start(Silent).unwrap();
        let peer = Peer::new(address_of(&server));
        for _ in 0..3 {
            peer.expect(PING, "");
            peer.send(PONG, "");
        }
        drop(peer);
        finish(server);
    });
}

/// Pauses after each message, and goes on by a timer.
#[derive(Clone)]
struct Stutter;

impl Handler for Stutter {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).unwrap();
        session.after(Duration::ZERO, 0).unwrap();
        Flow::Pause
    }
    fn timer(&mut self, session: &Session, (): &mut (), _: u64) {
        session.resume();
    }
}

#[test]
fn what_comes_while_a_session_is_held_waits_and_keeps_its_order() {
    on_each_backend(|builder| {
        let server = builder.listen(listener(WebSocket::new())).start(Stutter).unwrap();
        let peer = Peer::new(address_of(&server));
        let mut stream: Vec<u8> = (0..200).flat_map(|index| sent(BINARY, pattern(index, index * 7))).collect();
        stream.extend(sent(8, super::peer::closing(1000, "")));
        for piece in stream.chunks(5000) {
            peer.write(piece);
        }
        for index in 0..200 {
            peer.expect(BINARY, pattern(index, index * 7));
        }
        peer.expect_close(1000);
        finish(server);
    });
}
