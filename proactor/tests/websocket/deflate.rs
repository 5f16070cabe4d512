//! Sessions that compress: with a client of the tests, between our own ends, in groups, and
//! simulated.

use std::sync::mpsc;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use proactor::{
    CloseReason, Deflate, Flow, Group, Handler, Limits, Listener, MessageKind, Network, NoMessage, Origin, Server,
    Session, SessionId, Target, WebSocket, WebSocketClient,
};

use super::peer::{BINARY, CONTINUATION, LAST, PING, PONG, Peer, REQUEST, TEXT, closing, frame, sent};
use super::sessions::{Echo, listener, on_each_backend};
use crate::harness::{PATIENCE, address_of, finish, pattern, wait_until};

/// The bit of a frame whose message is compressed.
const COMPRESSED: u8 = 0x40;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

fn compress(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 1000);
    Compress::new(Compression::new(6), false).compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    out.strip_suffix(&TAIL).unwrap().to_vec()
}

fn inflate(compressed: &[u8], bits: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 << 20);
    let whole = [compressed, &TAIL].concat();
    let mut inflater = Decompress::new_with_window_bits(false, bits);
    inflater.decompress_vec(&whole, &mut out, FlushDecompress::Sync).unwrap();
    out
}

/// Connects with an offer. Returns what the server says to it.
fn offering(server: &Server, offer: &str) -> (Peer, Option<String>) {
    let request = REQUEST.replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n"));
    let (peer, answer) = Peer::asking(address_of(server), &request);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let line = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    (peer, line.map(String::from))
}

fn open(server: &Server) -> Peer {
    let (peer, answer) = offering(server, "permessage-deflate; client_max_window_bits");
    assert_eq!(answer.unwrap(), "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    peer
}

fn deflating() -> WebSocket {
    WebSocket::new().max_message(1 << 20).deflate(&Deflate::new())
}

#[test]
fn messages_go_compressed_both_ways_and_control_frames_do_not() {
    on_each_backend(|builder| {
        let builder = builder.limits(Limits::new().outbox_bytes(4 << 20));
        let server = builder.listen(listener(deflating())).start(Echo).unwrap();
        let peer = open(&server);
        for len in [128, 1000, 65_536, 1 << 20] {
            let text = "größer und größer, ".repeat(len)[..len].to_owned().into_bytes();
            peer.write(&frame(LAST | COMPRESSED | BINARY, &compress(&text), true));
            let (first, came) = peer.next();
            assert_eq!(first, LAST | COMPRESSED | BINARY);
            assert!(came.len() < len && inflate(&came, 15) == text, "{len} bytes");
        }
        // Nothing is gained by compressing these.
        for short in [&b""[..], b"short", &[7; 127]] {
            peer.write(&frame(LAST | COMPRESSED | BINARY, &compress(short), true));
            peer.expect(BINARY, short);
        }
        let (one, two) = (compress("some words ".repeat(50).as_bytes()), sent(PING, "?"));
        peer.write(&frame(COMPRESSED | TEXT, &one[..5], true));
        peer.write(&two);
        peer.write(&frame(LAST | CONTINUATION, &one[5..], true));
        peer.expect(PONG, "?");
        let (first, came) = peer.next();
        assert_eq!((first, inflate(&came, 15)), (LAST | COMPRESSED | TEXT, "some words ".repeat(50).into_bytes()));
        drop(peer);
        finish(server);
    });
}

#[test]
fn who_does_not_offer_it_or_offers_what_cannot_be_is_served_without() {
    on_each_backend(|builder| {
        let server = builder.listen(listener(deflating())).start(Echo).unwrap();
        let plain = Peer::new(address_of(&server));
        let (odd, answer) = offering(&server, "permessage-deflate; server_max_window_bits=8, x-other");
        assert_eq!(answer, None);
        for peer in [&plain, &odd] {
            peer.send(BINARY, [7; 1000]);
            peer.expect(BINARY, [7; 1000]);
            peer.write(&frame(LAST | COMPRESSED | BINARY, b"", true));
            peer.expect_close(1002);
        }
        let (small, answer) = offering(&server, "permessage-deflate; server_max_window_bits=10");
        assert!(answer.unwrap().ends_with("; server_max_window_bits=9"));
        let message: Vec<u8> = (0..40).flat_map(|index| pattern(index, 300)).collect();
        small.send(BINARY, [&message[..], &message].concat());
        let (first, came) = small.next();
        let came = if first & COMPRESSED != 0 { inflate(&came, 9) } else { came };
        assert!(came == [&message[..], &message].concat());
        drop(small);
        finish(server);
    });
}

/// Tells how sessions end.
#[derive(Clone)]
struct Ends(mpsc::Sender<CloseReason>);

impl Handler for Ends {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        assert!(session.upgrade().is_some_and(|upgrade| upgrade.is_compressed()));
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
    fn closed(&mut self, _: SessionId, (): (), reason: &CloseReason) {
        let _ = self.0.send(*reason);
    }
}

#[test]
fn bombs_bad_data_and_bad_bits_have_their_code_and_reason() {
    on_each_backend(|builder| {
        let (ends, ended) = mpsc::channel();
        let server = builder.listen(listener(deflating())).start(Ends(ends)).unwrap();
        let bomb = compress(&vec![0; 8 << 20]);
        assert!(bomb.len() < 10_000);
        let cases = [
            (frame(LAST | COMPRESSED | BINARY, &bomb, true), 1009, CloseReason::FrameTooLarge),
            (frame(COMPRESSED | BINARY, &bomb[..4000], true), 1009, CloseReason::FrameTooLarge),
            (frame(LAST | COMPRESSED | BINARY, b"\xff\xff\xff", true), 1007, CloseReason::Protocol),
            (frame(LAST | COMPRESSED | TEXT, &compress(b"\xc3\x28"), true), 1007, CloseReason::Protocol),
            (frame(LAST | COMPRESSED | PING, b"", true), 1002, CloseReason::Protocol),
            (frame(LAST | COMPRESSED | CONTINUATION, b"", true), 1002, CloseReason::Protocol),
            (frame(LAST | 0x20 | BINARY, b"", true), 1002, CloseReason::Protocol),
        ];
        for (bytes, code, reason) in cases {
            let peer = open(&server);
            peer.write(&bytes);
            let (first, payload) = peer.next();
            assert_eq!((first, &payload[..2]), (LAST | 8, &closing(code, "")[..]));
            assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), reason);
        }
        finish(server);
    });
}

