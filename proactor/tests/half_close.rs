//! The ends of a session's two streams, with real sockets, on every backend that works here: each by itself, in either order, and what the handler may make of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig};
use proactor::{CloseReason, Flow, Handler, SendError, Server, Session, SessionId};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Received(Vec<u8>),
    Ended,
    Closed(CloseReason),
}

/// Does what a packet says, and at the end of a stream what the last one said.
#[derive(Clone)]
struct Orders(Sender<Event>);

impl Handler for Orders {
    type State = Vec<u8>;

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

/// Runs a test on each backend: it is given a way to connect and what the handler sees.
fn on_each_backend(test: impl Fn(&dyn Fn() -> TcpStream, &Receiver<Event>)) {
    let mut ran = 0;
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig::new().backend(*backend)).is_err() {
            continue;
        }
        let (sender, events) = mpsc::channel();
        let server = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend)).start(Orders(sender));
        let server = server.unwrap();
        let address: SocketAddr = server.local_addrs()[0].ip().unwrap();
        let connect = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
        };
        test(&connect, &events);
        let handle = server.handle();
        handle.drain(PATIENCE);
        server.wait().unwrap();
        assert_eq!(handle.sessions(), 0);
        assert!(events.try_iter().all(|event| event == Event::Closed(CloseReason::Drained)));
        ran += 1;
    }
    assert!(ran > 0);
}

fn event(events: &Receiver<Event>) -> Event {
    events.recv_timeout(PATIENCE).unwrap()
}

fn say(mut stream: &TcpStream, packet: &[u8], events: &Receiver<Event>) {
    stream.write_all(packet).unwrap();
    assert_eq!(event(events), Event::Received(packet.to_vec()));
}

fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn a_peer_that_has_ended_its_stream_is_still_answered_and_then_closed() {
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
fn a_stream_of_ours_that_has_ended_leaves_the_peer_free_to_send() {
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
fn a_session_whose_end_is_not_answered_stays() {
    on_each_backend(|connect, events| {
        let stream = connect();
        say(&stream, b"stay", events);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(event(events), Event::Ended);
        // Of the pause the end is told only afterwards, which here is never.
        let paused = connect();
        say(&paused, b"pause", events);
        paused.shutdown(Shutdown::Write).unwrap();
        // Another conversation, from beginning to end, brings no news of these.
        let other = connect();
        say(&other, b"close", events);
        drop(other);
        assert_eq!(event(events), Event::Ended);
        assert_eq!(event(events), Event::Closed(CloseReason::ByPeer));
        assert_eq!(events.try_recv().ok(), None);
        stream.set_nonblocking(true).unwrap();
        assert_eq!((&stream).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "it is open still");
    });
}

#[test]
fn a_panic_when_it_is_told_of_an_end_closes_that_session() {
    on_each_backend(|connect, events| {
        let stream = connect();
        say(&stream, b"panic", events);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(event(events), Event::Ended);
        assert_eq!(event(events), Event::Closed(CloseReason::Panic));
    });
}
