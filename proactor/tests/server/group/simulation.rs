//! Groups on a simulated network: every member receives all broadcasts in order, and the same seed
//! gives the same run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use overlapped::driver::{CloseMode, Flags, SocketId};
use overlapped::{Op, Outcome};
use proactor::codec::LengthPrefixed;
use proactor::{Flow, Group, Handler, Limits, Network, NoMessage, Server, Session, SlowConsumer, Wait};

use crate::harness::driver;

const MEMBERS: usize = 12;
const PACKETS: u32 = 40;

/// Sends each packet to all others, to the half of its sender, and to the sender itself.
#[derive(Clone)]
struct Chat {
    all: Group,
    halves: [Group; 2],
    /// How many members have sent all their packets.
    left: Arc<AtomicUsize>,
}

impl Handler for Chat {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.all).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        let [who, kind, ..] = packet else { return Flow::Close };
        let half = &self.halves[usize::from(who % 2)];
        match kind {
            b'j' => session.join(half).unwrap(),
            b'l' => {
                session.leave(half);
                self.left.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                self.all.broadcast_except(session.id(), packet).unwrap();
                half.broadcast(&[*who, b'h', packet[2], packet[3]]).unwrap();
                session.send(&[*who, b'p', packet[2], packet[3]]).unwrap();
            }
        }
        Flow::Continue
    }
}

fn frame(packet: &[u8]) -> Vec<u8> {
    [&(packet.len() as u16).to_be_bytes()[..], packet].concat()
}

/// The packets that each member receives, and the trace of the run.
fn run(seed: u64, shards: usize) -> (Vec<Vec<Vec<u8>>>, u64) {
    let network = Network::new(seed);
    let chat = Chat { all: Group::new(), halves: [Group::new(), Group::new()], left: Arc::default() };
    let builder = Server::builder().listen("10.0.0.1:7777").shards(shards).slow_consumer(SlowConsumer::Close);
    let mut server = builder.codec(LengthPrefixed::u16()).simulate(&network, chat.clone()).unwrap();
    let mut driver = driver(&network);
    let address = server.local_addrs()[0].clone();
    let mut clients: Vec<(SocketId, Vec<u8>)> = Vec::new();
    for index in 0..MEMBERS {
        let socket = driver.socket(&address).unwrap();
        driver.submit(Op::connect(socket, &address), 0).unwrap();
        driver.submit(Op::recv(socket, vec![0u8; 1000]), index as u64).unwrap();
        clients.push((socket, Vec::new()));
    }
    let mut sent = false;
    let done = server.run(|server| {
        driver.turn(Wait::Poll).unwrap();
        while let Some(completion) = driver.next() {
            let (socket, received) = &mut clients[completion.token as usize % MEMBERS];
            match completion.result.unwrap() {
                Outcome::Received(0) => {
                    driver.submit(Op::close(*socket, CloseMode::Now), 0).unwrap();
                }
                Outcome::Received(bytes) => {
                    let buf = completion.buf.unwrap().take::<Vec<u8>>().unwrap();
                    received.extend_from_slice(&buf[..bytes]);
                    driver.submit(Op::recv(*socket, buf), completion.token).unwrap();
                }
                _ => {}
            }
        }
        if !sent && chat.all.len() == MEMBERS {
            sent = true;
            for (who, (socket, _)) in clients.iter().enumerate() {
                let mut bytes = frame(&[who as u8, b'j']);
                for number in 0..PACKETS {
                    let number = (number as u16).to_be_bytes();
                    bytes.extend(frame(&[&[who as u8, b'a'], &number[..], &[9; 50]].concat()));
                }
                bytes.extend(frame(&[who as u8, b'l']));
                driver.submit(Op::send(*socket, bytes), 0).unwrap();
            }
        }
        if chat.left.load(Ordering::Relaxed) == MEMBERS {
            assert!(chat.halves.iter().all(Group::is_empty));
            server.handle().drain(std::time::Duration::from_secs(10));
        }
        server.has_ended()
    });
    assert!(done.unwrap(), "the server has drained");
    assert_eq!(chat.all.len(), 0);
    let split = |bytes: &[u8]| {
        let (mut rest, mut packets) = (bytes, Vec::new());
        while let [high, low, behind @ ..] = rest {
            let (packet, behind) = behind.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            packets.push(packet.to_vec());
            rest = behind;
        }
        packets
    };
    (clients.iter().map(|(_, bytes)| split(bytes)).collect(), network.trace())
}

