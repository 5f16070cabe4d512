//! The logic is told of a session's end when it begins, and of what became of the queued bytes when
//! the connection is gone.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use proactor::{
    AsyncSession, Builder, CloseReason, Delivery, Flow, Handler, Limits, NoMessage, Server, Session, SessionId,
    Timeouts,
};

use crate::harness::{PATIENCE, address_of, connect, exchange, on_each_backend, read_to_end, serve, wait_until};

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Connected(SessionId),
    Closed(SessionId, CloseReason),
    Released(SessionId, Delivery),
}

const HUGE: usize = 32 << 20;

/// Echoes. "huge" is answered by more than the system takes, and closes.
#[derive(Clone)]
struct Echo(Sender<Event>);

impl Handler for Echo {
    type State = SessionId;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> SessionId {
        self.0.send(Event::Connected(session.id())).unwrap();
        session.id()
    }
    fn received(&mut self, session: &Session, _: &mut SessionId, packet: &[u8]) -> Flow {
        match packet {
            b"close" => return Flow::Close,
            b"huge" => {
                session.send(&vec![7; HUGE]).unwrap();
                return Flow::Close;
            }
            _ => session.send(packet).unwrap(),
        }
        Flow::Continue
    }
    fn closed(&mut self, id: SessionId, state: SessionId, reason: &CloseReason) {
        assert_eq!(id, state, "the state of another session");
        let _ = self.0.send(Event::Closed(id, *reason));
    }
    fn released(&mut self, id: SessionId, delivery: Delivery) {
        let _ = self.0.send(Event::Released(id, delivery));
    }
}

/// A server whose closes wait for their peers for a minute.
fn start(builder: Builder) -> (Server, Receiver<Event>) {
    let (sender, events) = mpsc::channel();
    let limits = Limits::new().outbox_bytes(2 * HUGE);
    let timeouts = Timeouts::new().linger(Duration::from_secs(3600));
    (builder.limits(limits).timeouts(timeouts).start(Echo(sender)).unwrap(), events)
}

fn next(events: &Receiver<Event>) -> Event {
    events.recv_timeout(PATIENCE).unwrap()
}

fn enter(server: &Server, events: &Receiver<Event>) -> (TcpStream, SessionId) {
    let client = connect(address_of(server));
    match next(events) {
        Event::Connected(id) => (client, id),
        other => panic!("{other:?}"),
    }
}

fn say(mut client: &TcpStream, word: &[u8]) {
    std::io::Write::write_all(&mut client, word).unwrap();
}

#[test]
fn closed_is_called_when_the_close_begins_and_released_when_the_peer_has_let_go() {
    on_each_backend(|builder| {
        let (server, events) = start(builder);
        let (client, id) = enter(&server, &events);
        say(&client, b"close");
        assert_eq!(next(&events), Event::Closed(id, CloseReason::ByHandler));
        assert_eq!(read_to_end(&client), b"");
        assert_eq!((server.handle().sessions(), events.try_recv().ok()), (1, None), "its place is not free yet");
        // Another session is not taken for it meanwhile.
        let (_other, other_id) = enter(&server, &events);
        assert_ne!(id, other_id);
        drop(client);
        assert_eq!(next(&events), Event::Released(id, Delivery::Flushed));
        server.handle().stop();
        server.wait().unwrap();
        assert_eq!(next(&events), Event::Closed(other_id, CloseReason::ServerStopping));
        assert_eq!(next(&events), Event::Released(other_id, Delivery::Flushed), "nothing of it was missing");
    });
}