/// What one says, the others hear.
#[derive(Clone)]
struct Room(Group);

impl Handler for Room {
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
fn members_that_compress_share_one_frame_and_others_have_theirs() {
    on_each_backend(|builder| {
        let room = Group::new();
        let server = builder.listen(listener(deflating())).start(Room(room.clone())).unwrap();
        let compressing = [open(&server), open(&server)];
        let small = offering(&server, "permessage-deflate; server_max_window_bits=9").0;
        let plain = Peer::new(address_of(&server));
        wait_until("all are members", || room.len() == 4);
        let said = "to all of the room ".repeat(1000).into_bytes();
        for _ in 0..20 {
            room.broadcast(&said).unwrap();
        }
        for _ in 0..20 {
            let frames = compressing.each_ref().map(Peer::next);
            assert_eq!(frames[0], frames[1], "one frame for both");
            assert_eq!((frames[0].0, inflate(&frames[0].1, 15) == said), (LAST | COMPRESSED | BINARY, true));
            assert!(inflate(&small.next().1, 9) == said);
            plain.expect(BINARY, &said);
        }
        compressing[0].write(&frame(LAST | COMPRESSED | BINARY, &compress(&said), true));
        assert!(inflate(&compressing[1].next().1, 15) == said);
        plain.expect(BINARY, &said);
        drop((compressing, small, plain));
        finish(server);
    });
}

#[test]
fn a_peer_that_may_keeps_its_window_and_the_next_over_the_limit_may_not() {
    on_each_backend(|builder| {
        let deflate = Deflate::new().peer_context(true).max_windows(2);
        let server = builder.listen(listener(WebSocket::new().deflate(&deflate))).start(Echo).unwrap();
        let keeping = "permessage-deflate; server_no_context_takeover";
        let (first, answer) = offering(&server, "permessage-deflate");
        assert_eq!(answer.as_deref(), Some(keeping));
        let (_second, answer) = offering(&server, "permessage-deflate");
        assert_eq!(answer.as_deref(), Some(keeping));
        let (third, answer) = offering(&server, "permessage-deflate");
        assert_eq!(answer.unwrap(), format!("{keeping}; client_no_context_takeover"));
        // The standard's example: the second message refers to the first.
        first.write(b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00");
        first.expect(TEXT, "Hello");
        first.expect(TEXT, "Hello");
        drop((first, third));
        let handle = server.handle();
        wait_until("they have ended", || handle.sessions() == 1);
        let (_fourth, answer) = offering(&server, "permessage-deflate");
        assert_eq!(answer.as_deref(), Some(keeping), "a place is free again");
        finish(server);
    });
}

/// Connects to itself, says something long, and tells of the answer.
#[derive(Clone)]
struct Itself(mpsc::Sender<(bool, bool)>);

impl Handler for Itself {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        if session.origin() != Origin::Accepted {
            session.send_as(MessageKind::Text, "again and ".repeat(1000).as_bytes()).unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        if session.origin() == Origin::Accepted {
            return session.send_as(session.packet_kind(), packet).map_or(Flow::Close, |()| Flow::Continue);
        }
        let is_compressed = session.upgrade().is_some_and(|upgrade| upgrade.is_compressed());
        self.0.send((is_compressed, packet == "again and ".repeat(1000).as_bytes())).unwrap();
        Flow::Close
    }
}

#[test]
fn our_client_and_our_server_agree_and_understand_each_other() {
    for client in [Deflate::new(), Deflate::new().peer_context(true), Deflate::new().window_bits(9).peer_window_bits(9)]
    {
        on_each_backend(|builder| {
            let (answers, answered) = mpsc::channel();
            let server = builder.listen(listener(deflating())).start(Itself(answers)).unwrap();
            let target: Target = server.local_addrs()[0].clone().into();
            server.handle().connect(target.websocket(&WebSocketClient::new("/").deflate(&client)), 0).unwrap();
            assert_eq!(answered.recv_timeout(PATIENCE).unwrap(), (true, true));
            finish(server);
        });
    }
}

#[test]
fn compressed_sessions_are_simulated_with_the_same_result_for_the_same_seed() {
    let run = |seed| {
        let network = Network::new(seed);
        let (answers, answered) = mpsc::channel();
        let builder = Server::builder().listen(Listener::new("10.0.0.1:80").websocket(deflating()));
        let mut server = builder.simulate(&network, Itself(answers)).unwrap();
        for token in 0..5 {
            let target: Target = server.local_addrs()[0].clone().into();
            let client = WebSocketClient::new("/").deflate(&Deflate::new());
            server.handle().connect(target.websocket(&client), token).unwrap();
        }
        assert!(server.run(|server| server.handle().stats().closed_in_all() == 10).unwrap());
        assert_eq!(answered.try_iter().collect::<Vec<_>>(), [(true, true); 5]);
        network.trace()
    };
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed));
    }
}
