//! How WebSocket sessions end: close frames both ways, their codes, and which ends are not in
//! order.

use std::net::Shutdown;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use proactor::{CloseCode, CloseReason, Flow, Handler, NoMessage, Session, SessionId, Timeouts, WebSocket};

use super::peer::{BINARY, CLOSE, LAST, PING, PONG, Peer, TEXT, closing, frame, sent};
use super::sessions::{listener, on_each_backend};
use crate::harness::{address_of, finish, next, read_end};

/// Does what it is told, and reports ends.
#[derive(Clone)]
struct Obeys(Sender<(CloseReason, Option<CloseCode>)>);

impl Handler for Obeys {
    type State = Option<CloseCode>;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> Option<CloseCode> {
        None
    }
    fn received(&mut self, session: &Session, _: &mut Option<CloseCode>, packet: &[u8]) -> Flow {
        match packet {
            b"close" => return Flow::Close,
            b"close with" => session.close_with(CloseCode::new(4001).unwrap(), "as you wish"),
            b"panic" => panic!("as it was told"),
            b"abort" => session.abort(),
            b"shut down" => {
                session.send(b"before").unwrap();
                session.shutdown();
                assert!(session.send(b"behind").is_err());
            }
            packet => session.send_as(session.packet_kind(), packet).unwrap(),
        }
        Flow::Continue
    }
    fn ended(&mut self, session: &Session, code: &mut Option<CloseCode>) -> Flow {
        *code = session.close_code();
        Flow::Close
    }
    fn closed(&mut self, _: SessionId, code: Option<CloseCode>, reason: &CloseReason) {
        let _ = self.0.send((*reason, code));
    }
}

#[test]
fn a_peers_close_is_answered_with_its_code_and_nothing_behind_it_counts() {
    on_each_backend(|builder| {
        let (ends, told) = channel();
        let server = builder.listen(listener(WebSocket::new())).start(Obeys(ends)).unwrap();
        for code in [1000, 1001, 3000, 4999] {
            let peer = Peer::new(address_of(&server));
            let stream = [sent(TEXT, "last"), sent(CLOSE, closing(code, "bye")), sent(TEXT, "ignored"), sent(PING, "")];
            peer.write(&stream.concat());
            peer.expect(TEXT, "last");
            peer.expect_close(code);
            assert_eq!(next(&told), (CloseReason::ByPeer, CloseCode::new(code)));
        }
        let peer = Peer::new(address_of(&server));
        peer.send(CLOSE, "");
        peer.expect(CLOSE, "");
        peer.expect_end();
        assert_eq!(next(&told), (CloseReason::ByPeer, None));
        finish(server);
    });
}

#[test]
fn each_reason_has_its_code() {
    on_each_backend(|builder| {
        let (ends, told) = channel();
        let timeouts = Timeouts::new().linger(Duration::from_secs(20));
        let builder = builder.timeouts(timeouts).listen(listener(WebSocket::new().max_message(100)));
        let server = builder.start(Obeys(ends)).unwrap();
        let address = address_of(&server);
        let cases: [(Vec<u8>, u16, CloseReason); 8] = [
            (sent(TEXT, "close"), 1000, CloseReason::ByHandler),
            (sent(TEXT, "close with"), 4001, CloseReason::ByHandler),
            (sent(TEXT, "panic"), 1011, CloseReason::Panic),
            (sent(BINARY, [0; 101]), 1009, CloseReason::FrameTooLarge),
            (sent(TEXT, b"\xff"), 1007, CloseReason::Protocol),
            (frame(LAST | 0x40 | TEXT, b"reserved", true), 1002, CloseReason::Protocol),
            (frame(LAST | TEXT, b"not masked", false), 1002, CloseReason::Protocol),
            (b"GET /admin HTTP/1.1\r\nHost: internal\r\n\r\n".to_vec(), 1002, CloseReason::Protocol),
        ];
        for (bytes, code, reason) in cases {
            let peer = Peer::new(address);
            peer.send(TEXT, "first");
            peer.expect(TEXT, "first");
            peer.write(&bytes);
            peer.expect_close(code);
            drop(peer);
            assert_eq!(next(&told).0, reason, "{code}");
        }
        finish(server);
    });
}

#[test]
fn what_was_answered_before_a_violation_reaches_the_peer() {
    on_each_backend(|builder| {
        let (ends, told) = channel();
        let server = builder.listen(listener(WebSocket::new())).start(Obeys(ends)).unwrap();
        let peer = Peer::new(address_of(&server));
        let stream = [sent(TEXT, "one"), sent(PING, "p"), sent(TEXT, "two"), frame(LAST | 3, b"", true)].concat();
        peer.write(&stream);
        peer.expect(TEXT, "one");
        peer.expect(PONG, "p");
        peer.expect(TEXT, "two");
        peer.expect_close(1002);
        assert_eq!(next(&told).0, CloseReason::Protocol);
        finish(server);
    });
}

