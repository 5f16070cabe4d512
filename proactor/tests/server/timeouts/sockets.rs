//! Timeouts and heartbeats with real sockets: a session is closed for the right reason, and
//! others go on.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use proactor::codec::Lines;
use proactor::{Builder, CloseReason, Flow, Group, Handler, Listener, NoMessage, Server, Session, SessionId, Timeouts};

use crate::harness::{PATIENCE, address_of, backends, connect, exchange, read_end};

/// Echoes, reports why sessions end, and sends heartbeats.
#[derive(Clone)]
struct Echo {
    closed: mpsc::Sender<CloseReason>,
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }

    fn heartbeat(&mut self, session: &Session, (): &mut ()) {
        session.send(b"beat").unwrap();
    }

    fn closed(&mut self, _: SessionId, (): (), reason: &CloseReason) {
        let _ = self.closed.send(*reason);
    }
}

fn on_each_backend(settings: impl Fn(Builder) -> Builder, test: impl Fn(SocketAddr, &mpsc::Receiver<CloseReason>)) {
    with_listener(&Listener::new("127.0.0.1:0"), settings, test);
}

fn with_listener(
    listener: &Listener,
    settings: impl Fn(Builder) -> Builder,
    test: impl Fn(SocketAddr, &mpsc::Receiver<CloseReason>),
) {
    for backend in backends() {
        let (closed, reasons) = mpsc::channel();
        let builder = Server::builder().listen(listener.clone()).shards(2).backend(Some(backend));
        let server = settings(builder).start(Echo { closed }).unwrap();
        test(address_of(&server), &reasons);
    }
}

/// Why the first session ends, while another session gets answers all the time.
fn first_to_end(address: SocketAddr, reasons: &mpsc::Receiver<CloseReason>) -> CloseReason {
    let other = connect(address);
    let end = Instant::now() + PATIENCE;
    let mut answered = 0;
    loop {
        exchange(&other, b"still here\n");
        answered += 1;
        if let Ok(reason) = reasons.try_recv() {
            assert!(answered > 1);
            exchange(&other, b"and after that\n");
            return reason;
        }
        assert!(Instant::now() < end, "no session has ended");
    }
}

#[test]
fn a_silent_session_is_idle() {
    on_each_backend(
        |builder| builder.timeouts(Timeouts::new().idle(Duration::from_secs(1))),
        |address, reasons| {
            let silent = connect(address);
            assert_eq!(first_to_end(address, reasons), CloseReason::Idle);
            read_end(&silent);
        },
    );
}

/// The first packet makes a session a member of a group that gets news all the time.
#[derive(Clone)]
struct News {
    closed: mpsc::Sender<CloseReason>,
}

impl Handler for News {
    type State = Option<Group>;
    type Message = NoMessage;

    fn connected(&mut self, _: &Session) -> Option<Group> {
        None
    }

    fn received(&mut self, session: &Session, group: &mut Option<Group>, _: &[u8]) -> Flow {
        let news = session.handle().group("news").unwrap();
        session.join(&news).unwrap();
        *group = Some(news);
        session.after(Duration::from_millis(50), 0).unwrap();
        Flow::Continue
    }

    fn timer(&mut self, session: &Session, group: &mut Option<Group>, token: u64) {
        group.as_ref().unwrap().broadcast(b"news").unwrap();
        session.after(Duration::from_millis(50), token).unwrap();
    }

    fn closed(&mut self, _: SessionId, _: Option<Group>, reason: &CloseReason) {
        let _ = self.closed.send(*reason);
    }
}

#[test]
fn a_member_that_only_listens_to_a_busy_group_is_not_idle() {
    for backend in backends() {
        let (closed, reasons) = mpsc::channel();
        let timeouts = Timeouts::new().idle(Duration::from_millis(500));
        let builder = Server::builder().listen("127.0.0.1:0").shards(1).backend(Some(backend)).timeouts(timeouts);
        let server = builder.start(News { closed }).unwrap();
        let mut member = connect(address_of(&server));
        member.write_all(b"join").unwrap();
        let mut news = [0; 4];
        member.read_exact(&mut news).unwrap();
        for _ in 0..3 {
            let silent = connect(address_of(&server));
            assert_eq!(reasons.recv_timeout(PATIENCE), Ok(CloseReason::Idle));
            read_end(&silent);
            member.read_exact(&mut news).expect("it is open");
        }
    }
}

#[test]
fn a_session_without_a_first_packet_fails_its_handshake() {
    on_each_backend(
        |builder| builder.timeouts(Timeouts::new().handshake(Duration::from_millis(200))),
        |address, reasons| {
            let silent = connect(address);
            assert_eq!(first_to_end(address, reasons), CloseReason::HandshakeTimeout);
            read_end(&silent);
        },
    );
}