#[test]
fn every_member_receives_all_others_in_order_across_groups_and_private_sends() {
    for (seed, shards) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 2)] {
        let (received, _) = run(seed, shards);
        for (who, received) in received.iter().enumerate() {
            let who = who as u8;
            for sender in 0..MEMBERS as u8 {
                // The order in which they were issued: to all, to the half, to the sender.
                let of_sender: Vec<(u8, u16)> = received
                    .iter()
                    .filter(|packet| packet[0] == sender)
                    .map(|packet| (packet[1], u16::from_be_bytes([packet[2], packet[3]])))
                    .collect();
                let kinds: &[u8] = match (sender == who, sender % 2 == who % 2) {
                    (true, _) => b"hp",
                    (false, true) => b"ah",
                    (false, false) => b"a",
                };
                let all = (0..PACKETS as u16).flat_map(|number| kinds.iter().map(move |kind| (*kind, number)));
                if sender == who || kinds == b"a" {
                    assert!(of_sender.iter().copied().eq(all), "seed {seed}: {who} of {sender}: {of_sender:?}");
                } else {
                    // The member may have joined or left its half while the sender sent to it.
                    let to_all = of_sender.iter().filter(|(kind, _)| *kind == b'a').map(|(_, number)| *number);
                    assert!(to_all.eq(0..PACKETS as u16));
                    let half: Vec<u16> =
                        of_sender.iter().filter(|(kind, _)| *kind == b'h').map(|(_, number)| *number).collect();
                    assert!(half.windows(2).all(|pair| pair[1] == pair[0] + 1));
                    for pair in of_sender.windows(2).filter(|pair| pair[1].0 == b'h') {
                        assert_eq!(pair[0], (b'a', pair[1].1), "seed {seed}: right after the broadcast to all");
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (first, again, other) = (run(7, 3), run(7, 3), run(8, 3));
    assert!(first == again);
    assert_ne!(first.1, other.1);
}

/// Joins the group and sends nothing.
#[derive(Clone)]
struct Listen(Group);

impl Handler for Listen {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
    }
    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

#[test]
fn a_member_that_the_log_has_overtaken_closes_in_order() {
    let network = Network::new(1);
    let group = Group::new();
    let builder = Server::builder().listen("10.0.0.1:7777").shards(1).limits(Limits::new().outbox_bytes(64 * 1024));
    let builder = builder.slow_consumer(SlowConsumer::DropOldest);
    let mut server = builder.simulate(&network, Listen(group.clone())).unwrap();
    let mut driver = driver(&network);
    let address = server.local_addrs()[0].clone();
    for _ in 0..3 {
        let socket = driver.socket(&address).unwrap();
        driver.submit(Op::connect(socket, &address), 0).unwrap();
    }
    let all_in = server.run(|_| {
        driver.turn(Wait::Poll).unwrap();
        group.len() == 3
    });
    assert!(all_in.unwrap());
    // No member reads: a send to each is in flight, and the later broadcasts wait in the log.
    let mut rounds = 0;
    while server.handle().stats().dropped == 0 {
        rounds += 1;
        assert!(rounds < 10_000, "a member reads");
        group.broadcast(&[1; 4 * 1024]).unwrap();
        for _ in 0..5 {
            server.turn().unwrap();
        }
    }
    // More than the log holds, before the shard has a turn. It notices when it closes the first
    // member.
    for _ in 0..100 {
        group.broadcast(&[2; 16 * 1024]).unwrap();
    }
    server.handle().drain(std::time::Duration::from_secs(1));
    let ended = server.run(|server| {
        driver.turn(Wait::Poll).unwrap();
        server.has_ended()
    });
    assert!(ended.unwrap());
    assert!(group.is_empty());
}

/// Broadcasts, then sends to the session, then closes it.
#[derive(Clone)]
struct Farewell(Group);

impl Handler for Farewell {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) {
        session.join(&self.0).unwrap();
    }
    fn received(&mut self, session: &Session, (): &mut (), _: &[u8]) -> Flow {
        self.0.broadcast(b"all").unwrap();
        session.send(b"one").unwrap();
        Flow::Close
    }
}

#[test]
fn a_broadcast_and_a_send_right_before_a_close_leave_in_order() {
    let network = Network::new(1);
    let builder = Server::builder().listen("10.0.0.1:7777");
    let mut server = builder.simulate(&network, Farewell(Group::new())).unwrap();
    let mut driver = driver(&network);
    let address = server.local_addrs()[0].clone();
    let socket = driver.socket(&address).unwrap();
    driver.submit(Op::connect(socket, &address), 0).unwrap();
    driver.submit(Op::send(socket, b"x"), 1).unwrap();
    driver.submit(Op::recv_with(socket, vec![0u8; 6], Flags::WAIT_ALL), 2).unwrap();
    let mut received = None;
    let done = server.run(|_| {
        driver.turn(Wait::Poll).unwrap();
        while let Some(completion) = driver.next() {
            if completion.token == 2 {
                received = completion.buf.and_then(|buf| buf.take::<Vec<u8>>().ok());
            }
        }
        received.is_some()
    });
    assert!(done.unwrap());
    assert_eq!(received.unwrap(), b"allone");
}