#[test]
fn a_session_is_aborted_from_outside_whether_it_is_closing_or_not() {
    on_each_backend(|builder| {
        let (server, events) = start(builder);
        let handle = server.handle();
        let (mut open, open_id) = enter(&server, &events);
        exchange(&open, b"hello");
        handle.abort(open_id).unwrap();
        assert_eq!(next(&events), Event::Closed(open_id, CloseReason::ByHandler));
        // The system may have told the client of its answer before the shard.
        assert!(matches!(next(&events), Event::Released(released, _) if released == open_id));
        assert_eq!(open.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        // One that waits for its peer.
        let (_waited_for, id) = enter(&server, &events);
        say(&_waited_for, b"close");
        assert_eq!(next(&events), Event::Closed(id, CloseReason::ByHandler));
        handle.abort(id).unwrap();
        assert_eq!(next(&events), Event::Released(id, Delivery::Flushed));
        // One that is still sending: its peer must not take a part for the whole.
        let (mut sent_to, id) = enter(&server, &events);
        say(&sent_to, b"huge");
        assert_eq!(next(&events), Event::Closed(id, CloseReason::ByHandler));
        handle.abort(id).unwrap();
        let Event::Released(released, Delivery::Cut { bytes }) = next(&events) else { panic!("it was cut") };
        assert!(released == id && bytes > 0 && bytes <= HUGE as u64, "{bytes} bytes");
        assert_eq!(sent_to.read_to_end(&mut Vec::new()).unwrap_err().kind(), ErrorKind::ConnectionReset);
        // The ids mean nothing now.
        let (client, _) = enter(&server, &events);
        handle.abort(open_id).unwrap();
        handle.abort(id).unwrap();
        exchange(&client, b"still here");
        let stats = handle.stats();
        assert!(stats.flushed + stats.cut == 3 && (1..=2).contains(&stats.cut), "{stats:?}");
        handle.stop();
        server.wait().unwrap();
    });
}

#[test]
fn a_linger_that_is_over_while_bytes_are_queued_resets_the_peer() {
    on_each_backend(|builder| {
        let (sender, events) = mpsc::channel();
        let limits = Limits::new().outbox_bytes(2 * HUGE);
        let timeouts = Timeouts::new().linger(Duration::from_millis(50));
        let server = builder.limits(limits).timeouts(timeouts).start(Echo(sender)).unwrap();
        let (mut client, id) = enter(&server, &events);
        say(&client, b"huge");
        assert_eq!(next(&events), Event::Closed(id, CloseReason::ByHandler));
        assert!(matches!(next(&events), Event::Released(released, Delivery::Cut { bytes: 1.. }) if released == id));
        assert_eq!(client.read_to_end(&mut Vec::new()).unwrap_err().kind(), ErrorKind::ConnectionReset);
        // Nothing is missing for one that has everything.
        let (client, id) = enter(&server, &events);
        say(&client, b"close");
        assert_eq!(next(&events), Event::Closed(id, CloseReason::ByHandler));
        assert_eq!(next(&events), Event::Released(id, Delivery::Flushed));
        assert_eq!(read_to_end(&client), b"");
        server.handle().stop();
        server.wait().unwrap();
    });
}

#[test]
fn a_peer_that_resets_what_is_sent_to_it_leaves_it_undelivered() {
    on_each_backend(|builder| {
        let (server, events) = start(builder);
        let (client, id) = enter(&server, &events);
        say(&client, b"huge");
        assert_eq!(next(&events), Event::Closed(id, CloseReason::ByHandler));
        // Unread bytes make closing a reset.
        drop(client);
        assert!(matches!(next(&events), Event::Released(_, Delivery::Cut { bytes: 1.. })));
        server.handle().stop();
        server.wait().unwrap();
    });
}

#[test]
fn a_task_learns_of_the_end_when_the_close_begins_and_a_remote_aborts() {
    on_each_backend(|builder| {
        let (ends, ended) = mpsc::channel();
        let timeouts = Timeouts::new().linger(Duration::from_secs(3600));
        let (server, address) = serve(builder.timeouts(timeouts), move |session: AsyncSession| {
            let ends = ends.clone();
            async move {
                ends.send((session.remote(), CloseReason::ByPeer)).unwrap();
                let watching = session.clone();
                let told = ends.clone();
                session
                    .spawn(async move {
                        let reason = watching.closed().await;
                        told.send((watching.remote(), reason)).unwrap();
                    })
                    .unwrap();
                session.next().await;
                session.close();
            }
        });
        let client = connect(address);
        let (remote, _) = ended.recv_timeout(PATIENCE).unwrap();
        say(&client, b"x");
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap().1, CloseReason::ByHandler);
        assert_eq!(server.handle().sessions(), 1, "it still waits for the peer");
        remote.abort().unwrap();
        wait_until("its place is free", || server.handle().sessions() == 0);
        server.handle().stop();
        server.wait().unwrap();
    });
}
