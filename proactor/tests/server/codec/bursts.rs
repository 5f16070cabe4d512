//! What a handler does for one packet of a burst counts for the next one, whichever handle it uses.
//! All packets of a burst come in one write.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};

use proactor::codec::{Codec, Fixed, Framing};
use proactor::{Backend, CloseReason, Flow, Group, Handler, Limits, NoMessage, Server, Session, SessionId};

use super::echo::start;
use crate::harness::{PATIENCE, address_of, backends, builder, connect, finish};

const OUTBOX: usize = 64 * 1024;

/// What is done for a packet.
type Act = fn(&Session, &Group) -> Flow;

thread_local! {
    /// The sessions of the shard that are not the one with the burst.
    static OTHERS: RefCell<Vec<Session>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    /// A packet of one byte, and what was queued for the peer then.
    Packet(u8, usize),
    Closed(CloseReason),
}

/// Reports the packets of one session and acts at `!`. Another session begins with `o`; it has its
/// packets sent back.
#[derive(Clone)]
struct Acting {
    act: Act,
    room: Group,
    events: Sender<Event>,
}

impl Handler for Acting {
    /// Whether it is another session.
    type State = bool;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> bool {
        false
    }
    fn received(&mut self, session: &Session, is_other: &mut bool, packet: &[u8]) -> Flow {
        if packet == b"o" {
            *is_other = true;
            OTHERS.with_borrow_mut(|others| others.push(session.clone()));
        }
        if *is_other {
            return session.send(packet).map_or(Flow::Close, |()| Flow::Continue);
        }
        self.events.send(Event::Packet(packet[0], session.queued())).unwrap();
        if packet == b"!" { (self.act)(session, &self.room) } else { Flow::Continue }
    }
    fn closed(&mut self, _: SessionId, is_other: bool, reason: &CloseReason) {
        if !is_other {
            let _ = self.events.send(Event::Closed(*reason));
        }
    }
}

struct Bench {
    server: Server<NoMessage>,
    address: SocketAddr,
    other: TcpStream,
    events: Receiver<Event>,
    client: TcpStream,
}

impl Bench {
    fn new(backend: Backend, act: Act) -> Bench {
        Bench::with(backend, b"ab!cd", act)
    }

    /// Sends packets of a byte each at once, and acts at each `!`.
    fn with(backend: Backend, burst: &[u8], act: Act) -> Bench {
        let (events, told) = mpsc::channel();
        let handler = Acting { act, room: Group::new(), events };
        let codec = Fixed::new(1).into_framing();
        let server =
            builder(backend, 1).limits(Limits::new().outbox_bytes(OUTBOX)).codec(codec).start(handler).unwrap();
        let address = address_of(&server);
        let mut other = connect(address);
        turns(&mut other, 1);
        let mut client = connect(address);
        client.write_all(burst).unwrap();
        Bench { server, address, other, events: told, client }
    }

    fn packet(&self) -> (u8, usize) {
        match self.events.recv_timeout(PATIENCE).unwrap() {
            Event::Packet(byte, queued) => (byte, queued),
            Event::Closed(reason) => panic!("closed: {reason}"),
        }
    }

    fn packets(&self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| assert_eq!(self.packet().0, *byte));
    }

    fn end(self) {
        drop((self.client, self.other));
        let _ = self.address;
        finish(self.server);
    }
}

