//! WebSocket over TLS, with a client that is not ours, and with ours.

use std::io::Read;
use std::sync::mpsc;

use proactor::{
    AsyncSession, CloseReason, Flow, Handler, Limits, Listener, MessageKind, NoMessage, SendError, Server, Session,
    SessionId, Target, WebSocket, WebSocketClient,
};

use super::member::on_each_backend;
use crate::frames::{
    ACCEPTED, BINARY, CLOSE, CONTINUATION, LAST, PING, PONG, REQUEST, TEXT, closing, frame, sent, served,
};
use crate::harness::{PATIENCE, address_of, finish, pattern};
use crate::peers::{Authority, NAME, Peer};

/// Answers each message with one of its kind.
#[derive(Clone)]
struct Echo;

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        assert!(session.tls().is_some() && session.upgrade().is_some(), "it is both");
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send_as(session.packet_kind(), packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}

fn listener(authority: &Authority) -> Listener {
    Listener::new("127.0.0.1:0").tls(&authority.tls()).websocket(WebSocket::new().path("/ws").max_message(1 << 20))
}

fn open(server: &Server, authority: &Authority) -> Peer {
    let mut peer = authority.peer().connect(address_of(server));
    peer.send(REQUEST.as_bytes());
    peer.expect(ACCEPTED.as_bytes());
    peer
}

#[test]
fn messages_fragments_and_control_frames_come_whole_over_tls() {
    on_each_backend(|builder| {
        let authority = Authority::new();
        let builder = builder.limits(Limits::new().outbox_bytes(1 << 20));
        let server = builder.listen(listener(&authority)).start(Echo).unwrap();
        let mut peer = open(&server, &authority);
        for len in [0, 1, 125, 126, 1000, 16_384, 65_535, 65_536, 300_000] {
            let message = pattern(len, len);
            peer.send(&sent(BINARY, &message));
            peer.expect(&served(BINARY, &message));
        }
        let stream = [
            frame(TEXT, "grö".as_bytes(), true),
            sent(PING, "between"),
            frame(LAST | CONTINUATION, "ßer".as_bytes(), true),
            sent(TEXT, "behind"),
        ]
        .concat();
        // One record for all of it, and one for each byte.
        for piece in [stream.len(), 1] {
            stream.chunks(piece).for_each(|piece| peer.send(piece));
            peer.expect(&served(PONG, "between"));
            peer.expect(&served(TEXT, "größer"));
            peer.expect(&served(TEXT, "behind"));
        }
        peer.send(&sent(CLOSE, closing(4001, "bye")));
        peer.expect(&served(CLOSE, closing(4001, "")));
        assert!(peer.read_to_end().is_empty(), "close_notify, and no more");
        finish(server);
    });
}

#[test]
fn the_request_and_frames_may_come_in_one_record_or_byte_by_byte() {
    on_each_backend(|builder| {
        let authority = Authority::new();
        let server = builder.listen(listener(&authority)).start(Echo).unwrap();
        let stream = [REQUEST.as_bytes(), &sent(TEXT, "at once")].concat();
        for piece in [stream.len(), 7, 1] {
            let mut peer = authority.peer().connect(address_of(&server));
            stream.chunks(piece).for_each(|piece| peer.send(piece));
            peer.expect(ACCEPTED.as_bytes());
            peer.expect(&served(TEXT, "at once"));
        }
        finish(server);
    });
}

/// Tells how sessions end.
#[derive(Clone)]
struct Ends(mpsc::Sender<CloseReason>);

impl Handler for Ends {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
    fn closed(&mut self, _: SessionId, (): (), reason: &CloseReason) {
        let _ = self.0.send(*reason);
    }
}

#[test]
fn ends_without_a_close_frame_and_violations_have_their_reason() {
    on_each_backend(|builder| {
        let authority = Authority::new();
        let (ends, ended) = mpsc::channel();
        let server = builder.listen(listener(&authority)).start(Ends(ends)).unwrap();
        let reason = || ended.recv_timeout(PATIENCE).unwrap();
        // A close_notify is no close frame.
        let mut peer = open(&server, &authority);
        peer.end();
        assert_eq!(reason(), CloseReason::Truncated);
        let peer = open(&server, &authority);
        drop(peer);
        assert_eq!(reason(), CloseReason::Truncated);
        let mut peer = open(&server, &authority);
        peer.send(&frame(LAST | TEXT, b"not masked", false));
        assert_eq!(reason(), CloseReason::Protocol);
        let mut head = [0; 4];
        peer.0.read_exact(&mut head).unwrap();
        assert_eq!((head[0], &head[2..]), (LAST | CLOSE, &1002u16.to_be_bytes()[..]));
        finish(server);
    });
}

/// Connects to itself over both, and says what answers have come.
#[derive(Clone)]
struct Ours(mpsc::Sender<(MessageKind, Vec<u8>)>);

impl Handler for Ours {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        if session.origin() != proactor::Origin::Accepted {
            session.send(&pattern(70_000, 1)).unwrap();
            session.send_as(MessageKind::Text, b"and a text").unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        if session.origin() == proactor::Origin::Accepted {
            return session.send_as(session.packet_kind(), packet).map_or(Flow::Close, |()| Flow::Continue);
        }
        self.0.send((session.packet_kind(), packet.to_vec())).unwrap();
        if session.packet_kind() == MessageKind::Text { Flow::Close } else { Flow::Continue }
    }
}

#[test]
fn our_client_speaks_it_with_our_server() {
    on_each_backend(|builder| {
        let authority = Authority::new();
        let (answers, answered) = mpsc::channel();
        let server = builder.listen(listener(&authority)).start(Ours(answers)).unwrap();
        let target: Target = server.local_addrs()[0].clone().into();
        let target =
            target.tls_as(&authority.client(), NAME).websocket(&WebSocketClient::new("/ws").max_message(1 << 20));
        server.handle().connect(target, 0).unwrap();
        let next = || answered.recv_timeout(PATIENCE).unwrap();
        assert_eq!(next(), (MessageKind::Binary, pattern(70_000, 1)));
        assert_eq!(next(), (MessageKind::Text, b"and a text".to_vec()));
        finish(server);
    });
}

#[test]
fn async_sessions_are_served_over_both() {
    on_each_backend(|builder| {
        let authority = Authority::new();
        let echo = |session: AsyncSession| async move {
            while let Some(packet) = session.next().await {
                session.send(&packet).await?;
            }
            Ok::<_, SendError>(())
        };
        let server = builder.listen(listener(&authority)).serve(echo).unwrap();
        let mut peer = open(&server, &authority);
        for round in 0..50 {
            let burst: Vec<u8> = (0..20).flat_map(|index| sent(TEXT, format!("{round}.{index}"))).collect();
            peer.send(&burst);
            for index in 0..20 {
                peer.expect(&served(BINARY, format!("{round}.{index}")));
            }
        }
        finish(server);
    });
}