#[test]
fn a_stream_that_ends_without_a_close_frame_is_cut() {
    on_each_backend(|builder| {
        let (ends, told) = channel();
        let server = builder.listen(listener(WebSocket::new())).start(Obeys(ends)).unwrap();
        for begun in [Vec::new(), frame(TEXT, b"unfinished", true), frame(LAST | CLOSE, b"", true)[..3].to_vec()] {
            let peer = Peer::new(address_of(&server));
            peer.send(TEXT, "hello");
            peer.expect(TEXT, "hello");
            peer.write(&begun);
            peer.0.shutdown(Shutdown::Write).unwrap();
            read_end(&peer.0);
            assert_eq!(next(&told).0, CloseReason::Truncated);
        }
        let peer = Peer::new(address_of(&server));
        peer.send(TEXT, "abort");
        read_end(&peer.0);
        assert_eq!(next(&told).0, CloseReason::ByHandler);
        finish(server);
    });
}

#[test]
fn our_end_is_a_close_frame_and_the_peer_may_still_send() {
    on_each_backend(|builder| {
        let (ends, told) = channel();
        let server = builder.listen(listener(WebSocket::new())).start(Obeys(ends)).unwrap();
        let peer = Peer::new(address_of(&server));
        peer.send(BINARY, "shut down");
        peer.expect(BINARY, "before");
        peer.expect(CLOSE, closing(1000, ""));
        peer.expect_end();
        peer.send(CLOSE, closing(1000, ""));
        assert_eq!(next(&told), (CloseReason::ByPeer, CloseCode::new(1000)));
        finish(server);
    });
}

#[test]
fn a_drain_tells_that_the_server_goes_away() {
    on_each_backend(|builder| {
        let (ends, told) = channel();
        let server = builder.listen(listener(WebSocket::new())).start(Obeys(ends)).unwrap();
        let peers: Vec<Peer> = (0..4).map(|_| Peer::new(address_of(&server))).collect();
        for peer in &peers {
            peer.send(TEXT, "hello");
            peer.expect(TEXT, "hello");
        }
        let handle = server.handle();
        handle.drain(Duration::from_secs(30));
        for peer in peers {
            peer.expect(CLOSE, closing(1001, ""));
            // A drain waits for the answer of one that has everything, but not for long.
            let _ = std::io::Write::write_all(&mut &peer.0, &sent(CLOSE, closing(1001, "")));
            read_end(&peer.0);
        }
        server.wait().unwrap();
        for _ in 0..4 {
            assert_eq!(next(&told).0, CloseReason::Drained);
        }
        assert_eq!((handle.stats().flushed, handle.stats().cut), (4, 0));
    });
}

#[test]
fn an_idle_session_is_told_why_it_ends() {
    on_each_backend(|builder| {
        let (ends, told) = channel();
        let timeouts = Timeouts::new().idle(Duration::from_millis(40));
        let server = builder.timeouts(timeouts).listen(listener(WebSocket::new())).start(Obeys(ends)).unwrap();
        let peer = Peer::new(address_of(&server));
        peer.expect_close(1001);
        drop(peer);
        assert_eq!(next(&told).0, CloseReason::Idle);
        finish(server);
    });
}

#[test]
fn pings_do_not_keep_an_unfinished_message_alive_and_do_not_end_an_idle_one() {
    on_each_backend(|builder| {
        let (ends, told) = channel();
        let timeouts = Timeouts::new().read(Duration::from_millis(500));
        let server = builder.timeouts(timeouts).listen(listener(WebSocket::new())).start(Obeys(ends)).unwrap();
        let peer = Peer::new(address_of(&server));
        // Half a ping, its other half, and then a silence longer than a packet may take.
        let ping = sent(PING, "whole");
        peer.write(&ping[..7]);
        std::thread::sleep(Duration::from_millis(5));
        peer.write(&ping[7..]);
        peer.expect(PONG, "whole");
        std::thread::sleep(Duration::from_millis(700));
        peer.send(TEXT, "still here");
        peer.expect(TEXT, "still here");
        peer.write(&frame(TEXT, b"begun", true));
        while peer.0.take_error().unwrap().is_none() && told.try_recv().is_err() {
            // The server may be gone already.
            if std::io::Write::write_all(&mut &peer.0, &sent(PING, "more")).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(peer);
        let handle = server.handle();
        crate::harness::wait_until("it is closed", || handle.stats().closed(CloseReason::ReadTimeout) == 1);
        finish(server);
    });
}
