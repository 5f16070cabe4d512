//! Private sends to a peer that does not read, by each of the policies.

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig};
use proactor::{CloseReason, Flow, Handler, SendError, Server, Session, SessionId, SlowConsumer};

const PATIENCE: Duration = Duration::from_secs(60);
const OUTBOX: usize = 64 * 1024;
const LEN: usize = 1000;
/// Packets asked for at once.
const ASKED: u32 = 32;

/// Sends numbered packets when it is asked to; says what became of each.
#[derive(Clone)]
struct Ticker {
    names: mpsc::Sender<SessionId>,
    sent: mpsc::Sender<(Result<(), SendError>, u64)>,
    closed: mpsc::Sender<CloseReason>,
}

impl Handler for Ticker {
    type State = u32;
    fn connected(&mut self, session: &Session) -> u32 {
        self.names.send(session.id()).unwrap();
        0
    }
    fn received(&mut self, session: &Session, next: &mut u32, asked: &[u8]) -> Flow {
        for _ in asked {
            let mut packet = [*next as u8; LEN];
            packet[..4].copy_from_slice(&next.to_be_bytes());
            let result = session.send(&packet);
            assert!(session.queued() <= OUTBOX);
            self.sent.send((result, session.dropped())).unwrap();
            *next += 1;
        }
        Flow::Continue
    }
    fn closed(&mut self, _: SessionId, _: u32, reason: &CloseReason) {
        self.closed.send(*reason).unwrap();
    }
}

struct Running {
    server: Server,
    stream: TcpStream,
    id: SessionId,
    sent: mpsc::Receiver<(Result<(), SendError>, u64)>,
    closed: mpsc::Receiver<CloseReason>,
}

fn start(backend: Backend, policy: SlowConsumer) -> Running {
    let (names, ids) = mpsc::channel();
    let ((sent, sendings), (closed, reasons)) = (mpsc::channel(), mpsc::channel());
    let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(backend));
    let builder = builder.outbox_bytes(OUTBOX).slow_consumer(policy);
    let server = builder.start(Ticker { names, sent, closed }).unwrap();
    let stream = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let id = ids.recv_timeout(PATIENCE).unwrap();
    Running { server, stream, id, sent: sendings, closed: reasons }
}

impl Running {
    /// Asks for packets until one is not just queued, and says what became of that.
    fn ask_until(
        &self,
        mut reached: impl FnMut(&(Result<(), SendError>, u64)) -> bool,
    ) -> (Result<(), SendError>, u64) {
        use std::io::Write;
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "never");
            (&self.stream).write_all(&[1; ASKED as usize]).unwrap();
            for _ in 0..ASKED {
                let sent = self.sent.recv_timeout(PATIENCE).unwrap();
                if reached(&sent) {
                    return sent;
                }
            }
        }
    }

    /// What has come, after the server has closed.
    fn numbers(&self) -> Vec<u32> {
        let mut bytes = Vec::new();
        (&self.stream).read_to_end(&mut bytes).unwrap();
        let whole = bytes.chunks(LEN).map(|packet| {
            let number = u32::from_be_bytes(packet[..4].try_into().unwrap());
            assert!(packet.len() == LEN && packet[4..].iter().all(|byte| *byte == number as u8), "whole");
            number
        });
        whole.collect()
    }
}

fn backends() -> Vec<Backend> {
    let works = |backend: &Backend| Driver::new(DriverConfig::new().backend(*backend)).is_ok();
    let backends: Vec<Backend> = Backend::of_this_system().iter().copied().filter(works).collect();
    assert!(!backends.is_empty());
    backends
}

#[test]
fn the_oldest_are_dropped_whole_and_counted_and_the_newest_arrive() {
    for backend in backends() {
        let running = start(backend, SlowConsumer::DropOldest);
        let mut sent = 0;
        let (result, _) = running.ask_until(|(result, dropped)| {
            assert_eq!(*result, Ok(()), "there is always something to be dropped");
            sent += 1;
            *dropped > 100
        });
        result.unwrap();
        // Those that were asked for with it.
        while sent % ASKED != 0 {
            running.sent.recv_timeout(PATIENCE).unwrap().0.unwrap();
            sent += 1;
        }
        let handle = running.server.handle();
        handle.close(running.id).unwrap();
        let numbers = running.numbers();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(numbers.last(), Some(&(sent - 1)));
        assert_eq!(numbers.len() as u64 + handle.stats().dropped, u64::from(sent));
        handle.stop();
        running.server.wait().unwrap();
    }
}

#[test]
fn a_session_whose_outbox_overflows_is_closed_as_too_slow() {
    for backend in backends() {
        let running = start(backend, SlowConsumer::Close);
        let (result, dropped) = running.ask_until(|(result, _)| result.is_err());
        assert_eq!((result, dropped), (Err(SendError::Full), 0));
        assert_eq!(running.closed.recv_timeout(PATIENCE).unwrap(), CloseReason::TooSlow);
        running.server.handle().stop();
        running.server.wait().unwrap();
    }
}
