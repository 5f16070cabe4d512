//! A broadcast, and what its delivery costs a shard, allocate nothing once a group has warmed up: what there is is used again. Members that are slow to take it
//! hold on to old segments of the log, for which there may have to be a new one now and then.

mod counting;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};

use overlapped::report::Backend;
use overlapped::{Driver, DriverConfig};
use proactor::codec::LengthPrefixed;
use proactor::{Flow, Group, Handler, Server, Session};

use counting::allocations;

const MEMBERS: usize = 20;
const WARM: usize = 3_000;
const PACKETS: usize = 9_000;
const BURST: usize = 30;
const LEN: usize = 500;

#[derive(Clone)]
struct Chat {
    room: Group,
    counts: Sender<u64>,
}

impl Handler for Chat {
    type State = (usize, u64);
    fn connected(&mut self, session: &Session) -> (usize, u64) {
        session.join(&self.room).unwrap();
        (0, 0)
    }
    fn received(&mut self, session: &Session, (packets, before): &mut (usize, u64), packet: &[u8]) -> Flow {
        *packets += 1;
        match *packets {
            WARM => *before = allocations(),
            PACKETS => self.counts.send(allocations() - *before).unwrap(),
            _ => {}
        }
        self.room.broadcast(packet).unwrap();
        // Its own come between, so that its sends are of many pieces.
        session.send(&packet[..10]).unwrap();
        Flow::Continue
    }
}

#[test]
fn the_steady_state_allocates_nothing_for_a_broadcast_or_a_delivery() {
    let mut tried = 0;
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig::new().backend(*backend)).is_err() {
            continue;
        }
        tried += 1;
        let (counts, counted) = mpsc::channel();
        let chat = Chat { room: Group::new(), counts };
        let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend));
        let server = builder.codec(LengthPrefixed::u16()).start(chat).unwrap();
        let connect = |_| TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
        let streams: Vec<TcpStream> = (0..MEMBERS).map(connect).collect();
        std::thread::scope(|scope| {
            for mut stream in &streams[1..] {
                scope.spawn(move || while matches!(stream.read(&mut [0; 65_536]), Ok(1..)) {});
            }
            let mut frame = vec![7; 2 + LEN];
            frame[..2].copy_from_slice(&(LEN as u16).to_be_bytes());
            // No more at once than one receive buffer holds: a frame that lies across two is put together, in memory of its own.
            let mut speaker = &streams[0];
            for _ in 0..PACKETS / BURST {
                speaker.write_all(&frame.repeat(BURST)).unwrap();
                speaker.read_exact(&mut vec![0; BURST * (frame.len() + 12)]).unwrap();
            }
            let count = counted.recv().unwrap();
            server.handle().stop();
            // A segment now and then, when a slow send has kept an old one for long, and tables that grow once more.
            let most = (PACKETS - WARM) as u64 / 100;
            assert!(count <= most, "{backend}: {count} allocations for {} broadcasts", PACKETS - WARM);
        });
        server.wait().unwrap();
    }
    assert!(tried > 0);
}

/// Broadcasts after each of which there is a count. In the first part everything warms up; in any other the system may cut a burst in two, and the frame across the cut
/// is put together in memory of its own.
const PART: usize = 1_500;

/// What one says, the others hear.
#[derive(Clone)]
struct Others {
    room: Group,
    counts: Sender<u64>,
}

impl Handler for Others {
    type State = (usize, u64);
    fn connected(&mut self, session: &Session) -> (usize, u64) {
        session.join(&self.room).unwrap();
        (0, 0)
    }
    fn received(&mut self, session: &Session, (packets, before): &mut (usize, u64), packet: &[u8]) -> Flow {
        *packets += 1;
        if packets.is_multiple_of(PART) {
            let now = allocations();
            self.counts.send(now - *before).unwrap();
            // Not what telling it took.
            *before = allocations();
        }
        self.room.broadcast_except(session.id(), packet).unwrap();
        Flow::Continue
    }
}

#[test]
fn members_that_take_what_they_are_sent_cost_no_allocation_at_all() {
    const HEARERS: usize = 50;
    let mut tried = 0;
    for backend in Backend::of_this_system() {
        if Driver::new(DriverConfig::new().backend(*backend)).is_err() {
            continue;
        }
        for at_once in [1, 15] {
            tried += 1;
            let (counts, counted) = mpsc::channel();
            let others = Others { room: Group::new(), counts };
            let builder = Server::builder().bind("127.0.0.1:0").shards(1).backend(Some(*backend));
            let server = builder.codec(LengthPrefixed::u32()).start(others.clone()).unwrap();
            let connect = |_| TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
            let mut hearers: Vec<TcpStream> = (0..HEARERS).map(connect).collect();
            let mut speaker = connect(0);
            while others.room.len() < HEARERS + 1 {
                std::thread::yield_now();
            }
            let mut frames = [7; 4 + 100];
            frames[..4].copy_from_slice(&100_u32.to_be_bytes());
            let frames = frames.repeat(at_once);
            let mut heard = vec![0; frames.len()];
            for _ in 0..PACKETS / at_once {
                speaker.write_all(&frames).unwrap();
                for hearer in &mut hearers {
                    hearer.read_exact(&mut heard).unwrap();
                    assert!(heard == frames, "{backend}");
                }
            }
            server.handle().stop();
            server.wait().unwrap();
            drop(others);
            let counts: Vec<u64> = counted.iter().skip(1).collect();
            assert_eq!(counts.iter().min(), Some(&0), "{backend}, {at_once} at once: {counts:?}");
        }
    }
    assert!(tried > 0);
}
