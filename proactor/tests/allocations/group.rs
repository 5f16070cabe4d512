//! Once a group has warmed up, a broadcast and its deliveries allocate nothing. The exception: a
//! slow member keeps an old segment of the log in use, and a new one replaces it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};

use proactor::codec::LengthPrefixed;
use proactor::{Flow, Group, Handler, NoMessage, Session};

use crate::counting::allocations;
use crate::{backends, builder, connect};

const MEMBERS: usize = 20;
const WARM: usize = 3_000;
const PACKETS: usize = 9_000;
const BURST: usize = 30;
const LEN: usize = 500;

#[derive(Clone)]
struct Chat {
    group: Group,
    counts: Sender<u64>,
}

impl Handler for Chat {
    type State = (usize, u64);
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> (usize, u64) {
        session.join(&self.group).unwrap();
        (0, 0)
    }
    fn received(&mut self, session: &Session, (packets, before): &mut (usize, u64), packet: &[u8]) -> Flow {
        *packets += 1;
        match *packets {
            WARM => *before = allocations(),
            PACKETS => self.counts.send(allocations() - *before).unwrap(),
            _ => {}
        }
        self.group.broadcast(packet).unwrap();
        // A private packet after each broadcast, so that a send has many pieces.
        session.send(&packet[..10]).unwrap();
        Flow::Continue
    }
}

#[test]
fn a_broadcast_and_its_deliveries_allocate_almost_nothing() {
    for backend in backends() {
        let (counts, counted) = mpsc::channel();
        let chat = Chat { group: Group::new(), counts };
        let builder = builder(backend);
        let server = builder.codec(LengthPrefixed::u16()).start(chat).unwrap();
        let streams: Vec<TcpStream> = (0..MEMBERS).map(|_| connect(&server)).collect();
        std::thread::scope(|scope| {
            for mut stream in &streams[1..] {
                scope.spawn(move || while matches!(stream.read(&mut [0; 65_536]), Ok(1..)) {});
            }
            let mut frame = vec![7; 2 + LEN];
            frame[..2].copy_from_slice(&(LEN as u16).to_be_bytes());
            // No more at once than a receive buffer holds: a frame across two buffers needs memory.
            let mut sender = &streams[0];
            for _ in 0..PACKETS / BURST {
                sender.write_all(&frame.repeat(BURST)).unwrap();
                sender.read_exact(&mut vec![0; BURST * (frame.len() + 12)]).unwrap();
            }
            let count = counted.recv().unwrap();
            server.handle().stop();
            // New segments while slow sends keep old ones, and tables that grow once more.
            let most = (PACKETS - WARM) as u64 / 100;
            assert!(count <= most, "{backend}: {count} allocations for {} broadcasts", PACKETS - WARM);
        });
        server.wait().unwrap();
    }
}

/// Broadcasts in one part of the load. Each part is counted by itself: the first warms up, and in
/// any other the system may split a burst, and the frame across the cut needs memory.
const PART: usize = 1_500;

/// Broadcasts each packet to all others.
#[derive(Clone)]
struct Others {
    group: Group,
    counts: Sender<u64>,
}

impl Handler for Others {
    type State = (usize, u64);
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> (usize, u64) {
        session.join(&self.group).unwrap();
        (0, 0)
    }
    fn received(&mut self, session: &Session, (packets, before): &mut (usize, u64), packet: &[u8]) -> Flow {
        *packets += 1;
        if packets.is_multiple_of(PART) {
            let now = allocations();
            self.counts.send(now - *before).unwrap();
            // Leaves out what the report itself allocated.
            *before = allocations();
        }
        self.group.broadcast_except(session.id(), packet).unwrap();
        Flow::Continue
    }
}

#[test]
fn members_that_keep_up_cost_no_allocation() {
    const READERS: usize = MEMBERS;
    for backend in backends() {
        for at_once in [1, 15] {
            let (counts, counted) = mpsc::channel();
            let others = Others { group: Group::new(), counts };
            let builder = builder(backend);
            let server = builder.codec(LengthPrefixed::u32()).start(others.clone()).unwrap();
            let mut readers: Vec<TcpStream> = (0..READERS).map(|_| connect(&server)).collect();
            let mut sender = connect(&server);
            while others.group.len() < READERS + 1 {
                std::thread::yield_now();
            }
            let mut frames = [7; 4 + 100];
            frames[..4].copy_from_slice(&100_u32.to_be_bytes());
            let frames = frames.repeat(at_once);
            let mut received = vec![0; frames.len()];
            for _ in 0..PACKETS / at_once {
                sender.write_all(&frames).unwrap();
                for reader in &mut readers {
                    reader.read_exact(&mut received).unwrap();
                    assert!(received == frames, "{backend}");
                }
            }
            server.handle().stop();
            server.wait().unwrap();
            drop(others);
            let counts: Vec<u64> = counted.iter().skip(1).collect();
            assert_eq!(counts.iter().min(), Some(&0), "{backend}, {at_once} at once: {counts:?}");
        }
    }
}
