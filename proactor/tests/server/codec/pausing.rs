//! Sessions that stop in the middle of a burst of packets, and bursts that do not stop.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{self, Sender};

use proactor::codec::{Codec, Framing, LengthPrefixed, Lines};
use proactor::{Backend, CloseReason, Flow, Handler, NoMessage, Session, SessionId};

use super::echo::{Echo, Event, event, framed, start};
use crate::harness::{backends, connect, finish};

thread_local! {
    /// The paused sessions of the shard.
    static PAUSED: RefCell<Vec<Session>> = const { RefCell::new(Vec::new()) };
}

/// Pauses a session after every `every` packets. `#resume` from another session resumes it.
#[derive(Clone)]
struct Pausing {
    every: usize,
    events: Sender<Event>,
}

impl Handler for Pausing {
    type State = usize;
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) -> usize {
        0
    }
    fn received(&mut self, session: &Session, count: &mut usize, packet: &[u8]) -> Flow {
        if packet.starts_with(b"#") {
            if packet == b"#resume" {
                PAUSED.with_borrow_mut(|paused| paused.drain(..).for_each(|session| session.resume()));
            }
            session.send(packet).unwrap();
            return Flow::Continue;
        }
        self.events.send(Event::Packet(packet.to_vec())).unwrap();
        *count += 1;
        if !(*count).is_multiple_of(self.every) {
            return Flow::Continue;
        }
        PAUSED.with_borrow_mut(|paused| paused.push(session.clone()));
        Flow::Pause
    }
    fn closed(&mut self, _: SessionId, _: usize, reason: &CloseReason) {
        let _ = self.events.send(Event::Closed(*reason));
    }
}

/// Sends `stream` in pieces to a session that is paused after every `every` packets and resumed.
fn pause(backend: Backend, codec: Framing, packets: &[Vec<u8>], stream: &[u8], piece: usize, every: usize) {
    let (events, told) = mpsc::channel();
    let (server, address) = start(backend, codec.clone(), Pausing { every, events });
    let mut control = connect(address);
    let mut answered = |order: &[u8]| {
        let order = framed(&codec, &[order.to_vec()]);
        let mut back = vec![0; order.len()];
        control.write_all(&order).unwrap();
        control.read_exact(&mut back).unwrap();
    };
    let mut client = connect(address);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for piece in stream.chunks(piece) {
                client.write_all(piece).unwrap();
            }
            client.shutdown(Shutdown::Write).unwrap();
        });
        for (number, packet) in packets.iter().enumerate() {
            assert!(
                event(&told) == Event::Packet(packet.clone()),
                "{codec:?} on {backend}: packet {number} is another"
            );
            if (number + 1) % every == 0 {
                // The shard has some turns in which it must not deliver more.
                for _ in 0..4 {
                    answered(b"#turn");
                }
                assert_eq!(told.try_recv().ok(), None, "{backend}: paused after packet {number}");
                answered(b"#resume");
            }
        }
        assert_eq!(event(&told), Event::Closed(CloseReason::ByPeer), "{codec:?} on {backend}");
    });
    finish(server);
}

#[test]
fn a_pause_in_the_middle_of_a_burst_loses_nothing_and_delivers_nothing_more() {
    let lines: Vec<Vec<u8>> = (0..3000).map(|number: u32| number.to_string().into_bytes()).collect();
    // The last line has no line end. It is a packet all the same.
    let mut stream = framed(&Lines::new().into_framing(), &lines);
    stream.pop();
    // More than the sockets and the session buffer, so that the peer has to wait.
    let length = LengthPrefixed::u32().into_framing();
    let large: Vec<Vec<u8>> = (0..400).map(|number| vec![number as u8 | 0x80; 60_000]).collect();
    let flood = framed(&length, &large);
    for backend in backends() {
        for (every, piece) in [(1000, usize::MAX), (500, 100), (7, usize::MAX)] {
            pause(backend, Lines::new().into_framing(), &lines, &stream, piece, every);
        }
        pause(backend, length.clone(), &large, &flood, usize::MAX, 150);
    }
}

#[test]
fn a_flood_of_small_packets_does_not_starve_others() {
    for backend in backends() {
        let (echo, events) = Echo::new();
        let (server, address) = start(backend, Lines::new().into_framing(), echo);
        let flooder = connect(address);
        std::thread::scope(|scope| {
            let flooder = &flooder;
            let flood = b"#\n".repeat(16 * 1024);
            scope.spawn(move || {
                let mut stream = flooder;
                while stream.write_all(&flood).is_ok() {}
            });
            scope.spawn(move || {
                let (mut stream, mut sink) = (flooder, vec![0; 64 * 1024]);
                while matches!(stream.read(&mut sink), Ok(1..)) {}
            });
            let mut quiet = connect(address);
            for _ in 0..50 {
                let mut back = [0; 6];
                quiet.write_all(b"quiet\n").unwrap();
                quiet.read_exact(&mut back).unwrap();
                assert_eq!(event(&events), Event::Packet(b"quiet".to_vec()));
            }
            flooder.shutdown(Shutdown::Both).unwrap();
        });
        finish(server);
    }
}
