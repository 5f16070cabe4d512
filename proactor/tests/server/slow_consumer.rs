//! Sends to a peer that does not read, under each policy for slow consumers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Instant;

use proactor::{
    Backend, CloseReason, Flow, Handler, Limits, NoMessage, SendError, Server, Session, SessionId, SlowConsumer,
};

use crate::harness::{PATIENCE, address_of, backends, builder, connect};

const OUTBOX: usize = 64 * 1024;
const LEN: usize = 1000;
/// Packets that are requested at once.
const ASKED: u32 = 32;

/// Sends one numbered packet for each byte that it receives, and reports the result of each send.
#[derive(Clone)]
struct Ticker {
    names: mpsc::Sender<SessionId>,
    sent: mpsc::Sender<(Result<(), SendError>, u64)>,
    closed: mpsc::Sender<CloseReason>,
}

impl Handler for Ticker {
    type State = u32;
    type Message = NoMessage;
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
    let builder = builder(backend, 1).limits(Limits::new().outbox_bytes(OUTBOX)).slow_consumer(policy);
    let server = builder.start(Ticker { names, sent, closed }).unwrap();
    let stream = connect(address_of(&server));
    let id = ids.recv_timeout(PATIENCE).unwrap();
    Running { server, stream, id, sent: sendings, closed: reasons }
}

impl Running {
    /// Requests packets until the result of a send is the expected one.
    fn ask_until(
        &self,
        mut reached: impl FnMut(&(Result<(), SendError>, u64)) -> bool,
    ) -> (Result<(), SendError>, u64) {
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

    /// The numbers of all packets up to the end of the stream.
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

#[test]
fn the_oldest_packets_are_dropped_and_counted_and_the_newest_arrive() {
    for backend in backends() {
        let running = start(backend, SlowConsumer::DropOldest);
        let mut sent = 0;
        let (result, _) = running.ask_until(|(result, dropped)| {
            assert_eq!(*result, Ok(()), "there is always something to be dropped");
            sent += 1;
            *dropped > 100
        });
        result.unwrap();
        // The rest of the packets that were requested with it.
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
