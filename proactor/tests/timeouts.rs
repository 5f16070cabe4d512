//! Time-outs and heart-beats with real sockets, on every backend of this system: who holds things up is closed for that reason while others go on.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use overlapped::report::Backend;
use proactor::codec::Lines;
use proactor::{Builder, CloseReason, Flow, Handler, Server, ServerError, Session, SessionId};

const PATIENCE: Duration = Duration::from_secs(30);

/// Echoes, says how sessions end, and sends a beat when it is time.
#[derive(Clone)]
struct Echo {
    closed: mpsc::Sender<CloseReason>,
}

impl Handler for Echo {
    type State = ();

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
    let mut ran = 0;
    for backend in Backend::of_this_system() {
        let (closed, reasons) = mpsc::channel();
        let builder = settings(Server::builder().bind("127.0.0.1:0").shards(2).backend(Some(*backend)));
        let server = match builder.start(Echo { closed }) {
            Ok(server) => server,
            Err(error @ ServerError::Io(_)) => {
                eprintln!("not on {backend}: {error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        test(server.local_addrs()[0].ip().unwrap(), &reasons);
        ran += 1;
    }
    assert!(ran > 0);
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn echo(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}

/// How the first session to end has ended, while another, which is no exception, gets an answer to whatever it says.
fn first_to_end(address: SocketAddr, reasons: &mpsc::Receiver<CloseReason>) -> CloseReason {
    let other = connect(address);
    let end = Instant::now() + PATIENCE;
    let mut answered = 0;
    loop {
        echo(&other, b"still here\n");
        answered += 1;
        if let Ok(reason) = reasons.try_recv() {
            assert!(answered > 1);
            echo(&other, b"and after that\n");
            return reason;
        }
        assert!(Instant::now() < end, "no session has ended");
    }
}

/// Sees the end of a connection that says nothing.
fn read_end(mut stream: &TcpStream) {
    match stream.read(&mut [0; 64]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_silent_session_is_idle() {
    on_each_backend(
        |builder| builder.idle_timeout(Duration::from_secs(1)),
        |address, reasons| {
            let silent = connect(address);
            assert_eq!(first_to_end(address, reasons), CloseReason::Idle);
            read_end(&silent);
        },
    );
}

#[test]
fn a_session_that_never_says_its_first_word_fails_its_handshake() {
    on_each_backend(
        |builder| builder.handshake_timeout(Duration::from_millis(200)),
        |address, reasons| {
            let silent = connect(address);
            assert_eq!(first_to_end(address, reasons), CloseReason::HandshakeTimeout);
            read_end(&silent);
        },
    );
}

#[test]
fn a_slow_loris_is_closed_though_it_sends_a_byte_now_and_then() {
    on_each_backend(
        |builder| builder.codec(Lines::new()).read_timeout(Duration::from_millis(300)),
        |address, reasons| {
            let mut slow = connect(address);
            // A whole line and the beginning of another, which goes on as slowly.
            echo(&slow, b"x\n");
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
fn a_peer_that_never_reads_is_closed_and_costs_nobody_else() {
    on_each_backend(
        |builder| builder.write_timeout(Duration::from_millis(300)),
        |address, reasons| {
            let mut stuck = connect(address);
            // Writes whatever the server takes, which is no more when its outbox is half full.
            std::thread::spawn(move || while stuck.write_all(&[7; 64 * 1024]).is_ok() {});
            assert_eq!(first_to_end(address, reasons), CloseReason::WriteTimeout);
        },
    );
}

#[test]
fn a_session_lasts_as_long_as_it_may_however_busy_it_is() {
    on_each_backend(
        |builder| builder.lifetime(Duration::from_millis(300)),
        |address, reasons| {
            let mut busy = connect(address);
            let began = Instant::now();
            let end = began + PATIENCE;
            loop {
                assert!(Instant::now() < end, "it lasts for ever");
                let mut back = [0; 4];
                if busy.write_all(b"busy").is_err() || busy.read_exact(&mut back).is_err() {
                    break;
                }
                assert_eq!(&back, b"busy");
            }
            assert!(began.elapsed() >= Duration::from_millis(300) - Duration::from_millis(20), "it ended too early");
            drop(busy);
            assert_eq!(reasons.recv_timeout(PATIENCE).unwrap(), CloseReason::Lifetime);
        },
    );
}

#[test]
fn heart_beats_come_while_there_is_nothing_else_to_send() {
    on_each_backend(
        |builder| builder.codec(Lines::new()).heartbeat(Duration::from_millis(50)),
        |address, _| {
            let mut stream = connect(address);
            let began = Instant::now();
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
    fn the_system_gives_up_a_peer_that_acknowledges_nothing() {
        on_each_backend(
            |builder| builder.user_timeout(Duration::from_millis(300)),
            |address, reasons| {
                let mut stuck = connect(address);
                stuck.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
                let end = Instant::now() + PATIENCE;
                // Its window is closed at some time, and stays so.
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

    /// The kind of timer that runs for a connection of a server, as `/proc/net/tcp` has it.
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
    fn the_system_asks_whether_a_peer_is_still_there_if_it_is_told_to() {
        const NONE: &str = "00";
        const KEEP_ALIVE: &str = "02";
        on_each_backend(
            |builder| builder.keep_alive(Duration::from_secs(100)),
            |address, _| {
                let stream = connect(address);
                echo(&stream, b"hello");
                let end = Instant::now() + PATIENCE;
                // What is being acknowledged has a timer of another kind.
                while timer(address, stream.local_addr().unwrap()).as_deref() != Some(KEEP_ALIVE) {
                    assert!(Instant::now() < end, "nobody asks");
                }
            },
        );
        on_each_backend(
            |builder| builder,
            |address, _| {
                let stream = connect(address);
                echo(&stream, b"hello");
                let end = Instant::now() + PATIENCE;
                while timer(address, stream.local_addr().unwrap()).as_deref() != Some(NONE) {
                    assert!(Instant::now() < end, "someone asks");
                }
            },
        );
    }
}
