//! What WebSocket sessions allocate, and the memory of idle ones. Once they have warmed up, a
//! message within one receive buffer costs no allocation. An idle session takes at most 640 bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};

use proactor::{Backend, Flow, Group, Handler, Listener, MessageKind, NoMessage, Server, Session, WebSocket};

use crate::counting::{allocations, bytes_held};
use crate::open_files::raise_open_files;
use crate::{backends, connect};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ANSWER_BYTES: usize = 129;
const LEN: usize = 64;
/// Rounds that are counted one by one. The first ones warm up. In any other, the system may split a
/// burst, and a message across the cut needs memory. That does not happen in all of them.
const PARTS: usize = 8;
const QUESTION: &[u8] = b"?";

/// Echoes, and reports the allocations of the shard's thread in each part. `?` is answered with the
/// bytes that the shard holds.
#[derive(Clone)]
struct Echo {
    counts: Sender<u64>,
    part: usize,
    packets: usize,
    before: u64,
    group: Option<Group>,
}

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        if let Some(group) = &self.group {
            session.join(group).unwrap();
        }
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        if packet == QUESTION {
            session.send(&bytes_held().to_be_bytes()).unwrap();
            return Flow::Continue;
        }
        session.send_as(session.packet_kind(), packet).unwrap();
        self.packets += 1;
        if self.packets.is_multiple_of(self.part) {
            let now = allocations();
            let _ = self.counts.send(now - self.before);
            // Leaves out what the report itself allocated.
            self.before = allocations();
        }
        Flow::Continue
    }
}

fn server(backend: Backend, echo: Echo) -> Server {
    let listener = Listener::new("127.0.0.1:0").websocket(WebSocket::new());
    Server::builder().listen(listener).shards(1).backend(Some(backend)).start(echo).unwrap()
}

fn open(server: &Server) -> TcpStream {
    let mut stream = connect(server);
    stream.write_all(REQUEST).unwrap();
    let mut answer = [0; ANSWER_BYTES];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// A client's frame, masked with zeros.
fn frame(kind: MessageKind, payload: &[u8]) -> Vec<u8> {
    let first = if kind == MessageKind::Text { 0x81 } else { 0x82 };
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[test]
fn a_message_within_one_receive_buffer_costs_no_allocation() {
    for backend in backends() {
        for (connections, packets, rounds) in [(1, 1, 4000), (16, 100, 100)] {
            for kind in [MessageKind::Binary, MessageKind::Text] {
                let (counts, counted) = mpsc::channel();
                let part = connections * packets * rounds / PARTS;
                let server = server(backend, Echo { counts, part, packets: 0, before: 0, group: None });
                let mut clients: Vec<TcpStream> = (0..connections).map(|_| open(&server)).collect();
                let burst = frame(kind, &[b'x'; LEN]).repeat(packets);
                let mut back = vec![0; packets * (LEN + 2)];
                for _ in 0..rounds {
                    for client in &mut clients {
                        client.write_all(&burst).unwrap();
                    }
                    for client in &mut clients {
                        client.read_exact(&mut back).unwrap();
                    }
                }
                let parts: Vec<u64> = counted.iter().take(PARTS).collect();
                assert!(
                    parts[1..].contains(&0),
                    "{backend}, {kind:?}: {connections} connections allocate {parts:?} in {PARTS} parts"
                );
            }
        }
    }
}

#[test]
fn pings_cost_no_allocation_either() {
    for backend in backends() {
        let (counts, counted) = mpsc::channel();
        let server = server(backend, Echo { counts, part: 100, packets: 0, before: 0, group: None });
        let mut client = open(&server);
        let ping = [&[0x89, 0x85, 0, 0, 0, 0][..], b"hello"].concat();
        let mut back = vec![0; 7 + LEN + 2];
        for _ in 0..100 * PARTS {
            client.write_all(&[&ping[..], &frame(MessageKind::Binary, &[b'x'; LEN])].concat()).unwrap();
            client.read_exact(&mut back).unwrap();
            assert_eq!(&back[..7], b"\x8a\x05hello");
        }
        let parts: Vec<u64> = counted.iter().take(PARTS).collect();
        assert!(parts[1..].contains(&0), "{backend}: {parts:?}");
    }
}

#[test]
fn an_idle_websocket_takes_at_most_640_bytes() {
    const FEW: usize = 1_000;
    const MANY: usize = 4_000;
    if raise_open_files() < 2 * MANY + 1000 {
        eprintln!("skipped: the limit of open files is too low");
        return;
    }
    for backend in backends() {
        for group in [None, Some(Group::new())] {
            let (counts, _counted) = mpsc::channel();
            let is_member = group.is_some();
            let server = server(backend, Echo { counts, part: usize::MAX, packets: 0, before: 0, group });
            let mut clients: Vec<TcpStream> = Vec::new();
            let mut grow = |sessions: usize| {
                while clients.len() < sessions {
                    let mut client = open(&server);
                    client.write_all(&frame(MessageKind::Text, &[b'x'; LEN])).unwrap();
                    client.read_exact(&mut [0; LEN + 2]).unwrap();
                    clients.push(client);
                }
                let client = clients.last_mut().unwrap();
                client.write_all(&frame(MessageKind::Text, QUESTION)).unwrap();
                let mut answer = [0; 10];
                client.read_exact(&mut answer).unwrap();
                i64::from_be_bytes(*answer.last_chunk().unwrap())
            };
            let (before, after) = (grow(FEW), grow(MANY));
            let bytes = (after - before) / (MANY - FEW) as i64;
            // A member also has a position in the group's log.
            let most = if is_member { 896 } else { 640 };
            eprintln!("{backend}: {bytes} bytes a WebSocket session{}", if is_member { " in a group" } else { "" });
            assert!((200..=most).contains(&bytes), "{backend}: {bytes} bytes a session");
        }
    }
}