#[test]
fn a_slow_loris_is_closed_although_it_sends_bytes() {
    on_each_backend(
        |builder| builder.codec(Lines::new()).timeouts(Timeouts::new().read(Duration::from_millis(300))),
        |address, reasons| {
            let mut slow = connect(address);
            // A whole line, then a line that goes on slowly.
            exchange(&slow, b"x\n");
            std::thread::spawn(move || {
                while slow.write_all(b"x").is_ok() {
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            assert_eq!(first_to_end(address, reasons), CloseReason::ReadTimeout);
        },
    );
}

#[test]
fn a_peer_that_never_reads_is_closed_and_others_are_not() {
    on_each_backend(
        |builder| builder.timeouts(Timeouts::new().write(Duration::from_millis(300))),
        |address, reasons| {
            let mut stuck = connect(address);
            // The server reads no more when the outbox is half full.
            std::thread::spawn(move || while stuck.write_all(&[7; 64 * 1024]).is_ok() {});
            assert_eq!(first_to_end(address, reasons), CloseReason::WriteTimeout);
        },
    );
}

#[test]
fn a_busy_session_ends_with_its_lifetime() {
    on_each_backend(
        |builder| builder.timeouts(Timeouts::new().lifetime(Duration::from_millis(300))),
        |address, reasons| {
            let began = Instant::now();
            let mut busy = connect(address);
            let end = began + PATIENCE;
            loop {
                assert!(Instant::now() < end, "the session never ends");
                let mut back = [0; 4];
                if busy.write_all(b"busy").is_err() || busy.read_exact(&mut back).is_err() {
                    break;
                }
                assert_eq!(&back, b"busy");
            }
            assert!(
                began.elapsed() >= Duration::from_millis(300) - Duration::from_millis(20),
                "the session ended too early"
            );
            drop(busy);
            assert_eq!(reasons.recv_timeout(PATIENCE).unwrap(), CloseReason::Lifetime);
        },
    );
}

#[test]
fn heart_beats_come_while_there_is_nothing_else_to_send() {
    on_each_backend(
        |builder| builder.codec(Lines::new()).timeouts(Timeouts::new().heartbeat(Duration::from_millis(50))),
        |address, _| {
            let began = Instant::now();
            let mut stream = connect(address);
            let mut beats = [0; 15];
            stream.read_exact(&mut beats).unwrap();
            assert_eq!(&beats, b"beat\nbeat\nbeat\n");
            assert!(began.elapsed() >= Duration::from_millis(3 * 50 - 10), "{:?}", began.elapsed());
        },
    );
}

#[cfg(target_os = "linux")]
mod options_of_the_system {
    use super::*;

    #[test]
    fn user_timeout_gives_up_a_peer_that_acknowledges_nothing() {
        with_listener(
            &Listener::new("127.0.0.1:0").user_timeout(Duration::from_millis(300)),
            |builder| builder,
            |address, reasons| {
                let mut stuck = connect(address);
                stuck.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
                let end = Instant::now() + PATIENCE;
                // After a while the window of the client is closed for good.
                let reason = loop {
                    let _ = stuck.write(&[7; 64 * 1024]);
                    if let Ok(reason) = reasons.try_recv() {
                        break reason;
                    }
                    assert!(Instant::now() < end, "the system waits for ever");
                };
                assert_eq!(reason, CloseReason::Reset);
            },
        );
    }

    /// The kind of the timer of a connection, from `/proc/net/tcp`.
    fn timer(server: SocketAddr, client: SocketAddr) -> Option<String> {
        let ends = [format!(":{:04X}", server.port()), format!(":{:04X}", client.port())];
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let is_it = columns.len() > 5 && columns[1].ends_with(&ends[0]) && columns[2].ends_with(&ends[1]);
            is_it.then(|| columns[5].split(':').next().unwrap_or_default().to_owned())
        })
    }

    #[test]
    fn keep_alive_makes_the_system_probe_the_peer() {
        const NONE: &str = "00";
        const KEEP_ALIVE: &str = "02";
        with_listener(
            &Listener::new("127.0.0.1:0").keep_alive(Duration::from_secs(100)),
            |builder| builder,
            |address, _| {
                let stream = connect(address);
                exchange(&stream, b"hello");
                let end = Instant::now() + PATIENCE;
                // Until the last bytes are acknowledged, another kind of timer runs.
                while timer(address, stream.local_addr().unwrap()).as_deref() != Some(KEEP_ALIVE) {
                    assert!(Instant::now() < end, "no keep-alive timer runs");
                }
            },
        );
        for (listener, expected) in
            [(Listener::new("127.0.0.1:0").keep_alive(None), NONE), (Listener::new("127.0.0.1:0"), KEEP_ALIVE)]
        {
            with_listener(
                &listener,
                |builder| builder,
                |address, _| {
                    let stream = connect(address);
                    exchange(&stream, b"hello");
                    let end = Instant::now() + PATIENCE;
                    while timer(address, stream.local_addr().unwrap()).as_deref() != Some(expected) {
                        assert!(Instant::now() < end, "another timer runs than {expected}");
                    }
                },
            );
        }
    }
}