/// Lets the shard have some turns.
fn turns(other: &mut TcpStream, count: usize) {
    for _ in 0..count {
        other.write_all(b"o").unwrap();
        other.read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn a_session_that_is_closed_within_a_burst_is_handed_nothing_more() {
    let by_another_handle = |session: &Session, _: &Group| {
        session.sibling(session.id()).unwrap().close();
        Flow::Continue
    };
    let ways: [(Act, CloseReason); 4] = [
        (|_, _| Flow::Close, CloseReason::ByHandler),
        (by_another_handle, CloseReason::ByHandler),
        (
            |session, _| {
                session.abort();
                Flow::Continue
            },
            CloseReason::ByHandler,
        ),
        (|_, _| panic!("asked to panic"), CloseReason::Panic),
    ];
    for backend in backends() {
        for (act, reason) in ways {
            let bench = Bench::new(backend, act);
            bench.packets(b"ab!");
            assert_eq!(bench.events.recv_timeout(PATIENCE), Ok(Event::Closed(reason)), "{backend}");
            bench.end();
        }
    }
}

#[test]
fn a_session_that_is_paused_within_a_burst_is_handed_the_rest_when_it_is_resumed() {
    let ways: [Act; 3] = [
        |_, _| Flow::Pause,
        |session, _| {
            session.pause();
            Flow::Continue
        },
        |session, _| {
            session.sibling(session.id()).unwrap().pause();
            OTHERS.with_borrow_mut(|others| others.push(session.clone()));
            Flow::Continue
        },
    ];
    for backend in backends() {
        for act in ways {
            let mut bench = Bench::new(backend, act);
            bench.packets(b"ab!");
            turns(&mut bench.other, 4);
            assert!(bench.events.try_recv().is_err(), "{backend}: it is paused");
            bench.end();
        }
        let mut bench = Bench::new(backend, |session, _| {
            session.pause();
            // It goes on in the next turn, and not in this call.
            session.resume();
            Flow::Continue
        });
        bench.packets(b"ab!cd");
        bench.client.write_all(b"ef").unwrap();
        bench.packets(b"ef");
        bench.end();
    }
}

#[test]
fn a_session_whose_outbox_fills_within_a_burst_is_handed_the_rest_when_that_is_taken() {
    for backend in backends() {
        let mut bench = Bench::new(backend, |session, _| {
            (0..OUTBOX / 2).for_each(|_| session.send(b"x").unwrap());
            Flow::Continue
        });
        bench.packets(b"ab!");
        let mut taken = vec![0; OUTBOX / 2];
        bench.client.read_exact(&mut taken).unwrap();
        let (byte, queued) = bench.packet();
        assert!(byte == b'c' && queued <= OUTBOX / 4, "{backend}: {queued} bytes are queued");
        bench.packets(b"d");
        bench.end();
    }
}

#[test]
fn what_a_session_is_sent_after_it_was_paired_within_a_burst_is_its_partners() {
    for backend in backends() {
        let mut bench = Bench::new(backend, |session, _| {
            OTHERS.with_borrow(|others| session.pair(&others[0])).unwrap();
            Flow::Continue
        });
        bench.packets(b"ab!");
        let mut passed_on = [0; 2];
        bench.other.read_exact(&mut passed_on).unwrap();
        assert_eq!(&passed_on, b"cd", "{backend}");
        assert!(bench.events.try_recv().is_err());
        bench.end();
    }
}

#[test]
fn a_burst_of_broadcasts_is_held_back_so_that_no_member_loses_any() {
    const EACH: usize = 128;
    const COUNT: usize = 200;
    for backend in backends() {
        // More in all than the records that a log holds.
        let mut bench = Bench::with(backend, &[b'!'; COUNT], |session, room| {
            session.join(room).unwrap();
            (0..EACH).for_each(|_| room.broadcast(b"x").unwrap());
            Flow::Continue
        });
        let mut taken = vec![0; COUNT * EACH];
        bench.client.read_exact(&mut taken).unwrap();
        assert!(taken.iter().all(|byte| *byte == b'x'), "{backend}");
        bench.packets(&[b'!'; COUNT]);
        bench.end();
    }
}

#[test]
fn packets_that_are_sent_within_a_burst_keep_their_order_with_broadcasts() {
    for backend in backends() {
        let mut bench = Bench::new(backend, |session, room| {
            session.send(b"1").and_then(|()| session.send(b"2")).unwrap();
            session.join(room).unwrap();
            room.broadcast(b"3").unwrap();
            session.send(b"4").and_then(|()| session.send(b"5")).unwrap();
            room.broadcast(b"6").unwrap();
            session.leave(room);
            session.send(b"7").and_then(|()| session.send(b"8")).unwrap();
            session.send_latest(1, b"9").unwrap();
            session.shutdown();
            session.send(b"x").unwrap_err();
            Flow::Continue
        });
        let mut sent = Vec::new();
        bench.client.read_to_end(&mut sent).unwrap();
        assert_eq!(sent, b"123456789", "{backend}");
        bench.packets(b"ab!cd");
        bench.end();
    }
}

/// A codec that is asked after each packet, and has one more to give when nothing is left.
#[derive(Clone)]
struct Doubling {
    is_owed: bool,
}

impl Codec for Doubling {
    fn decode(&mut self, bytes: &[u8]) -> Result<proactor::codec::Decoded, proactor::codec::FrameError> {
        use proactor::codec::Decoded;
        if std::mem::take(&mut self.is_owed) {
            return Ok(Decoded::Made { packet: "e".into(), consumed: 0 });
        }
        if bytes.is_empty() {
            return Ok(Decoded::Need(1));
        }
        self.is_owed = bytes[0] == b'd';
        Ok(Decoded::Frame { packet: 0..1, consumed: 1 })
    }
    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), proactor::codec::FrameError> {
        out.extend_from_slice(packet);
        Ok(())
    }
    fn max_bytes(&self) -> usize {
        1
    }
}

#[test]
fn a_codec_of_the_program_is_asked_once_more_when_a_burst_is_used_up() {
    for backend in backends() {
        let (events, told) = mpsc::channel();
        let handler = Acting { act: |_, _| Flow::Continue, room: Group::new(), events };
        let codec: Framing = Doubling { is_owed: false }.into_framing();
        let (server, address) = start(backend, codec, handler);
        let mut client = connect(address);
        client.write_all(b"ab!cd").unwrap();
        for byte in b"ab!cde" {
            assert!(matches!(told.recv_timeout(PATIENCE), Ok(Event::Packet(next, _)) if next == *byte), "{backend}");
        }
        drop(client);
        finish(server);
    }
}
