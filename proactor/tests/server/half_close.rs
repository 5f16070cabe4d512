//! Half-close: each of the two streams of a session ends by itself, in either order, and the
//! handler decides what follows.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};

use proactor::{CloseReason, Flow, Handler, NoMessage, SendError, Session, SessionId};

use crate::harness::{PATIENCE, address_of, backends, builder, connect, read_to_end};

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Received(Vec<u8>),
    Ended,
    Closed(CloseReason),
}

/// Obeys each packet. At the end of the stream it obeys the last packet once more.
#[derive(Clone)]
struct Orders(Sender<Event>);

impl Handler for Orders {
    type State = Vec<u8>;
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) -> Vec<u8> {
        Vec::new()
    }

    fn received(&mut self, session: &Session, last: &mut Vec<u8>, packet: &[u8]) -> Flow {
        let _ = self.0.send(Event::Received(packet.to_vec()));
        last.clear();
        last.extend_from_slice(packet);
        match packet {
            b"shutdown" => {
                session.send(&[7; 100_000]).unwrap();
                session.shutdown();
                session.shutdown();
                assert_eq!(session.send(b"x"), Err(SendError::Closed));
            }
            b"shutdown at once" => session.shutdown(),
            b"pause" => return Flow::Pause,
            _ => {}
        }
        Flow::Continue
    }

    fn ended(&mut self, session: &Session, last: &mut Vec<u8>) -> Flow {
        let _ = self.0.send(Event::Ended);
        assert_ne!(last, b"panic", "asked to panic");
        match last.as_slice() {
            b"close" => return Flow::Close,
            b"answer" => {
                session.send(&[9; 200_000]).unwrap();
                session.shutdown();
            }
            b"close itself" => {
                session.send(b"bye").unwrap();
                session.close();
            }
            _ => {}
        }
        Flow::Continue
    }

    fn closed(&mut self, _: SessionId, _: Vec<u8>, reason: &CloseReason) {
        let _ = self.0.send(Event::Closed(*reason));
    }
}

/// Runs a test on each backend. The test can connect, and receives the events of the handler.
fn on_each_backend(test: impl Fn(&dyn Fn() -> TcpStream, &Receiver<Event>)) {
    for backend in backends() {
        let (sender, events) = mpsc::channel();
        let server = builder(backend, 1).start(Orders(sender)).unwrap();
        let address = address_of(&server);
        test(&|| connect(address), &events);
        let handle = server.handle();
        handle.drain(PATIENCE);
        server.wait().unwrap();
        assert_eq!(handle.sessions(), 0);
        assert!(events.try_iter().all(|event| event == Event::Closed(CloseReason::Drained)));
    }
}

fn event(events: &Receiver<Event>) -> Event {
    events.recv_timeout(PATIENCE).unwrap()
}

fn say(mut stream: &TcpStream, packet: &[u8], events: &Receiver<Event>) {
    stream.write_all(packet).unwrap();
    assert_eq!(event(events), Event::Received(packet.to_vec()));
}

#[test]
fn a_peer_that_has_ended_its_stream_is_answered_and_then_closed() {
    on_each_backend(|connect, events| {
        for (order, answer) in
            [(&b"close"[..], vec![]), (b"answer", vec![9; 200_000]), (b"close itself", b"bye".to_vec())]
        {
            let stream = connect();
            say(&stream, order, events);
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(event(events), Event::Ended);
            assert!(read_to_end(&stream) == answer, "{}", order.escape_ascii());
            let reason = if order == b"close itself" { CloseReason::ByHandler } else { CloseReason::ByPeer };
            assert_eq!(event(events), Event::Closed(reason));
        }
    });
}

#[test]
fn a_peer_may_send_after_the_server_has_ended_its_stream() {
    on_each_backend(|connect, events| {
        for (order, answer) in [(&b"shutdown"[..], vec![7; 100_000]), (b"shutdown at once", vec![])] {
            let stream = connect();
            say(&stream, order, events);
            assert!(read_to_end(&stream) == answer);
            for round in 0..10_u8 {
                say(&stream, &[round; 100], events);
            }
            drop(stream);
            assert_eq!(event(events), Event::Ended);
            assert_eq!(event(events), Event::Closed(CloseReason::ByPeer));
        }
    });
}

#[test]
fn a_session_stays_open_after_the_end_of_its_peer() {
    on_each_backend(|connect, events| {
        let stream = connect();
        say(&stream, b"stay", events);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(event(events), Event::Ended);
        // A paused session is told of the end only when it is resumed. This one never is.
        let paused = connect();
        say(&paused, b"pause", events);
        paused.shutdown(Shutdown::Write).unwrap();
        // A whole other conversation brings no event of these two.
        let other = connect();
        say(&other, b"close", events);
        drop(other);
        assert_eq!(event(events), Event::Ended);
        assert_eq!(event(events), Event::Closed(CloseReason::ByPeer));
        assert_eq!(events.try_recv().ok(), None);
        stream.set_nonblocking(true).unwrap();
        assert_eq!((&stream).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "the connection is still open");
    });
}

#[test]
fn a_panic_in_ended_closes_its_session() {
    on_each_backend(|connect, events| {
        let stream = connect();
        say(&stream, b"panic", events);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(event(events), Event::Ended);
        assert_eq!(event(events), Event::Closed(CloseReason::Panic));
    });
}
